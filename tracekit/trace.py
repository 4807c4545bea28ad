"""What happened: one run of a multi-agent system, whatever framework wrote it.

A `Trace` is a task, a roster of agents, a dense list of steps, an outcome, and the labels people
gave it. Everything here is frozen data without I/O. Values that follow from others are properties
and never reach the disk. What a raw record holds beyond the schema stays in `extra`.

One raw record becomes one step wherever the format allows it, so that a step's `index` is the
index users see in their own log. Records that add to an existing step are listed in its `raw`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

SCHEMA = "tracekit/trace/1"
"""Name and version of the Trace schema; the first member of every trace on disk."""

StepKind = Literal[
    "message", "thought", "plan", "tool_call", "tool_result", "handoff", "system", "final"
]
Status = Literal["success", "failure", "unknown"]
Definition = Literal["decisive", "injected", "first-unrecoverable", "span-error", "outcome-only"]


class Raw(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a record lies in the user's own files."""

    record: str | int
    """Key of the record in its source: a line number (int, from 1), a JSON pointer such as
    `/history/3`, or a span id."""
    line: int | None = None
    """Line in the file, from 1; None where the format has no lines."""
    start: int | None = None
    """First byte of the record in the uncompressed file; None when unknown."""
    end: int | None = None
    """Byte after the record; None when unknown."""
    span: str | None = None
    """Span id, for span formats."""
    index: int | None = None
    """Position in the list that the log itself counts by, 0-based; None when it has none."""
    path: str | None = None
    """File of the record when it is not the trace's `source.path`; None = that path."""


