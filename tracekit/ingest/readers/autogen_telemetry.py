"""Telemetry of pyautogen 0.2: the database of `autogen.runtime_logging`, and `*_messages.json`.

The database (schema 1 and 2) holds every completion, event and function call; the agent of a
completion is found through its client wrapper. `*_messages.json` is what one agent, named by the
file, keeps of its chats: a list of messages per counterpart, in which its own are `assistant`.
A message that went to several counterparts stands in several lists and is one step.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.chat import add_message, first_question, is_message
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek
from tracekit.ingest.readers.autogen_sqlite import read_database
from tracekit.ingest.sources import OpenSource
from tracekit.names import by_role
from tracekit.trace import Outcome, Raw, Task, Trace

_SUFFIX = "_messages.json"
_COMMON = frozenset({"messages", "history", "conversation", "trajectory", "traj", "chat", "turns"})
"""Names of lists in formats of others; nobody calls an agent so."""


class AutoGenTelemetry:
    """Reads telemetry databases and chat dumps of pyautogen."""

    name: ClassVar[str] = "autogen-telemetry"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of the tables of the logger, and of lists of messages by counterpart."""
        if head.startswith(b"SQLite format 3\0"):
            known = b"chat_completions" in head and (b"oai_wrappers" in head or b"agents" in head)
            return 0.95 if known else 0.0
        value = peek(head)
        if isinstance(value, dict) and "history" in value:
            return 0.0  # a long Who&When file, whose other keys lie beyond the head
        lists = list(value.values()) if isinstance(value, dict) else []
        if not lists or _COMMON & value.keys():
            return 0.0
        if not all(isinstance(one, list) and one for one in lists):
            return 0.0
        lists[-1] = lists[-1][:-1] or lists[-1]  # its last message may be cut off
        return 0.7 if all(is_message(item) for one in lists for item in one[:3]) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per session of a database, one per file of messages."""
        if source.head.startswith(b"SQLite format 3\0"):
            yield from read_database(source, self.name)
            return
        chats = source.json()
        if isinstance(chats, Problem):
            yield chats
        elif isinstance(chats, dict):
            yield from _chats(source, self.name, chats)
        else:
            yield source.problem(None, "there are no chats by counterpart")


class _Said:
    """A message, and every place it stands."""

    def __init__(self, raw: Raw, who: str | None, item: dict[str, Any], with_: str) -> None:
        self.raws = [raw]
        self.who = who
        self.item = item
        self.others = [with_]

    @property
    def text(self) -> str:
        return as_text(self.item.get("content")) or as_text(self.item.get("tool_calls"))


def _chats(source: OpenSource, format: str, chats: dict[str, Any]) -> Iterator[Trace | Problem]:
    owner = _owner(chats, source.name)
    order: list[_Said] = []
    for other, messages in chats.items():
        said: list[_Said] = []
        listed = messages if isinstance(messages, list) else [messages]
        for raw, item in source.records(listed, f"/{other.replace('~', '~0').replace('/', '~1')}"):
            if is_message(item):
                said.append(_Said(raw, _who(item, other, owner), item, other))
            else:
                yield source.problem(raw, "this is not a chat message")
        _weave(order, said, owner)
    build = Builder(source, format, framework="autogen")
    for one in order:
        extra = {"chats": one.others}
        index = add_message(build, one.item, one.raws[0], who=one.who, extra=extra)
        for raw in one.raws[1:]:
            build.merge(index, raw)
    for name in [*chats, *filter(None, [owner])]:
        build.agent(name)
    last = build.steps[-1].content if build.steps else None
    question = first_question(build) or (build.steps[0].content if build.steps else "")
    task, outcome = Task(question=question), Outcome(answer=last)
    id = source.default_id()
    yield build.trace(id, task=task, outcome=outcome, sha256=source.sha256)


def _owner(chats: dict[str, Any], name: str) -> str | None:
    """Whose chats these are: the one who speaks as `assistant` and is nobody's counterpart."""
    stem = name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else ""
    listed = [item for one in chats.values() if isinstance(one, list) for item in one]
    own = [item for item in listed if is_message(item) and by_role(item["role"]) == "assistant"]
    named = dict.fromkeys(as_text(item.get("name")) for item in own)
    found = [who for who in named if who and who not in chats]
    fitting = [who for who in found if stem.endswith(who)]
    return (fitting or found or [stem])[0] or None


def _who(item: dict[str, Any], other: str, owner: str | None) -> str | None:
    """Whoever is named, or the side that the role stands for in the owner's view."""
    role = by_role(item["role"])
    named = as_text(item.get("name")).strip()
    if named or role in ("tool", "system"):
        return named or None
    return owner if role == "assistant" else other


def _weave(order: list[_Said], said: list[_Said], owner: str | None) -> None:
    """Put the messages of one chat into the common order; equal ones become one.

    What stands between two messages that are known is put between them. A text that the owner
    only passes on comes after the one who wrote it.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for index, known in enumerate(order):
        places[known.text].append(index)
    woven: list[_Said] = []
    waiting: list[_Said] = []
    start = 0
    for one in said:
        found = places.get(one.text, [])
        position = bisect_left(found, start)
        if position == len(found):
            waiting.append(one)
            continue
        place = found[position]
        woven += [*order[start:place], *waiting]
        waiting, start = [], place + 1
        known = order[place]
        if known.who == one.who:
            known.raws += one.raws
            known.others += one.others
            woven.append(known)
        else:
            woven += [one, known] if known.who == owner else [known, one]
    order[:] = [*woven, *order[start:], *waiting]
