"""`spectrum`: which actions keep company with failure, over repeated runs of the same task.

Spectrum-based fault localisation counts, for every action, the failing and passing runs that hold
it. FAMAS (arXiv 2509.13782, section 3) adds decay for repetition and the habits of the agent; the
classic formulas stand beside it. Where FAMAS has a language model merge actions, this method goes
by `tracekit.signals.actions`; with `abstraction=llm` a model merges what is left.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np

from tracekit.analyzers.abstraction import merged
from tracekit.analyzers.corpus import Latest, by_task, named_by_role, seats
from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Cost, Evidence, Method
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.folds import question_key
from tracekit.llm.errors import CallError
from tracekit.llm.request import Completion
from tracekit.llm.request import cost as cost_of
from tracekit.signals.actions import Action, actions
from tracekit.signals.roles import candidates
from tracekit.trace import Trace

VERSION = "1"
ABSTRACTIONS = ("none", "llm")
REMEMBERED = 64
"""Tasks whose merged actions are kept."""
DECAY = 0.9
"""What each further occurrence in a run counts, against the one before (lambda of FAMAS)."""


FEW = 3
"""Passing runs below which a verdict carries a warning."""


class Counts(NamedTuple):
    """In which runs an action occurs."""

    failing: float
    """Failing runs with it (n_cf)."""
    passing: float
    """Passing runs with it (n_cs)."""
    failing_without: float
    """Failing runs without it (n_uf)."""
    passing_without: float
    """Passing runs without it (n_us)."""


def ochiai(n: Counts) -> float:
    """Cosine between having the action and failing, 0 to 1 (Abreu et al. 2006).

    >>> ochiai(Counts(4, 0, 0, 4))
    1.0
    """
    return _over(n.failing, math.sqrt((n.failing + n.failing_without) * (n.failing + n.passing)))


def tarantula(n: Counts) -> float:
    """Share of failing runs with it, against that of passing runs, 0 to 1 (Jones et al. 2002).

    >>> tarantula(Counts(2, 1, 2, 3))
    0.6666666666666666
    """
    failing = _over(n.failing, n.failing + n.failing_without)
    return _over(failing, failing + _over(n.passing, n.passing + n.passing_without))


def dstar(n: Counts) -> float:
    """D*, exponent 2: from 0, without upper bound (Wong et al. 2014).

    Where the denominator is 0, as for an action in all failing and no passing runs, it counts as 1.

    >>> dstar(Counts(4, 1, 1, 4))
    8.0
    """
    return n.failing**2 / max(1.0, n.passing + n.failing_without)


def kulczynski2(n: Counts) -> float:
    """Mean of recall and precision of the action as a sign of failure, 0 to 1.

    >>> kulczynski2(Counts(3, 1, 1, 5))
    0.75
    """
    recall = _over(n.failing, n.failing + n.failing_without)
    return (recall + _over(n.failing, n.failing + n.passing)) / 2


FORMULAS: dict[str, Callable[[Counts], float]] = {
    "famas": kulczynski2,
    "ochiai": ochiai,
    "tarantula": tarantula,
    "dstar": dstar,
    "kulczynski2": kulczynski2,
}
"""By name; `famas` is Kulczynski-2 of decayed counts, times three factors."""


class _Corpus(NamedTuple):
    """What the method needs of a corpus."""

    tasks: dict[str, list[Trace]]
    by_role: bool

    @classmethod
    def of(cls, runs: Sequence[Trace]) -> _Corpus:
        return cls(by_task(runs), named_by_role(runs))


class Spectrum:
    """Ranks the steps of a failed run by how their actions go with failure in other runs.

    Settings: `formula` (ochiai, famas, tarantula, dstar, kulczynski2) and `coarse` (actions without
    their gist), `abstraction` (none, or llm: a model merges what is the same in other words) and
    `model` (its name). The formula of the paper is `famas`; its factors favour what agents do often.
    It needs a corpus with a passing run of the same task, and abstains without one.
    What it states as probabilities are shares of suspicion within the run, which nothing calibrates.
    """

    name: ClassVar[str] = "spectrum"
    needs: ClassVar[frozenset[str]] = frozenset({"trace", "corpus"})
    name_blind: ClassVar[bool] = False  # an agent is found again in other runs by its name

    def __init__(self) -> None:
        self._corpora: Latest[None, _Corpus] = Latest(lambda runs, _: _Corpus.of(runs))
        self._merged: dict[tuple[Any, ...], dict[Action, Action]] = {}
        """What a model merged, by what it was asked: the runs of a task ask the same."""

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict; the run itself counts as one that failed."""
        chosen = settings(
            context, self.name, formula="ochiai", coarse=False, abstraction="none", model=""
        )
        if chosen["formula"] not in FORMULAS:
            known = ", ".join(FORMULAS)
            raise UsageError(f"spectrum has no formula {chosen['formula']!r}; there are {known}")
        if chosen["abstraction"] not in ABSTRACTIONS:
            raise UsageError(f"spectrum: abstraction is {chosen['abstraction']!r}; none or llm")
        model = chosen.pop("model")
        if chosen["abstraction"] == "none":
            del chosen["abstraction"]
        method = Method(name=self.name, version=VERSION, model=model or None, settings=chosen)
        corpus = self._corpora.of(context.corpus, None)
        same = corpus.tasks.get(question_key(trace), [])
        others = [run for run in same if run.id != trace.id]
        passing = [run for run in others if run.failed is False]
        failing = [trace, *(run for run in others if run.failed)]
        if not passing:
            return abstain(trace, method, "no run of this task that succeeded is in the corpus")

        def told(run: Trace) -> list[Action]:
            seat = seats(run, by_role=corpus.by_role)
            doings = actions(run, coarse=bool(chosen["coarse"]))
            return [each._replace(agent=seat[each.agent]) for each in doings]

        cost = Cost()
        if "abstraction" in chosen:
            try:
                same_as, cost = self._abstract([*failing, *passing], told, context, model)
            except CallError as error:
                why = f"the model that should merge actions gave no answer: {error}"
                return msgspec.structs.replace(abstain(trace, method, why), failed=True)
            plain, told = told, lambda run: [same_as.get(each, each) for each in plain(run)]
        spectrum = Table(map(told, failing), map(told, passing))
        mine = told(trace)
        found = np.zeros(len(mine))
        for index in candidates(trace):
            found[index] = spectrum.score(mine[index], chosen["formula"], mine)
        if not found.any():
            return abstain(trace, method, "none of its actions is more frequent in failing runs")
        evidence = {
            index: (Evidence(step=index, weight=float(found[index]), shows=spectrum.says(each)),)
            for index, each in enumerate(mine)
            if found[index] > 0
        }
        said = verdict(trace, method, found / found.sum(), evidence=evidence)
        return msgspec.structs.replace(
            said, cost=cost, warnings=tuple(_doubts(found, len(passing)))
        )

    def _abstract(
        self,
        runs: Sequence[Trace],
        told: Callable[[Trace], list[Action]],
        context: Context,
        model: str,
    ) -> tuple[dict[Action, Action], Cost]:
        """What a model merges over the runs of a task, asked once; the runs go by their ids."""
        if context.llm is None:
            raise UsageError("spectrum: abstraction=llm asks a model: say where, --llm URL")
        examples: dict[Action, str] = {}
        for run in sorted(runs, key=lambda run: run.id):
            for action, step in zip(told(run), run.steps, strict=True):
                examples.setdefault(action, step.content)
        key = (model, context.seed, *examples.items())
        done: tuple[Completion, ...] = ()
        if key not in self._merged:
            if len(self._merged) >= REMEMBERED:
                self._merged.clear()
            self._merged[key], done = merged(examples, context.llm, model, context.seed)
        return self._merged[key], cost_of(done)


