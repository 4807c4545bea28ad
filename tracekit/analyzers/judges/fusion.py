"""Fusion: a judge's ranking as evidence, added to what `compact` knows by Bayes' rule.

tracekit's own. `compact` gives a calibrated probability p(s) to each step s. A judge ranks up to five
steps. How likely that ranking is if s is the decisive step depends on the place that it gives to s:
the first place holds the right step with the chance `trust`; if it does not, the second does with
the same chance, and so on; what is left is spread evenly over the steps that are not named. So
p(s | ranking) is proportional to p(s) times that. `trust` is not fitted, for want of a judge to fit
it to; published judges name the right step first in 15 to 50 % of runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from tracekit.analyzers.judges.case import Blame, Case, Choice, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.priors import Prior
from tracekit.analyzers.judges.prompts import Prompt
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.trace import Trace

MOST = 5
"""Steps that a judge may rank."""

ASK = Prompt(
    "fusion",
    1,
    """\
$log

Which steps may be the decisive error? Rank up to five, the likeliest first, each once.

Answer: {"reason": why the first of them, in a few sentences, "ranking": for each {"agent": the name \
of its agent, as under Agents, "step": its number}}""",
)


class Place(msgspec.Struct, frozen=True):
    """One place of the ranking."""

    agent: str
    step: int


class Ranking(msgspec.Struct, frozen=True):
    """Steps, the likeliest first."""

    reason: str
    ranking: Annotated[tuple[Place, ...], msgspec.Meta(min_length=1, max_length=MOST)]


class Fusion(Judge):
    """An LLM ranks steps of the whole log; Bayes' rule joins that with `compact`'s probabilities.

    Setting `trust`: the chance that the judge's first choice is right, above 0 and below 1.
    """

    name: ClassVar[str] = "judge:fusion"
    prompts: ClassVar = (ASK,)
    defaults: ClassVar = {"trust": 0.3}

    def __init__(self, prior: Prior | None = None) -> None:
        self._prior = prior or Prior()

    async def judge(self, case: Case) -> Finding:
        """One call."""
        trust = _trust(case.options["trust"])
        prior = await asyncio.to_thread(self._prior.chances, case.trace)

        def choices(said: Ranking) -> list[Choice]:
            return ranked(case, said)

        said = await case.ask(ASK.fill(log=case.shown.log()), Ranking, choices)
        named = choices(said)
        chances = posterior(prior, [choice.step for choice in named], trust)
        return Finding(tuple(_choices(case.trace, named, chances)), posterior=True)

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces that `compact` was fitted on."""
        return self._prior.seen()

    def fit(self, traces: Iterable[Trace], context: Context) -> Fusion:
        """With `compact` refitted on labelled traces; `trust` stays."""
        return Fusion(self._prior.fitted(traces, context))


def ranked(case: Case, said: Ranking) -> list[Choice]:
    """The places as choices; raises `ValueError` for steps that are not there, or there twice."""
    choices = [case.choice(Blame("", place.agent, place.step)) for place in said.ranking]
    if len({choice.step for choice in choices}) < len(choices):
        raise ValueError("`ranking` must name each step once")
    return [msgspec.structs.replace(choices[0], reason=said.reason), *choices[1:]]


def posterior(prior: np.ndarray, ranking: Sequence[int], trust: float) -> np.ndarray:
    """Probabilities after a ranking, float64 (n_steps,), sum 1.

    By hand: over three steps with a flat prior, one of them ranked at trust 1/2, the likelihoods are
    1/2 for it and 1/4 for each of the others.

    >>> posterior(np.full(3, 1 / 3), [1], trust=0.5).tolist()
    [0.25, 0.5, 0.25]
    """
    places = trust * (1 - trust) ** np.arange(len(ranking))
    unnamed = len(prior) - len(ranking)
    likelihood = np.full(len(prior), (1 - places.sum()) / unnamed if unnamed else 0.0)
    likelihood[list(ranking)] = places
    joint = np.maximum(prior, np.finfo(float).tiny) * likelihood
    return np.asarray(joint / joint.sum())


def _choices(trace: Trace, named: list[Choice], chances: np.ndarray) -> Iterable[Choice]:
    """All steps with their probability; those named keep the agent and the reason given."""
    given = {choice.step: choice for choice in named}
    for step in trace.steps:
        if chances[step.index] > 0:
            choice = given.get(step.index) or Choice(step.agent, step.index)
            yield msgspec.structs.replace(choice, weight=float(chances[step.index]))


def _trust(value: object) -> float:
    if isinstance(value, int | float) and 0 < value < 1:
        return float(value)
    raise UsageError(f"judge:fusion: trust is {value!r}, wanted a chance between 0 and 1")
