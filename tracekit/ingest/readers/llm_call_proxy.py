"""Calls of a language model as a proxy saw them: prompt and completion, one call a line.

The speaker is not logged. It is inferred only from prompts that are fixed texts of a framework,
and the text that told is noted in the step; other calls stay unknown. Calls are logged when they
end and can overtake each other: steps are in the order of their timestamps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.decode import decode_json
from tracekit.ingest.meters import as_number, read_time
from tracekit.ingest.parts import as_text, maybe_json
from tracekit.ingest.peek import peek_keys
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import between
from tracekit.names import UNKNOWN
from tracekit.trace import Inputs, Message, Outcome, Raw, Task, Trace

_KEYS = frozenset({"timestamp", "input", "output", "session_id"})
_GREETING = "Hi! How can I help you today?"
_MARKS = (
    ("Orchestrator", "Below I will present you a request. Before we begin addressing the request"),
    ("Orchestrator", "We are working to address the following user request:"),
    ("Orchestrator", "We are working on the following task:"),
    ("Coder", "Solve tasks using your coding and language skills."),
    ("WebSurfer", "You are a helpful assistant that is summarizing a webpage"),
    ("WebSurfer", "Consider the following screenshot of a web browser"),
    ("WebSurfer", "You are a helpful assistant that controls a web browser."),
    ("WebSurfer", "You are a helpful assistant that can summarize long documents"),
    ("FileSurfer", "When given a user query, use available functions to help the user"),
)
"""Texts that open prompts of Magentic-One's agents (autogen-ext, `_prompts.py`)."""
_SHARED = "We are working to address the following user request:"
"""The orchestrator's first words to the team: it sees them as its own, the others as a user's."""
_LEAD = re.compile(r"^(?:user|assistant|system): ")
_REQUESTS = (
    ("Here is the request:", "Here is the pre-survey:"),
    ("Consider the following PR description:", "</pr_description>"),
    ("<pr_description>", "</pr_description>"),
)
"""What stands before and after the task in the first prompt."""
_TEAM = re.compile(r"assembled the following team:\s*\n(?P<team>(?:[A-Za-z]\w*: .*\n)+)")
_TURN = re.compile(r"(?:^|\n\n)(?P<role>user|assistant|system): ")


class LlmCallProxy:
    """Reads logs of a proxy; one trace per session."""

    name: ClassVar[str] = "llm-call-proxy-jsonl"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when a line has the four keys and no others."""
        keys = peek_keys(head)
        return 0.95 if keys == _KEYS else 0.6 if keys > _KEYS else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """Sessions in the order in which they first appear."""
        sessions: dict[str, list[tuple[float, Raw, dict[str, Any]]]] = {}
        for line in source.lines():
            try:
                call = decode_json(line.data, source.limits.depth)
            except ValueError as error:
                yield source.problem(line.raw, f"the line is not JSON: {error}", do="repair it")
                continue
            if not isinstance(call, dict) or not {"input", "output"} & call.keys():
                yield source.problem(line.raw, "the line is not a call of a model")
                continue
            when = as_number(call.get("timestamp")) or 0.0
            session = as_text(call.get("session_id"))
            sessions.setdefault(session, []).append((when, line.raw, call))
        for session, calls in sessions.items():
            calls.sort(key=lambda call: call[0])
            yield _session(source, self.name, session, [(raw, call) for _, raw, call in calls])


def _session(
    source: OpenSource, format: str, session: str, calls: list[tuple[Raw, dict[str, Any]]]
) -> Trace:
    prompts = [as_text(call.get("input")) for _, call in calls]
    simulated = any(prompt == _GREETING for prompt in prompts)
    build = Builder(source, format, framework=_framework(prompts, simulated))
    for (raw, call), prompt in zip(calls, prompts, strict=True):
        who, mark = _infer(prompt, simulated)
        output = as_text(call.get("output"))
        build.add(
            who,
            output,
            raw,
            kind=None if output else "tool_call",
            to=_next_speaker(output) if who == "Orchestrator" else None,
            inputs=Inputs(messages=tuple(_messages(prompt))),
            time=read_time(call.get("timestamp")),
            extra=rest(call, *_KEYS) | ({"inferred_from": mark} if mark else {}),
        )
    for name, description in _team(prompts):
        build.agent(name, role=description)
    if simulated:
        build.agent("user", role="user")
    last = build.steps[-1].content if build.steps else ""
    return build.trace(
        session or source.default_id(),
        task=Task(question=_question(prompts, build, simulated)),
        outcome=Outcome(answer=last or None),
        sha256=source.sha256,
    )


def _framework(prompts: list[str], simulated: bool) -> str | None:
    if simulated:
        return "tau-bench"
    found = {who for prompt in prompts if (who := _infer(prompt, simulated)[0]) is not None}
    return "magentic-one" if "Orchestrator" in found else None


def _infer(prompt: str, simulated: bool) -> tuple[str | None, str | None]:
    """Who was asked, and the text that says so."""
    if simulated:
        return ("user", _GREETING) if prompt.startswith(_GREETING) else ("assistant", None)
    opening = prompt[:2000]
    found = [(at, who, mark) for who, mark in _MARKS if (at := opening.find(mark)) >= 0]
    if not found:
        return None, None
    at, who, mark = min(found)
    if mark == _SHARED and opening[:at].endswith("user: "):
        return None, None
    return who, mark


def _messages(prompt: str) -> Iterator[Message]:
    """A flattened prompt as messages, where their roles were kept."""
    marks = list(_TURN.finditer(prompt)) if _LEAD.match(prompt) else []
    if not marks:
        yield Message("user", prompt)
    ends = [mark.start() for mark in marks[1:]] + [len(prompt)]
    for mark, end in zip(marks, ends, strict=False):
        yield Message(mark["role"], prompt[mark.end() : end])


def _next_speaker(output: str) -> str | None:
    """Whom a progress ledger names."""
    ledger = maybe_json(output)
    chosen = ledger.get("next_speaker") if isinstance(ledger, dict) else None
    name = chosen.get("answer") if isinstance(chosen, dict) else None
    return name if isinstance(name, str) and name.isidentifier() else None


def _team(prompts: list[str]) -> Iterator[tuple[str, str]]:
    for prompt in prompts:
        found = _TEAM.search(prompt + "\n")
        if found is not None:
            for line in found["team"].splitlines():
                name, _, description = line.partition(": ")
                yield name, description
            return


def _question(prompts: list[str], build: Builder, simulated: bool) -> str:
    """The request inside the first prompt; a simulated user puts it in its first words."""
    if simulated:
        return next((step.content for step in build.steps if step.agent == "user"), "")
    for marks in _REQUESTS:
        for prompt in prompts[:3]:
            found = between(prompt, *marks)
            if found is not None:
                return found.strip()
    if not prompts or build.steps[0].agent != UNKNOWN:
        return ""
    given = list(_messages(prompts[0]))
    return next((message.content for message in given if message.role == "user"), given[0].content)
