"""How agents of the sandbox come to err: views of them, each with one thing about it changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

from tracekit.replay.sandbox.agents import act
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.faulty import ALWAYS, NEVER, Erring, Twist
from tracekit.replay.sandbox.grammar import read
from tracekit.replay.sandbox.language import Pen
from tracekit.replay.sandbox.problem import Item, Problem
from tracekit.replay.sandbox.view import View
from tracekit.replay.types import Action
from tracekit.trace import StepKind, ToolCall

Actions = tuple[Action, ...]


def ordinary(view: View) -> Action:
    """What the agent does by itself."""
    return act(Erring.of(view, words=words_of(view)))


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


def guess(view: View, label: str, rng: random.Random) -> str | None:
    """A value for a label from somebody who does not know it; None when nothing is known of it."""
    known = (*view.notes.items.values(), *view.problem.items)
    item = next((item for item in known if item.label == label), None)
    value = view.notes.values.get(label) or worked_out(view.problem, view.problem.items).get(label)
    return None if item is None or value is None else wrong_value(view, item, value, rng)


def wrong_value(view: View, item: Item, value: str, rng: random.Random) -> str:
    """A wrong value of the kind that people write."""
    values = worked_out(view.problem, view.problem.items)
    labels = family(view.problem.family).labels
    args = [view.notes.values.get(a, values.get(a, a)) if a in labels else a for a in item.args]
    return family(view.problem.family).slip(item, args, value, rng, view.problem)


def first_difference(view: View, rng: random.Random, ways: Iterable[Erring]) -> Actions | None:
    """What comes of the first way, in random order, that makes a difference.

    Ways that tell of the same things go first: what can no longer be worked out would show.
    """
    said = ordinary(view)
    told = labels_told(view, said)
    tried = list(ways)
    rng.shuffle(tried)
    other: Actions | None = None
    for way in tried:
        made = act(way)
        if made.kind != said.kind or (made.content, made.tools) == (said.content, said.tools):
            continue
        if labels_told(view, made) == told:
            return (made,)
        other = other or (made,)
    return other


def with_one_mistake(
    view: View, kind: str, twist: Callable[[], Twist | None] = lambda: None
) -> Iterator[Erring]:
    """The agent with one mistake of a kind, at every occasion that it has for one."""
    dry = Erring.of(view)
    act(dry)
    for number in range(dry.occasions[kind]):
        yield Erring.of(view, forced={kind: number}, words=words_of(view), twist=twist())


def garbling(view: View) -> Iterator[Erring]:
    """The agent that passes on one item of the plan, misunderstood."""
    said = ordinary(view)
    passed = sum(each.what == "spec" for each in read(view.problem.family, said.content))
    for number in range(passed):
        yield Erring.of(view, forced={"relay": number})


def labels_told(view: View, said: Action) -> list[str]:
    """Labels whose values an action tells."""
    found = read(view.problem.family, said.content)
    return list(dict.fromkeys(each.label for each in found if each.what == "value"))


def items_told(view: View) -> list[Item]:
    """Items that the agent would work out now."""
    told = labels_told(view, ordinary(view))
    return [item for label, item in view.notes.items.items() if label in told]


def having_misread(view: View, item: Item, rng: random.Random) -> Erring:
    """The agent, having understood one item otherwise."""
    made = Erring.of(view)
    other = family(view.problem.family).misplan(item, rng, view.problem)
    made.memory.notes.take(Erring.of(view).pen.spec(other))
    return made


def misreading_task(view: View, rng: random.Random) -> Iterator[Erring]:
    """The agent, having understood the task otherwise in one place, and overlooking nothing."""
    kind = family(view.problem.family)
    for at, item in enumerate(view.gist):
        other = kind.misplan(item, rng, view.problem)
        if other == item:
            continue
        made = Erring.of(view, forced={"miss": NEVER, "alarm": NEVER}, words=words_of(view))
        made.__dict__["gist"] = [*view.gist[:at], other, *view.gist[at + 1 :]]
        yield made


def misremembering(view: View, rng: random.Random, *, goal: bool = False) -> Iterator[Erring]:
    """The agent with another value in its memory than was stated, and confident of it."""
    for label, value in view.notes.values.items():
        if goal and label != view.problem.goal:
            continue
        other = guess(view, label, rng)
        if other is None or other == value:
            continue
        forced = {"miss": ALWAYS, "alarm": NEVER}
        made = Erring.of(view, forced=forced, words=words_of(view))
        made.memory.notes.values[label] = other
        made.memory.notes.by.setdefault(view.agent.id, {})[label] = other
        yield made


def not_listening(view: View, rng: random.Random) -> Iterator[Erring]:
    """The agent that works an item out from something else than it was told."""
    kind = family(view.problem.family)
    told = labels_told(view, ordinary(view)) or [item.label for item in view.notes.ordered()]
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


def miscalled(view: View, said: Action, rng: random.Random) -> Actions | None:
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


def another_answer(view: View, rng: random.Random) -> str | None:
    """Another value than the one that would be the answer: one that stood nearby, or a slip."""
    values = view.notes.values
    goal = values.get(view.problem.goal)
    near = [value for value in values.values() if value != goal]
    if near and rng.random() < 0.5:
        return rng.choice(near)
    return guess(view, view.problem.goal, rng)


def conclusion(view: View, value: str | None) -> Actions | None:
    """The answer of the team."""
    pen = Erring.of(view, words=words_of(view)).pen
    return (Action(pen.open("report").final(value).text(hedge=False), "final", view.turn.to),)


def derived(pen: Pen, item: Item, values: dict[str, str]) -> None:
    """An item with its working, as somebody who works shows it."""
    value, labels = values[item.label], pen.family.labels
    args = [values[arg] if arg in labels else arg for arg in item.args]
    pen.line(item).derive(item, pen.family.working(item, args, value, pen.words), value)


def words_of(view: View) -> str:
    """Which words it uses."""
    return view.words if isinstance(view, Erring) else "words"


def kind_of(said: Action) -> StepKind:
    """The kind of step, a call or an end being neither."""
    return "message" if said.kind in ("tool_call", "final") else said.kind
