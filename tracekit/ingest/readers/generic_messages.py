"""Any JSON that holds a list of messages somewhere: the last resort, and it says so.

A message is an object with a speaker (`role`, `name`, `speaker`, …) and a content (`content`,
`text`, …). Of all lists of messages in a file those of the shape with most messages are read, each
as a trace of its own; every other list is named in a warning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import read_time
from tracekit.ingest.parts import as_text, read_calls, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.names import by_role
from tracekit.trace import Outcome, Raw, Task, Trace

SPEAKERS = (
    "name", "speaker", "agent", "agent_name", "agentName", "author", "sender", "source", "from",
    "role", "actor", "participant",
)  # fmt: skip
CONTENTS = (
    "content",
    "text",
    "message",
    "value",
    "output",
    "utterance",
    "body",
    "response",
    "parts",
)
_ADDRESSEES = ("to", "recipient", "receiver", "target")
_CLOCKS = ("timestamp", "time", "created_at", "createdAt", "ts", "date")
_QUESTIONS = ("task", "question", "query", "problem", "prompt", "instruction", "goal")
_EXPECTED = ("ground_truth", "expected", "expected_answer", "gold", "reference", "correct_answer")
_VERDICTS = ("is_correct", "correct", "success", "passed", "resolved", "solved", "won")
_DEEPEST = 12  # levels below which no list of messages is looked for

_QUOTED = "|".join(SPEAKERS)
_SAYS = re.compile(rf'"(?:{_QUOTED})"\s*:\s*["{{]'.encode())
_SAID = re.compile(rf'"(?:{"|".join(CONTENTS)})"\s*:'.encode())


class GenericMessages:
    """Reads lists of messages in JSON and JSON Lines."""

    name: ClassVar[str] = "generic-messages"

    def sniff(self, head: bytes, name: str) -> float:
        """Never sure: any other reader that knows the file comes first."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        talks = len(_SAYS.findall(head, 0, 1 << 16)) > 1 and len(_SAID.findall(head)) > 1
        return 0.15 if talks else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per list of messages; lines that are messages are one trace."""
        loose: list[tuple[Raw, Any]] = []
        found = False
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
            elif document.line is not None and _is_message(document.value):
                loose.append((Raw(record=document.line, line=document.line), document.value))
            else:
                for item in _document(source, document.value, document.line, document.id(source)):
                    found = found or isinstance(item, Trace)
                    yield item
        if loose:
            items = [item for _, item in loose]
            keys = _Keys.of(items)
            yield _doubt(source, "the lines", keys)
            yield from _trace(source, loose, keys, {}, source.default_id())
        elif not found:
            yield source.skip_file("no list of messages was found")


class _Keys(msgspec.Struct, frozen=True):
    """Under which members the messages of a list keep what."""

    speaker: str
    content: str

    @classmethod
    def of(cls, items: list[Any]) -> _Keys:
        """The members that most messages have; names come before roles where they differ."""
        messages = [item for item in items if _is_message(item)]
        return cls(_commonest(messages, SPEAKERS), _commonest(messages, CONTENTS))


class _List(msgspec.Struct, frozen=True):
    """A list of messages and what lies around it."""

    pointer: str
    items: list[Any]
    around: tuple[dict[str, Any], ...]
    """The objects above, the nearest first."""

    @property
    def shape(self) -> str:
        """The pointer without positions: runs of one file have the same."""
        return re.sub(r"/\d+", "/*", self.pointer)


def _is_message(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    told = any(item.get(key) is not None for key in (*CONTENTS, "tool_calls"))
    return told and any(_speaker(item.get(key)) for key in SPEAKERS)


def _speaker(value: Any) -> str:
    """A speaker that is written as text, or as an object with a name."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("role")
    return value.strip() if isinstance(value, str) and len(value) <= 200 else ""


def _commonest(messages: list[dict[str, Any]], keys: tuple[str, ...]) -> str:
    counts = Counter(key for item in messages for key in keys if item.get(key) not in (None, ""))
    enough = [key for key in keys if counts[key] * 10 >= len(messages) * 6]
    return (enough or [key for key, _ in counts.most_common(1)] or [keys[0]])[0]


