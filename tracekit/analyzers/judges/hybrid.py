"""Hybrid: the agent from the whole log, then its steps one by one.

Source: Zhang et al. 2025, arXiv 2505.00212, section 5. The dearest of its methods.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from tracekit.analyzers.judges.case import Case, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt
from tracekit.analyzers.judges.step_by_step import ASK, first_error

WHO = Prompt(
    "hybrid",
    1,
    """\
$log

Which agent made the decisive error? Read the whole log before you decide.

Answer: {"reason": why, in a few sentences, "agent": its name, as under Agents}""",
)


class Who(msgspec.Struct, frozen=True):
    """The agent to blame."""

    reason: str
    agent: str


class Hybrid(Judge):
    """An LLM names the agent from the whole log, then reads up to each of that agent's steps."""

    name: ClassVar[str] = "judge:hybrid"
    prompts: ClassVar = (WHO, ASK)

    async def judge(self, case: Case) -> Finding:
        """One call for the agent, and one for each of its steps up to the first yes."""
        said = await case.ask(
            WHO.fill(log=case.shown.log()), Who, lambda answer: case.shown.agent(answer.agent)
        )
        agent = case.shown.agent(said.agent)
        own = [step.index for step in case.trace.steps if step.agent == agent]
        found = await first_error(case, own)
        return found or Finding(nobody=f"the judge blames {agent}, and clears each of its steps")
