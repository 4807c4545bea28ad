"""ChatDev's puppeteer (arXiv 2505.19591): a task tried along several reasoning paths.

`path_N.jsonl`, which is one JSON list, holds the steps of a path; `pathN.log` tells them with
prompts, and `meta.log` how the answers of all paths were put together. The logs lie side by side:
a path's task stands in `meta.log`, the names of its agents in `path_N.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.decode import decode_json, decode_text
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek
from tracekit.ingest.reprs import read_repr
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import Entry, between, head_lines, log_entries
from tracekit.trace import Inputs, Message, Outcome, Raw, StepKind, Task, ToolCall, Trace

_HEADER = re.compile(r"^\[(?P<time>\d\d:\d\d:\d\d) (?P<level>[A-Z]+)\]$")
_RULED = re.compile(r"^-{10,}")
_ASKED = ("Now your question is: ", "\nPreviously, you collected")
_TRUTH = re.compile(
    r"'Answer': (?P<answer>'(?:[^'\\]|\\.){0,999}'|\"(?:[^\"\\]|\\.){0,999}\"|[^,}]{1,999}), 'id': (?P<id>[^,}]{1,99})"
)
_FINAL = "[Final Answer]:"


class ChatDevPuppeteer:
    """Reads paths and logs of the puppeteer."""

    name: ClassVar[str] = "chatdev-puppeteer"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of steps with agent, action and result, and of stamps on lines of their own."""
        value = peek(head)
        first = value[0] if isinstance(value, list) and value else None
        if isinstance(first, dict) and {"agent", "action", "result"} <= first.keys():
            return 0.9 if "model_size" in first or "tokens" in first else 0.6
        lines = head_lines(head)
        if value is not None or not any(_HEADER.match(line) for line in lines[:50]):
            return 0.0
        words = ("Reasoning Path", "Graph Reasoning", "Agent Sequence:", "Agent sequence:")
        return 0.9 if any(word in line for line in lines for word in words) else 0.2

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        if peek(source.head) is not None:
            yield from self._path(source)
            return
        found = list(log_entries(source, _HEADER))
        told = any(entry.text.lstrip().startswith("[Reasoning]:") for entry in found)
        log = _PathLog(source, self.name) if told else _MetaLog(source, self.name)
        for entry in found:
            problem = log.add(entry)
            if problem is not None:
                yield problem
        yield from log.close()

    def _path(self, source: OpenSource) -> Iterator[Trace | Problem]:
        steps = source.json()
        if isinstance(steps, Problem):
            yield steps
            return
        build = Builder(source, self.name, framework="chatdev-puppeteer")
        for raw, item in source.records(steps if isinstance(steps, list) else [steps], ""):
            if isinstance(item, dict):
                _path_step(build, item, raw)
            else:
                yield source.problem(raw, "a step is not an object")
        answers = [as_text(s.extra["answer"]) for s in build.steps if s.extra.get("answer")]
        number = re.sub(r"\D", "", source.name.split(".")[0])
        log = decode_text(source.sibling(f"path{number}.log") or b"")
        meta = decode_text(source.sibling("meta.log") or b"") + "\n["
        question = between(meta, "\nTask:\n", "\n[") or between(log, *_ASKED)
        truth = _TRUTH.search(log)
        yield build.trace(
            source.default_id(),
            task=_task(question, truth),
            outcome=Outcome(answer=answers[-1].strip() if answers else None),
            sha256=source.sha256,
        )


def _path_step(build: Builder, item: dict[str, Any], raw: Raw) -> None:
    result = item.get("result")
    result = result if isinstance(result, dict) else {"step_data": result}
    action = item.get("action")
    action = action if isinstance(action, dict) else {"action": action}
    parameter = action.get("parameter")
    said = as_text(result.get("step_data"))
    # Reasoning is an action without a parameter; what has one is a tool.
    tools = (ToolCall(as_text(action.get("action")), parameter, result=said),) if parameter else ()
    extra = rest(item, "agent", "result") | rest(result, "step_data")
    who = as_text(item.get("agent")) or None
    build.add(who, said, raw, kind="tool_call" if tools else "message", tools=tools, extra=extra)


def _task(question: str | None, truth: re.Match[str] | None) -> Task:
    """The task with the answer that a dump of the program's state gives away."""
    if truth is None:
        return Task(question=(question or "").strip())
    answer = read_repr(truth["answer"])
    expected = as_text(answer) if answer is not None else truth["answer"].strip()
    return Task(question=(question or "").strip(), expected=expected, id=truth["id"].strip())


