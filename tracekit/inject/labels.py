"""Labels by definition: what was injected, which step decided, from which there was no way back.

Labels of different definitions stand side by side and are never merged. `decisive` and
`first-unrecoverable` come from replays with repeats, never from one lucky run (AgenTracer,
arXiv 2509.03312, labels the first replay that succeeds; DoVer, arXiv 2512.06749, asks for
repeats). The numbers that stand behind a label are in its `extra`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tracekit import stats
from tracekit.inject.replays import Replays
from tracekit.inject.types import Injected
from tracekit.protocols import Corrector, Replayable
from tracekit.replay.types import Action, Intervention
from tracekit.trace import Label, Trace

TEXTS = {
    "decisive": (
        "The earliest step whose correction raises the chance of success: replays with the step "
        "corrected against replays with it as recorded, all that follows drawn anew with common "
        "random numbers; the interval of the difference lies above zero at a level that allows "
        "for every wrong step of the run and every look at the data (Bonferroni)."
    ),
    "injected": "The step, or the first of the steps, where a fault was brought in on purpose.",
    "first-unrecoverable": (
        "The first step after which no replay succeeds, nothing changed and what follows drawn "
        "anew, although some do from the state before it. A chance below the stated bound cannot "
        "be told from none."
    ),
}
"""What each label means, as it stands in its `extra`."""

BY = "tracekit:replay"
LEVEL = 0.05
"""Chance per run of blaming a step whose correction does nothing."""
LOOKS = (8, 16, 32, 64)
"""Replays of each kind after which a step is judged; the last look is the cap."""
HOPE = {8: 1, 16: 2, 32: 4}
"""Successes that a step must have gained by then, or it is given up."""
LAST_HOPE = {32: 3}
"""The same where no step decides and all are taken up again."""
ENDLESS = 20
"""Failed replays, of as many, after which a state counts as one without a way back."""


BOUND = round(1 - 0.05 ** (1 / ENDLESS), 3)
"""Chance of success that so many failures rule out, with 95 % confidence."""


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """A step, corrected and not, in n replays of each kind."""

    step: int
    """Index of the step."""
    n: int
    """Replays of each kind."""
    gained: int
    """Seeds that succeed only with the correction."""
    lost: int
    """Seeds that succeed only without."""
    rate_with: float
    """Share of successes with the correction."""
    rate_without: float
    """Share of successes without it."""
    low: float
    """Lower end of the interval of the difference, at the level of the label."""
    high: float
    """Upper end."""
    first_seed: int
    """Seed of the first pair; the others follow one by one."""

    @property
    def difference(self) -> float:
        """What the correction adds to the chance of success, -1 to 1."""
        return self.rate_with - self.rate_without


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """A run with every label that could be given, and what that took."""

    trace: Trace
    """The run with its labels."""
    decisive: Tested | None
    """The step that decided; None for a success, or when no single step explains the failure."""
    tested: tuple[Tested, ...]
    """Every step that was replayed for it, in order."""
    unrecoverable: int | None
    """The first step after which no replay succeeds; None for a success, or when the failure was
    certain from the beginning."""
    undone: Tested | None
    """What taking the fault back is worth, where no step explains a failure; None otherwise."""
    replays: int
    """Replays made."""


def label(system: Replayable, injected: Injected, seed: int = 0) -> Labelled:
    """The run with faults with every label that its definition allows.

    A success keeps the label of the injection alone: it is a hard negative. Steps that are as
    right as they can be need no replay where the system says so (`Corrector.is_correct`); a system
    that knows no corrections is asked about the struck steps only, with the clean run as model.
    """
    trace = injected.trace
    made = injected_labels(injected)
    if trace.outcome.status != "failure":
        return Labelled(
            trace=_with(trace, made),
            decisive=None,
            tested=(),
            unrecoverable=None,
            undone=None,
            replays=0,
        )
    replays = Replays(system, trace, seed)
    tested = decide(replays, list(corrections(system, replays, injected)))
    found = tested[-1] if tested and tested[-1].low > 0 else None
    undone = None if found else undo(system, injected, seed)
    step = first_unrecoverable(replays, found.step if found else None)
    if found is not None:
        made.append(_decisive_label(injected, found, tested))
    if step is not None:
        made.append(_unrecoverable_label(trace, step, replays))
    if found is None:
        trace = _unexplained(trace, tested, undone)
    return Labelled(
        trace=_with(trace, made),
        decisive=found,
        tested=tested,
        unrecoverable=step,
        undone=undone,
        replays=replays.made + (2 * undone.n if undone else 0),
    )


def corrections(
    system: Replayable, replays: Replays, injected: Injected
) -> Iterator[tuple[int, Intervention]]:
    """(step, what would have been right there) for every step that may be to blame, in order."""
    struck = {
        fault.step: change.step
        for fault, change in zip(injected.faults, injected.interventions, strict=True)
    }
    for step in replays.steps():
        before = replays.before(step)
        if step not in struck and step in struck.values():
            continue  # the fault came on top of it in the same turn, and goes when it is corrected
        if isinstance(system, Corrector):
            said = Action.of(injected.trace.steps[step])
            if step in struck or not system.is_correct(before, said):
                yield step, system.correct(before)
        elif step in struck and struck[step] < len(injected.clean.steps):
            yield step, _as_in_clean(Replays(system, injected.clean), replays, step, struck[step])


def _as_in_clean(clean: Replays, replays: Replays, step: int, turn: int) -> Intervention:
    """What a clean run did in a turn, in place of the step of the turn that was struck."""
    own_state = replays.before(step).state != replays.before(turn).state
    actions = () if own_state else clean.action(turn)  # the right one stands before what is on top
    return Intervention(step=step, actions=actions, by="clean run")


def decide(replays: Replays, changes: Sequence[tuple[int, Intervention]]) -> tuple[Tested, ...]:
    """Every step tested, the last one being decisive when its interval lies above zero.

    Steps without promise are given up early. Where no step decides, those are taken up again, with
    more patience, so that a failure counts as unexplained only after an honest search.
    """
    level = 1 - LEVEL / (len(LOOKS) * max(1, len(changes)))
    found: tuple[Tested, ...] = ()
    for patient in (False, True):
        tested: list[Tested] = []
        for step, change in changes:
            tested.append(_tested(replays, step, change, level, patient=patient))
            if tested[-1].low > 0:
                return tuple(tested)
        found = tuple(tested)
    return found


def _tested(
    replays: Replays, step: int, change: Intervention, level: float, *, patient: bool
) -> Tested:
    """Replay until the interval leaves out zero, or hope is gone, or the cap is reached."""
    pairs: list[tuple[bool, bool]] = []
    for look in LOOKS:
        pairs += [
            (replays.changed(change, k), replays.after(step, k)) for k in range(len(pairs), look)
        ]
        found = compared(step, pairs, level, replays.first_seed)
        wanted = (LAST_HOPE if patient else HOPE).get(look, -look)
        if found.low > 0 or found.gained - found.lost < wanted:
            break
    return found


def compared(
    step: int, pairs: Sequence[tuple[bool, bool]], level: float, first_seed: int
) -> Tested:
    """Paired successes (with, without) as rates and the interval of their difference."""
    n = len(pairs)
    gained = sum(a and not b for a, b in pairs)
    lost = sum(b and not a for a, b in pairs)
    paired = stats.paired_difference(gained, lost, n, level)
    return Tested(
        step=step,
        n=n,
        gained=gained,
        lost=lost,
        rate_with=sum(a for a, _ in pairs) / n,
        rate_without=sum(b for _, b in pairs) / n,
        low=round(paired.low, 6),
        high=round(paired.high, 6),
        first_seed=first_seed,
    )


def undo(system: Replayable, injected: Injected, seed: int) -> Tested | None:
    """What taking back the one fault is worth; None where several faults depend on each other."""
    if len(injected.interventions) != 1:
        return None
    (fault,) = injected.interventions
    replays = Replays(system, injected.clean, seed)
    if fault.step not in replays.steps():
        return None
    model = Intervention(step=fault.step, actions=replays.action(fault.step), by="clean run")
    n = LOOKS[1]
    pairs = [(replays.changed(model, k), replays.changed(fault, k)) for k in range(n)]
    return compared(fault.step, pairs, 1 - LEVEL, replays.first_seed)


def first_unrecoverable(replays: Replays, guess: int | None = None) -> int | None:
    """The first step after which no replay succeeds; None when none did from the beginning.

    The chance of success from the state after a step never comes back once it is gone, so the
    step is found by bisection, begun at `guess`.
    """
    steps = replays.ends()
    low, high = -1, len(steps) - 1  # hopeless after `high`, not after `low`
    middle = steps.index(guess) if guess in steps[:-1] else (low + high) // 2
    while high - low > 1:
        if _hopeless(replays, steps[middle]):
            high = middle
        else:
            low = middle
        middle = (low + high) // 2
    return None if low < 0 and _hopeless(replays, None) else steps[high]


def _hopeless(replays: Replays, step: int | None) -> bool:
    """Whether no replay succeeds from the state after a step, or from the beginning."""
    if step is None:
        return not any(replays.from_start(k) for k in range(ENDLESS))
    return not any(replays.after(step, k) for k in range(ENDLESS))


def injected_labels(injected: Injected) -> list[Label]:
    """One label for each fault, by construction."""
    return [
        Label(
            "injected",
            agent=fault.agent,
            step=fault.step,
            modes=(fault.mode,),
            base=0,
            annotator=f"tracekit:{injected.manipulator}",
            extra={
                "text": TEXTS["injected"],
                "strategy": fault.strategy,
                "every": fault.every,
                "seed": injected.seed,
            },
        )
        for fault in injected.faults
    ]


def _decisive_label(injected: Injected, found: Tested, tested: Sequence[Tested]) -> Label:
    struck = {fault.step: fault.mode for fault in injected.faults}
    numbers: dict[str, Any] = msgspec.to_builtins(found)
    return Label(
        "decisive",
        agent=injected.trace.steps[found.step].agent,
        step=found.step,
        modes=(struck[found.step],) if found.step in struck else (),
        base=0,
        annotator=BY,
        extra={
            "text": TEXTS["decisive"],
            **{name: value for name, value in numbers.items() if name != "step"},
            "difference": found.difference,
            "level": LEVEL,
            "tested_before": [[one.step, one.n, one.low, one.high] for one in tested[:-1]],
        },
    )


def _unrecoverable_label(trace: Trace, step: int, replays: Replays) -> Label:
    return Label(
        "first-unrecoverable",
        agent=trace.steps[step].agent,
        step=step,
        base=0,
        annotator=BY,
        extra={
            "text": TEXTS["first-unrecoverable"],
            "n": ENDLESS,
            "bound": BOUND,
            "first_seed": replays.first_seed,
        },
    )


def _unexplained(trace: Trace, tested: Sequence[Tested], undone: Tested | None) -> Trace:
    """The failure with a note that no single step explains it, and what was tried."""
    note = {"decisive": None, "tested": list(tested), "undone": undone}
    return msgspec.structs.replace(
        trace, extra={**trace.extra, "labels": msgspec.to_builtins(note)}
    )


def _with(trace: Trace, labels: Sequence[Label]) -> Trace:
    return msgspec.structs.replace(trace, labels=tuple(labels))
