"""Debates between language models: MAD (arXiv 2305.19118) and the contexts of Du et al.

Every player keeps its own history, in which the others' words arrive as prompts. The order
between players is rebuilt: the first player's surplus turn opens, then the players take turns
round by round, and the judge speaks last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import Turn, add_turn, is_message, turns
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Task, Trace

_JUDGE = "Judge"
_QUESTIONS = ("source", "debate_topic", "question", "topic")
_EXPECTED = ("correct reference", "reference", "correct_answer", "ground_truth")
_ANSWERS = ("debate translation", "debate_answer", "answer")


class LlmDebate:
    """Reads debate processes."""

    name: ClassVar[str] = "llm-debate"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of players with their own histories."""
        value = peek(head)
        if not isinstance(value, dict):
            return 0.0
        players = value.get("players")
        if isinstance(players, dict):
            marked = bool(value.keys() & {*_EXPECTED, *_ANSWERS, "num_players"})
            own = all(isinstance(one, list) for one in players.values())
            return 0.9 if own and (marked or _JUDGE in players) else 0.5 if own else 0.0
        first = next(iter(value.values()), None)
        return 0.6 if _contexts(first) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per debate; a file of contexts holds one per question."""
        run = source.json()
        if isinstance(run, Problem):
            yield run
        elif isinstance(run, dict) and isinstance(run.get("players"), dict):
            yield from _debate(source, self.name, run)
        elif isinstance(run, dict) and any(_contexts(value) for value in run.values()):
            for position, (question, value) in enumerate(run.items()):
                yield from _by_context(source, self.name, position, question, value)
        else:
            yield source.problem(None, "there are no players")


def _contexts(value: Any) -> bool:
    """Whether a value is `[[history of an agent, …], answer]`."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], list):
        return False
    histories = value[0]
    return bool(histories) and all(
        isinstance(h, list) and h and is_message(h[0]) for h in histories
    )


def _debate(source: OpenSource, format: str, run: dict[str, Any]) -> Iterator[Trace | Problem]:
    build = Builder(source, format, framework="mad")
    said: dict[str, list[Turn]] = {}
    for name, messages in run["players"].items():
        said[name] = []
        escaped = name.replace("~", "~0").replace("/", "~1")
        for turn in turns(source, messages, f"/players/{escaped}"):
            if isinstance(turn, Problem):
                yield turn
            else:
                said[name].append(turn)
    for name, turn in _order(said):
        add_turn(build, name, turn)
    for name in run["players"]:
        role = {"Judge": "judge", "Moderator": "moderator"}.get(name)
        build.agent(name, role=role)
    answer = _first(run, _ANSWERS)
    if answer and build.steps:
        build.steps[-1] = msgspec.structs.replace(build.steps[-1], kind="final")
    keys = ("players", "reason", *_QUESTIONS, *_EXPECTED, *_ANSWERS)
    yield build.trace(
        source.default_id(),
        task=Task(question=_first(run, _QUESTIONS) or "", expected=_first(run, _EXPECTED)),
        outcome=Outcome(answer=answer, reason=as_text(run.get("reason")) or None),
        extra=rest(run, *keys),
        sha256=source.sha256,
    )


def _first(run: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((text for key in keys if (text := as_text(run.get(key)).strip())), None)


def _order(said: dict[str, list[Turn]]) -> list[tuple[str, Turn]]:
    """The turns of all players as they happened."""
    debaters = [name for name in said if name != _JUDGE]
    opener = debaters[0] if debaters else _JUDGE
    rounds = max((len(said[name]) for name in debaters if name != opener), default=0)
    surplus = max(0, len(said.get(opener, ())) - rounds)
    order: list[tuple[int, int, str, Turn]] = []
    for place, name in enumerate(debaters):
        shift = 0 if name == opener else surplus
        order += [(turn.number + shift, place, name, turn) for turn in said[name]]
    order.sort(key=lambda entry: entry[:2])
    judged = [(_JUDGE, turn) for turn in said.get(_JUDGE, ())]
    return [(name, turn) for _, _, name, turn in order] + judged


def _by_context(
    source: OpenSource, format: str, position: int, question: str, value: Any
) -> Iterator[Trace | Problem]:
    """One question with a history per agent (arXiv 2305.14325)."""
    if not _contexts(value):
        yield source.problem(None, "a question holds no list of histories")
        return
    build = Builder(source, format, framework="multiagent-debate")
    escaped = question.replace("~", "~0").replace("/", "~1")
    said: list[tuple[int, str, Turn]] = []
    for number, history in enumerate(value[0], 1):
        for turn in turns(source, history, f"/{escaped}/0/{number - 1}"):
            if isinstance(turn, Problem):
                yield turn
            else:
                said.append((turn.number, f"Agent {number}", turn))
    for _, name, turn in sorted(said, key=lambda entry: entry[0]):
        add_turn(build, name, turn)
    task = Task(question=question, expected=as_text(value[1]) or None)
    id = source.default_id(position=f"-{position}")
    yield build.trace(id, task=task, outcome=Outcome(), sha256=source.sha256)
