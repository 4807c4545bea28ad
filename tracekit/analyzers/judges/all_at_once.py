"""All at once: one call that reads the whole log and names agent and step.

Source: Zhang et al. 2025, arXiv 2505.00212, section 4, whose code prints no step numbers. Here
they are printed, and neighbouring steps of one speaker stand together, which is worth more than the
choice of a method (arXiv 2608.24361, table 10).
"""

from __future__ import annotations

from typing import ClassVar

from tracekit.analyzers.judges.case import Case, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import BLAME, Prompt

ASK = Prompt(
    "all-at-once",
    1,
    """\
$log

Which agent made the decisive error, and at which step? Read the whole log before you decide: \
compare early candidates with what follows from them.

Answer: """
    + BLAME,
)


class AllAtOnce(Judge):
    """An LLM reads the whole log once and names agent and step."""

    name: ClassVar[str] = "judge:all-at-once"
    prompts: ClassVar = (ASK,)

    async def judge(self, case: Case) -> Finding:
        """One call."""
        return Finding((await case.blame(ASK.fill(log=case.shown.log())),))
