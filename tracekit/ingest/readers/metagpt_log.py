"""MetaGPT's loguru records, in a text file or as `content` of a JSON (runs collected by MASFT).

A record `… | INFO | metagpt.roles.role:_act:391 - Alice(SimpleCoder): to do WriteCode` announces
what an agent does; the text below it, up to the next record, is what came out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.decode import decode_text
from tracekit.ingest.meters import read_time
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek, peek_keys
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import Entry, entries, log_lines, strip_ansi
from tracekit.trace import Outcome, Raw, Task, Trace

_HEADER = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?) \| (?P<level>[A-Z]+) *\| (?P<logger>[\w.<>:]+) - "
)
_SAYS = re.compile(
    r"^(?P<who>[^\W\d][\w .'-]{0,60}?)\((?P<role>[^()\n]{0,80})\)(?P<colon>:)? ?(?P<what>.*)"
)
_ALARMS = ("WARNING", "ERROR", "CRITICAL")
_KNOWN = ("content", "prompt", "run_id")


class MetaGPTLog:
    """Reads logs of MetaGPT teams."""

    name: ClassVar[str] = "metagpt-log"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when loguru's prefix names a logger of MetaGPT."""
        text = strip_ansi(decode_text(head))
        if peek(head) is not None:
            collected = {"content", "log_file"} <= peek_keys(head) or "prompt" in peek_keys(head)
            return (
                0.9 if collected and re.search(r"\| [A-Z]+ +\| (?:metagpt|__main__)", text) else 0.0
            )
        first = _HEADER.match(text.lstrip())
        if first is None:
            return 0.0
        return 0.9 if "metagpt." in text else 0.1

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        record: dict[str, Any] = {}
        lines: Iterable[tuple[Raw, str]] = log_lines(source)
        if peek(source.head) is not None:
            record = source.json()
            content = record.get("content") if isinstance(record, dict) else None
            if not isinstance(content, str):
                yield (
                    record if isinstance(record, Problem) else source.problem(None, "no `content`")
                )
                return
            lines = (
                (Raw(record=f"/content#{number}"), strip_ansi(line))
                for number, line in enumerate(content.split("\n"), 1)
            )
        build = Builder(source, self.name, framework="metagpt")
        for entry in entries(lines, _HEADER):
            source.see(entry.raw.record)
            problem = _add(build, entry)
            if problem is not None:
                yield problem
        said = [step.content for step in build.steps if step.kind == "message"]
        said = [text for text in said if not text.startswith("to do ")]  # announced, not done
        yield build.trace(
            source.default_id(),
            task=Task(
                question=as_text(record.get("prompt")) or _asked(build),
                id=as_text(record.get("run_id")) or None,
            ),
            outcome=Outcome(answer=said[-1] if said else None),
            extra=rest(record, *_KNOWN),
            sha256=source.sha256,
        )


def _add(build: Builder, entry: Entry) -> Problem | None:
    """Append a record as a step; the framework's bookkeeping holds none."""
    if entry.header is None:
        build.add(None, entry.text, entry.raw)
        return None
    first, _, body = entry.text.partition("\n")
    says = _SAYS.match(first)
    time = read_time(entry["time"].replace(",", "."))
    extra = {"logger": entry["logger"], "level": entry["level"]}
    if says is not None and (says["colon"] or body.strip()) and entry["level"] != "DEBUG":
        content = body.strip("\n") or says["what"]
        extra |= {"action": says["what"]} if body.strip() else {}
        build.add(says["who"], content, entry.raw, time=time, extra=extra)
        build.agent(says["who"], role=says["role"])
        return None
    if entry["level"] in _ALARMS:
        build.add("system", entry.text, entry.raw, kind="system", time=time, extra=extra)
        build.agent("system", role="system")
    elif body.strip() and entry["level"] != "DEBUG":
        build.add(None, entry.text, entry.raw, time=time, extra=extra)
    else:
        return build.source.skip(entry.raw, "bookkeeping of the framework")
    return None


def _asked(build: Builder) -> str:
    """A task that stands in the log itself, as the message that came from the user."""
    for step in build.steps:
        found = re.search(r"(?:User|Human|user_requirement)[^:\n]{0,40}: (.+)", step.content)
        if found is not None and step.agent == "system":
            return found[1]
    return ""
