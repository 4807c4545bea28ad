"""Faults made in a recording, where what they lead to can be written down without a replay.

Nothing is run. A change is made only where its consequences are nothing but quotes: the value is
first stated in the struck step, later steps repeat it and derive nothing from it. What follows is
then the recording with the new value in place of the old one. Everything else is refused.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import chain

import msgspec

from tracekit.errors import InjectionError, UsageError
from tracekit.inject import wording
from tracekit.inject.live import check_fault
from tracekit.inject.modes import mode as mode_of
from tracekit.inject.modes import place
from tracekit.inject.strategies import refuse_nothing, struck
from tracekit.inject.types import Fault, Injected, Scene
from tracekit.protocols import Manipulator
from tracekit.replay.types import Action, Intervention
from tracekit.trace import Inputs, Outcome, Step, ToolCall, Trace, faults

BY = "tracekit:offline"


def inject_offline(
    trace: Trace, faults: Sequence[Fault], manipulator: Manipulator, seed: int
) -> Injected:
    """The recording with faults in it; `interventions` stays empty, as nothing was replayed.

    What can be done: a number or name replaced where it is first stated, and in every later step,
    argument and answer that quotes it; the last word contradicted; a run cut off before its answer;
    a message said twice; a message dropped, or a value left out of it, that nobody quotes later.
    What cannot: anything that would have made an agent or tool act otherwise. That is refused as
    far as it shows: when a later step that could know of the change states something new.

    What it can claim: that this fault stands in this step. The outcome is the recorded one, or a
    failure where the right answer was replaced or cut off; whether real agents would have noticed
    is not known. So the only label it supports is of the definition `injected`.

    Raises `InjectionError` when a fault cannot be made consistently in this run, or the run is not
    known to have succeeded; `UsageError` for a fault that no table knows.
    """
    if not faults:
        raise UsageError("no fault is given")
    if trace.outcome.status != "success":
        raise InjectionError(f"trace {trace.id} is not known to have succeeded")
    for fault in faults:
        check_fault(fault, manipulator)
        if fault.every:
            raise InjectionError("in a recording a single step can be struck, not every one")
        if fault.mode == "AT-2":
            raise InjectionError("what a second agent makes of a collusion takes a replay")
    rng = random.Random(f"offline/{seed}/{trace.id}")  # noqa: S311 - no secret
    now, places, made = trace, list(range(len(trace.steps))), list[Fault]()
    for fault in sorted(faults, key=lambda fault: (fault.step is None, fault.step or 0)):
        now, places, done = _made(now, places, fault, made, manipulator, rng)
        made.append(done)
    return Injected(
        clean=trace,
        trace=_named(now, seed, made),
        faults=tuple(sorted(made, key=lambda fault: fault.step or 0)),
        interventions=(),
        manipulator=manipulator.name,
        seed=seed,
    )


def _made(
    trace: Trace,
    places: list[int],
    fault: Fault,
    made: list[Fault],
    manipulator: Manipulator,
    rng: random.Random,
) -> tuple[Trace, list[int], Fault]:
    """One fault more. `places` says where the steps of the clean run stand now, -1 = gone."""
    wanted = None if fault.step is None else _at(places, fault.step)
    kinds = ("tool_result",) if fault.strategy == "tool-fault" else mode_of(fault.mode).strikes
    taken = {done.step for done in made}
    steps = [
        step
        for step in trace.steps
        if place(step) in kinds
        and fault.agent in (None, step.agent)
        and (wanted in (None, step.index))
        and step.index not in taken
    ]
    rng.shuffle(steps)
    why: InjectionError | None = None
    for step in steps:
        scene = Scene(trace=trace, step=step.index, mode=fault.mode, strategy=fault.strategy)
        try:
            change = manipulator.apply(scene, rng)
            refuse_nothing(trace, change)
            changed, moved = _propagated(trace, change, fault)
        except InjectionError as error:
            why = error
            continue
        done = msgspec.structs.replace(fault, agent=step.agent, step=struck(trace, change))
        return changed, [moved(at) if at >= 0 else at for at in places], done
    raise why or InjectionError(
        f"{fault.mode} by {fault.strategy} finds no step to strike in {trace.id}"
    )


def _at(places: list[int], step: int) -> int:
    if not 0 <= step < len(places) or places[step] < 0:
        raise InjectionError(f"step {step} is not there")
    return places[step]


Moved = Callable[[int], int]


def _propagated(trace: Trace, change: Intervention, fault: Fault) -> tuple[Trace, Moved]:
    """The run after a change, and where its steps stand; refuses what it cannot know."""
    at, actions = change.step, change.actions
    last = at == len(trace.steps) - 1
    if actions is None or change.inputs is not None:
        raise InjectionError(f"step {at}: what an agent makes of other inputs takes a replay")
    if fault.strategy == "premature-stop":
        return _cut(trace, at), lambda n: n if n <= at else -1
    if not actions:
        _refuse_if_needed(trace, at, trace.steps[at].content)
        return _spliced(trace, at, ()), lambda n: -1 if n == at else n - (n > at)
    old = trace.steps[at]
    if len(actions) == 2 and (last or actions[0] == actions[1]):
        said = tuple(_step(old, action) for action in actions)
        return _ended(trace, _spliced(trace, at, said)), lambda n: n + (n > at)
    if len(actions) == 1:
        return _replaced(trace, at, actions[0]), lambda n: n
    raise InjectionError(f"step {at}: what others make of two different messages takes a replay")


def _replaced(trace: Trace, at: int, action: Action) -> Trace:
    """One value replaced, or something left out, in a step and in all that quotes it."""
    before = trace.steps[at]
    pair = _value_swap(_text(before), _text(_step(before, action)))
    if pair is None:
        lost = _left_out(before.content, action.content)
        if lost is None or before.tools != action.tools:
            raise InjectionError(f"step {at}: only a replaced value or an omission can be followed")
        _refuse_if_needed(trace, at, lost)
        return _ended(trace, _with_step(trace, _step(before, action)))
    old, new = pair
    if any(_quotes(text, old) for text in _earlier(trace, at)):
        raise InjectionError(f"step {at}: {old!r} was there before; who quotes which is not known")
    _refuse_if_derived(trace, at, old)
    later = [_requoted(step, old, new) for step in trace.steps[at + 1 :]]
    steps = (*trace.steps[:at], _step(before, action), *later)
    return _ended(trace, msgspec.structs.replace(trace, steps=steps), (old, new))


def _cut(trace: Trace, at: int) -> Trace:
    """The run ends with a step, whose author takes it for the end."""
    answer = trace.outcome.answer
    if at == len(trace.steps) - 1 or (answer and _quotes(trace.steps[at].content, answer)):
        raise InjectionError(f"step {at}: nothing is missing when the run ends there")
    end = msgspec.structs.replace(trace.steps[at], kind="final", raw=())
    steps = (*trace.steps[:at], end)
    outcome = Outcome("failure", reason="cut off before the answer", by=BY)
    return msgspec.structs.replace(trace, steps=steps, outcome=outcome)


# --- what can be followed --------------------------------------------------------------------


def _refuse_if_derived(trace: Trace, at: int, old: str) -> None:
    """Raise when somebody who could know of the change states a value that was not there before."""
    known = set(chain.from_iterable(map(_values, _earlier(trace, at + 1))))
    touched = {at}
    for step in trace.steps[at + 1 :]:
        seen = step.inputs
        aware = seen is None or not touched.isdisjoint(seen.steps) or _quotes(_text(step), old)
        fresh = set(_values(_text(step))) - known
        if aware and fresh:
            raise InjectionError(
                f"step {step.index} may have derived {sorted(fresh)[0]!r} from {old!r} of step {at}"
            )
        if aware:
            touched.add(step.index)
        known |= fresh


def _refuse_if_needed(trace: Trace, at: int, lost: str) -> None:
    """Raise when a later step quotes something that only the lost text had stated."""
    step = trace.steps[at]
    if step.tools or at == len(trace.steps) - 1:
        raise InjectionError(f"step {at}: a call or the last word cannot be left out unnoticed")
    before = set(chain.from_iterable(map(_values, _earlier(trace, at))))
    for value in sorted(set(_values(lost)) - before):
        for later in trace.steps[at + 1 :]:
            if _quotes(_text(later), value):
                raise InjectionError(f"step {later.index} quotes {value!r}, stated in step {at}")


def _value_swap(old: str, new: str) -> tuple[str, str] | None:
    """The one number or name that was replaced by another one; None for any other change.

    >>> _value_swap("the total is 48, so 48", "the total is 84, so 84")
    ('48', '84')
    >>> _value_swap("that is right", "that is wrong") is None
    True
    """
    before, after = _tokens(old), _tokens(new)
    pairs = set()
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            pairs.add((" ".join(before[a:b]), " ".join(after[c:d])))
    if len(pairs) != 1:
        return None
    (pair,) = pairs
    fitting = all(_is_value(value) for value in pair)
    return pair if fitting else None


def _tokens(text: str) -> list[str]:
    return wording.TOKEN.findall(text)


def _is_value(text: str) -> bool:
    if text.casefold() in wording.VERDICT_WORDS:
        return False
    return bool(wording.NUMBER.fullmatch(text) or wording.PROPER.fullmatch(text))


def _left_out(old: str, new: str) -> str | None:
    """The sentences that are missing from a text; None when anything else was changed.

    >>> _left_out("One. Two. Three.", "One. Three.")
    'Two.'
    """
    kept = [new[slice(*span)] for span in wording.sentences(new)]
    lost = []
    for span in wording.sentences(old):
        sentence = old[slice(*span)]
        if kept and kept[0] == sentence:
            kept.pop(0)
        else:
            lost.append(sentence)
    return " ".join(lost) if lost and not kept else None


# --- texts and steps -------------------------------------------------------------------------


def _text(step: Step) -> str:
    """Everything that a step says: content, arguments, results."""
    calls = msgspec.json.encode([(c.arguments, c.result, c.error) for c in step.tools]).decode()
    return f"{step.content} {calls}" if step.tools else step.content


def _earlier(trace: Trace, at: int) -> list[str]:
    return [trace.task.question, *(_text(step) for step in trace.steps[:at])]


def _values(text: str) -> list[str]:
    return [*wording.NUMBER.findall(text), *wording.NAME.findall(text)]


def _quotes(text: str, value: str) -> bool:
    return wording.mention(value).search(text) is not None


def _requoted(step: Step, old: str, new: str) -> Step:
    content = wording.replaced(step.content, old, new)
    tools = tuple(
        ToolCall(
            call.name,
            wording.deep_replaced(call.arguments, old, new),
            wording.deep_replaced(call.result, old, new),
            wording.deep_replaced(call.error, old, new),
            call.call_id,
        )
        for call in step.tools
    )
    if content is None and tools == step.tools:
        return step
    return msgspec.structs.replace(step, content=content or step.content, tools=tools, raw=())


def _step(old: Step, action: Action) -> Step:
    """The step with another action; it stands in no file any more."""
    return msgspec.structs.replace(
        old,
        content=action.content,
        kind=action.kind,
        to=action.to or old.to,
        tools=action.tools,
        raw=(),
    )


def _with_step(trace: Trace, step: Step) -> Trace:
    steps = (*trace.steps[: step.index], step, *trace.steps[step.index + 1 :])
    return msgspec.structs.replace(trace, steps=steps)


def _spliced(trace: Trace, at: int, said: tuple[Step, ...]) -> Trace:
    """The run with none or two steps in place of one, and all references moved."""
    by = len(said) - 1

    def moved(index: int) -> int:
        return index + by if index > at else index

    def renumbered(step: Step) -> Step:
        inputs, parent = step.inputs, step.parent
        if inputs is not None:
            seen = tuple(moved(i) for i in inputs.steps if said or i != at)
            inputs = Inputs(seen, inputs.messages)
        gone = parent == at and not said
        return msgspec.structs.replace(
            step,
            index=moved(step.index),
            inputs=inputs,
            parent=None if parent is None or gone else moved(parent),
        )

    now = [msgspec.structs.replace(step, index=at + n) for n, step in enumerate(said)]
    steps = (*trace.steps[:at], *now, *(renumbered(step) for step in trace.steps[at + 1 :]))
    return msgspec.structs.replace(trace, steps=steps)


def _ended(clean: Trace, trace: Trace, swap: tuple[str, str] | None = None) -> Trace:
    """The outcome: a failure when the right answer became another one, else as recorded."""
    answer = clean.outcome.answer
    now = wording.replaced(answer, *swap) if answer and swap else None
    closing = trace.steps[-1].content != clean.steps[-1].content
    kept = answer is not None and _quotes(trace.steps[-1].content, answer)
    if now is None and (kept or not closing):
        return trace
    outcome = Outcome("failure", now, reason="the right answer was replaced", by=BY)
    return msgspec.structs.replace(trace, outcome=outcome)


def _named(trace: Trace, seed: int, made: Sequence[Fault]) -> Trace:
    """The run under an id of its own; raises when references are broken, which would be a bug."""
    words = msgspec.json.encode([seed, made, [step.content for step in trace.steps]])
    named = msgspec.structs.replace(
        trace, id=f"{trace.id}~{hashlib.sha256(words).hexdigest()[:12]}", labels=()
    )
    broken = faults(named)
    if broken:
        raise InjectionError(f"trace {trace.id} has broken references: {broken[0]}")
    return named
