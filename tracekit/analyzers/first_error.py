"""The earliest step with a sign of an error, the oldest debugging rule there is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Evidence, Method
from tracekit.context import Context
from tracekit.signals.errors import Sign, all_signs
from tracekit.signals.roles import candidates, charged
from tracekit.trace import Trace

VERSION = "1"
LONGEST = 160
"""Characters of a quote."""


class FirstError:
    """Blames the earliest step with an error code, exception, refusal, apology or repetition.

    An executor's error is charged to the step that called it. Without any sign it abstains, which
    counts as wrong. Each later sign gets half the chance of the one before.
    """

    name: ClassVar[str] = "first-error"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict; steps without a sign have probability 0 and close the ranking in order."""
        settings(context, self.name)
        method = Method(name=self.name, version=VERSION)
        blamable, answers = set(candidates(trace)), charged(trace)
        charges: dict[int, list[Sign]] = {}
        for sign in all_signs(trace):
            step = answers[sign.step]
            if step in blamable:
                charges.setdefault(step, []).append(sign)
        if not charges:
            return abstain(trace, method, "no step shows a sign of an error")
        chances = np.zeros(len(trace.steps))
        ranked = sorted(charges)
        chances[ranked] = np.exp2(-np.arange(len(ranked), dtype=float))
        chances /= chances.sum()
        evidence = {
            step: tuple(_evidence(trace, sign) for sign in found) for step, found in charges.items()
        }
        return verdict(trace, method, chances, evidence=evidence)


def _evidence(trace: Trace, sign: Sign) -> Evidence:
    start, end = sign.span.start, min(sign.span.end, sign.span.start + LONGEST)
    quote = trace.steps[sign.step].content[start:end]
    return Evidence(step=sign.step, quote=quote, start=start, end=end, weight=1.0, shows=sign.shows)
