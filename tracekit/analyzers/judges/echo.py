"""ECHO: a panel of six, each before a log whose detail fades with distance, and a weighted vote.

Source: Banerjee et al. 2025, arXiv 2510.04886, read in third-party summaries only. Not known from
there, and set here: around which step an analyst sees the detail (the six are spread evenly over
the run, so that together they see nearly all of it), below which confidence an analysis is left out
(0.3), and what a second choice counts (half). So this is in the manner of ECHO.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

import msgspec

from tracekit.analyzers.judges.case import Blame, Case, Choice, Finding, together
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt
from tracekit.analyzers.judges.shown import View, cut

ASK = Prompt(
    "echo",
    1,
    """\
$log

Around step $target the log is shown word for word; further away, only decisions, then outcomes and \
warnings, then milestones.

You are one of six analysts who work apart from each other. $manner

Answer: {"reason": the evidence, in a few sentences, "agent": the name of the agent that made the \
decisive error, as under Agents, "step": its number, "confidence": how sure you are, from 0 to 1, \
"others": up to two other candidates, each {"agent": name, "step": number, "confidence": 0 to 1}}""",
)

MANNERS = (
    "Be conservative: blame a step only for a fault that the log shows in so many words.",
    "Look at the details: numbers, names, arguments of calls, and whether they were taken over right.",
    "Look for patterns: what repeats, what was promised and never done, where the course changed.",
    "Doubt what looks like the culprit at first sight, and ask what caused it.",
    "Follow the error from where it shows back to where it came from.",
    "Weigh all of this evenly: the evidence, the order of events, and who could have known better.",
)
"""The six analysts, from conservative to balanced."""

LEAST = 0.3
"""Confidence below which an analysis is left out."""
SECOND = 0.5
"""What another candidate counts, times its confidence."""

_DECISION = re.compile(
    r"\b(decid|plan|will|next|choose|therefore|answer|instead|conclu|final)", re.I
)
_OUTCOME = re.compile(
    r"\b(result|error|fail|warn|assum|found|not found|unable|success|return)", re.I
)

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Other(msgspec.Struct, frozen=True):
    """A second choice."""

    agent: str
    step: int
    confidence: Share


class Analysis(msgspec.Struct, frozen=True):
    """What one analyst says."""

    reason: str
    agent: str
    step: int
    confidence: Share
    others: Annotated[tuple[Other, ...], msgspec.Meta(max_length=2)] = ()


class Echo(Judge):
    """A panel of six LLM analysts before logs of fading detail; votes weighted by confidence."""

    name: ClassVar[str] = "judge:echo"
    prompts: ClassVar = (ASK,)

    async def judge(self, case: Case) -> Finding:
        """Six calls at once."""
        analyses = await together(_analyse(case, number) for number in range(len(MANNERS)))
        sure = [analysis for analysis in analyses if analysis.confidence >= LEAST]
        if not sure:
            return Finding(nobody=f"no analyst of the panel is surer than {LEAST:.0%}")
        votes = [choice for analysis in sure for choice in _choices(case, analysis)]
        return Finding(tuple(choice for choice in votes if choice.weight > 0))


async def _analyse(case: Case, number: int) -> Analysis:
    target = (2 * number + 1) * len(case.trace.steps) // (2 * len(MANNERS))
    log = case.shown.log(view=fading(target))
    prompt = ASK.fill(log=log, target=target, manner=MANNERS[number])
    return await case.ask(prompt, Analysis, lambda said: _choices(case, said))


def _choices(case: Case, said: Analysis) -> list[Choice]:
    """First and second choices with their weights; raises `ValueError` for what is not there."""
    first = case.choice(Blame(said.reason, said.agent, said.step))
    others = [
        msgspec.structs.replace(
            case.choice(Blame("", one.agent, one.step)), weight=SECOND * one.confidence
        )
        for one in said.others
    ]
    return [msgspec.structs.replace(first, weight=said.confidence), *others]


def fading(target: int) -> View:
    """Word for word next to a step, then its decisions, its outcomes, and a milestone.

    >>> view = fading(10)
    >>> view(9, "Hm.\\nThe plan is clear."), view(7, "Hm.\\nThe plan is clear."), view(0, "Hm.\\nYes.")
    ('Hm.\\nThe plan is clear.', 'The plan is clear.', 'Hm.')
    """

    def view(step: int, text: str) -> str:
        distance = abs(step - target)
        if distance <= 1:
            return text
        if distance <= 3:
            return _lines(text, _DECISION, 4, 400)
        if distance <= 6:
            return _lines(text, _OUTCOME, 2, 250)
        return _lines(text, None, 1, 120)

    return view


def _lines(text: str, cue: re.Pattern[str] | None, most: int, longest: int) -> str:
    """The lines with a cue, or the first line when none has it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = [line for line in lines if cue is not None and cue.search(line)][:most] or lines[:1]
    return "\n".join(cut(line, longest) for line in chosen)
