"""A failed run debugged: hypotheses, corrections, replays, findings; round after round."""

from __future__ import annotations

import msgspec

from tracekit import registry
from tracekit.analyzers.intervene.branches import Branches
from tracekit.analyzers.intervene.corrections import Proposer, proposer, source_of
from tracekit.analyzers.intervene.hypotheses import queues
from tracekit.analyzers.intervene.suggest import suggestion
from tracekit.analyzers.intervene.trials import trials
from tracekit.analyzers.intervene.types import Diagnosis, Hypothesis, Tested
from tracekit.analyzers.intervene.verdicts import Rules, tested, untested
from tracekit.attribution import Attribution
from tracekit.context import Context
from tracekit.errors import TracekitError, UsageError
from tracekit.protocols import Analyzer, Corrector, Replayable
from tracekit.replay.types import Action
from tracekit.trace import Trace


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run is debugged."""

    method: str = "compact"
    """Name of the method that suspects steps."""
    hypotheses: int = 5
    """Steps of one trial that are replayed at most, one after the other, most suspect first."""
    n: int = 32
    """Replays of each kind for one hypothesis, at most."""
    budget: int = 300
    """Replays for the run, at most."""
    delta: float = 0.25
    """Gain of success, 0 to 1, that a refuted hypothesis certainly does not bring."""
    correction: str = "auto"
    """Who corrects: system, llm, reason, or auto for the first of them that is to be had."""
    model: str = ""
    """Model that corrects, for `llm`, and that a method asks which needs one."""

    def __post_init__(self) -> None:
        if min(self.hypotheses, self.n, self.budget) < 1 or not 0 < self.delta <= 1:
            raise ValueError("hypotheses, n and budget start at 1; delta lies between 0 and 1")


def plan_of(settings: dict[str, object]) -> Plan:
    """The plan that settings by name ask for; raises `UsageError`."""
    try:
        return msgspec.convert(settings, Plan)
    except msgspec.ValidationError as error:
        known = ", ".join(Plan.__struct_fields__)
        raise UsageError(f"intervene: {error}; its settings: {known}") from None


def diagnose(trace: Trace, system: Replayable, context: Context, plan: Plan) -> Diagnosis:
    """What interventions say about a failed run of the system.

    Where the run cannot be resumed, or the method has no suspects, the diagnosis says so in
    `abstained`. Raises `UsageError` for a method or a correction that there is not.
    """
    method: Analyzer = registry.get("analyzers", plan.method)
    source = source_of(context, system, plan.correction, plan.model)
    propose = proposer(context, system, source, plan.model)
    if method.needs & {"replay", "corpus"}:
        raise UsageError(f"method={plan.method}: hypotheses come from a method that needs one log")
    try:
        branches = Branches(system, trace, context.seed, plan.budget)
    except TracekitError as error:
        return _none(trace, f"the run cannot be resumed: {error}")
    if not branches.steps():
        return _none(trace, "the run cannot be resumed: the system has no checkpoint of it")
    asked = {"model": plan.model} if "llm" in method.needs and plan.model else {}
    verdict = method.attribute(trace, msgspec.structs.replace(context, settings=asked))
    right = right_steps(branches) if source == "system" else frozenset()
    return search(branches, verdict, propose, plan, right)


def right_steps(branches: Branches) -> frozenset[int]:
    """Steps that need no correction, where the system says so (`Corrector.is_correct`)."""
    system = branches.system
    assert isinstance(system, Corrector)
    return frozenset(
        step
        for step in branches.steps()
        if system.is_correct(branches.before(step), Action.of(branches.trace.steps[step]))
    )


def search(
    branches: Branches,
    verdict: Attribution,
    propose: Proposer,
    plan: Plan,
    right: frozenset[int] = frozenset(),
) -> Diagnosis:
    """Test the hypotheses of a verdict, the best of every trial first, then the next of each.

    Steps known to be right are passed over. When a hypothesis is validated only earlier steps are
    still of interest: the decisive one is the earliest.
    """
    trace = branches.trace
    parts = trials(trace)
    wrong = [step for step in branches.steps() if step not in right]
    waiting = [queue[: plan.hypotheses] for queue in queues(verdict, parts, wrong)]
    if not waiting and not right.intersection(suspect.step for suspect in verdict.suspects):
        why = verdict.abstained or "none of its suspects can be resumed from"
        return _none(trace, f"{verdict.method.name} has no hypothesis: {why}")
    rules = Rules(n=plan.n, delta=plan.delta, hypotheses=sum(map(len, waiting)))
    found: list[Tested] = []
    while any(waiting):
        for queue in waiting:
            guess = _next(queue, found)
            if guess is not None:
                found.append(_tested(branches, guess, propose, rules))
    diagnosis = Diagnosis(
        trace_id=trace.id,
        trials=parts,
        tested=tuple(found),
        right=tuple(sorted(right)),
        right_share=sum(each.probability for each in verdict.suspects if each.step in right),
        replays=branches.made,
    )
    return msgspec.structs.replace(diagnosis, repair=suggestion(trace, diagnosis))


def _next(queue: list[Hypothesis], found: list[Tested]) -> Hypothesis | None:
    """Take the next hypothesis before every validated step; None when there is none."""
    valid = [one.hypothesis.step for one in found if one.finding == "validated"]
    while queue:
        guess = queue.pop(0)
        if guess.step < min(valid, default=guess.step + 1):
            return guess
    return None


def _tested(branches: Branches, guess: Hypothesis, propose: Proposer, rules: Rules) -> Tested:
    """One hypothesis, whatever goes wrong with its correction or its replays."""
    try:
        change = propose(branches, guess)
        if change is not None:
            return tested(branches, guess, change, rules)
    except TracekitError as error:
        return untested(guess, f"no correction could be replayed: {error}")
    return untested(guess, "the correction is what was recorded")


def _none(trace: Trace, reason: str) -> Diagnosis:
    return Diagnosis(trace_id=trace.id, abstained=reason)
