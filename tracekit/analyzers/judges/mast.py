"""MAST: which of the 14 failure modes a run shows, and where each shows first.

Source: Cemri et al. 2025, arXiv 2503.13657, section 4: one call with the whole trace and the
definitions, yes or no for each mode, a summary, and whether the task was done. The place and the
quote are an addition: MAST labels whole runs.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from tracekit.analyzers.judges.case import Case, Choice, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt
from tracekit.analyzers.judges.quotes import evidence
from tracekit.inject.modes import MODES

CODES = tuple(code for code in MODES if code.startswith("FM-"))

DEFINITIONS = "\n".join(f"{code} {MODES[code].name}: {MODES[code].looks}" for code in CODES)

ASK = Prompt(
    "mast",
    1,
    """\
$log

Which of these failure modes does the run show? A run may show several, or none.

"""
    + DEFINITIONS
    + """

A mode counts only where you can point to it. Do not count what merely might have happened.

Answer: {"summary": what went wrong, in a few sentences, "completed": whether the task was done, \
true or false, "modes": for each mode that the run shows {"mode": its code, "step": the number of \
the step where it shows first, "quote": words of that step, letter by letter, that show it}}""",
)

Code = Literal[
    "FM-1.1", "FM-1.2", "FM-1.3", "FM-1.4", "FM-1.5", "FM-2.1", "FM-2.2", "FM-2.3", "FM-2.4",
    "FM-2.5", "FM-2.6", "FM-3.1", "FM-3.2", "FM-3.3",
]  # fmt: skip


class Seen(msgspec.Struct, frozen=True):
    """A mode, and where it shows."""

    mode: Code
    step: int
    quote: str


class Annotation(msgspec.Struct, frozen=True):
    """What is said of a run."""

    summary: str
    completed: bool
    modes: tuple[Seen, ...]


class Mast(Judge):
    """An LLM says which of the 14 MAST modes a run shows, and at which step each shows first.

    Steps are ranked by how many modes show there: that a mode shows is not that it decided the run.
    """

    name: ClassVar[str] = "judge:mast"
    prompts: ClassVar = (ASK,)

    async def judge(self, case: Case) -> Finding:
        """One call."""

        def in_range(said: Annotation) -> None:
            for seen in said.modes:
                case.shown.step(seen.step)

        said = await case.ask(ASK.fill(log=case.shown.log()), Annotation, in_range)
        if not said.modes:
            return Finding(nobody="the judge finds none of the 14 modes in the run")
        first = {seen.mode: seen for seen in reversed(said.modes)}  # a mode counts once
        choices = tuple(_choice(case, first[code]) for code in CODES if code in first)
        return Finding(choices)


def _choice(case: Case, seen: Seen) -> Choice:
    return Choice(
        agent=case.trace.steps[seen.step].agent,
        step=seen.step,
        modes=(seen.mode,),
        evidence=evidence(case.trace, seen.step, seen.quote, MODES[seen.mode].name),
    )
