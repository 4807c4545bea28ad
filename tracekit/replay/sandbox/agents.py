"""What agents do when it is their turn: read, work, err now and then, and say so in their voice.

`act` is the policy of every agent unless another one is given. It knows the problem only as far
as the agent was given the question (`understood`), and its tools; everything else it reads in
messages. With skill 1 no mistake is made, so the same function says what would have been right.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracekit.replay.sandbox.grammar import grammar
from tracekit.replay.sandbox.notes import Notes
from tracekit.replay.sandbox.problem import Item
from tracekit.replay.sandbox.view import Policy, View
from tracekit.replay.types import Action
from tracekit.trace import StepKind, ToolCall


def act(view: View) -> Action:
    """What the agent does in its turn."""
    return DUTIES[view.turn.duty](view)


def _said(
    view: View, *, kind: StepKind = "message", to: str | None = None, hedge: bool = True
) -> Action:
    return Action(view.pen.text(hedge=hedge), kind, to or view.turn.to)


def plan(view: View) -> Action:
    """Take the question apart."""
    if not view.gist:
        return _said_stuck(view, "task")
    pen = view.pen.open("plan")
    for item in view.gist:
        wrong = view.errs("plan")
        pen.line(_misplanned(view, item) if wrong else item)
    return _said(view, kind="plan")


def _misplanned(view: View, item: Item) -> Item:
    return view.pen.family.misplan(item, view.rng, view.problem)


def _said_stuck(view: View, *labels: str) -> Action:
    pen = view.pen.open("stuck")
    for label in labels:
        pen.missing(label)
    return _said(view)


def work(view: View) -> Action:
    """Work out what is open, by tool where one is needed, and show the working."""
    notes, values = view.notes, dict(view.notes.values)
    made: list[tuple[Item, list[str], str]] = []
    missing: list[str] = []
    asked = sum(step.kind == "tool_call" and step.agent == view.agent.id for step in view.steps)
    for item in notes.ordered():
        wanted = item.label in view.turn.labels if view.turn.labels else True
        if item.label in values or not wanted or len(made) >= view.turn.limit:
            continue
        args = notes.args(item, values)
        if args is None:
            missing.append(item.label)
            continue
        value, call = _worked(view, item, args)
        if value is None and call is not None and asked < 12:
            return _call(view, item, call, made)
        if value is None:
            missing.append(item.label)
            continue
        values[item.label] = value
        made.append((item, args, value))
    if not made:
        return _said_stuck(view, *(missing or view.turn.labels))
    view.pen.open("work")
    for label in _told_tool(view):
        if label in notes.items:
            view.pen.line(notes.items[label])
        view.pen.state(label, values[label])
    _show(view, made)
    for label in missing:
        view.pen.missing(label)
    return _said(view)


def _told_tool(view: View) -> list[str]:
    """Labels whose values were mentioned to the tool only, since one last spoke to the others."""
    if not view.pen.family.tool:
        return []
    told = Notes(view.problem.family)
    for step in view.steps:
        if step.agent == view.agent.id:
            if step.kind == "tool_call":
                told.take(step.content)
            else:
                told.values.clear()
    return [label for label in told.values if label in view.notes.values]


def _worked(view: View, item: Item, args: list[str]) -> tuple[str | None, dict[str, str] | None]:
    """The value of an item, or the call to make for it."""
    kind = view.pen.family
    call = kind.request(item, args)
    wrong = view.errs("work")
    if call is not None:
        result = view.notes.results.get(item.label)
        if result is None:
            return None, call
        value = kind.extract(item, args, result)
    else:
        value = kind.compute(item, args, view.problem)
    if value is not None and wrong:
        value = kind.slip(item, args, value, view.rng, view.problem)
    return value, None


def _show(view: View, made: list[tuple[Item, list[str], str]]) -> None:
    """Items with their working; a plan line with each unless the agent is short of words."""
    for item, args, value in made:
        view.pen.line(item)
        view.pen.derive(item, view.pen.working(item, args, value), value)


def _call(
    view: View,
    item: Item,
    arguments: dict[str, str],
    made: list[tuple[Item, list[str], str]],
) -> Action:
    """A call of the tool, with what was found out before it."""
    pen = view.pen.open("tool")
    _show(view, made)
    pen.about(item.label)
    call = ToolCall(pen.family.tool, arguments, call_id=f"call-{view.number}")
    return Action(pen.text(hedge=False), "tool_call", pen.family.tool, (call,))


def _faults(view: View) -> tuple[dict[str, Item], list[str]]:
    """What is wrong with the stated work: items to put right, values to redo (roots only)."""
    notes, kind = view.notes, view.pen.family
    specs: dict[str, Item] = {}
    redo: list[str] = []
    for item in view.gist:
        stated = notes.values.get(item.label)
        args = notes.args(item, notes.values)
        overlooked, alarm = view.errs("miss"), view.errs("alarm")
        if args is None:
            continue
        right = kind.compute(item, args, view.problem)
        if stated == right and stated is not None:
            if alarm:
                redo.append(item.label)
        elif not overlooked:
            if notes.items.get(item.label) != item:
                specs[item.label] = item
            redo.append(item.label)
    return specs, redo


def check(view: View) -> Action:
    """Go over plan and values against the task; confirm, send back, or put right."""
    specs, redo = _faults(view)
    turn, pen = view.turn, view.pen
    goal = view.problem.goal
    if not redo:
        pen.open("approve")
        value = view.notes.values.get(goal)
        if value is not None:
            pen.state(goal, value)
        return _said(view)
    pen.open("reject")
    for label in redo:
        pen.again(label)
        if label in specs:
            pen.line(specs[label])
    if turn.back is not None:
        return _said(view, to=turn.back)
    right = _put_right(view, redo)
    for label, value in right.items():
        pen.state(label, value)
    if goal not in right and goal in view.notes.values:
        pen.state(goal, view.notes.values[goal])
    return _said(view)


def _put_right(view: View, redo: list[str]) -> dict[str, str]:
    """Own values for items in doubt and all that follow from them."""
    kind, notes = view.pen.family, view.notes
    doubted = set(redo)
    values = dict(notes.values)
    found: dict[str, str] = {}
    for item in view.gist:
        if item.label not in doubted and doubted.isdisjoint(item.args):
            continue
        doubted.add(item.label)
        args = notes.args(item, values)
        value = kind.compute(item, args, view.problem) if args is not None else None
        if value is not None:
            if view.errs("work"):
                value = kind.slip(item, args or [], value, view.rng, view.problem)
            values[item.label] = found[item.label] = value
    return found


def report(view: View) -> Action:
    """Give the answer of the team."""
    view.pen.open("report").final(_answer(view, view.notes.values.get(view.problem.goal)))
    return _said(view, kind="final", hedge=False)


def _answer(view: View, value: str | None) -> str | None:
    """The value, or now and then another one that stood nearby."""
    others = [each for each in view.notes.values.values() if each != value]
    return view.rng.choice(others) if view.errs("report") and others else value


def _relay(view: View, items: Sequence[Item], values: dict[str, str]) -> None:
    """Items and values passed on; now and then one gets garbled or lost on the way."""
    kind = view.pen.family
    for item in items:
        view.pen.line(_misplanned(view, item) if view.errs("relay") else item)
    for label, value in values.items():
        if view.errs("relay"):
            known = view.notes.items.get(label)
            args = view.notes.args(known, view.notes.values) if known else None
            if known is None or args is None or view.rng.random() < 0.4:
                continue
            value = kind.slip(known, args, value, view.rng, view.problem)
        view.pen.state(label, value)


def delegate(view: View) -> Action:
    """Hand items to somebody, with the values that they need."""
    notes, turn = view.notes, view.turn
    view.pen.open("delegate", to=turn.to or "all")
    items = [notes.items[label] for label in turn.labels if label in notes.items]
    given = {arg for item in items for arg in item.args} - set(turn.labels)
    if turn.again:
        for item in items:
            view.pen.again(item.label)
    _relay(view, items, {label: v for label, v in notes.values.items() if label in given})
    return _said(view, kind="handoff")


def collect(view: View) -> Action:
    """Report upwards what one's people found."""
    notes = view.notes
    view.pen.open("collect")
    labels = set(view.turn.labels or notes.items)
    found = {label: value for label, value in notes.values.items() if label in labels}
    _relay(view, [], found)
    for label in sorted(labels - found.keys()):
        view.pen.missing(label)
    return _said(view)


