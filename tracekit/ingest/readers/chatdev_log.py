"""ChatDev's run logs, June 2023 (`AgentTech Starts`) and later (`**[Preprocessing]**`).

A record starts with `[year-DAY-month time LEVEL]`. Roles speak in turns of a phase; what the
company's software reports without a speaker (updated code, test reports, conclusions) is spoken
by `System`; comments of the person who takes part by `user`. Token counts belong to the answer that follows them. Lines of the web server and of
httpx, the preamble and the closing figures are no steps; the last two stay in `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_text
from tracekit.ingest.meters import read_usage
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import Entry, between, log_entries, strip_ansi
from tracekit.trace import Inputs, Message, Raw, StepKind, Task, Time, ToolCall, Trace, Usage

_HEADER = re.compile(r"^\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?P<level>[A-Z]+)\] ?")
_SAYS = re.compile(r"^(?P<who>[^\W\d_][\w .,&/'-]{0,60}): \*\*(?P<what>.{1,300}?)\*\*\s*$")
_TURN = re.compile(r"^(?P<one>.+?)<->(?P<other>.+?) on ?: ?(?P<phase>.+?), turn (?P<turn>\d+)$")
_OLD = re.compile(
    r"^\[(?P<turn>\d+)\] AI (?P<side>Assistant|User) \((?P<who>[^()\n]+)\)(?P<rest>.*)$"
)
_REPORT = re.compile(r"^\*\*\[(?P<name>[^\]\n]+)\]\*\*")
_NOISE = ("flask app.py did not start", "HTTP Request: ", "AgentTech Starts", "AgentTech Ends",
          "log_filename: ")  # fmt: skip
_COUNT = re.compile(r"(?P<name>prompt_tokens|completion_tokens|cost):? *\$?(?P<number>[\d.]+)")
_SELF = re.compile(r"You are (?:an? )?(?P<who>[A-Z][\w ]+?)[.,]")
_RESULTS = ("Test Reports", "Test Info", "CMD Execute")
_HUMAN = "User Provided Comments"


class ChatDevLog:
    """Reads WareHouse logs; one run per file."""

    name: ClassVar[str] = "chatdev-log"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of a stamped record with ChatDev's own words."""
        text = strip_ansi(decode_text(head))
        if not re.search(_HEADER.pattern, text[:4000], re.MULTILINE):
            return 0.0
        marks = (
            "**[Preprocessing]**",
            "**ChatDev Starts**",
            "AgentTech Starts",
            "**[RolePlaying]**",
        )
        if any(mark in text for mark in marks):
            return 0.95
        return 0.7 if re.search(r"<->.{1,60} on ?: .{1,60}, turn \d", text) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace."""
        run = _Run(source, self.name)
        for entry in log_entries(source, _HEADER):
            problem = run.add(entry)
            if problem is not None:
                yield problem
        yield from run.close()


class _Run:
    """The run that is being read."""

    def __init__(self, source: OpenSource, format: str) -> None:
        self._source = source
        self._build = Builder(source, format, framework="chatdev")
        self._task = ""
        self._extra: dict[str, Any] = {}
        self._prompts: dict[str, str] = {}
        self._spent: list[tuple[Raw, Usage | None]] = []
        self._answered: int | None = None
        """The last turn of a role."""

    def add(self, entry: Entry) -> Problem | None:
        """Append a record, or say why it holds no step."""
        first, _, body = entry.text.partition("\n")
        body = body.strip("\n ")
        if first.startswith(_NOISE):
            return self._source.skip(entry.raw, "a line of the program that ran the team")
        report = _REPORT.match(first)
        name = report["name"] if report else ""
        if name.startswith("OpenAI_Usage_Info"):
            counts = {found["name"]: found["number"] for found in _COUNT.finditer(body)}
            self._spent.append((entry.raw, read_usage(counts) if "Receive" in name else None))
            return None
        if name in ("Preprocessing", "Post Info"):
            self._note(name, body)
            return self._source.skip(entry.raw, f"{name.lower()}, kept as task and `extra`")
        old, says = _OLD.match(first), _SAYS.match(first)
        if old is not None:
            self._old(old, body, entry)
        elif says is not None:
            self._turn(says["who"], says["what"], body, entry)
        else:
            self._report(name, entry)
        return None

    def _note(self, name: str, body: str) -> None:
        self._extra["preprocessing" if name == "Preprocessing" else "post_info"] = body
        task = between(body, "**task_prompt**:", "**project_name**")
        self._task = (task or "").strip() or self._task

    def _old(self, old: re.Match[str], body: str, entry: Entry) -> None:
        """June 2023: a turn, or the note that a role ended the chat, which adds to the turn before."""
        build = self._build
        if "terminated the chat" in old["rest"] and build.steps:
            last = len(build.steps) - 1
            extra = build.steps[last].extra | {"terminated_by": old["who"]}
            build.merge(last, entry.raw, extra=extra)
            return
        text = f"{old['rest'].lstrip(': ')}\n{body}".strip("\n ")
        extra = {"turn": int(old["turn"]), "side": old["side"]}
        self._step(old["who"], text, entry, extra=extra)

    def _turn(self, who: str, what: str, body: str, entry: Entry) -> None:
        """A turn of a phase, its opening, or a table of the software."""
        if who == "System":
            self._step(
                who, f"{what}\n{body}", entry, kind="system", extra={"report": what.strip("[]")}
            )
            return
        found = _TURN.match(what)
        extra: dict[str, Any] = {"record": what.strip("[]")}
        to = None
        if found is not None:
            extra = {"phase": found["phase"], "turn": int(found["turn"])}
            to = found["other"] if who == found["one"] else found["one"]
        prompt, text = _split_prompt(body)
        inputs = Inputs(messages=(Message("system", prompt),)) if prompt else None
        own = _SELF.search(prompt)
        if own is not None:
            self._prompts.setdefault(own["who"], prompt)
            to = to or (own["who"] if own["who"] != who else None)
        self._step(who, text, entry, to=to, inputs=inputs, extra=extra)

    def _report(self, name: str, entry: Entry) -> None:
        """What the software did or found."""
        text = entry.text if not name else entry.text.partition("\n")[2].strip("\n ") or entry.text
        kind: StepKind = "system"
        tools: tuple[ToolCall, ...] = ()
        if name in _RESULTS:
            kind, tools = "tool_result", (ToolCall(name, result=text),)
        extra = {"report": name} if name else {}
        if name == _HUMAN:
            self._step("user", text, entry, extra=extra)
            self._build.agent("user", role="user")
            return
        self._step("System", text, entry, kind=kind, tools=tools, extra=extra)

    def _step(self, who: str, text: str, entry: Entry, **fields: Any) -> None:
        """Append a step; the first count of tokens that waits belongs to a role's turn."""
        raws = [entry.raw]
        usage: Usage | None = None
        answers = who not in ("System", "user") and fields["extra"].get("record") != "Start Chat"
        if not answers:
            self._settle()
        while answers and self._spent and usage is None:
            raw, usage = self._spent.pop(0)
            raws.append(raw)
        index = self._build.add(who, text, raws, time=_time(entry["time"]), usage=usage, **fields)
        self._answered = index if answers else self._answered

    def _settle(self) -> None:
        """Counts that no turn took, before a phase goes on, belong to the turn before."""
        if self._answered is None:
            return
        for raw, usage in self._spent:
            step = self._build.steps[self._answered]
            self._build.merge(self._answered, raw, usage=_sum(step.usage, usage))
        self._spent.clear()

    def close(self) -> Iterator[Trace | Problem]:
        """The trace; counts without any turn belong to nobody."""
        self._settle()
        for raw, _ in self._spent:
            yield self._source.skip(raw, "counts of tokens before any turn")
        build = self._build
        for who, prompt in self._prompts.items():
            build.agent(who, system_prompt=prompt)
        if any(step.agent == "System" for step in build.steps):
            build.agent("System", role="system")
        yield build.trace(
            self._source.default_id(),
            task=Task(question=self._task),
            extra=self._extra,
            sha256=self._source.sha256,
        )


def _sum(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    return Usage(
        input_tokens=(one.input_tokens or 0) + (other.input_tokens or 0),
        output_tokens=(one.output_tokens or 0) + (other.output_tokens or 0),
        cost=None if one.cost is None else one.cost + (other.cost or 0.0),
    )


def _split_prompt(body: str) -> tuple[str, str]:
    """The prompt that a record quotes in brackets, and the text after it."""
    if not body.startswith("["):
        return "", body
    prompt, closing, text = body[1:].partition("]\n\n")
    if closing:
        return prompt, text.strip("\n ")
    return (body[1:-1], "") if body.endswith("]") else ("", body)


def _time(stamp: str) -> Time | None:
    """ChatDev writes year-DAY-month; where that is no date, year-month-day."""
    for layout in ("%Y-%d-%m %H:%M:%S", "%Y-%m-%d %H:%M:%S"):
        try:
            return Time(start=datetime.strptime(stamp, layout).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    return None
