"""RAFFLES: a judge proposes, evaluators attack its reasons, and the judge may think again.

Source: Zhu et al. 2025, arXiv 2509.06822 (EACL 2026), read in third-party summaries only. Not known
from there, and set here: what the check by rule looks at (whether the agent took the step), the
scale of confidence (0 to 100 for each of the four), the threshold (320), and that the two rounds
count proposals. So this is in the manner of RAFFLES.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from tracekit.analyzers.judges.case import Blame, Case, Choice, Finding, together
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt

PROPOSE = Prompt(
    "raffles-judge",
    1,
    """\
$log
$history
Which agent made the decisive error, and at which step? Give a separate reason for each of three \
claims about that step: that it is a fault, that it is the first one that matters, and that it was \
not corrected later.

Answer: {"fault": reason, "first": reason, "uncorrected": reason, "agent": the name of its agent, as \
under Agents, "step": its number}""",
)

HISTORY = """
You have proposed before, and your reasons were examined. Proposals and objections so far:
$rounds
Keep your proposal if it stands against them; otherwise choose another.
"""

ATTACK = Prompt(
    "raffles-evaluator",
    1,
    """\
$log

A colleague holds step $step, by $agent, to be the decisive error, and gives this reason for \
one claim about it:
$rationale

The claim: $claim. Examine this claim alone, against the log, and try to refute it.

Answer: {"critique": what speaks for and against the claim, in a few sentences, "confidence": how \
sure you are that the claim holds, a whole number from 0 to 100}""",
)

CLAIMS = {
    "fault": "what the agent did at this step is a fault",
    "first": "it is the first fault that matters: no earlier step made the run fail",
    "uncorrected": "the fault was not corrected later, and it carried through to the end",
}


class Proposal(msgspec.Struct, frozen=True):
    """A candidate with a reason for each claim."""

    fault: str
    first: str
    uncorrected: str
    agent: str
    step: int


class Critique(msgspec.Struct, frozen=True):
    """What an evaluator makes of one claim."""

    critique: str
    confidence: Annotated[int, msgspec.Meta(ge=0, le=100)]


class Raffles(Judge):
    """A judge LLM proposes, three evaluators and a rule examine, up to `rounds` times.

    Settings: `rounds`, the most proposals; `threshold`, the sum of four confidences from 0 to 100
    that ends the loop.
    """

    name: ClassVar[str] = "judge:raffles"
    prompts: ClassVar = (PROPOSE, ATTACK)
    defaults: ClassVar = {"rounds": 2, "threshold": 320}

    async def judge(self, case: Case) -> Finding:
        """Four calls a round, three of them at once; the last proposal counts."""
        rounds: list[str] = []
        while True:
            said, choice = await _propose(case, rounds)
            critiques = await together(
                _examine(case, choice, claim, getattr(said, claim)) for claim in CLAIMS
            )
            critiques.append(by_rule(case, choice))
            sure = sum(critique.confidence for critique in critiques)
            rounds.append(_minutes(len(rounds) + 1, said, critiques))
            if sure >= case.options["threshold"]:
                return Finding((choice,))
            if len(rounds) >= case.options["rounds"]:
                doubt = (
                    f"the evaluators are not convinced: {sure} of 400 after {len(rounds)} rounds"
                )
                return Finding((choice,), warnings=(doubt,))


async def _propose(case: Case, rounds: list[str]) -> tuple[Proposal, Choice]:
    told = case.shown.quote("\n".join(rounds))
    history = HISTORY.replace("$rounds", told) if rounds else ""

    def choice(said: Proposal) -> Choice:
        return case.choice(Blame(said.fault, said.agent, said.step))

    prompt = PROPOSE.fill(log=case.shown.log(), history=history)
    said = await case.ask(prompt, Proposal, choice)
    return said, choice(said)


async def _examine(case: Case, choice: Choice, claim: str, reason: str) -> Critique:
    ids = [agent.id for agent in case.trace.agents]
    prompt = ATTACK.fill(
        log=case.shown.log(),
        step=choice.step,
        agent=f"agent {ids.index(choice.agent) + 1} of the list",
        rationale=case.shown.quote(reason),
        claim=CLAIMS[claim],
    )
    return await case.ask(prompt, Critique)


def by_rule(case: Case, choice: Choice) -> Critique:
    """What can be checked without a model: whether the agent took the step."""
    if case.trace.steps[choice.step].agent == choice.agent:
        return Critique("By rule: the agent took this step.", 100)
    return Critique("By rule: another agent took this step.", 0)


def _minutes(number: int, said: Proposal, critiques: list[Critique]) -> str:
    lines = [f"Proposal {number}: {said.agent}, step {said.step}"]
    names = (*CLAIMS, "rule")
    for name, critique in zip(names, critiques, strict=True):
        if name in CLAIMS:
            lines.append(f"{name}: {getattr(said, name)}")
        lines.append(f"objection to {name} (confidence {critique.confidence}): {critique.critique}")
    return "\n".join(lines)