def _doubts(found: np.ndarray, passing: int) -> Iterator[str]:
    """What the reader of a ranking should know."""
    ties = int((found == found.max()).sum())
    if ties > 1:
        yield f"{ties} steps are equally suspicious; the earliest is named"
    if passing < FEW:
        yield f"only {passing} run{'s' * (passing > 1)} of this task succeeded"


class Table:
    """Actions by run: the hit spectrum of a task."""

    def __init__(
        self, failing: Iterable[Sequence[Action]], passing: Iterable[Sequence[Action]]
    ) -> None:
        self._failing = [Counter(run) for run in failing]
        self._passing = [Counter(run) for run in passing]

    def counts(self, action: Action, *, decay: float | None = None) -> Counts:
        """How many runs of each kind hold the action; with a decay, repetition counts as well."""
        with_it = (
            sum(_weight(run[action], decay) for run in runs)
            for runs in (self._failing, self._passing)
        )
        without = (
            float(sum(action not in run for run in runs)) for runs in (self._failing, self._passing)
        )
        return Counts(*with_it, *without)

    def score(self, action: Action, formula: str, target: Sequence[Action]) -> float:
        """How suspicious an action of the target run is; at least 0, comparable within a run."""
        if formula != "famas":
            return FORMULAS[formula](self.counts(action))
        runs = self._failing + self._passing
        times = sum(run[action] for run in runs)
        agent = [sum(n for each, n in run.items() if each.agent == action.agent) for run in runs]
        gamma = _over(times, sum(agent))
        beta = _over(sum(action in run for run in runs), sum(n > 0 for n in agent))
        alpha = 1 + math.log(max(1, target.count(action)), 1 / DECAY)
        kul2 = FORMULAS[formula](self.counts(action, decay=DECAY))
        return alpha * kul2 * (1 + beta) * (1 + gamma)

    def says(self, action: Action) -> str:
        """The counts in words."""
        n = self.counts(action)
        return (
            f"{action}: in {n.failing:.0f} of {n.failing + n.failing_without:.0f} failing and "
            f"{n.passing:.0f} of {n.passing + n.passing_without:.0f} passing runs"
        )


def _weight(times: int, decay: float | None) -> float:
    """1, 1 + d, 1 + d + d^2, ... for one, two, three occurrences; without decay 1 for any."""
    if decay is None:
        return float(times > 0)
    return (1 - decay**times) / (1 - decay)


def _over(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
