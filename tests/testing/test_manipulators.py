"""The contract of manipulators: who keeps it, and how each breach is named."""

import random
import socket

import msgspec
import pytest

from tracekit.errors import ContractError, InjectionError
from tracekit.inject.manipulators.rules import Rules
from tracekit.inject.manipulators.sandbox import SandboxNative
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Action, Intervention
from tracekit.testing import check_manipulator
from tracekit.testing.rules import MANIPULATOR


def runs(family="tables", topology="star"):
    sandbox = Sandbox(family, topology)
    return sandbox, [sandbox.run(next(sandbox.tasks()), 1)]


def test_rules_keep_it():
    system, traces = runs()
    check_manipulator(Rules(), traces, system=system)


@pytest.mark.parametrize("family", ["arithmetic", "retrieval"])
def test_the_sandbox_keeps_it(family):
    system, traces = runs(family, "hierarchy")
    check_manipulator(SandboxNative(), traces, system=system)


class Good:
    name = "good"
    modes = frozenset({"FM-2.6"})

    def apply(self, scene, rng):
        action = Action(f"{scene.trace.steps[scene.step].content} No: {rng.random()}")
        return Intervention(step=scene.step, actions=(action,))


class Loud(Good):
    name = "Loud One"


class Modeless(Good):
    modes = frozenset({"FM-9.9"})


class Crashing(Good):
    def apply(self, scene, rng):
        return scene.trace.steps[10**6]


class Elsewhere(Good):
    def apply(self, scene, rng):
        return msgspec.structs.replace(super().apply(scene, rng), step=scene.step + 1)


class Stranger(Good):
    def apply(self, scene, rng):
        return Intervention(step=scene.step, actions=(Action("psst", to="nobody"),))


class Idle(Good):
    def apply(self, scene, rng):
        return Intervention(step=scene.step, actions=(Action.of(scene.trace.steps[scene.step]),))


class Fickle(Good):
    def apply(self, scene, rng):
        return super().apply(scene, random)


class Shy(Good):
    def apply(self, scene, rng):
        raise InjectionError("not here")


class Calling(Good):
    def apply(self, scene, rng):
        with socket.socket() as other:
            other.connect(("127.0.0.1", 9))
        return super().apply(scene, rng)


class Meddling(Good):
    def apply(self, scene, rng):
        scene.trace.extra["seen"] = scene.trace.extra.get("seen", 0) + 1
        return super().apply(scene, rng)


def test_a_small_one_keeps_it():
    check_manipulator(Good(), runs()[1])


@pytest.mark.parametrize(
    ("breach", "rule"),
    [
        (Loud, "name"),
        (Modeless, "modes"),
        (Crashing, "refuses"),
        (Elsewhere, "intervention"),
        (Stranger, "roster"),
        (Idle, "changes"),
        (Fickle, "seeded"),
        (Shy, "strikes"),
        (Calling, "no-network"),
        (Meddling, "input-unchanged"),
    ],
)
def test_each_breach_is_named(breach, rule):
    assert rule in MANIPULATOR
    with pytest.raises(ContractError, match=rf"\[{rule}\]"):
        check_manipulator(breach(), runs()[1])
