"""What the value model is told of a step: columns that look at the task and backwards, never ahead.

`Story` reads a run step by step and keeps what it needs of the past in a bounded state, so that a
new step costs the same after ten steps as after a thousand. It reads neither labels nor outcomes,
nor the correct answer, nor the names of agents.
"""

from __future__ import annotations

import copy
import re
from typing import get_args

import numpy as np

from tracekit.prm.answers import NONE, Answer, answer, report, says_none
from tracekit.prm.claims import Claims
from tracekit.prm.quantities import Known, literals, quantities
from tracekit.prm.sums import check
from tracekit.signals.cues import CUES, ERRORS, broken, cues
from tracekit.signals.phrases import MOST, PHRASES
from tracekit.signals.repeats import LIKE, SHORTEST
from tracekit.signals.roles import reports
from tracekit.signals.text import HEAD, TAIL, jaccard, lowered, words
from tracekit.trace import Source, Step, StepKind, Task, Trace

KINDS: tuple[str, ...] = get_args(StepKind)
RECENT = 12
"""Steps back that repetitions are looked for in."""
TEAM = 64
"""Agents whose last answers are remembered: the latest."""

_VAGUE = re.compile(
    r"\b(?:some|several|a few|a number of|certain|various|many|a bit|a while|unknown)\b"
)
_PASSED = re.compile(r"(\d{1,6}) (?:of|out of|/) (\d{1,6})[\w ]{0,30}? pass|(\d{1,6}) passed")
_REJECTS = re.compile(
    r"\b(?:found (?:a|an|the) (?:problem|error|mistake|issue)|cannot be right|not (?:correct|right)|incorrect"
    r"|do not trust|don't trust|something else|another pass|redo|rework|recheck|re-check|take another look"
    r"|needs? (?:to be )?(?:corrected|revised|fixed)|discrepanc|inconsisten|disagree)"
)
_ACCEPTS = re.compile(
    r"\b(?:looks (?:right|good|correct)|it holds|verified|confirmed|agree|correct(?:ly)?|consistent|match(?:es)?|concur)\b"
)

Columns = dict[str, float]


