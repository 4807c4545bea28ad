"""HyperAgent: a planner that hands subgoals to a navigator, an editor and an executor.

Every record starts with `HyperAgent_<instance> - <LEVEL> - `. Who speaks stands before
`'s Response:`, who reports to whom before and after `->`. Each intern has an inner assistant
whose code calls the tools; what the tools returned is not logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import Entry, head_lines, log_entries
from tracekit.trace import Outcome, StepKind, Task, ToolCall, Trace

HEADER = re.compile(
    r"HyperAgent_(?P<instance>\S+) - (?P<level>[A-Z]+) - "
    r"(?:(?P<who>[A-Za-z][\w -]{0,60}?)(?:'s Response:|->(?P<to>[A-Za-z][\w -]{0,60}?):) ?)?"
)
_INTERN = re.compile(r"^Intern Name: *(?:Codebase )?(?P<name>\w+)", re.MULTILINE)
_TOOL = re.compile(r"(?<![`.\w])(?P<name>\w+)\._run\((?P<arguments>.*)$", re.MULTILINE)
_ANSWER = re.compile(r"^Final Answer:", re.MULTILINE)


class HyperAgentLog:
    """Reads raw logs of HyperAgent; a file holds one instance, with every restart of it."""

    name: ClassVar[str] = "hyperagent-log"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when one of the first lines has the logger's prefix."""
        return 0.95 if any(map(HEADER.match, head_lines(head[:8192]))) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        build = Builder(source, self.name, framework="hyperagent")
        instance = ""
        for entry in log_entries(source, HEADER):
            instance = instance or entry["instance"]
            add_entry(build, entry)
        settle_team(build)
        task = Task(id=instance or None)
        id = source.default_id()
        yield build.trace(id, task=task, outcome=answer(build), sha256=source.sha256)


def add_entry(build: Builder, entry: Entry) -> int:
    """Append one record; what HyperAgent itself logs is spoken by `system`."""
    extra = {"level": entry["level"]} if entry["level"] not in ("INFO", "") else {}
    who = entry["who"]
    if entry.header is None:
        return build.add(None, entry.text, entry.raw)
    if not who:
        index = build.add("system", entry.text, entry.raw, kind="system", extra=extra)
        build.agent("system", role="system")
        return index
    asked = _INTERN.search(entry.text)
    tools = tuple(
        ToolCall(c["name"], c["arguments"].rstrip(" )")) for c in _TOOL.finditer(entry.text)
    )
    kind: StepKind | None = None
    if who == "Planner" and _ANSWER.search(entry.text):
        kind = "final"
    elif asked and who == "Planner" and not tools:
        kind = "handoff"
    to = entry["to"] or (asked["name"] if asked and who == "Planner" else None)
    return build.add(who, entry.text, entry.raw, kind=kind, to=to, tools=tools, extra=extra)


def settle_team(build: Builder) -> None:
    """Who works for whom, as the framework defines it."""
    for name in {step.agent for step in build.steps}:
        inner = re.fullmatch(r"Inner-(\w+)-Assistant", name)
        if inner:
            build.agent(name, parent=build.agent(inner[1], parent="Planner"))
            build.agent("Planner", role="orchestrator")


def answer(build: Builder) -> Outcome:
    """The planner's last final answer; whether it was right is not logged."""
    found = [step.content for step in build.steps if step.kind == "final"]
    return Outcome(answer=found[-1] if found else None)
