"""A2P, abduct, act, predict: hidden causes, the smallest correction, and what would follow from it.

Source: West et al. 2025, arXiv 2509.10401; one call. Its released prompt holds the correct answer;
here the prediction is checked against the answer where it is shown (`Context.with_answer`), and
against the task where it is not.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from tracekit.analyzers.judges.case import Blame, Case, Choice, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt

ASK = Prompt(
    "a2p",
    1,
    """\
$log

Find the decisive error in three parts, in this order.

1. Abduct. For each suspicious action, what hidden cause explains it best: something the agent did \
not know, a misreading of the task, a wrong belief taken over from somebody?
2. Act. Choose the step that you hold to be the decisive error, and state the smallest concrete \
correction: what exactly its agent should have said or done there instead.
3. Predict. Play the next three to five steps after that correction. Does the team then reach \
$goal? If it does not, choose another step and begin again with part 2.

Answer: {"abduct": part 1, "act": part 2, "predict": part 3, "recovers": whether the corrected run \
reaches the goal, true or false, "reason": why, in at most 150 words, "agent": the name of its \
agent, as under Agents, "step": its number}""",
)

GOAL = "what the task asks for"
GOAL_KNOWN = "the correct answer"


class Counterfactual(msgspec.Struct, frozen=True):
    """The three parts and what follows from them."""

    abduct: str
    act: str
    predict: str
    recovers: bool
    reason: str
    agent: str
    step: int


class A2P(Judge):
    """An LLM reasons from hidden causes over a correction to its consequences, in one call."""

    name: ClassVar[str] = "judge:a2p"
    prompts: ClassVar = (ASK,)

    async def judge(self, case: Case) -> Finding:
        """One call."""
        goal = GOAL_KNOWN if case.shown.with_answer else GOAL
        prompt = ASK.fill(log=case.shown.log(), goal=goal)

        def choice(said: Counterfactual) -> Choice:
            return case.choice(Blame(said.reason, said.agent, said.step))

        said = await case.ask(prompt, Counterfactual, choice)
        doubt = (
            () if said.recovers else ("the judge does not expect its correction to save the run",)
        )
        return Finding((choice(said),), warnings=doubt)