class Time(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """When a step ran. Seconds since 1970-01-01 UTC, None = not logged."""

    start: float | None = None
    """When it began."""
    end: float | None = None
    """When it ended."""

    @property
    def seconds(self) -> float | None:
        """Duration in seconds, None unless both ends are known; may be negative in bad logs."""
        return None if self.start is None or self.end is None else self.end - self.start


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a step cost. None = not logged, which is not the same as 0."""

    input_tokens: int | None = None
    """Tokens that the model was given."""
    output_tokens: int | None = None
    """Tokens that the model produced, reasoning included where the log counts it."""
    cost: float | None = None
    """US dollars."""
    model: str | None = None
    """Model name as logged."""


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a tool: asked for, answered, or both, as far as the record says."""

    name: str
    """Name of the tool; empty when only the answer was logged and the call is not found."""
    arguments: Any = None
    """Arguments as JSON value; a string when the log holds text that is not JSON."""
    result: str | None = None
    """What the tool returned, as text; None in a record that only asks."""
    error: str | None = None
    """Error text or status; None = no error was reported."""
    call_id: str | None = None
    """Id that joins a request with its answer; None where the format has none."""


class Media(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A part of a message that is not text, by reference; bytes are never kept."""

    at: int
    """Offset in the step's `content` where its placeholder `[image]`, `[audio]`, ... stands."""
    type: str
    """MIME type, or `image`, `audio`, `file` when the log does not say."""
    uri: str | None = None
    """Address as logged, None for inline data."""
    sha256: str | None = None
    """Hash of inline data, None for addresses."""
    size: int | None = None
    """Bytes of inline data."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message an agent was given that is not itself a step of the log."""

    role: str
    """Role as logged: `system`, `user`, ..."""
    content: str
    """Text of the message."""
    name: str | None = None
    """Name of the author as logged, None when the message has none."""


class Inputs(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the agent had before it when it acted, as far as the log says."""

    steps: tuple[int, ...] = ()
    """Indices of earlier steps, ascending."""
    messages: tuple[Message, ...] = ()
    """Messages that the log shows only as inputs (system prompts, injected context)."""


class Agent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member of the team; people, tools and environments that speak count as agents."""

    id: str
    """Stable, normalised name; what `Step.agent` and `Label.agent` refer to."""
    name: str
    """The name as first written in the log."""
    role: str | None = None
    """What it is there for: `user`, `orchestrator`, `tool`, or the framework's own word."""
    system_prompt: str | None = None
    """Its instructions; None = not logged."""
    tools: tuple[str, ...] = ()
    """Names of the tools that it may call; empty when the log does not list them."""
    parent: str | None = None
    """Id of the agent that created or supervises it; None = nobody or not logged."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing one agent did."""

    index: int
    """Position in the trace, 0-based and dense."""
    agent: str
    """Id of the acting agent; `unknown` when the log does not tell."""
    kind: StepKind = "message"
    """What sort of thing it did."""
    content: str = ""
    """What was produced, as text. Things that are not text leave a placeholder and a `Media`."""
    inputs: Inputs | None = None
    """What the agent was given; None = not logged."""
    to: str | None = None
    """Id of the agent addressed; None = everybody or not logged."""
    parent: int | None = None
    """Index of the step this one answers or runs under; None = the one before, or not logged."""
    tools: tuple[ToolCall, ...] = ()
    """Calls asked for or answered in this step, in order."""
    media: tuple[Media, ...] = ()
    """Parts of the content that are not text, by reference."""
    time: Time | None = None
    """When it ran; None = not logged."""
    usage: Usage | None = None
    """Tokens and money; None = not logged."""
    raw: tuple[Raw, ...] = ()
    """The records this step was made from, the leading one first."""
    speaker: str | None = None
    """The speaker exactly as this record writes it; None = same as the agent's `name`."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    """Everything else the records hold, by their own keys."""

    @property
    def tool(self) -> ToolCall | None:
        """The first tool call of the step, None when it has none."""
        return self.tools[0] if self.tools else None


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the run ended."""

    status: Status = "unknown"
    """Whether the run did what it was asked to."""
    answer: str | None = None
    """The team's final answer; None = not found."""
    score: float | None = None
    """Score as logged, in the units of the log."""
    reason: str | None = None
    """Why it counts as a success or a failure; None = not said."""
    by: str | None = None
    """Who says so: a field of the log (`is_correct`), a file, a check function."""


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person, a benchmark or an injector says went wrong."""

    definition: Definition
    """What the label means; labels of different definitions are never pooled."""
    agent: str | None = None
    """Id of the agent blamed; None = not said."""
    step: int | None = None
    """Index of the step blamed, 0-based in this trace; None = not said."""
    modes: tuple[str, ...] = ()
    """Failure modes, in the vocabulary of the source."""
    reason: str | None = None
    """Why, in the annotator's words; None = not said."""
    base: int | None = None
    """What the source counts its first step as (0 or 1), None when it points otherwise."""
    annotator: str | None = None
    """Who labelled it; None = not said."""
    span: str | None = None
    """Span id the source points to, for span formats."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    """Everything else the source says, by its own keys."""


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the trace came from."""

    format: str
    """Name of the reader that read it."""
    path: str = ""
    """File as the user named it; a member of an archive follows after `!/`."""
    framework: str | None = None
    """The system that ran, e.g. `ag2`; None = the format does not tell."""
    version: str | None = None
    """Version of the framework or format as logged."""
    sha256: str | None = None
    """Hash of the whole source file, None when it was not read whole."""


class Task(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the team was asked."""

    question: str = ""
    """The task as it was put to the team; empty when the log does not hold it."""
    expected: str | None = None
    """The correct answer, None = not known. No analyzer reads it unless told to."""
    id: str | None = None
    """Id of the task in its benchmark; runs of one task share it."""


class Trace(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="schema", tag=SCHEMA):
    """One run of a multi-agent system.

    >>> step = Step(index=0, agent="Solver", content="2 + 2 = 5")
    >>> trace = Trace(id="t1", source=Source(format="demo"), agents=(Agent("Solver", "Solver"),),
    ...               steps=(step,))
    >>> trace.agent("Solver").name, trace.failed
    ('Solver', None)
    """

    id: str
    """Stable id: the log's own, or a hash of source path and position."""
    source: Source
    """The file and format it was read from."""
    task: Task = Task()
    """What the team was asked."""
    agents: tuple[Agent, ...] = ()
    """The roster: everyone who acts or is addressed, in order of appearance."""
    steps: tuple[Step, ...] = ()
    """Everything that was done, in the order of the log."""
    outcome: Outcome = Outcome()
    """How the run ended."""
    labels: tuple[Label, ...] = ()
    """What people, benchmarks or injectors say went wrong; no analyzer reads them."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict)
    """Everything else the log holds, by its own keys."""

    def agent(self, id: str) -> Agent:
        """The agent of that id; raises `KeyError` when the roster has none."""
        for agent in self.agents:
            if agent.id == id:
                return agent
        raise KeyError(id)

    @property
    def failed(self) -> bool | None:
        """True for a failure, False for a success, None when the outcome is unknown."""
        return {"failure": True, "success": False, "unknown": None}[self.outcome.status]


def faults(trace: Trace) -> list[str]:
    """What is wrong with a trace beyond its types: indices, roster, references; empty = nothing.

    >>> faults(Trace(id="a", source=Source(format="x")))
    []
    """
    roster = {agent.id for agent in trace.agents}
    found: list[str] = []
    for position, step in enumerate(trace.steps):
        if step.index != position:
            found.append(f"step {position} says it is {step.index}")
        if step.agent not in roster:
            found.append(f"step {position}: agent {step.agent!r} is not on the roster")
        if step.to is not None and step.to not in roster:
            found.append(f"step {position}: addressee {step.to!r} is not on the roster")
        if step.parent is not None and not 0 <= step.parent < len(trace.steps):
            found.append(f"step {position}: parent {step.parent} does not exist")
    for label in trace.labels:
        if label.step is not None and not 0 <= label.step < len(trace.steps):
            found.append(f"label: step {label.step} does not exist")
    return found
