"""How a sandbox team tries a task again: habits, and what agents make of advice.

Seeded agents cannot read prose: of advice they take in whose turn is meant, not why. The agent
that is named goes over that turn again, in a mechanism that we have set and that never compares
anything with the right answer:

- in `HEEDED` of such turns it takes care and makes no lapse, as an agent does that heeds a prompt
  (`tracekit.replay.sandbox.repairs`); in the others it acts as always, but draws anew;
- where that comes to what it said in the turn it is blamed for, it gives in after all in `SWAYED`
  of the cases, and does something wrong instead: advice that names a right step distracts.

All other turns are drawn anew, but for habits: an agent that knows what it knew in the attempt
before does as it did then, in a share of turns (`Settings.habit`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from tracekit.replay.sandbox.agents import act
from tracekit.replay.sandbox.faulty import Erring
from tracekit.replay.sandbox.notes import Notes
from tracekit.replay.sandbox.play import policy_of
from tracekit.replay.sandbox.repairs import HEEDED, again, gist
from tracekit.replay.sandbox.state import TOOL, draw
from tracekit.replay.sandbox.view import CARE, Policy, View
from tracekit.replay.types import Action, Attempt
from tracekit.trace import Step, Trace

SWAYED = 0.25
"""Share of the turns blamed for nothing in which the agent gives in."""


def advised(
    policies: Mapping[str, Policy], attempts: Sequence[Attempt], habit: float
) -> dict[str, Policy]:
    """The policies of a team that knows its earlier attempts, the latest last."""
    team = (agent for agent in attempts[-1].trace.agents if agent.role != TOOL)
    return {
        agent.id: _knowing(policy_of(policies, agent), tuple(attempts), habit) for agent in team
    }


def _knowing(policy: Policy, attempts: Sequence[Attempt], habit: float) -> Policy:
    def acting(view: View) -> Action:
        for attempt in reversed(attempts):
            said = _same_turn(view, attempt.trace)
            if said is not None and _blamed(attempt) == (said.agent, said.index):
                return _reconsidered(policy, view, said)
        latest = attempts[-1].trace
        said = _same_turn(view, latest)
        if (
            said is not None
            and _chance(view, "habit") < habit
            and _knows_as_much(view, said, latest)
        ):
            return Action.of(said)
        return policy(view)

    return acting


def _blamed(attempt: Attempt) -> tuple[str, int] | None:
    advice = attempt.advice
    return None if advice is None else (advice.agent, advice.step)


def _same_turn(view: View, trace: Trace) -> Step | None:
    """What the agent did in an attempt when it had acted as often as now; None when it did not."""
    before = sum(step.agent == view.agent.id for step in view.steps)
    own = (step for step in trace.steps if step.agent == view.agent.id)
    return next(islice(own, before, None), None)


def _knows_as_much(view: View, said: Step, trace: Trace) -> bool:
    """Whether what the agent has heard comes to what it had heard before it said that."""
    heard = said.inputs.steps if said.inputs is not None else ()
    then, now = Notes(view.problem.family, (trace.steps[at] for at in heard)), view.notes
    return (then.items, then.values, then.results) == (now.items, now.values, now.results)


def _reconsidered(policy: Policy, view: View, said: Step) -> Action:
    """The turn once more, by somebody who hears that it went wrong."""
    heeds = _chance(view, "heeds advice") < HEEDED
    made = act(again(view, skill=1.0)) if heeds else policy(again(view))
    if gist(view, made) != gist(view, Action.of(said)) or _chance(view, "gives in") >= SWAYED:
        return made
    return act(Erring.of(view, forced=dict.fromkeys(CARE, 0)))


def _chance(view: View, what: str) -> float:
    return draw(view.seed, view.number, view.agent.id, what).random()