def review(view: View) -> Action:
    """Ask for a check of everything so far."""
    view.pen.open("review", to=view.turn.to or "all")
    _relay(view, view.notes.ordered(), view.notes.values)
    return _said(view, kind="handoff")


def rebut(view: View) -> Action:
    """Compare with the others: stand by one's results, put them right, or give in."""
    pen, goal = view.pen.open("rebut"), view.problem.goal
    mine = view.notes.by.get(view.agent.id, {}).get(goal)
    theirs = [said[goal] for by, said in view.notes.by.items() if goal in said]
    if view.skill < 1 and theirs and all(value == mine for value in theirs):
        pen.state(goal, theirs[0])
        return _said(view)
    specs, redo = _faults(view)
    right = _put_right(view, redo)
    for label in redo:
        pen.again(label)
        if label in specs:
            pen.line(specs[label])
    for label, value in right.items():
        pen.state(label, value)
    if goal not in right and (mine or theirs):
        pen.state(goal, mine or theirs[0])
    return _said(view)


def judge(view: View) -> Action:
    """Decide: look for oneself where no tool is needed for it, or go with most."""
    goal = view.problem.goal
    votes = [said[goal] for said in view.notes.by.values() if goal in said]
    value = max(votes, key=votes.count) if votes else None
    doubts = len(set(votes)) != 1 and not view.pen.family.tool and not view.errs("miss")
    if doubts or view.skill >= 1:
        value = _solved(view).get(goal, value)
    view.pen.open("report").final(_answer(view, value))
    return _said(view, kind="final", hedge=False)


def _solved(view: View) -> dict[str, str]:
    """The whole task worked out by oneself."""
    values: dict[str, str] = {}
    for item in view.gist:
        args = view.notes.args(item, values)
        value = view.pen.family.compute(item, args, view.problem) if args is not None else None
        if value is not None:
            values[item.label] = value
    return values


DUTIES: dict[str, Policy] = {
    "plan": plan,
    "work": work,
    "check": check,
    "report": report,
    "delegate": delegate,
    "collect": collect,
    "review": review,
    "rebut": rebut,
    "judge": judge,
}
"""What a turn can be for."""


def meaning(name: str, action: Action) -> tuple[object, ...]:
    """What an action comes to, whatever its words: two actions that mean the same are as right."""
    notes = Notes(name)
    notes.take(action.content)
    calls = tuple((call.name, msgspec.json.encode(call.arguments, order="sorted"), call.result)
                  for call in action.tools)  # fmt: skip
    answer = grammar(name).answer(action.content)
    values = tuple(sorted(notes.values.items()))
    return tuple(sorted(notes.items.items())), values, answer, calls
