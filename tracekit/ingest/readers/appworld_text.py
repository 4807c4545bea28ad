"""AppWorld as text: a supervisor that writes code, and an agent per app in a loop below it.

Nesting is shown by indentation alone: inside an agent's loop every heading stands four blanks
deeper. A loop opens with the supervisor's message; later messages to an agent are what running
its code gave. The evaluation at the end is the benchmark's own.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_json, decode_text
from tracekit.ingest.salvage import salvage_json
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import log_lines
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace

_BANNER = re.compile(
    r"^\*{5,} *Task (?P<number>\d+)/(?P<total>\d+) \((?P<id>[^)\n]*)\) *\*{5,}\s*$"
)
_HEAD = re.compile(
    r"^(?P<indent> *)(?:Response from (?P<who>\S.{0,60}? Agent)|Response from (?P<api>\w+) API"
    r"|Message to (?P<to>\S.{0,60}? Agent)|Reply from (?P<replier>\S.{0,60}? Agent) to (?P<reply_to>\S.{0,60}?)"
    r"|(?P<enter>Entering) (?P<loop>\S.{0,60}?) Agent message loop|(?P<exit>Exiting) \S.{0,60}? Agent message loop"
    r"|(?P<code>Code Execution Output)|(?P<evaluation>Evaluation))\s*$"
)
_CALL = re.compile(
    r"^(?!\s*#).*?\b(?:apis\.(?P<api>\w+\.\w+)|(?P<send>send_message))\((?P<arguments>.*)",
    re.MULTILINE,
)
_ENVIRONMENT = "environment"
_SUPERVISOR = "Supervisor Agent"


class AppWorldText:
    """Reads transcripts of AppWorld teams; a file can hold many tasks."""

    name: ClassVar[str] = "appworld-text"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of the banner of a task."""
        if b" Agent" not in head and b"***** Task" not in head:
            return 0.0
        lines = decode_text(head).split("\n")
        if any(map(_BANNER.match, lines)):
            return 0.95
        return 0.7 if any(" Agent" in line and _HEAD.match(line) for line in lines) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per banner."""
        run = _Run(source, self.name)
        for block in _blocks(source):
            source.see(block.raw.record)
            if block.head is not None and "number" in block.head.re.groupindex and run.started:
                yield run.trace()
                run = _Run(source, self.name)
            problem = run.add(block)
            if problem is not None:
                yield problem
        if run.started:
            yield run.trace()


class _Block(msgspec.Struct):
    """A heading and the text below it."""

    raw: Raw
    head: re.Match[str] | None
    lines: list[str]

    @property
    def text(self) -> str:
        return textwrap.dedent("\n".join(line.rstrip() for line in self.lines)).strip("\n")


def _blocks(source: OpenSource) -> Iterator[_Block]:
    """Blocks at the depth that the loops around them ask for."""
    depth = 0
    block: _Block | None = None
    for raw, line in log_lines(source):
        head = _BANNER.match(line)
        depth = 0 if head else depth
        if head is None:
            head = _HEAD.match(line)
            leaves = head is not None and head["exit"] is not None
            wanted = 4 * max(0, depth - leaves)
            if head is not None and len(head["indent"]) != wanted:
                head = None
            elif head is not None:
                depth = max(0, depth - leaves) + (head["enter"] is not None)
        if head is None:
            if block is not None:
                block.lines.append(line)
            elif line.strip():
                block = _Block(raw, None, [line])
            continue
        if block is not None:
            yield block
        block = _Block(raw, head, [])
    if block is not None:
        yield block


class _Run:
    """The task that is being read."""

    def __init__(self, source: OpenSource, format: str) -> None:
        self._source = source
        self._build = Builder(source, format, framework="appworld")
        self._task = Task()
        self._outcome = Outcome()
        self._extra: dict[str, Any] = {}
        self._entered = False
        self.started = False

    def add(self, block: _Block) -> Problem | None:
        """Append a block, or say why it holds no step."""
        head, text = block.head, block.text
        self.started = True
        if head is None:
            self._build.add(None, text, block.raw)
            return None
        if "number" in head.re.groupindex:
            self._task = Task(question=text.strip(), id=head["id"])
            self._extra["position"] = f"{head['number']}/{head['total']}"
            return self._source.skip(block.raw, "the banner of a task")
        if head["evaluation"]:
            self._judge(text)
            return self._source.skip(block.raw, "the evaluation, kept as outcome")
        if head["enter"] or head["exit"]:
            self._entered = head["enter"] is not None
            return self._source.skip(block.raw, "a loop is entered or left")
        self._step(head, text, block.raw)
        self._entered = False
        return None

    def _step(self, head: re.Match[str], text: str, raw: Raw) -> None:
        build = self._build
        kind: StepKind | None = None
        if head["who"]:
            tools = tuple(
                ToolCall(c["api"] or c["send"], _within(c["arguments"]))
                for c in _CALL.finditer(text)
            )
            if any(tool.name.endswith("complete_task") for tool in tools):
                kind = "final"
            build.add(head["who"], text, raw, kind=kind, tools=tools)
            build.agent(head["who"], parent=None if head["who"] == _SUPERVISOR else _SUPERVISOR)
        elif head["to"] and self._entered:
            build.add(_SUPERVISOR, text, raw, to=head["to"])
        elif head["replier"]:
            to = head["reply_to"]
            build.add(head["replier"], text, raw, to=to if to.endswith("Agent") else f"{to} Agent")
        else:
            ran = build.steps and (head["code"] or head["to"] not in (None, _SUPERVISOR))
            parent = len(build.steps) - 1 if ran else None
            tools = (ToolCall(head["api"], result=text),) if head["api"] else ()
            kind = "tool_result"
            build.add(_ENVIRONMENT, text, raw, kind=kind, to=head["to"], parent=parent, tools=tools)
            build.agent(_ENVIRONMENT, role="tool")

    def _judge(self, text: str) -> None:
        data = text.encode()
        try:
            report = decode_json(data)
        except ValueError:
            rescued = salvage_json(data)
            report = rescued[0] if rescued else None
        self._extra["evaluation"] = report if report is not None else text
        if not isinstance(report, dict):
            return
        failures = report.get("failures")
        passed = report.get("success")
        if not isinstance(passed, bool):
            passed = not failures if isinstance(failures, list) else None
        if passed is None:
            return
        reason = None
        if isinstance(failures, list) and failures and isinstance(failures[0], dict):
            reason = str(failures[0].get("requirement") or "") or None
        self._outcome = Outcome("success" if passed else "failure", reason=reason, by="Evaluation")

    def trace(self) -> Trace:
        """The trace of the task."""
        build = self._build
        if any(step.agent == _SUPERVISOR for step in build.steps):
            build.agent(_SUPERVISOR, role="orchestrator")
        position = f"-{self._task.id}" if self._task.id else ""
        return build.trace(
            self._source.default_id(position=position),
            task=self._task,
            outcome=self._outcome,
            extra=self._extra,
            sha256=self._source.sha256,
        )


def _within(text: str) -> str:
    """Arguments up to the parenthesis that closes them, or to the end of the line."""
    depth = 1
    for position, mark in enumerate(text):
        depth += (mark == "(") - (mark == ")")
        if depth == 0:
            return text[:position]
    return text
