"""`intervene`: the suspects of another method, put to the test in replays (DoVer, 2512.06749)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from tracekit.analyzers.intervene.diagnose import diagnose, plan_of
from tracekit.analyzers.intervene.types import Diagnosis, Finding, Tested, percent
from tracekit.analyzers.run import abstain
from tracekit.attribution import Attribution, Cost, Evidence, Method, Suspect
from tracekit.context import Context
from tracekit.trace import Trace

ANSWER = 10.0
"""What it makes of the odds of a step to be the earliest validated one."""
ODDS: Mapping[Finding, float] = {
    "validated": 0.5,
    "partially validated": 0.5,
    "inconclusive": 1.0,
    "refuted": 0.05,
}
"""What any other finding makes of them. Measured in the sandbox as shares of decisive steps over
shares of other tested steps (docs/benchmarks.md, Interventions), rounded towards 1."""


class Intervene:
    """Corrects the steps that another method suspects, replays, and ranks by what came of it.

    Needs the system that made the run (`Context.system`). It assumes that a correction at the
    decisive step changes how the run ends, and that replays differ from the recording in nothing
    but the seed. Probabilities are those of the other method, updated by the findings; among
    validated steps the earliest is the decisive one by definition. Without a step that can be
    tested, or with none that a replay spoke for, there is no verdict. Settings: those of
    `tracekit.analyzers.intervene.diagnose.Plan`.
    """

    name: ClassVar = "intervene"
    needs: ClassVar = frozenset({"trace", "replay"})

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """The verdict on `trace`; its cost counts replays as calls."""
        plan = plan_of(context.settings)
        method = Method(
            self.name, version="1", settings=msgspec.to_builtins(plan), seed=context.seed
        )
        if context.system is None:
            return abstain(trace, method, "no system to replay the run with (Context.system)")
        if not trace.steps:
            return abstain(trace, method, "the trace has no steps")
        found = diagnose(trace, context.system, context, plan)
        if found.abstained is not None:
            return abstain(trace, method, found.abstained)
        cost = Cost(calls=found.replays)
        if all(one.finding in ("refuted", "inconclusive") for one in found.tested):
            verdict = abstain(trace, method, unproven(found))
        else:
            verdict = verdict_of(trace, method, found)
        return msgspec.structs.replace(verdict, cost=cost)


def unproven(found: Diagnosis) -> str:
    """Why no step is blamed, in one line."""
    steps = ", ".join(
        f"step {one.hypothesis.step} {one.finding}"
        for one in sorted(found.tested, key=lambda one: one.hypothesis.step)
    )
    return (
        f"no correction changed how the run ends: {steps or 'all suspects are right as they are'}"
    )


def verdict_of(trace: Trace, method: Method, found: Diagnosis) -> Attribution:
    """Tested steps ranked by what the replays made of them; what was not tested keeps its share."""
    weights = [
        one.hypothesis.probability * (ANSWER if one is found.answer else ODDS[one.finding])
        for one in found.tested
    ]
    told = sum(one.hypothesis.probability for one in found.tested)
    rest = max(0.0, 1 - told - found.right_share)
    total = sum(weights) + rest + found.right_share * ODDS["refuted"]
    chances = answer_first(found, [weight / total for weight in weights])
    ranked = sorted(
        zip(found.tested, chances, strict=True),
        key=lambda pair: (-pair[1], pair[0].hypothesis.step),
    )
    agents: dict[str, float] = {}
    for one, chance in ranked:
        agents[one.hypothesis.agent] = agents.get(one.hypothesis.agent, 0.0) + chance
    return Attribution(
        trace_id=trace.id,
        method=method,
        suspects=tuple(_suspect(one, chance) for one, chance in ranked),
        agents=dict(sorted(agents.items(), key=lambda each: (-each[1], each[0]))),
    )


def answer_first(found: Diagnosis, chances: Sequence[float]) -> list[float]:
    """The chances of the tested steps; the decisive one changes places with a greater one."""
    dealt = list(chances)
    if found.answer is not None:
        place = found.tested.index(found.answer)
        best = dealt.index(max(dealt))
        dealt[place], dealt[best] = dealt[best], dealt[place]
    return dealt


def _suspect(one: Tested, chance: float) -> Suspect:
    guess, gain = one.hypothesis, one.difference
    shown = f"{one.finding}: {one.reason}"
    if gain is not None:
        shown = (
            f"{one.finding}: {percent(one.rate_with)} of {one.n} replays succeed with the step "
            f"corrected, {percent(one.rate_without)} as recorded"
        )
    weight = 0.0 if gain is None else gain.value
    evidence = Evidence(step=guess.step, weight=weight, shows=shown)
    return Suspect(guess.agent, guess.step, min(1.0, chance), evidence=(evidence,))
