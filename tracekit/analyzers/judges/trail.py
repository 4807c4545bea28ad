"""TRAIL: every error of a run with its step, its category, its impact and the words that show it.

Source: Deshpande et al. 2025, arXiv 2505.08638: one call over the whole trace. Names of the
categories are TRAIL's, their wording is tracekit's. A span there is a step here.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Literal

import msgspec

from tracekit.analyzers.judges.case import Case, Choice, Finding
from tracekit.analyzers.judges.judge import Judge
from tracekit.analyzers.judges.prompts import Prompt
from tracekit.analyzers.judges.quotes import evidence

CATEGORIES = {
    "language-only": "something is made up, with no tool involved",
    "tool-related": "a tool's output or a tool itself is made up",
    "poor-retrieval": "what was looked up or found is beside the point",
    "memory-usage": "something known earlier is forgotten or remembered wrongly",
    "tool-output": "what a tool returned is misread",
    "problem-identification": "the task, or the part of it at hand, is misunderstood",
    "tool-selection": "the wrong tool is chosen for the job",
    "formatting": "an answer, code or call is not in the form that was asked for",
    "non-compliance": "an instruction is not followed",
    "tool-definition": "a tool is described or declared wrongly",
    "environment-setup": "the environment lacks a permission, a key, a package, a path",
    "rate-limiting": "a service answers that there were too many requests (429)",
    "authentication": "a service refuses access (401, 403)",
    "service": "a service fails (500 and above)",
    "resource-not-found": "something asked for does not exist (404)",
    "resource-exhaustion": "memory, disk or another resource runs out",
    "timeout": "something takes too long and is broken off",
    "context-handling": "the context grows too long, or what matters is lost from it",
    "resource-abuse": "a tool is called over and over without need",
    "goal-deviation": "the work leaves the goal",
    "orchestration": "agents or subtasks are badly coordinated",
}
"""The 21 leaves of the taxonomy by the names that the benchmark `trail` uses."""

ASK = Prompt(
    "trail",
    1,
    """\
$log

List every error in this run, those without consequence as well. Categories:

"""
    + "\n".join(f"{name}: {meaning}" for name, meaning in CATEGORIES.items())
    + """

Answer: {"errors": for each error {"step": the number of the step, "category": one of the names \
above, "evidence": words of that step, letter by letter, that show it, "description": what is wrong, \
in a sentence, "impact": how much it mattered, "LOW", "MEDIUM" or "HIGH"}}""",
)

IMPACT = {"LOW": 1.0, "MEDIUM": 2.0, "HIGH": 3.0}
"""Weights that rank the errors; TRAIL does not rank."""

Category = Enum("Category", {name: name for name in CATEGORIES})  # type: ignore[misc]


class Error(msgspec.Struct, frozen=True):
    """One error."""

    step: int
    category: Category
    evidence: str
    description: str
    impact: Literal["LOW", "MEDIUM", "HIGH"]


class Errors(msgspec.Struct, frozen=True):
    """All errors."""

    errors: tuple[Error, ...]


class Trail(Judge):
    """An LLM lists all errors of a run with step, category, impact and evidence."""

    name: ClassVar[str] = "judge:trail"
    prompts: ClassVar = (ASK,)

    async def judge(self, case: Case) -> Finding:
        """One call."""

        def in_range(said: Errors) -> None:
            for error in said.errors:
                case.shown.step(error.step)

        said = await case.ask(ASK.fill(log=case.shown.log()), Errors, in_range)
        if not said.errors:
            return Finding(nobody="the judge finds no error in the run")
        return Finding(tuple(_choice(case, error) for error in said.errors))


def _choice(case: Case, error: Error) -> Choice:
    return Choice(
        agent=case.trace.steps[error.step].agent,
        step=error.step,
        weight=IMPACT[error.impact],
        reason=error.description,
        modes=(str(error.category.value),),
        evidence=evidence(case.trace, error.step, error.evidence, error.category.value),
    )
