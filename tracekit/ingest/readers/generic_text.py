"""Any text log in which speakers announce themselves: the last resort, and it says so.

A header is a line such as `---- Name ----`, `### Name`, `[Name] …` or `Name: …`. A name counts as a
speaker when it heads at least two records, so that `Note:` or a heading does not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_text
from tracekit.ingest.meters import read_time
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import log_entries, log_lines, strip_ansi
from tracekit.names import by_role
from tracekit.trace import Task, Trace

_CLOCK = (
    r"(?:\[?(?P<clock>\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?"
    r"(?:Z|[+-]\d\d:?\d\d)?)\]?[\s|-]*(?:\[?(?:INFO|DEBUG|WARNING|ERROR|CRITICAL)\]?[\s|:-]+)?)?"
)
_NAME = r"(?P<name>{name})(?:\s*\([^()\n]{{1,60}}\))?"
_ANY = r"[^\W\d_][\w .&/-]{0,40}?"
_FORMS = (
    ("---- Name ----", rf"^[-=*]{{{{3,}}}}\s*{_NAME}\s*:?\s*[-=*]{{{{3,}}}}\s*$"),
    ("### Name", rf"^#{{{{1,6}}}}\s+{_NAME}\s*:?\s*$"),
    ("[Name] …", rf"^{_CLOCK}\[{_NAME}\]\s*:?\s?"),
    ("Name: …", rf"^{_CLOCK}(?:\*\*)?{_NAME}(?:\*\*)?:(?:\*\*)?(?:\s|$)"),
)
_NOT_NAMES = frozenset(
    ("info", "debug", "warning", "warn", "error", "trace", "critical", "fatal", "note", "notice",
     "todo", "http", "https", "file", "example", "output", "input", "result", "license", "date",
     "from", "to", "subject", "cc", "usage", "step", "time", "question", "answer", "task", "url",
     "thought", "action", "observation", "arguments", "final answer", "reasoning", "explanation",
     "solution", "conclusion", "given", "problem", "score", "total", "therefore", "round", "turn",
     "iteration", "phase", "epoch", "attempt", "option", "case", "path", "branch", "state", "part")
)  # fmt: skip
"""Headings of what is said, with or without a number; nobody is called so."""
_FEWEST = 4  # headers that a log must have


class GenericText:
    """Reads text logs by their speaker headers."""

    name: ClassVar[str] = "generic-text"

    def sniff(self, head: bytes, name: str) -> float:
        """Never sure: any other reader that knows the file comes first."""
        if b"\0" in head[:1024] or head.lstrip()[:1] in (b"{", b"<"):
            return 0.0
        lines = decode_text(head).split("\n")[:2000]
        return 0.12 if speaker_form(strip_ansi(line) for line in lines) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        found = speaker_form(line for _, line in log_lines(source))
        if found is None:
            yield source.skip_file("no speaker heads two records")
            return
        form, names, header = found
        shown = ", ".join(names[:10])
        yield source.problem(
            None,
            f"no reader knows this format: a generic reading split it at lines like {form!r} for "
            f"{shown[:300]}",
            severity="warning",
            do="check the result",
        )
        build = Builder(source, self.name)
        before = ""
        for entry in log_entries(source, header):
            if entry.header is None:
                before = entry.text
                yield source.skip(entry.raw, "stands before the first speaker")
                continue
            role = by_role(entry["name"])
            index = build.add(
                role or entry["name"].strip(),
                entry.text.lstrip(),
                entry.raw,
                kind="system" if role == "system" else None,
                time=read_time((entry.header.groupdict().get("clock") or "").replace(",", ".")),
            )
            if role in ("user", "tool", "system"):
                build.agent(build.steps[index].agent, role=role)
        asked = next((s.content for s in build.steps if s.agent == "user"), "")
        first = build.steps[0].content if build.steps else ""
        yield build.trace(
            source.default_id(),
            task=Task(question=asked or first),
            extra={"before": before} if before else {},
            sha256=source.sha256,
        )


def may_speak(name: str) -> bool:
    """Whether a name at the head of a line may be a speaker's, and is no heading of a text.

    >>> may_speak("Reasoner 2"), may_speak("Step 2")
    (True, False)
    """
    return name.casefold().rstrip(" -_#.0123456789") not in _NOT_NAMES


def speaker_form(lines: Iterable[str]) -> tuple[str, list[str], re.Pattern[str]] | None:
    """The form of header that most lines have, the names in it, and its pattern for these.

    None when no two names head at least two records each.
    """
    counts: list[Counter[str]] = [Counter() for _ in _FORMS]
    patterns = [re.compile(pattern.format(name=_ANY)) for _, pattern in _FORMS]
    for line in lines:
        for count, pattern in zip(counts, patterns, strict=True):
            match = pattern.match(line[:400])
            if match is not None:
                count[match["name"].strip()] += 1
                break
    best: tuple[int, str, list[str], str] | None = None
    for (form, pattern_text), count in zip(_FORMS, counts, strict=True):
        names = [name for name, times in count.items() if times >= 2 and may_speak(name)]
        total = sum(count[name] for name in names)
        if len(names) >= 2 and total >= _FEWEST and (best is None or total > best[0]):
            best = (total, form, names, pattern_text)
    if best is None:
        return None
    _, form, names, pattern_text = best
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return form, names, re.compile(pattern_text.format(name=either))
