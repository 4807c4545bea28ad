"""Step by step: the log up to each step in turn, until one is called the decisive error.

Source: Zhang et al. 2025, arXiv 2505.00212, section 4. Tokens grow with the square of the length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from tracekit.analyzers.judges.case import Case, Choice, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt

ASK = Prompt(
    "step-by-step",
    1,
    """\
$log

This is the log up to step $step; what came after is not shown. The steps before it have been \
examined and cleared.

Is step $step, by $agent, the decisive error? Call it one only if it is likely to make the whole run \
fail, not for a flaw without consequence.

Answer: {"reason": why, in a few sentences, "error": true or false}""",
)


class Decisive(msgspec.Struct, frozen=True):
    """Whether the step in question is the decisive error."""

    reason: str
    error: bool


class StepByStep(Judge):
    """An LLM reads the log up to each step and stops at the first that it calls decisive."""

    name: ClassVar[str] = "judge:step-by-step"
    prompts: ClassVar = (ASK,)

    async def judge(self, case: Case) -> Finding:
        """One call a step, up to the first yes."""
        found = await first_error(case, range(len(case.trace.steps)))
        return found or Finding(nobody="the judge called none of the steps the decisive error")


async def first_error(case: Case, steps: Iterable[int]) -> Finding | None:
    """The first of some steps that the judge calls decisive, None when it clears them all."""
    for step in steps:
        agent = case.trace.steps[step].agent
        log = case.shown.log(range(step + 1))
        said = await case.ask(ASK.fill(log=log, step=step, agent=case.shown.who(step)), Decisive)
        if said.error:
            return Finding((Choice(agent, step, reason=said.reason),))
    return None