class Story:
    """A run as far as it has been told; `copy` for a search that goes on in several ways."""

    def __init__(self, trace: Trace) -> None:
        self._roles = {agent.id: agent.role or "" for agent in trace.agents}
        question = brief(trace.task.question)
        self._task = _of_task(question)
        self._asked = words(question)
        self.known = Known(question)
        self.claims = Claims()
        self._steps = 0
        self._turns: dict[str, int] = {}
        self._last = ""
        self._said: tuple[frozenset[str], ...] = ()
        self._answers: dict[str, str] = {}
        self._marked: str | None = None
        self._used: frozenset[float] = frozenset()
        self._sums: Columns = {}

    def opening(self) -> np.ndarray:
        """The row that stands before the first step: the task alone, float64 (n_columns,)."""
        return _row({"opening": 1.0} | self._task)

    def read(self, step: Step) -> np.ndarray:
        """The row of the next step, float64 (n_columns,)."""
        text = brief(said(step))
        found = (
            self._task
            | self._place(step, text)
            | _style(text)
            | self._trouble(step)
            | self._repeated(text)
            | self._answered(step, text)
            | self._arithmetic(step, text)
        )
        self._steps += 1
        return _row(found | self._standing())

    def copy(self) -> Story:
        """An independent copy, at a cost that does not depend on the length of the run."""
        twin = copy.copy(self)
        twin.known, twin.claims = self.known.copy(), self.claims.copy()
        twin._turns, twin._answers = dict(self._turns), dict(self._answers)
        twin._sums = dict(self._sums)
        return twin

    def _add(self, name: str, value: float) -> float:
        """A count over the steps so far, this one included, as log(1 + count)."""
        self._sums[name] = self._sums.get(name, 0.0) + value
        return float(np.log1p(self._sums[name]))

    def _place(self, step: Step, text: str) -> Columns:
        own = self._turns.pop(step.agent, 0)
        role = self._roles.get(step.agent, "")
        found = {
            f"kind_{step.kind}": 1.0,
            "index": float(np.log1p(self._steps)),
            "length": float(np.log1p(len(text))),
            "first_turn": float(own == 0),
            "own_turns": float(np.log1p(own)),
            "same_agent": float(step.agent == self._last),
            "team": self._add("team", float(own == 0)),
            "to": float(step.to is not None),
            "person": float(role == "user"),
            "tool": float(role == "tool" or reports(step)),
            "leader": float(role in ("orchestrator", "manager")),
            "reviewer": float(role in ("verifier", "reviewer", "critic", "judge")),
            "calls": float(len(step.tools) > 0),
            "overlap": jaccard(self._asked, words(text)),
        }
        self._turns[step.agent] = own + 1
        if len(self._turns) > TEAM:
            del self._turns[next(iter(self._turns))]
        self._last = step.agent
        return found

    def _trouble(self, step: Step) -> Columns:
        shown = cues(step)
        tool = any(broken(call) for call in step.tools)
        error = tool or any(name in shown for name in ERRORS)
        ran = bool(step.tools) or "code" in shown
        low = lowered(brief(step.content))
        passed = _passed(low)
        rejects, accepts = bool(_REJECTS.search(low)), bool(_ACCEPTS.search(low))
        return {
            **{f"cue_{name.replace('-', '_')}": 1.0 for name in shown},
            "error": float(error),
            "errors": self._add("errors", error),
            "actions": self._add("actions", ran),
            "assumed": self._add("assumed", "assumption" in shown),
            "rejects": float(rejects),
            "rejected": self._add("rejected", rejects),
            "accepts": float(accepts and not rejects),
            "accepted": self._add("accepted", accepts and not rejects),
            "tested": float(passed is not None),
            "passed": 0.0 if passed is None else passed,
        }

    def _repeated(self, text: str) -> Columns:
        mine = words(text)
        alike = 0.0
        if len(mine) >= SHORTEST:
            alike = max((jaccard(mine, other) for other in self._said), default=0.0)
            self._said = (*self._said, mine)[-RECENT:]
        return {"alike": alike, "repeats": self._add("repeats", alike >= LIKE)}

    def _answered(self, step: Step, text: str) -> Columns:
        found = answer(text) if step.kind != "system" else None
        output = report(text) if reports(step) or len(text) < 100 else None
        none = says_none(text)
        if output is not None and (found is None or not found.marked):
            found = Answer(output, marked=False)
        before = self._answers.get(step.agent)
        others = [key for agent, key in self._answers.items() if agent != step.agent]
        columns: Columns = {
            "says_none": float(none),
            "said_none": self._add("said_none", none),
            "output": float(output is not None),
            "answered": float(bool(self._marked)),
        }
        if found is not None:
            columns |= self._compared(found, before, others)
            self._answers.pop(step.agent, None)
            self._answers[step.agent] = found.key
            if len(self._answers) > TEAM:
                del self._answers[next(iter(self._answers))]
        kept = list(self._answers.values())
        lead = max(map(kept.count, kept), default=0)
        columns["distinct"] = float(len(set(kept)))
        columns["lead"] = lead / len(kept) if kept else 0.0
        return columns

    def _compared(self, found: Answer, before: str | None, others: list[str]) -> Columns:
        """An answer beside those that others gave and the one its agent gave before."""
        number = found.number
        changed = found.marked and self._marked not in (None, found.key)
        columns = {
            "marked": float(found.marked),
            "number": float(number is not None),
            "none": float(found.key == NONE and found.marked),
            "agrees": others.count(found.key) / len(others) if others else 0.0,
            "alone": float(bool(others) and found.key not in others),
            "confirms": float(found.key == before),
            "deviates": float(before not in (None, found.key)),
            "changed": self._add("changed", changed),
        }
        if number is not None:
            columns |= {
                "negative": float(number < 0),
                "broken_number": float(number != round(number)),
                "from_task": float(abs(number) in self.known.asked),
                "unseen": float(not self.known.has(abs(number))),
                "size": float(np.log1p(min(abs(number), 1e9))),
            }
        if found.marked:
            self._marked = found.key
        return columns

    def _standing(self) -> Columns:
        """The answer as it stands after this step, and what speaks against it."""
        number = self._marked not in (None, NONE)
        held = float(number)
        backers = sum(key == self._marked for key in self._answers.values())
        seen = self._sums
        return {
            "stands_number": held,
            "stands_none": float(self._marked == NONE),
            "stands_doubted": held * (seen["said_none"] > 0),
            "stands_assumed": held * (seen["assumed"] > 0),
            "stands_foreign": held * (seen["foreign"] > 0),
            "stands_untried": held * (seen["actions"] == 0),
            "stands_rejected": held * (seen["rejected"] > 0),
            "stands_backed": held * float(np.log1p(backers)),
            "stands_vague": held * self._task["task_vague"],
        }

    def _arithmetic(self, step: Step, text: str) -> Columns:
        checked, heard = check(text), self.claims.hear(text)
        quiet = reports(step)
        made_up = self.known.made_up(text)
        foreign = 0 if quiet else self.known.foreign(literals(text))
        if self.known.asked - self._used:
            self._used |= self.known.asked & set(quantities(text, spelled=True))
        return {
            "sums_right": float(np.log1p(checked.right)),
            "sums_wrong": float(np.log1p(checked.wrong)),
            "all_right": self._add("right", checked.right),
            "all_wrong": self._add("wrong", checked.wrong),
            "made_up": float(np.log1p(made_up)),
            "all_made_up": self._add("made_up", 0 if quiet else made_up),
            "foreign": float(np.log1p(foreign)),
            "all_foreign": self._add("foreign", foreign),
            "coverage": len(self._used) / max(1, len(self.known.asked)),
            "claims": float(np.log1p(heard.new)),
            "claims_again": float(np.log1p(heard.same)),
            "claims_otherwise": float(np.log1p(heard.other)),
            "all_otherwise": self._add("otherwise", heard.other),
        }