class _Log:
    """A log that is being read."""

    def __init__(self, source: OpenSource, format: str) -> None:
        self.source = source
        self.build = Builder(source, format, framework="chatdev-puppeteer")
        self.question = ""
        self.answer: str | None = None

    def when(self, entry: Entry) -> dict[str, Any]:
        """Records carry a time of day and no date."""
        return {"time": entry["time"]} if entry["time"] else {}


class _PathLog(_Log):
    """One path: what stands between two reasonings belongs to the one it leads to."""

    def __init__(self, source: OpenSource, format: str) -> None:
        super().__init__(source, format)
        number = re.sub(r"\D", "", source.name.split(".")[0])
        self._agents = _agents(source.sibling(f"path_{number}.jsonl"))
        self._waiting: list[Raw] = []
        self._prompt = ""
        self._action: Any = None
        self._truth: re.Match[str] | None = None

    def add(self, entry: Entry) -> Problem | None:
        text = entry.text.strip("\n ")
        started = re.match(r"(?:Start agent|Previous Agent sequence): (?P<names>.+)", text)
        if started is not None and not self._agents:
            self._agents = started["names"].split("->")
        if text.startswith("[Reasoning]:"):
            self._reason(text.partition(":")[2].strip(), entry)
        elif text.startswith(("[Action]", "[System Prompt]")):
            self._lead(text, entry.raw)
        elif text.startswith((_FINAL, "[Reasoning Path]")) and self.build.steps:
            self._follow(text, entry.raw)
        else:
            self._truth = self._truth or _TRUTH.search(text)
            return self.source.skip(entry.raw, "a note of the program on its own state")
        return None

    def _lead(self, text: str, raw: Raw) -> None:
        self._waiting.append(raw)
        if text.startswith("[Action]"):
            self._action = read_repr(text.removeprefix("[Action]"))
            return
        self._prompt = text.removeprefix("[System Prompt]").strip()
        self.question = self.question or (between(self._prompt, *_ASKED) or "").strip()

    def _reason(self, text: str, entry: Entry) -> None:
        position = len(self.build.steps)
        who = self._agents[position] if position < len(self._agents) else None
        extra = self.when(entry) | ({"action": self._action} if self._action else {})
        given = Inputs(messages=(Message("system", self._prompt),)) if self._prompt else None
        self.build.add(who, text, [entry.raw, *self._waiting], inputs=given, extra=extra)
        self._waiting, self._prompt, self._action = [], "", None

    def _follow(self, text: str, raw: Raw) -> None:
        last = len(self.build.steps) - 1
        extra = self.build.steps[last].extra
        if text.startswith(_FINAL):
            self.answer = text.removeprefix(_FINAL).strip()
            extra = extra | {"answer": self.answer}
        self.build.merge(last, raw, extra=extra)

    def close(self) -> Iterator[Trace | Problem]:
        for raw in self._waiting:
            yield self.source.skip(raw, "a prompt that was never answered")
        yield self.build.trace(
            self.source.default_id(),
            task=_task(self.question, self._truth),
            outcome=Outcome(answer=self.answer),
            sha256=self.source.sha256,
        )


def _agents(data: bytes | None) -> list[str]:
    """Names of the agents of a path, in order."""
    try:
        steps = decode_json(data) if data else []
    except ValueError:
        steps = []
    listed = steps if isinstance(steps, list) else []
    return [as_text(item.get("agent")) for item in listed if isinstance(item, dict)]


class _MetaLog(_Log):
    """The log of the whole: paths, aggregation and vote, all told by the system."""

    def add(self, entry: Entry) -> Problem | None:
        text = entry.text.strip("\n ")
        if _RULED.match(text):
            return self.source.skip(entry.raw, "a ruled-off marker")
        if text.startswith("Task:\n"):
            self.question = text.removeprefix("Task:\n")
        roster = read_repr(text)
        for name in roster if isinstance(roster, list) else ():
            self.build.agent(as_text(name))
        final = text.startswith(_FINAL)
        if final:
            self.answer = text.removeprefix(_FINAL).strip()
        kind: StepKind = (
            "final" if final else "message" if text.startswith("[Aggregat") else "system"
        )
        self.build.add("system", text, entry.raw, kind=kind, extra=self.when(entry))
        return None

    def close(self) -> Iterator[Trace | Problem]:
        if self.build.steps:
            self.build.agent("system", role="system")
        task, outcome = Task(question=self.question), Outcome(answer=self.answer)
        id = self.source.default_id()
        yield self.build.trace(id, task=task, outcome=outcome, sha256=self.source.sha256)
