"""The ways in which an agent of the sandbox can be made to fail, by mode and by duty.

Each takes the view of an agent before its turn and returns what it does in it, in its own words;
None where it has no occasion to fail that way. `ordinary` is what it would do anyway.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tracekit.replay.sandbox.agents import act, meaning
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.faulty import ALWAYS, NEVER, Erring, Twist
from tracekit.replay.sandbox.grammar import read
from tracekit.replay.sandbox.mistakes import (
    Actions,
    another_answer,
    conclusion,
    derived,
    first_difference,
    garbling,
    guess,
    having_misread,
    items_told,
    kind_of,
    labels_told,
    miscalled,
    misreading_task,
    misremembering,
    not_listening,
    ordinary,
    with_one_mistake,
    worked_out,
    wrong_value,
)
from tracekit.replay.sandbox.problem import Item, Problem
from tracekit.replay.sandbox.view import View
from tracekit.replay.types import Action

Fault = Callable[[View, random.Random], Actions | None]

CHECKS = ("check", "rebut", "judge")
"""Duties of those who look over the work of others."""
ALARMS = 0.25
"""How often a check that comes out wrong rejects: as often as checks do anyway."""
LOOKED = 0.5
"""How often a check that misses the mistake was made in part, and not left out; as many then come
to a rejection as of checks at large (benchmarks.md), so that the verdict tells nothing."""
RELAYS = ("delegate", "collect", "review")


def says_nothing(view: View, said: Action) -> bool:
    """Whether an action holds no item, no value, no answer and no call."""
    return meaning(view.problem.family, said) == meaning(view.problem.family, Action())


def spoil(view: View, mode: str, rng: random.Random) -> Actions | None:
    """What the agent does when it fails in a mode; None where it cannot."""
    made = FAULTS[mode](view, rng)
    return None if made is None or made == (ordinary(view),) else made


# --- what agents misjudge --------------------------------------------------------------------


def disobey_task(view: View, rng: random.Random) -> Actions | None:
    """FM-1.1: one requirement is misread."""
    if view.duty == "plan":
        return first_difference(view, rng, with_one_mistake(view, "plan"))
    if view.duty == "work":
        return first_difference(
            view, rng, (having_misread(view, item, rng) for item in items_told(view))
        )
    if view.duty in ("delegate", "review"):
        return first_difference(view, rng, garbling(view))
    return first_difference(view, rng, misreading_task(view, rng)) if view.duty in CHECKS else None


def slip(view: View, rng: random.Random) -> Actions | None:
    """A plain mistake in what the agent is there for."""
    kind = {"plan": "plan", "work": "work", "report": "report", "judge": "report"}.get(view.duty)
    if view.duty in RELAYS:
        kind = "relay"
    if view.duty in ("check", "rebut"):
        return wrong_check(view, rng)
    return first_difference(view, rng, with_one_mistake(view, kind)) if kind else None


def mismatch(view: View, rng: random.Random) -> Actions | None:
    """FM-2.6: the working comes to one thing, the value stated or the call made is another."""
    said = ordinary(view)
    if said.kind == "tool_call":
        return miscalled(view, said, rng)
    kind = family(view.problem.family)
    if view.duty == "work":
        return first_difference(
            view,
            rng,
            with_one_mistake(view, "work", lambda: Twist(kind, honest=True)),
        )
    if view.duty in ("report", "judge"):
        return conclusion(view, another_answer(view, rng))
    return None


def ignore_input(view: View, rng: random.Random) -> Actions | None:
    """FM-2.5: a value or a part of the plan that somebody stated is passed over for another."""
    if view.duty == "work":
        return first_difference(view, rng, not_listening(view, rng))
    if view.duty in ("report", "judge"):
        return conclusion(view, another_answer(view, rng))
    if view.duty in (*RELAYS, "check", "rebut"):
        return first_difference(view, rng, misremembering(view, rng))
    return None


def derail(view: View, rng: random.Random, other: Problem | None = None) -> Actions | None:
    """FM-2.3: the work is on something else of the same kind, `other` if it is given."""
    other = other or another(view.problem, rng)
    if view.duty in ("report", "judge"):
        return conclusion(view, other.expected)
    said, pen = ordinary(view), Erring.of(view).pen
    values = worked_out(other, other.items)
    told = [each.label for each in read(view.problem.family, said.content)]
    items = _as_many(other, told, view.turn.limit, rng)
    pen.open("approve" if view.duty == "check" else view.duty, to=view.turn.to or "all")
    for item in other.items if view.duty in ("plan", "review") else items:
        if view.duty == "work":
            derived(pen, item, values)
        elif view.duty in ("plan", "delegate", "review"):
            pen.line(item)
    if view.duty in ("check", "rebut"):
        pen.state(other.goal, values[other.goal])
    elif view.duty in ("collect", "review"):
        for item in items:
            pen.state(item.label, values[item.label])
    return (Action(pen.text(), kind_of(said), said.to),)


def _as_many(other: Problem, told: list[str], most: int, rng: random.Random) -> list[Item]:
    """Items of another task, as many as an action tells of, the same ones where it has them."""
    same = [item for item in other.items if item.label in told]
    count = min(len(dict.fromkeys(told)) or 1, most, len(other.items))
    at = rng.randint(0, len(other.items) - count)
    return same or list(other.items[at : at + count])


def another(problem: Problem, rng: random.Random) -> Problem:
    """Another task of the same kind."""
    other = problem
    while other.question == problem.question:
        other = family(problem.family).make(rng, rng.randint(1, 3))
    return other


def guessing(view: View, label: str, rng: random.Random) -> Action | None:
    """FM-2.2: what the agent does when it has to make up what it was told of a label."""
    if view.duty == "plan":
        return None
    made = Erring.of(view, forced={"miss": ALWAYS, "alarm": NEVER})
    notes = made.memory.notes
    if label in notes.values:
        value = guess(view, label, rng)
        if value is None:
            return None
        notes.values[label] = value
        for said in notes.by.values():
            if label in said:
                said[label] = value
    else:
        other = family(view.problem.family).misplan(notes.items[label], rng, view.problem)
        notes.take(Erring.of(view).pen.spec(other))
    return act(made)


# --- what agents keep, repeat, or take upon themselves ----------------------------------------


def withhold(view: View, rng: random.Random) -> Actions | None:
    """FM-2.4: a value that was to be told is not; what everybody knows is told in its place."""
    if view.duty in (*CHECKS, "report"):
        return None
    told, known = labels_told(view, ordinary(view)), view.notes.values
    old = [label for label in known if label not in told] or [x for x in told if x in known]
    ways = [
        Erring.of(view, hushed=label, instead=instead)
        for label in told
        for instead in old[-2:]
        if instead != label
    ]
    return first_difference(view, rng, ways)


def overstep(view: View, rng: random.Random) -> Actions | None:
    """FM-1.2: on top of its own part the agent gives the answer that others are to work out."""
    goal = view.problem.goal
    if view.duty in (*CHECKS, "report") or goal in view.notes.values:
        return None
    guess = wrong_value(view, view.problem.items[-1], view.problem.expected, rng)
    return first_difference(view, rng, [Erring.of(view, added=(goal, guess))])


def swap_role(view: View, rng: random.Random) -> Actions | None:
    """FM-1.2: a worker passes judgement; everybody else does the work, and not too well."""
    said, pen = ordinary(view), Erring.of(view).pen
    if view.duty == "work":
        pen.open("approve")
        known = list(view.notes.values.items())
        if known:
            pen.state(*known[-1])
        return (Action(pen.text(), kind_of(said), said.to),)
    items = view.gist or list(view.notes.ordered())
    if not items:
        return None
    at = rng.randrange(len(items))
    values = worked_out(view.problem, items, slip_at=at, rng=rng)
    pen.open("work")
    for item in items:
        if item.label in values:
            derived(pen, item, values)
    return (Action(pen.text(), kind_of(said), said.to),)


def repeat(view: View, rng: random.Random) -> Actions | None:
    """FM-1.3: done, and then done once more with a slip."""
    said = ordinary(view)
    if said.kind == "tool_call" or view.duty in ("report", "judge"):
        return None
    again = slip(Erring.of(view, words="words again"), rng)
    return None if again is None else (said, *again)


def overturn(view: View, rng: random.Random) -> Actions | None:
    """FM-1.5: the matter is settled, and the agent goes on until it is not."""
    if view.duty not in (*CHECKS, "report"):
        return None
    other = Erring.of(view, words="words again")
    closes = view.duty in ("report", "judge")
    again = conclusion(other, another_answer(view, rng)) if closes else wrong_check(other, rng)
    return None if again is None else (ordinary(view), *again)


def reset(view: View, _: random.Random) -> Actions | None:
    """FM-2.1: back to the plan; what was worked out is to be done again."""
    items, values = view.notes.ordered(), view.notes.values
    if not items or not values or view.duty in ("plan", "report", "judge"):
        return None
    said, pen = ordinary(view), Erring.of(view).pen
    pen.open("plan")
    for item in items:
        pen.line(item)
    first = next((item.label for item in items if item.label in values), None)
    if first is not None:
        pen.again(first)
    return (Action(pen.text(), kind_of(said), said.to),)


def stop(view: View, _: random.Random) -> Actions | None:
    """FM-3.1: the answer is given with what there is."""
    goal, values = view.problem.goal, view.notes.values
    if goal in values or view.duty in ("report", "judge"):
        return None
    return conclusion(view, next(reversed(list(values.values())), None))


# --- what those who check get wrong -----------------------------------------------------------


def wave_through(view: View, rng: random.Random) -> Actions | None:
    """FM-3.2: nothing is looked at, or not where the mistake is, and so it passes.

    What has no value yet is not approved of: nobody does that, and it would give the fault away.
    """
    nothing = Erring.of(view, forced={"miss": ALWAYS, "alarm": NEVER})
    if view.duty == "judge":
        return first_difference(view, rng, [nothing])
    if view.duty != "check" or approves(view):
        return None
    dry = Erring.of(view)
    act(dry)
    partly = [Erring.of(view, forced={"miss": n}) for n in range(dry.occasions["miss"])]
    elsewhere = [
        Erring.of(view, forced={"miss": ALWAYS, "alarm": n}) for n in range(dry.occasions["alarm"])
    ]
    looked = [way for way in (*partly, *elsewhere) if not approves(way)]
    ways = [nothing] if view.problem.goal in view.notes.values else []
    if rng.random() < LOOKED:
        return first_difference(view, rng, looked) or first_difference(view, rng, ways)
    return first_difference(view, rng, ways) or first_difference(view, rng, looked)


def approves(view: View) -> bool:
    """Whether an agent that checks sends nothing back."""
    forced = view.forced if isinstance(view, Erring) else {}
    said = act(Erring.of(view, forced=forced)).content
    return all(each.what != "again" for each in read(view.problem.family, said))


def wrong_check(view: View, rng: random.Random) -> Actions | None:
    """FM-3.3: right is declared wrong and 'put right', or a wrong result is confirmed."""
    if view.duty not in CHECKS:
        return None
    if view.duty == "judge":
        return conclusion(view, another_answer(view, rng))
    ways = [misremembering(view, rng, goal=True), misreading_task(view, rng)]
    if rng.random() < ALARMS:
        ways.reverse()
    return first_difference(view, rng, ways[0]) or first_difference(view, rng, ways[1])


def back(view: View, by: str, text: str) -> Actions | None:
    """AT-2: what a partner stated is confirmed, whatever it was."""
    stated = [said for said in read(view.problem.family, text) if said.what == "value"]
    if view.duty not in CHECKS or by == view.agent.id:
        return None
    goal = view.problem.goal
    if view.duty == "judge":
        return conclusion(view, view.notes.by.get(by, {}).get(goal))
    blind = Erring.of(view, forced={"miss": ALWAYS, "alarm": NEVER})
    made = act(blind)
    if made.content != ordinary(view).content or not stated:
        return (made,)
    added = (stated[-1].label, stated[-1].value)
    return (act(Erring.of(view, forced=blind.forced, added=added)),)


FAULTS: dict[str, Fault] = {
    "FM-1.1": disobey_task,
    "FM-1.2": overstep,
    "FM-1.3": repeat,
    "FM-1.5": overturn,
    "FM-2.1": reset,
    "FM-2.3": derail,
    "FM-2.4": withhold,
    "FM-2.5": ignore_input,
    "FM-2.6": mismatch,
    "FM-3.1": stop,
    "FM-3.2": wave_through,
    "FM-3.3": wrong_check,
    "AT-2": slip,
}
"""What happens in each mode when the agent's action is the fault."""