def brief(text: str) -> str:
    """Its first 6,000 and last 2,000 characters, which is what is read of a text."""
    return text if len(text) <= HEAD + TAIL else f"{text[: HEAD - 1]} {text[-TAIL:]}"


def said(step: Step) -> str:
    """What a step says, its calls and their results included."""
    calls = (f" {call.name} {call.arguments or ''} {call.result or ''}" for call in step.tools)
    return step.content + "".join(calls) if step.content or step.tools else ""


def _of_task(question: str) -> Columns:
    low = lowered(question)
    asked = quantities(question, spelled=True)
    return {
        "task_length": float(np.log1p(len(low))),
        "task_numbers": float(np.log1p(len(asked))),
        "task_vague": float(np.log1p(len(_VAGUE.findall(low)))),
        "task_questions": float(np.log1p(low.count("?"))),
        "task_percent": float("%" in low or "percent" in low),
        "task_fraction": float("." in re.sub(r"\.(?:\s|$)", "", low) or "/" in low),
    }


def _style(text: str) -> Columns:
    """How often each family of phrases stands in a text, log(1 + count)."""
    low = lowered(text)
    found: Columns = {}
    for name, pattern in PHRASES.items():
        count = 0
        for _ in pattern.finditer(low):
            count += 1
            if count == MOST:
                break
        if count:
            found[f"says_{name}"] = float(np.log1p(count))
    return found


def _passed(low: str) -> float | None:
    """Share of tests that passed, 0 to 1; None when nothing is said of tests."""
    match = _PASSED.search(low)
    if match is None:
        return None
    if match[1] is None:
        return 1.0 if int(match[3]) else 0.0
    return min(1.0, int(match[1]) / max(1, int(match[2])))


def _names() -> tuple[str, ...]:
    """All columns, in order."""
    story = Story(Trace(id="", source=Source(format=""), task=Task(question="1")))
    number = Step(index=0, agent="a", content="so the answer is 2")
    found = (
        story._place(number, "") | story._trouble(number) | story._repeated("")
        | story._answered(number, number.content) | story._arithmetic(number, "")
        | story._standing()
    )  # fmt: skip
    fixed = ["opening", *story._task, *(f"kind_{kind}" for kind in KINDS)]
    shown = [f"cue_{name.replace('-', '_')}" for name in CUES] + [
        f"says_{name}" for name in PHRASES
    ]
    return tuple(dict.fromkeys([*fixed, *shown, *found]))


COLUMNS: tuple[str, ...] = _names()
"""Names of the columns of a row."""
_PLACE = {name: place for place, name in enumerate(COLUMNS)}


def _row(found: Columns) -> np.ndarray:
    row = np.zeros(len(COLUMNS))
    for name, value in found.items():
        row[_PLACE[name]] = value
    return row
