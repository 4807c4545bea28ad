"""A trace as a tree of spans, before any convention spells it.

The root span is the run. Below it stands a span for every turn of an agent, as long as it keeps
the word; below that, one span for each of its steps. A turn is linked with the step that it takes
over from, and a step with the step that it answers, when that is not the one before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Literal

import msgspec

from tracekit.ingest.spans.attributes import Span
from tracekit.ingest.spans.own import RUN, RUN_DOCUMENTS, STEP, STEP_DOCUMENTS, STEP_PLAIN, said
from tracekit.trace import SCHEMA, Agent, Raw, Step, Trace

Form = Literal["run", "turn", "model", "tool"]
"""What a span stands for; a step is the execution of one tool or counts as a call of a model."""

TICK = 1_000
"""Nanoseconds between made-up times, which keep steps in order where the log has no clock."""
_LATEST = 4_000_000_000_000_000_000
"""Nanoseconds since 1970 beyond which a time is not one (the year 2096)."""


class Link(msgspec.Struct, frozen=True):
    """A span that this one follows from."""

    span: str
    what: str
    """`handoff` or `answers`."""


class Node(msgspec.Struct, kw_only=True):
    """One span of an export."""

    id: str
    trace: str
    parent: str | None
    form: Form
    name: str
    agent: Agent | None = None
    """Who acts; None for the run."""
    step: Step | None = None
    """The step; None for the run and for turns."""
    first: bool = False
    """Whether it is the agent's first turn."""
    start: int
    """Nanoseconds since 1970 UTC."""
    end: int
    error: str | None = None
    """Why the span failed; None when it did not."""
    links: tuple[Link, ...] = ()


def grow(trace: Trace, copy: int = 0) -> list[Node]:
    """The spans of a trace, parents first; `copy` tells runs of one id in one file apart."""
    key = f"{trace.id}\0{copy}" if copy else trace.id
    root = _id(key, "run")
    clock = _times(trace)
    nodes = [
        Node(
            id=root,
            trace=hashlib.sha256(f"tracekit\0{key}".encode("utf-8", "replace")).hexdigest()[:32],
            parent=None,
            form="run",
            name=f"invoke_workflow {trace.source.framework or trace.source.format}",
            start=min((start for start, _ in clock), default=TICK),
            end=max((end for _, end in clock), default=TICK),
            error=_failure(trace),
        )
    ]
    roster = {agent.id: agent for agent in trace.agents}
    met: set[str] = set()
    for agent, steps in groupby(trace.steps, key=lambda step: step.agent):
        acting = roster.get(agent) or Agent(agent, agent)
        nodes += _turn(nodes[0], key, acting, list(steps), clock, first=agent not in met)
        met.add(agent)
    return nodes


def _turn(
    root: Node, key: str, agent: Agent, steps: list[Step], clock: list[tuple[int, int]], first: bool
) -> Iterator[Node]:
    before = steps[0].index - 1
    times = [clock[step.index] for step in steps]
    turn = Node(
        id=_id(key, f"turn {steps[0].index}"),
        trace=root.trace,
        parent=root.id,
        form="turn",
        name=f"invoke_agent {agent.name}",
        agent=agent,
        first=first,
        start=min(start for start, _ in times),
        end=max(end for _, end in times),
        links=(Link(_id(key, f"step {before}"), "handoff"),) if before >= 0 else (),
    )
    yield turn
    for step in steps:
        executed = _executes(step)
        call = step.tools[0] if executed else None
        model = step.usage.model if step.usage else None
        answers = step.parent is not None and step.parent != step.index
        yield Node(
            id=_id(key, f"step {step.index}"),
            trace=root.trace,
            parent=turn.id,
            form="tool" if executed else "model",
            name=f"execute_tool {call.name}" if call else f"chat {model}" if model else "chat",
            agent=agent,
            step=step,
            start=clock[step.index][0],
            end=clock[step.index][1],
            error=call.error if call else None,
            links=(Link(_id(key, f"step {step.parent}"), "answers"),) if answers else (),
        )


def _id(key: str, what: str) -> str:
    return hashlib.sha256(f"tracekit\0{key}\0{what}".encode("utf-8", "replace")).hexdigest()[:16]


def _executes(step: Step) -> bool:
    """Whether the step is what one tool gave back, and not what somebody said."""
    if len(step.tools) != 1:
        return False
    call = step.tools[0]
    if call.result is None and call.error is None:
        return False
    return step.kind == "tool_result" or step.content in ("", call.result, call.error)


def _failure(trace: Trace) -> str | None:
    if trace.outcome.status != "failure":
        return None
    return trace.outcome.reason or "the run failed"


def _times(trace: Trace) -> list[tuple[int, int]]:
    """Start and end of every step; where the log has none, a tick after what came before."""
    known = [_nanos(s.time.start) for s in trace.steps if s.time]
    now = min((time for time in known if time is not None), default=TICK)
    times: list[tuple[int, int]] = []
    for step in trace.steps:
        start = _nanos(step.time.start) if step.time else None
        end = _nanos(step.time.end) if step.time else None
        start = now if start is None else start
        times.append((start, start if end is None else max(start, end)))
        now = max(now, *times[-1]) + TICK
    return times


def _nanos(seconds: float | None) -> int | None:
    """Nanoseconds since 1970 to the microsecond, None for what no clock shows."""
    if seconds is None or not 0 < seconds < _LATEST / 1e9:
        return None
    return round(seconds * 1e6) * 1_000


def run_attributes(trace: Trace) -> dict[str, Any]:
    """What no convention says of a run, under `tracekit.`."""
    empty = Trace(id="", source=trace.source)
    found: dict[str, Any] = {
        f"{RUN}schema": SCHEMA,
        f"{RUN}trace.id": trace.id,
        f"{RUN}steps": len(trace.steps),
    }
    for name in ("framework", "version"):
        if (value := getattr(trace.source, name)) is not None:
            found[RUN + name] = value
    for name in RUN_DOCUMENTS:
        if (value := getattr(trace, name)) != getattr(empty, name):
            found[RUN + name] = text(value)
    return found


def step_attributes(node: Node, spoken: dict[str, Any]) -> dict[str, Any]:
    """What the convention's attributes, `spoken`, leave out of a step or get wrong."""
    step = node.step
    assert step is not None
    span = Span(
        id=node.id,
        trace=node.trace,
        attributes=spoken,
        raw=Raw(0),
        failed=node.error is not None,
        reason=node.error or None,
    )
    read = said(span)
    messages = read.pop("messages")
    empty = Step(index=-1, agent="")
    found: dict[str, Any] = {}
    for name in (*STEP_PLAIN, *STEP_DOCUMENTS):
        value = getattr(step, name)
        if value != read.get(name, getattr(empty, name)):
            found[STEP + name] = value if name in STEP_PLAIN else text(value)
    if step.inputs is not None:
        told = step.inputs.messages == messages
        found[f"{STEP}inputs"] = text(step.inputs.steps if told else step.inputs)
    return found


def text(value: Any) -> str:
    """A value as JSON text."""
    return msgspec.json.encode(value).decode()
