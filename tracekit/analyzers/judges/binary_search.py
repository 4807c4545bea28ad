"""Binary search: the range that holds the decisive error is halved until one step is left.

Source: Zhang et al. 2025, arXiv 2505.00212, section 4. Paper and released code differ. The paper
shows the first half and asks whether the error is in it; the code shows the whole range and asks for
a half. Both are here under names of their own. Where the code takes a random half after an unclear
reply, the judgement here has failed.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from tracekit.analyzers.judges.case import Case, Choice, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt

HERE = Prompt(
    "binary-search",
    1,
    """\
$log

Shown are steps $low to $middle of the log; the decisive error is known to be in steps $low to \
$high, of which you see the first half.

Is the decisive error among the steps shown?

Answer: {"reason": why, in a few sentences, "here": true or false}""",
)

HALF = Prompt(
    "binary-search-code",
    1,
    """\
$log

The decisive error is known to be in steps $low to $high, which are shown. Is it in the first half, \
steps $low to $middle, or in the second half, steps $next to $high?

Answer: {"reason": why, in a few sentences, "half": "first" or "second"}""",
)


class Here(msgspec.Struct, frozen=True):
    """Whether the error is in the part that is shown."""

    reason: str
    here: bool


class Half(msgspec.Struct, frozen=True):
    """The half that holds the error."""

    reason: str
    half: Literal["first", "second"]


class BinarySearch(Judge):
    """An LLM is shown half of the range that is left and asked whether the error is in it."""

    name: ClassVar[str] = "judge:binary-search"
    prompts: ClassVar = (HERE,)

    async def judge(self, case: Case) -> Finding:
        """One call for each halving, about the logarithm of the length to base 2."""
        low, high, why = 0, len(case.trace.steps) - 1, ""
        while low < high:
            middle = low + (high - low) // 2
            log = case.shown.log(range(low, middle + 1))
            prompt = HERE.fill(log=log, low=low, middle=middle, high=high)
            said = await case.ask(prompt, Here)
            low, high = (low, middle) if said.here else (middle + 1, high)
            why = said.reason
        return _found(case, low, why)


class BinarySearchCode(Judge):
    """Binary search as the released code does it: all that is left is shown, a half asked for."""

    name: ClassVar[str] = "judge:binary-search-code"
    prompts: ClassVar = (HALF,)

    async def judge(self, case: Case) -> Finding:
        """As many calls as `BinarySearch`, each about twice as long."""
        low, high, why = 0, len(case.trace.steps) - 1, ""
        while low < high:
            middle = low + (high - low) // 2
            log = case.shown.log(range(low, high + 1))
            prompt = HALF.fill(log=log, low=low, middle=middle, next=middle + 1, high=high)
            said = await case.ask(prompt, Half)
            low, high = (low, middle) if said.half == "first" else (middle + 1, high)
            why = said.reason
        return _found(case, low, why)


def _found(case: Case, step: int, why: str) -> Finding:
    return Finding((Choice(case.trace.steps[step].agent, step, reason=why),))
