"""CrewAI's `output_log_file`: one record when a task is started, one when it is completed.

Values are not escaped, so a record is taken apart at the names of its members, and runs on to the
next stamp. Several kickoffs append to one file: one begins where a task starts that has started
before, or the first agent starts again after a pause. The file can also be a JSON list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.meters import read_instant
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek, peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import head_lines, log_entries
from tracekit.trace import Outcome, Raw, Task, Time, Trace

_HEADER = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d): (?=(?:task_name|task|agent|status)=\")"
)
_STATUS = re.compile(r'", status="(?P<status>\w{1,40})"')
_OUTPUT = ', output="'
_PAUSE = 60.0
"""Seconds between tasks after which the first agent starts another kickoff."""


class CrewAILog:
    """Reads both layouts of the log."""

    name: ClassVar[str] = "crewai-log"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when a stamped record is in sight, best on the first line."""
        if peek(head) is None:
            lines = [line for line in head_lines(head) if line.strip()]
            first = next((at for at, line in enumerate(lines) if _HEADER.match(line)), None)
            return 0.0 if first is None else 0.9 if first else 0.95
        for item in peek_items(head)[:1]:
            if {"timestamp", "task", "agent", "status"} <= item.keys():
                return 0.9
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per kickoff."""
        run = _Kickoff(source, self.name, 0)
        for raw, record in _json(source) if peek(source.head) is not None else _text(source):
            if isinstance(record, Problem):
                yield record
                continue
            if run.ends_before(record):
                yield run.trace()
                run = _Kickoff(source, self.name, run.number + 1)
            run.add(raw, record)
        if run.build.steps:
            yield run.trace()
        elif not source.account.records:
            yield source.skip_file("there is no record in it")


def _text(source: OpenSource) -> Iterator[tuple[Raw, dict[str, Any] | Problem]]:
    for entry in log_entries(source, _HEADER):
        record = _members(entry.text)
        if record is None:
            yield entry.raw, source.problem(entry.raw, "the record has no agent and status")
        else:
            yield entry.raw, record | {"timestamp": entry["time"]}


def _members(text: str) -> dict[str, Any] | None:
    """A record taken apart at the names of its members; None without agent and status."""
    status = _STATUS.search(text)
    if status is not None and text.startswith('agent="'):
        return _agent_first(text[: status.start()], status["status"])
    before, named, agent = text[: status.start() if status else 0].rpartition('agent="')
    if status is None or not named:
        return None
    record = {"agent": agent, "status": status["status"]}
    before = before.removesuffix('", ')
    if before.startswith('task_name="'):
        record["task_name"], _, before = before.removeprefix('task_name="').partition('", ')
    if before.startswith('task="'):
        record["task"] = before.removeprefix('task="')
    rest_of_it = text[status.end() :]
    if rest_of_it.startswith(_OUTPUT):
        record["output"] = rest_of_it.removeprefix(_OUTPUT).rstrip().removesuffix('"')
    return record


def _agent_first(text: str, status: str) -> dict[str, Any]:
    """A record of 0.x: agent, then the task, in whose place a completed one has its output."""
    agent, _, task = text.removeprefix('agent="').partition('", task="')
    return {"agent": agent, "status": status, "task" if status == "started" else "output": task}


def _json(source: OpenSource) -> Iterator[tuple[Raw, dict[str, Any] | Problem]]:
    listed = source.json()
    if isinstance(listed, Problem):
        yield Raw(record=""), listed
        return
    for raw, item in source.records(listed if isinstance(listed, list) else [listed], ""):
        named = isinstance(item, dict) and item.get("agent")
        yield raw, item if named else source.problem(raw, "the record names no agent")


class _Kickoff:
    """The kickoff that is being read."""

    def __init__(self, source: OpenSource, format: str, number: int) -> None:
        self.number = number
        self.build = Builder(source, format, framework="crewai")
        self._started: dict[str, int] = {}
        self._open: dict[str, int] = {}
        self._last: float | None = None

    def ends_before(self, record: dict[str, Any]) -> bool:
        """Whether a record starts another kickoff."""
        if record.get("status") != "started" or not self.build.steps:
            return False
        if _key(record) in self._started:
            return True
        now = read_instant(record.get("timestamp"))
        paused = now is not None and self._last is not None and now - self._last > _PAUSE
        first = self.build.steps[0]
        return paused and _agent(record) in (first.agent, first.speaker)

    def add(self, raw: Raw, record: dict[str, Any]) -> None:
        """Append a record; a completed task answers the step that started it."""
        key, now = _key(record), read_instant(record.get("timestamp"))
        started = record.get("status") == "started"
        parent = None if started else self._opened(key, record)
        begun = self.build.steps[parent].time if parent is not None else None
        index = self.build.add(
            _agent(record) or None,
            as_text(record.get("task") if started else record.get("output", "")),
            raw,
            kind="system" if started else "message",
            parent=parent,
            time=Time(
                start=now if started else begun.start if begun else None,
                end=None if started else now,
            ),
            extra={
                k: v
                for k, v in rest(record, "agent", "output", "timestamp").items()
                if v is not None
            }
            if not started
            else rest(record, "agent", "task", "timestamp"),
        )
        if started:
            self._started[key] = self._open[key] = index
        self._last = now if now is not None else self._last

    def _opened(self, key: str, record: dict[str, Any]) -> int | None:
        """The step that started what a record completes; without a task the agent's last one."""
        if not key:
            agent = _agent(record)
            own = (k for k, at in self._open.items() if self.build.steps[at].agent == agent)
            key = next(reversed(list(own)), "")
        return self._open.pop(key, None)

    def trace(self) -> Trace:
        """The trace of the kickoff; its task is the first one that was started."""
        steps = self.build.steps
        said = [step.content for step in steps if step.kind == "message"]
        left = ", ".join(str(index) for index in self._open.values())
        reason = f"started and never completed: step {left}" if left else None
        source = self.build.source
        return self.build.trace(
            source.default_id(position=f"-{self.number}"),
            task=Task(question=as_text(steps[0].extra.get("task") or steps[0].content)),
            outcome=Outcome(answer=said[-1] if said else None, reason=reason),
            sha256=source.sha256,
        )


def _key(record: dict[str, Any]) -> str:
    """What makes two records speak of one task: its name, or its text if it has none."""
    name = as_text(record.get("task_name"))
    return name if name not in ("", "None") else as_text(record.get("task"))


def _agent(record: dict[str, Any]) -> str:
    return " ".join(as_text(record.get("agent")).split())
