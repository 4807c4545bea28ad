"""The ways in which an agent of the sandbox can be made to fail, by mode and by duty.

Each takes the view of an agent before its turn and returns what it does in it, in its own words;
None where it has no occasion to fail that way. `ordinary` is what it would do anyway.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

from tracekit.replay.sandbox.agents import act, meaning
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.faulty import ALWAYS, NEVER, Erring, Twist
from tracekit.replay.sandbox.grammar import read
from tracekit.replay.sandbox.language import Pen
from tracekit.replay.sandbox.problem import Item, Problem
from tracekit.replay.sandbox.view import View
from tracekit.replay.types import Action
from tracekit.trace import StepKind, ToolCall

Actions = tuple[Action, ...]
Fault = Callable[[View, random.Random], Actions | None]

CHECKS = ("check", "rebut", "judge")
"""Duties of those who look over the work of others."""
ALARMS = 0.25
"""How often a check that comes out wrong rejects: as often as checks do anyway."""
RELAYS = ("delegate", "collect", "review")


def ordinary(view: View) -> Action:
    """What the agent does by itself."""
    return act(Erring.of(view, words=_words(view)))


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
        return _first(view, rng, _forced(view, "plan"))
    if view.duty == "work":
        return _first(view, rng, (_misread(view, item, rng) for item in _said_items(view)))
    if view.duty in ("delegate", "review"):
        return _first(view, rng, _garbled(view))
    return _first(view, rng, _misread_gists(view, rng)) if view.duty in CHECKS else None


def slip(view: View, rng: random.Random) -> Actions | None:
    """A plain mistake in what the agent is there for."""
    kind = {"plan": "plan", "work": "work", "report": "report", "judge": "report"}.get(view.duty)
    if view.duty in RELAYS:
        kind = "relay"
    if view.duty in ("check", "rebut"):
        return wrong_check(view, rng)
    return _first(view, rng, _forced(view, kind)) if kind else None


def mismatch(view: View, rng: random.Random) -> Actions | None:
    """FM-2.6: the working comes to one thing, the value stated or the call made is another."""
    said = ordinary(view)
    if said.kind == "tool_call":
        return _miscalled(view, said, rng)
    kind = family(view.problem.family)
    if view.duty == "work":
        return _first(
            view,
            rng,
            _forced(view, "work", lambda: Twist(kind, honest=True)),
        )
    if view.duty in ("report", "judge"):
        return _concluded(view, _wrong(view, rng))
    return None


def ignore_input(view: View, rng: random.Random) -> Actions | None:
    """FM-2.5: a value or a part of the plan that somebody stated is passed over for another."""
    if view.duty == "work":
        return _first(view, rng, _deaf(view, rng))
    if view.duty in ("report", "judge"):
        return _concluded(view, _wrong(view, rng))
    if view.duty in (*RELAYS, "check", "rebut"):
        return _first(view, rng, _remembering(view, rng))
    return None


def derail(view: View, rng: random.Random, other: Problem | None = None) -> Actions | None:
    """FM-2.3: the work is on something else of the same kind, `other` if it is given."""
    other = other or another(view.problem, rng)
    if view.duty in ("report", "judge"):
        return _concluded(view, other.expected)
    said, pen = ordinary(view), Erring.of(view).pen
    values = worked_out(other, other.items)
    told = [each.label for each in read(view.problem.family, said.content)]
    items = _as_many(other, told, view.turn.limit, rng)
    pen.open("approve" if view.duty == "check" else view.duty, to=view.turn.to or "all")
    for item in other.items if view.duty in ("plan", "review") else items:
        if view.duty == "work":
            _derived(pen, item, values)
        elif view.duty in ("plan", "delegate", "review"):
            pen.line(item)
    if view.duty in ("check", "rebut"):
        pen.state(other.goal, values[other.goal])
    elif view.duty in ("collect", "review"):
        for item in items:
            pen.state(item.label, values[item.label])
    return (Action(pen.text(), _kind(said), said.to),)


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


# --- what agents keep, repeat, or take upon themselves ----------------------------------------


def withhold(view: View, rng: random.Random) -> Actions | None:
    """FM-2.4: a value that was to be told is not; what everybody knows is told in its place."""
    if view.duty in (*CHECKS, "report"):
        return None
    told, known = _told(view, ordinary(view)), view.notes.values
    old = [label for label in known if label not in told] or [x for x in told if x in known]
    ways = [
        Erring.of(view, hushed=label, instead=instead)
        for label in told
        for instead in old[-2:]
        if instead != label
    ]
    return _first(view, rng, ways)


def overstep(view: View, rng: random.Random) -> Actions | None:
    """FM-1.2: on top of its own part the agent gives the answer that others are to work out."""
    goal = view.problem.goal
    if view.duty in (*CHECKS, "report") or goal in view.notes.values:
        return None
    guess = _guess(view, view.problem.items[-1], view.problem.expected, rng)
    return _first(view, rng, [Erring.of(view, added=(goal, guess))])


def swap_role(view: View, rng: random.Random) -> Actions | None:
    """FM-1.2: a worker passes judgement; everybody else does the work, and not too well."""
    said, pen = ordinary(view), Erring.of(view).pen
    if view.duty == "work":
        pen.open("approve")
        known = list(view.notes.values.items())
        if known:
            pen.state(*known[-1])
        return (Action(pen.text(), _kind(said), said.to),)
    items = view.gist or list(view.notes.ordered())
    if not items:
        return None
    at = rng.randrange(len(items))
    values = worked_out(view.problem, items, slip_at=at, rng=rng)
    pen.open("work")
    for item in items:
        if item.label in values:
            _derived(pen, item, values)
    return (Action(pen.text(), _kind(said), said.to),)


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
    again = _concluded(other, _wrong(view, rng)) if closes else wrong_check(other, rng)
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
    return (Action(pen.text(), _kind(said), said.to),)


def stop(view: View, _: random.Random) -> Actions | None:
    """FM-3.1: the answer is given with what there is."""
    goal, values = view.problem.goal, view.notes.values
    if goal in values or view.duty in ("report", "judge"):
        return None
    return _concluded(view, next(reversed(list(values.values())), None))


# --- what those who check get wrong -----------------------------------------------------------


def wave_through(view: View, rng: random.Random) -> Actions | None:
    """FM-3.2: nothing is looked at, or something is left out, and so a mistake passes."""
    if view.duty not in CHECKS:
        return None
    dry = Erring.of(view)
    act(dry)
    some = [{"miss": number} for number in range(dry.occasions["miss"])]
    partly = [Erring.of(view, forced=forced) for forced in some]
    nothing = Erring.of(view, forced={"miss": ALWAYS, "alarm": NEVER})
    part = _first(view, rng, [way for way in partly if not _approves(view, way)])
    return part or _first(view, rng, [nothing])


def _approves(view: View, way: Erring) -> bool:
    """Whether nothing is sent back."""
    said = act(Erring.of(way, forced=way.forced)).content
    return all(each.what != "again" for each in read(view.problem.family, said))


def wrong_check(view: View, rng: random.Random) -> Actions | None:
    """FM-3.3: right is declared wrong and 'put right', or a wrong result is confirmed."""
    if view.duty not in CHECKS:
        return None
    if view.duty == "judge":
        return _concluded(view, _wrong(view, rng))
    ways = [_remembering(view, rng, goal=True), _misread_gists(view, rng)]
    if rng.random() < ALARMS:
        ways.reverse()
    return _first(view, rng, ways[0]) or _first(view, rng, ways[1])


def back(view: View, by: str, text: str) -> Actions | None:
    """AT-2: what a partner stated is confirmed, whatever it was."""
    stated = [said for said in read(view.problem.family, text) if said.what == "value"]
    if view.duty not in CHECKS or by == view.agent.id:
        return None
    goal = view.problem.goal
    if view.duty == "judge":
        return _concluded(view, view.notes.by.get(by, {}).get(goal))
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


# --- below: how it is done --------------------------------------------------------------------


def worked_out(
    problem: Problem,
    items: Iterable[Item],
    *,
    slip_at: int | None = None,
    rng: random.Random | None = None,
) -> dict[str, str]:
    """The values of items by label, one of them wrong where that is wanted."""
    kind, values = family(problem.family), dict[str, str]()
    labels = kind.labels
    for number, item in enumerate(items):
        args = [values.get(arg, "") if arg in labels else arg for arg in item.args]
        value = kind.compute(item, args, problem) if all(args) else None
        if value is None:
            continue
        if number == slip_at and rng is not None:
            value = kind.slip(item, args, value, rng, problem)
        values[item.label] = value
    return values


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


def guess(view: View, label: str, rng: random.Random) -> str | None:
    """A value for a label from somebody who does not know it; None when nothing is known of it."""
    known = (*view.notes.items.values(), *view.problem.items)
    item = next((item for item in known if item.label == label), None)
    value = view.notes.values.get(label) or worked_out(view.problem, view.problem.items).get(label)
    return None if item is None or value is None else _guess(view, item, value, rng)


def _guess(view: View, item: Item, value: str, rng: random.Random) -> str:
    """A wrong value of the kind that people write."""
    values = worked_out(view.problem, view.problem.items)
    labels = family(view.problem.family).labels
    args = [view.notes.values.get(a, values.get(a, a)) if a in labels else a for a in item.args]
    return family(view.problem.family).slip(item, args, value, rng, view.problem)


def _first(view: View, rng: random.Random, ways: Iterable[Erring]) -> Actions | None:
    """What comes of the first way, in random order, that makes a difference.

    Ways that tell of the same things go first: what can no longer be worked out would show.
    """
    said = ordinary(view)
    told = _told(view, said)
    tried = list(ways)
    rng.shuffle(tried)
    other: Actions | None = None
    for way in tried:
        made = act(way)
        if made.kind != said.kind or (made.content, made.tools) == (said.content, said.tools):
            continue
        if _told(view, made) == told:
            return (made,)
        other = other or (made,)
    return other


def _forced(
    view: View, kind: str, twist: Callable[[], Twist | None] = lambda: None
) -> Iterator[Erring]:
    """The agent with one mistake of a kind, at every occasion that it has for one."""
    dry = Erring.of(view)
    act(dry)
    for number in range(dry.occasions[kind]):
        yield Erring.of(view, forced={kind: number}, words=_words(view), twist=twist())


def _garbled(view: View) -> Iterator[Erring]:
    """The agent that passes on one item of the plan, misunderstood."""
    said = ordinary(view)
    passed = sum(each.what == "spec" for each in read(view.problem.family, said.content))
    for number in range(passed):
        yield Erring.of(view, forced={"relay": number})


def _told(view: View, said: Action) -> list[str]:
    """Labels whose values an action tells."""
    found = read(view.problem.family, said.content)
    return list(dict.fromkeys(each.label for each in found if each.what == "value"))


def _said_items(view: View) -> list[Item]:
    """Items that the agent would work out now."""
    told = _told(view, ordinary(view))
    return [item for label, item in view.notes.items.items() if label in told]


def _misread(view: View, item: Item, rng: random.Random) -> Erring:
    """The agent, having understood one item otherwise."""
    made = Erring.of(view)
    other = family(view.problem.family).misplan(item, rng, view.problem)
    made.memory.notes.take(Erring.of(view).pen.spec(other))
    return made


def _misread_gists(view: View, rng: random.Random) -> Iterator[Erring]:
    """The agent, having understood the task otherwise in one place, and overlooking nothing."""
    kind = family(view.problem.family)
    for at, item in enumerate(view.gist):
        other = kind.misplan(item, rng, view.problem)
        if other == item:
            continue
        made = Erring.of(view, forced={"miss": NEVER, "alarm": NEVER}, words=_words(view))
        made.__dict__["gist"] = [*view.gist[:at], other, *view.gist[at + 1 :]]
        yield made


def _remembering(view: View, rng: random.Random, *, goal: bool = False) -> Iterator[Erring]:
    """The agent with another value in its memory than was stated, and confident of it."""
    for label, value in view.notes.values.items():
        if goal and label != view.problem.goal:
            continue
        other = guess(view, label, rng)
        if other is None or other == value:
            continue
        forced = {"miss": ALWAYS, "alarm": NEVER}
        made = Erring.of(view, forced=forced, words=_words(view))
        made.memory.notes.values[label] = other
        made.memory.notes.by.setdefault(view.agent.id, {})[label] = other
        yield made


def _deaf(view: View, rng: random.Random) -> Iterator[Erring]:
    """The agent that works an item out from something else than it was told."""
    kind = family(view.problem.family)
    told = _told(view, ordinary(view)) or [item.label for item in view.notes.ordered()]
    for label in told:
        item = view.notes.items.get(label)
        args = view.notes.args(item, view.notes.values) if item is not None else None
        if item is None:
            continue
        if args is None or not any(arg in kind.labels for arg in item.args):
            other = kind.misplan(item, rng, view.problem)
            heard = view.notes.args(other, view.notes.values)
            if heard is not None:
                yield Erring.of(view, twist=Twist(kind, {label: (other, heard)}))
            continue
        for at, arg in enumerate(item.args):
            value = guess(view, arg, rng) if arg in kind.labels else None
            if value is not None:
                swapped = [*args[:at], value, *args[at + 1 :]]
                yield Erring.of(view, twist=Twist(kind, {label: (item, swapped)}))


def _miscalled(view: View, said: Action, rng: random.Random) -> Actions | None:
    """The call that goes with another item than the one announced."""
    kind = family(view.problem.family)
    call = said.tools[0]
    for item in view.notes.ordered():
        args = view.notes.args(item, view.notes.values)
        if args is None or kind.request(item, args) != call.arguments:
            continue
        other = kind.misplan(item, rng, view.problem)
        heard = view.notes.args(other, view.notes.values)
        wrong = kind.request(other, heard) if heard is not None else None
        if wrong is not None and wrong != call.arguments:
            made = ToolCall(call.name, wrong, call_id=call.call_id)
            return (Action(said.content, said.kind, said.to, (made,)),)
    return None


def _wrong(view: View, rng: random.Random) -> str | None:
    """Another value than the one that would be the answer: one that stood nearby, or a slip."""
    values = view.notes.values
    goal = values.get(view.problem.goal)
    near = [value for value in values.values() if value != goal]
    if near and rng.random() < 0.5:
        return rng.choice(near)
    return guess(view, view.problem.goal, rng)


def _concluded(view: View, value: str | None) -> Actions | None:
    """The answer of the team."""
    pen = Erring.of(view, words=_words(view)).pen
    return (Action(pen.open("report").final(value).text(hedge=False), "final", view.turn.to),)


def _derived(pen: Pen, item: Item, values: dict[str, str]) -> None:
    """An item with its working, as somebody who works shows it."""
    value, labels = values[item.label], pen.family.labels
    args = [values[arg] if arg in labels else arg for arg in item.args]
    pen.line(item).derive(item, pen.family.working(item, args, value, pen.words), value)


def _words(view: View) -> str:
    return view.words if isinstance(view, Erring) else "words"


def _kind(said: Action) -> StepKind:
    return "message" if said.kind in ("tool_call", "final") else said.kind