def _lists(
    value: Any, pointer: str = "", around: tuple[dict[str, Any], ...] = (), depth: int = 0
) -> Iterator[_List]:
    """Every list of messages that lies in no other."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        talking = sum(map(_is_message, value))
        if talking >= 2 and talking * 10 >= len(value) * 6:
            yield _List(pointer, value, around)
            return
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _lists(item, f"{pointer}/{index}", around, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list):
                step = key.replace("~", "~0").replace("/", "~1")
                yield from _lists(item, f"{pointer}/{step}", (value, *around), depth + 1)


def _document(
    source: OpenSource, value: Any, line: int | None, id: str
) -> Iterator[Trace | Problem]:
    """The traces of a document."""
    found = list(_lists(value))
    sizes: Counter[str] = Counter()
    for each in found:
        sizes[each.shape] += len(each.items)
    if not sizes:
        return
    shape = max(sizes, key=lambda key: (sizes[key], -_found_at(found, key)))
    chosen = [each for each in found if each.shape == shape]
    for each in chosen:
        keys = _Keys.of(each.items)
        if each is chosen[0]:
            yield _doubt(source, f"{shape or 'the document'}", keys, line)
        pairs = list(source.records(each.items, each.pointer, line))
        where = each.pointer.replace("/", "-") if len(chosen) > 1 else ""
        yield from _trace(source, pairs, keys, _around(each), id + where)
    others = sorted(set(sizes) - {shape})
    if others:
        what = f"other lists of messages were left out: {', '.join(others)[:300]}"
        yield source.problem(None, what, severity="warning", line=line)


def _found_at(found: list[_List], shape: str) -> int:
    """Position of the first list of a shape."""
    return next(index for index, each in enumerate(found) if each.shape == shape)


def _around(each: _List) -> dict[str, Any]:
    """The object that holds the list, and what the task and verdict keys of those above say."""
    told: dict[str, Any] = {}
    for above in reversed(each.around):
        told |= {key: above[key] for key in (*_QUESTIONS, *_EXPECTED, *_VERDICTS) if key in above}
    nearest = each.around[0] if each.around else {}
    own = each.pointer.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
    return told | rest(nearest, own)


def _doubt(source: OpenSource, where: str, keys: _Keys, line: int | None = None) -> Problem:
    return source.problem(
        None,
        f"no reader knows this format: a generic reading took the messages of {where}, speaker "
        f"from {keys.speaker!r}, content from {keys.content!r}",
        severity="warning",
        line=line,
        do="check the result, or describe the format in a mapping file",
    )


def _trace(
    source: OpenSource,
    pairs: list[tuple[Raw, Any]],
    keys: _Keys,
    around: dict[str, Any],
    id: str,
) -> Iterator[Trace | Problem]:
    """The trace of a list of messages."""
    build = Builder(source, GenericMessages.name)
    for raw, item in pairs:
        if _is_message(item):
            _add(build, raw, item, keys)
        else:
            yield source.problem(raw, "an item of the list is no message with speaker and content")
    question = next((around[key] for key in _QUESTIONS if isinstance(around.get(key), str)), "")
    asked = next((s.content for s in build.steps if s.agent == "user"), "")
    expected = next((around[key] for key in _EXPECTED if around.get(key) is not None), None)
    verdict = next((key for key in _VERDICTS if isinstance(around.get(key), bool)), None)
    outcome = Outcome()
    if verdict is not None:
        outcome = Outcome("success" if around[verdict] else "failure", by=verdict)
    yield build.trace(
        id,
        task=Task(
            question=question or asked or (build.steps[0].content if build.steps else ""),
            expected=None if expected is None else as_text(expected),
        ),
        outcome=outcome,
        extra=around,
        sha256=source.sha256,
    )


def _add(build: Builder, raw: Raw, item: dict[str, Any], keys: _Keys) -> None:
    order = (keys.speaker, *SPEAKERS)
    spoken_by = next(key for key in order if _speaker(item.get(key)))
    said_in = next((k for k in (keys.content, *CONTENTS) if item.get(k) is not None), keys.content)
    to = next((key for key in _ADDRESSEES if _speaker(item.get(key))), None)
    clock = next((key for key in _CLOCKS if item.get(key) is not None), None)
    who = _speaker(item[spoken_by])
    role = by_role(who)
    known = [spoken_by, said_in, "tool_calls", to or "", clock or ""]
    time = read_time(item.get(clock)) if clock else None
    if clock and time is None:
        known.remove(clock)
    agent = build.steps[
        build.add(
            role or who,
            read_content(item.get(said_in)),
            raw,
            kind="system" if role == "system" else None,
            to=_speaker(item[to]) if to else None,
            tools=read_calls(item.get("tool_calls")),
            time=time,
            extra=rest(item, *known),
        )
    ].agent
    if role in ("user", "tool", "system"):
        build.agent(agent, role=role)
