"""`influence`: whoever the answer is made of, is to blame when the answer is wrong.

It measures how much each message rests on each earlier one (`measures`), lets the credit for the
final answer flow back along that (`credit`), and blames in proportion. That assumes that a failed
run ends in a wrong answer, and that what it is made of is what is wrong with it: a step that made
the team give up, or that left something out, leaves no words in the answer and is not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar

import msgspec
import numpy as np

from tracekit import registry
from tracekit.analyzers.influence.credit import Credit, credit_of
from tracekit.analyzers.influence.measures import (
    Influence,
    Measure,
    Scorer,
    influence_of,
    said,
)
from tracekit.analyzers.run import abstain
from tracekit.analyzers.verdict import settings, verdict
from tracekit.attribution import Attribution, Evidence, Method
from tracekit.context import Context
from tracekit.signals.roles import candidates
from tracekit.signals.text import around, words
from tracekit.trace import Trace

VERSION = "1"
SCORER = "tracekit_models.influence.scorer:load"
"""What loads a scoring model; needs the extra `train`."""
EXPLAINED = 5
"""Suspects that get evidence, from the top."""
HARM = (
    "influence is not harm: the steps named are those that the final answer rests on, which is "
    "where the fault is only if the answer is what is wrong"
)


@lru_cache(maxsize=2)
def scorer_of(model: str) -> Scorer:
    """The scoring model of a folder or Hub name, loaded once."""
    loaded: Scorer = registry.load(SCORER, "scoring messages by a model")(model)
    return loaded


class InfluenceAnalyzer:
    """Blames the steps that the final answer rests on, by words, vectors or a scoring model.

    Settings: `measure` (overlap, embedding, model) and `model`, a folder or Hub name of a causal
    language model, which the measure `model` needs and which implies it.
    """

    name: ClassVar[str] = "influence"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})
    name_blind: ClassVar[bool] = True

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """All steps ranked by their own share of the answer; people and system prompts have 0."""
        chosen = settings(context, self.name, measure=None, model=None)
        model = chosen["model"]
        measure: Measure = chosen["measure"] or ("model" if model else "overlap")
        method = Method(name=self.name, version=VERSION, model=model, settings={"measure": measure})
        if not trace.steps:
            return abstain(trace, method, "the trace has no steps")
        found = influence_of(trace, measure, scorer_of(str(model)) if model else None)
        credit = credit_of(trace, found)
        chances = np.zeros(len(trace.steps))
        blamable = list(candidates(trace))
        chances[blamable] = credit.kept[blamable]
        if not chances.sum() > 0:
            return abstain(trace, method, "nothing of the answer is the team's own")
        chances /= chances.sum()
        top = sorted(blamable, key=lambda i: (-chances[i], i))[:EXPLAINED]
        evidence = {i: tuple(_evidence(trace, found, credit, i)) for i in top if chances[i] > 0}
        made = verdict(trace, method, chances, evidence=evidence)
        return msgspec.structs.replace(made, warnings=(HARM,))


def _evidence(trace: Trace, found: Influence, credit: Credit, i: int) -> Iterator[Evidence]:
    """The words of a step that live on in the step that rests on it most."""
    shows = f"{credit.kept[i]:.0%} of the answer is this step's own"
    if i == credit.final:
        yield Evidence(step=i, weight=float(credit.kept[i]), shows=f"{shows}; it gives the answer")
        return
    heirs = found.share[:, i] * credit.passed
    heir = int(heirs.argmax())
    shows = f"{shows}; step {heir} rests on it by {found.share[heir, i]:.0%}"
    text = trace.steps[i].content
    taken = words(text) & words(said(trace.steps[heir])) - words(trace.task.question)
    if not taken:
        yield Evidence(step=i, weight=float(credit.kept[i]), shows=shows)
        return
    span = around(text, taken)
    quote = text[span.start : span.end]
    yield Evidence(i, quote, span.start, span.end, float(credit.kept[i]), shows)
