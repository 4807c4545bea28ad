"""What is suspected in each trial, by any method: its ranking, cut to the trial."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tracekit.analyzers.intervene.types import Hypothesis, Trial
from tracekit.attribution import Attribution, Suspect


def queues(
    verdict: Attribution, trials: Sequence[Trial], steps: Collection[int]
) -> list[list[Hypothesis]]:
    """For each trial its hypotheses, most probable first.

    Left out are steps that the run cannot be resumed from, steps that the method rules out, and
    trials without any other.
    """
    ranked = [each for each in verdict.suspects if each.step in steps and each.probability > 0]
    found = [
        [_guess(verdict, suspect, number) for suspect in ranked if suspect.step in trial]
        for number, trial in enumerate(trials)
    ]
    return [queue for queue in found if queue]


def _guess(verdict: Attribution, suspect: Suspect, trial: int) -> Hypothesis:
    shown = (evidence.shows for evidence in suspect.evidence if evidence.weight >= 0)
    return Hypothesis(
        trial=trial,
        step=suspect.step,
        agent=suspect.agent,
        probability=suspect.probability,
        by=verdict.method.name,
        rationale=next((words for words in shown if words), ""),
    )
