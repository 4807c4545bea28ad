"""What a method has to beat: chance, a constant step, a usual place, the first and last speaker.

People and system prompts are never blamed (`signals.roles.candidates`), except by `constant`,
which does not look. None of them reads a word of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from tracekit.analyzers.verdict import around, settings, verdict
from tracekit.attribution import Attribution, Method
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.folds import fingerprint
from tracekit.signals.roles import candidates
from tracekit.trace import Trace

TRACE = frozenset({"trace"})
VERSION = "1"
TENTHS = 10
"""Parts of a run that `position-prior` tells apart."""


class Random:
    """Every step that can be blamed is as likely as any other; ties are broken by lot."""

    name: ClassVar[str] = "random"
    needs: ClassVar[frozenset[str]] = TRACE
    name_blind: ClassVar[bool] = True

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """Uniform probabilities in a random order that depends on the seed and the trace's id."""
        settings(context, self.name)
        chances = np.zeros(len(trace.steps))
        blamable = candidates(trace)
        chances[list(blamable)] = 1 / len(blamable)
        shuffled = context.rng(trace.id).permutation(len(blamable))
        rest = sorted(set(range(len(trace.steps))) - set(blamable))
        order = [*(blamable[i] for i in shuffled), *rest]
        method = Method(name=self.name, version=VERSION, seed=context.seed)
        return verdict(trace, method, chances, order=order)


class Constant:
    """Always the same step, the last one of a shorter trace."""

    name: ClassVar[str] = "constant"
    needs: ClassVar[frozenset[str]] = TRACE
    name_blind: ClassVar[bool] = True

    def __init__(self, step: int = 1, seen: frozenset[str] = frozenset()) -> None:
        self.step = step
        self._seen = seen

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """Setting `step`: the index to name, from 0; by default 1, or the fitted one."""
        step = settings(context, self.name, step=self.step)["step"]
        if not isinstance(step, int) or isinstance(step, bool) or step < 0:
            raise UsageError(f"constant: step must be an integer from 0, not {step!r}")
        method = Method(name=self.name, version=VERSION, settings={"step": step})
        return verdict(trace, method, around(trace, min(step, len(trace.steps) - 1)))

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces the constant was chosen on; none for the default."""
        return self._seen

    def fit(self, traces: Iterable[Trace], context: Context) -> Constant:
        """The step most often labelled, the earliest among equals; raises `UsageError` without any."""
        counts: Counter[int] = Counter()
        seen = set()
        for trace in traces:
            steps = {label.step for label in trace.labels if label.step is not None}
            if steps:
                counts[min(steps)] += 1
                seen.add(fingerprint(trace))
        if not counts:
            raise UsageError("constant: no trace has a label with a step")
        best = min(counts, key=lambda step: (-counts[step], step))
        return Constant(best, frozenset(seen))


class PositionPrior:
    """How far into a run the decisive step lies, and nothing else.

    Tenths of the run, in steps, each with the share of labels that lay in it (one more than were
    counted, so that none is 0); a tenth's share is spread evenly over its steps.
    """

    name: ClassVar[str] = "position-prior"
    needs: ClassVar[frozenset[str]] = TRACE
    name_blind: ClassVar[bool] = True

    def __init__(
        self, shares: tuple[float, ...] = (1 / TENTHS,) * TENTHS, seen: frozenset[str] = frozenset()
    ) -> None:
        self.shares = shares
        self._seen = seen

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """Of equally likely steps the earliest comes first; unfitted, every tenth is as likely."""
        settings(context, self.name)
        chances = np.zeros(len(trace.steps))
        blamable = list(candidates(trace))
        tenth = np.array([_tenth(step, len(trace.steps)) for step in blamable])
        held = np.bincount(tenth, minlength=TENTHS)
        chances[blamable] = np.array(self.shares)[tenth] / held[tenth]
        method = Method(name=self.name, version=VERSION)
        return verdict(trace, method, chances / chances.sum())

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces the shares were counted on; none for the default."""
        return self._seen

    def fit(self, traces: Iterable[Trace], context: Context) -> PositionPrior:
        """Counts the first labelled step of each run; raises `UsageError` without any."""
        counts = np.ones(TENTHS)
        seen = set()
        for trace in traces:
            steps = {label.step for label in trace.labels if label.step is not None}
            if steps:
                counts[_tenth(min(steps), len(trace.steps))] += 1
                seen.add(fingerprint(trace))
        if not seen:
            raise UsageError("position-prior: no trace has a label with a step")
        return PositionPrior(tuple((counts / counts.sum()).tolist()), frozenset(seen))


def _tenth(step: int, steps: int) -> int:
    return min(TENTHS - 1, step * TENTHS // steps)


class FirstSpeaker:
    """The first step that can be blamed."""

    name: ClassVar[str] = "first-speaker"
    needs: ClassVar[frozenset[str]] = TRACE
    name_blind: ClassVar[bool] = True

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The rest is ranked by its distance from that step."""
        settings(context, self.name)
        method = Method(name=self.name, version=VERSION)
        return verdict(trace, method, around(trace, candidates(trace)[0]))


class LastSpeaker:
    """The last step that can be blamed."""

    name: ClassVar[str] = "last-speaker"
    needs: ClassVar[frozenset[str]] = TRACE
    name_blind: ClassVar[bool] = True

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The rest is ranked by its distance from that step."""
        settings(context, self.name)
        method = Method(name=self.name, version=VERSION)
        return verdict(trace, method, around(trace, candidates(trace)[-1]))
