"""The contract of a manipulator, checked on traces at the edges and on any that are given."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tracekit.errors import InjectionError
from tracekit.inject.modes import MODES, PAIRS, place
from tracekit.inject.modes import mode as mode_of
from tracekit.inject.strategies import refuse_nothing
from tracekit.inject.types import Scene
from tracekit.protocols import Manipulator, Replayable
from tracekit.replay.types import Checkpoint, Intervention
from tracekit.store import encode
from tracekit.testing.readers import NAME
from tracekit.testing.rules import broken
from tracekit.testing.traces import edge_traces
from tracekit.testing.watch import Forbidden, watched
from tracekit.trace import Trace

STEPS = 2
"""Steps of a run that each pair of mode and strategy is tried on."""


def check_manipulator(
    manipulator: Manipulator,
    traces: Iterable[Trace] = (),
    *,
    system: Replayable | None = None,
    online: bool = False,
) -> None:
    """Check that a manipulator keeps its promises (`tracekit.testing.rules.MANIPULATOR`).

    It is tried on made-up traces at the edges, without a system, and on `traces`, with `system` if
    there is one, in every mode that it names. `online=True` lets it reach for the network. Raises
    `ContractError` that names the rule.
    """
    subject = f"manipulator {getattr(manipulator, 'name', type(manipulator).__name__)!r}"
    if not NAME.fullmatch(str(getattr(manipulator, "name", ""))):
        raise broken(subject, "name", f"it is {getattr(manipulator, 'name', None)!r}")
    modes = getattr(manipulator, "modes", None)
    if not isinstance(modes, frozenset) or not modes or not modes <= MODES.keys():
        raise broken(subject, "modes", f"it is {modes!r}")
    given = list(traces)
    with watched(subject, *(() if online else ("no-network",))):
        for trace in edge_traces():
            _check_trace(manipulator, subject, trace, None)
        struck = sum(_check_trace(manipulator, subject, trace, system) for trace in given)
    if given and not struck:
        raise broken(subject, "strikes", f"none of {len(given)} runs")


def _check_trace(
    manipulator: Manipulator, subject: str, trace: Trace, system: Replayable | None
) -> int:
    """How many scenes of a run were struck, by the rules."""
    points = {} if system is None else {p.step: p for p in system.checkpoints(trace)}
    before = encode(trace), msgspec.json.encode(list(points.values()))
    struck = 0
    for scene in _scenes(manipulator, trace, system, points):
        struck += _struck(manipulator, subject, scene)
    if (encode(trace), msgspec.json.encode(list(points.values()))) != before:
        raise broken(subject, "input-unchanged", trace.id)
    return struck


def _scenes(
    manipulator: Manipulator,
    trace: Trace,
    system: Replayable | None,
    points: Mapping[int, Checkpoint],
) -> Iterator[Scene]:
    """Scenes of a run: every mode and strategy on a few steps of the right kinds."""
    rng = random.Random(f"scenes/{trace.id}")  # noqa: S311 - no secret
    for mode, strategy in PAIRS:
        if mode not in manipulator.modes:
            continue
        fitting = [s.index for s in trace.steps if place(s) in mode_of(mode).strikes]
        for step in rng.sample(fitting, min(STEPS, len(fitting))):
            yield Scene(
                trace=trace,
                step=step,
                mode=mode,
                strategy=strategy,
                system=system,
                checkpoint=points.get(step),
            )


def _struck(manipulator: Manipulator, subject: str, scene: Scene) -> bool:
    """Whether the scene was struck, by the rules."""
    change = _applied(manipulator, subject, scene, 1)
    where = f"{scene.mode} by {scene.strategy} in step {scene.step} of {scene.trace.id}"
    if _applied(manipulator, subject, scene, 2) != change:
        raise broken(subject, "seeded", where)
    if change is None:
        return False
    if not isinstance(change, Intervention) or change.step != scene.step:
        raise broken(subject, "intervention", f"{where}: {change!r:.200}")
    roster = {agent.id for agent in scene.trace.agents}
    if any(action.to not in (None, *roster) for action in change.actions or ()):
        raise broken(subject, "roster", where)
    try:
        refuse_nothing(scene.trace, change)
    except InjectionError as error:
        raise broken(subject, "changes", where) from error
    return True


def _applied(
    manipulator: Manipulator, subject: str, scene: Scene, seed: int
) -> Intervention | None:
    """The change, None where it was refused; the global generators differ from call to call."""
    random.seed(seed)
    try:
        return manipulator.apply(scene, random.Random(0))  # noqa: S311 - no secret
    except InjectionError:
        return None
    except Forbidden:
        raise
    except Exception as error:
        where = f"{scene.mode} by {scene.strategy} in step {scene.step} of {scene.trace.id}"
        raise broken(subject, "refuses", f"{where}: {type(error).__name__}: {error}") from error
