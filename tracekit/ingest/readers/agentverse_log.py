"""AgentVerse's task solving: rounds of role assignment, discussion, execution and evaluation.

A discussant or executor is named in `[Name]:`, or stands alone above the tool it calls. The other
stages are spoken by the agent that AgentVerse has for each: role assigner, solver, evaluator. The
score is the evaluator's opinion, so that the outcome stays unknown (arXiv 2308.10848).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_text
from tracekit.ingest.parts import maybe_json
from tracekit.ingest.readers.generic_text import may_speak
from tracekit.ingest.reprs import read_repr
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import log_lines, strip_ansi
from tracekit.trace import Outcome, Raw, StepKind, ToolCall, Trace

_START = re.compile(r"^(?:\(Pdb\) *)*(?P<text>.*)$")
_MARKER = re.compile(r"^(?:Loop Round (?P<round>\d+)|Reviews:|Execution Result:)$")
_STAGE = re.compile(
    r"^(?P<stage>Role Assignment|Evaluation result|(?:[A-Z]\w* )?Plan|(?:Good|Bad) score! .{0,60}?):$"
)
_NAMED = re.compile(r"^\[(?P<name>[^\W\d][^\[\]:\n]{0,60})\]: ?(?P<rest>.*)$")
_SCORE = re.compile(r"^Score: *(?P<score>.+)$", re.MULTILINE)
_ADVICE = re.compile(r"^Advice: *(?P<advice>.*)", re.MULTILINE | re.DOTALL)


class AgentVerseLog:
    """Reads console logs of AgentVerse."""

    name: ClassVar[str] = "agentverse-log"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of a loop's first round followed by role assignment or reviews."""
        lines = [line.strip() for line in strip_ansi(decode_text(head)).split("\n")]
        if not any(re.match(r"Loop Round \d+$", line) for line in lines[:200]):
            return 0.0
        return 0.9 if {"Role Assignment:", "Reviews:"} & set(lines) else 0.3

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        build = Builder(source, self.name, framework="agentverse")
        blocks = list(_blocks(source))
        waiting: list[Raw] = []
        round = 0
        for block in blocks:
            source.see(block.raw.record)
            marker = _MARKER.match(block.head)
            if marker is not None and not block.text.strip():
                waiting.append(block.raw)
                round = int(marker["round"]) if marker["round"] else round
                continue
            _add(build, block, waiting, round)
            waiting = []
        for raw in waiting:
            yield source.skip(raw, "a heading with nothing below it")
        for name in ("role_assigner", "solver", "evaluator"):
            if any(step.agent == name for step in build.steps):
                build.agent(name, role=name)
        id = source.default_id()
        yield build.trace(id, outcome=_outcome(build), sha256=source.sha256)


class _Block(msgspec.Struct):
    """One contribution, or a heading."""

    raw: Raw
    head: str
    """The line that opens it; empty for text before any heading."""
    kind: str
    """`marker`, `stage`, `named`, `tool` or `text`."""
    text: str


def _blocks(source: OpenSource) -> Iterator[_Block]:
    lines = [(raw, _START.sub(r"\g<text>", line.strip())) for raw, line in log_lines(source)]
    found: _Block | None = None
    section = ""
    for (raw, line), following in zip(lines, [*lines[1:], None], strict=True):
        calls = following is not None and following[1].startswith("Tool: ") and 0 < len(line) <= 80
        kind = _kind(line, section) or ("tool" if calls and not line.startswith("Tool") else "")
        if kind in ("marker", "stage"):
            section = line
        if not kind and found is not None:
            found.text += "\n" + line
        elif kind or line:
            if found is not None:
                yield found
            opening = line if kind else ""
            found = _Block(raw, opening, kind or "text", "" if kind else line)
    if found is not None:
        yield found


def _kind(line: str, section: str) -> str:
    if _MARKER.match(line):
        return "marker"
    if _STAGE.match(line):
        return "stage"
    talking = section in ("Reviews:", "Execution Result:")
    named = _NAMED.match(line) if talking else None
    return "named" if named is not None and may_speak(named["name"]) else ""


def _add(build: Builder, block: _Block, waiting: list[Raw], round: int) -> None:
    raws = (block.raw, *waiting)
    text = block.text.strip("\n ")
    extra = {"round": round}
    named = _NAMED.match(block.head)
    if block.kind == "named" and named is not None:
        content = f"{named['rest']}\n{text}".strip()
        build.add(named["name"], content, raws, extra=extra)
    elif block.kind == "tool":
        name, _, called = text.removeprefix("Tool:").strip().partition("\n")
        given, observed, result = called.removeprefix("Tool Input:").partition("\nObservation:")
        arguments = read_repr(given)
        call = ToolCall(
            name=name.strip(),
            arguments=maybe_json(given.strip()) if arguments is None else arguments,
            result=result.strip() if observed else None,
        )
        thought = arguments.get("thought") if isinstance(arguments, dict) else None
        content = thought if isinstance(thought, str) else text
        build.add(block.head, content, raws, kind="tool_call", tools=(call,), extra=extra)
    elif block.kind == "stage":
        who, kind = _stage(block.head)
        build.add(
            who,
            text or block.head,
            raws,
            kind=kind,
            extra=extra | {"stage": block.head.rstrip(":")},
        )
    else:
        build.add(None, f"{block.head}\n{text}".strip(), raws, extra=extra)


def _stage(head: str) -> tuple[str, StepKind]:
    if head.startswith("Role Assignment"):
        return "role_assigner", "message"
    if head.endswith("Plan:"):
        return "solver", "plan"
    accepted = head.startswith("Good score!")
    return "evaluator", "final" if accepted else "message"


def _outcome(build: Builder) -> Outcome:
    """The last score, which is an opinion, and what was accepted."""
    judged = [
        step for step in build.steps if step.agent == "evaluator" and _SCORE.search(step.content)
    ]
    final = [step.content for step in build.steps if step.kind == "final"]
    if not judged:
        return Outcome(answer=final[-1] if final else None)
    score = _SCORE.search(judged[-1].content)
    advice = _ADVICE.search(judged[-1].content)
    value = {"True": 1.0, "False": 0.0}.get(score["score"].strip()) if score else None
    reason = advice["advice"].strip() if advice else None
    answer = final[-1] if final else None
    return Outcome(answer=answer, score=value, reason=reason, by="evaluator")
