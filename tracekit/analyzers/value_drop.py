"""`value-drop`: the step at which the chance of success fell most.

A value function says after every step how likely the run is to end well
(`tracekit.protocols.ValueFunction`); the suspect is the step that lowered its log-odds most. MASPRM
(arXiv 2510.24803) trains such values for search; blame by their fall is our use of them.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np

from tracekit import registry
from tracekit.analyzers.models import load_values, weights_id
from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Evidence, Method
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.prm.score import StepScore, score
from tracekit.protocols import ValueFunction
from tracekit.signals.roles import candidates, charged
from tracekit.trace import Trace

VERSION = "1"
LONGEST = 160
"""Characters of a quote."""
EXPLAINED = 5
"""Suspects that get evidence, from the top."""


class ValueDrop:
    """Blames the step after which success was least likely compared with before it.

    The chance of a step goes with the share by which it raised the odds of failure; what a tool
    answers is charged to the step that called it. It assumes that the value function knows the
    system that made the run: where that is in doubt the verdict warns, or abstains on request. It
    abstains when the value never falls.
    """

    name: ClassVar[str] = "value-drop"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})

    def __init__(self, values: ValueFunction | None = None) -> None:
        """`values` goes by its name in the settings unless one is given here."""
        self._values = values

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """Settings: `values`, a value function by name.

        Or `model`, the folder or repository of one; and `drift`, warn or abstain.
        """
        own = self._values.name if self._values else "prm"
        chosen = settings(context, self.name, values=own, model="", drift="warn")
        if chosen["drift"] not in ("warn", "abstain"):
            raise UsageError(f"value-drop: drift is warn or abstain, not {chosen['drift']!r}")
        model = str(chosen["model"])
        values = self._chosen(str(chosen["values"]), model)
        method = Method(
            name=self.name,
            version=VERSION,
            model=weights_id(model) if model else None,
            settings={"values": values.name},
        )
        scored = score(trace, values)
        if scored.warnings and chosen["drift"] == "abstain":
            return abstain(trace, method, scored.warnings[0])
        changes = _charged(trace, scored.steps)
        if not min(changes.values()) < 0:
            return abstain(trace, method, "the value of the run never falls", *scored.warnings)
        steps = list(changes)
        weights = np.expm1(np.maximum(0.0, [-changes[step] for step in steps]))
        chances = np.zeros(len(trace.steps))
        chances[steps] = weights / weights.sum()
        top = sorted(steps, key=lambda step: changes[step])[:EXPLAINED]
        evidence = {
            step: (_evidence(trace, scored.steps, scored.begin, step, changes[step]),)
            for step in top
            if changes[step] < 0
        }
        found = verdict(trace, method, chances, evidence=evidence)
        return _warned(found, scored.warnings)

    def _chosen(self, name: str, model: str) -> ValueFunction:
        if model:
            return load_values(model)
        if self._values and name == self._values.name:
            return self._values
        found: ValueFunction = registry.get("values", name)
        return found


def _charged(trace: Trace, steps: tuple[StepScore, ...]) -> dict[int, float]:
    """Change of the log-odds by each step that can be blamed, with that of what it called."""
    blamable = candidates(trace)
    changes = dict.fromkeys(blamable, 0.0)
    for step, by in zip(steps, charged(trace), strict=True):
        if by in changes:
            changes[by] += step.change
    return changes


def _evidence(
    trace: Trace, steps: tuple[StepScore, ...], begin: float, step: int, change: float
) -> Evidence:
    before = steps[step - 1].value if step else begin
    end = min(len(trace.steps[step].content), LONGEST)
    after = steps[step].value
    shows = f"the chance of success goes from {100 * before:.0f} % to {100 * after:.0f} %"
    quote = trace.steps[step].content[:end]
    return Evidence(step=step, quote=quote, start=0, end=end, weight=-change, shows=shows)


def _warned(found: Attribution, warnings: tuple[str, ...]) -> Attribution:
    return msgspec.structs.replace(found, warnings=found.warnings + warnings)
