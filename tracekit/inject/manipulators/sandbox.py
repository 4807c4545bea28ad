"""Faults in the sandbox, by the sandbox's own agents: they err on demand and say it in their voice.

Nothing is written for an agent. Where its action is the fault, its own policy acts with one
decision turned (`tracekit.replay.sandbox.faults`); where its inputs are, it acts by itself on what
it is given. A struck step therefore has the words that the step would have had anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import Random
from typing import ClassVar

from tracekit.errors import InjectionError
from tracekit.inject.modes import MODES
from tracekit.inject.strategies import (
    Given,
    altered,
    delayed,
    doubled,
    dropped,
    forgotten,
    given,
    refuse_nothing,
    said_instead,
    told_instead,
)
from tracekit.inject.types import Scene
from tracekit.replay.sandbox import faults, mistakes
from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.grammar import read
from tracekit.replay.sandbox.problem import Problem
from tracekit.replay.sandbox.state import problem_of
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.tampering import ambiguous, falsified, planted
from tracekit.replay.sandbox.view import View
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Message, Step

_SENTENCE = re.compile(r"(?<=\.)\s+")


class SandboxNative:
    """The manipulator `sandbox`: every mode, for runs of the sandbox only."""

    name: ClassVar = "sandbox"
    modes: ClassVar = frozenset(MODES)

    def apply(self, scene: Scene, rng: Random) -> Intervention:
        """The change; raises `InjectionError` where the agent has no occasion to fail that way."""
        if not isinstance(scene.system, Sandbox) or scene.checkpoint is None:
            raise InjectionError("manipulator 'sandbox' needs a run of the sandbox and its system")
        place = _Place(scene, scene.system, scene.checkpoint, rng)
        made = _WAYS[scene.strategy](place)
        if made is None:
            raise InjectionError(
                f"{scene.trace.id}: {scene.mode} by {scene.strategy} finds no occasion "
                f"in step {scene.step}"
            )
        refuse_nothing(scene.trace, made)
        return made


class _Place:
    """The scene as the sandbox sees it."""

    def __init__(self, scene: Scene, system: Sandbox, before: Checkpoint, rng: Random) -> None:
        self.scene, self.system, self.before, self.rng = scene, system, before, rng
        self.view = system.view(before)

    @property
    def step(self) -> Step:
        return self.scene.trace.steps[self.scene.step]

    @property
    def problem(self) -> Problem:
        return problem_of(self.scene.trace.task.id or "")

    def said(self, actions: tuple[Action, ...] | None) -> Intervention | None:
        return None if actions is None else said_instead(self.scene, actions, SandboxNative.name)

    def told(self, ways: Iterable[Given], *, saying: bool = False) -> Intervention | None:
        """The first of the ways to be told something else that the agent acts on.

        With `saying` it must have something to say still, and not only that it is lost.
        """
        if self.view is None:
            return None
        usual = mistakes.ordinary(self.view)
        for messages in ways:
            view = self.system.view(self.before, messages)
            made = usual if view is None else mistakes.ordinary(view)
            if made != usual and not (saying and faults.says_nothing(self.view, made)):
                return told_instead(self.scene, messages, SandboxNative.name)
        return None

    def given(self) -> Given:
        return given(self.scene.trace, self.scene.step)

    def shuffled(self, ways: Iterable[Given]) -> list[Given]:
        found = list(ways)
        self.rng.shuffle(found)
        return found


def _corrupted(place: _Place) -> Intervention | None:
    """The agent's own action, with the fault in it."""
    if place.view is None or _telling(place):
        return None
    scene = place.scene
    if scene.mode == "FM-2.2":
        return _guessed(place, place.view)
    if scene.mode == "AT-2" and scene.after is not None:
        first = scene.trace.steps[scene.after]
        return place.said(faults.back(place.view, first.agent, first.content))
    return place.said(faults.spoil(place.view, scene.mode, place.rng))


def _telling(place: _Place) -> bool:
    """Whether the duty alone would tell: who has others besides and reports, reports once."""
    view = place.view
    closes = view is not None and view.duty == "report" and view.agent.role != "reporter"
    return closes and not MODES[place.scene.mode].structural


def _guessed(place: _Place, view: View) -> Intervention | None:
    """Something that the agent needs is missing from what it is given, and it makes it up."""
    messages, rng = place.given(), place.rng
    name = view.problem.family
    usual = mistakes.ordinary(view)
    labels = sorted({*view.notes.values, *view.notes.items})
    rng.shuffle(labels)
    for label in labels:
        left = tuple(
            Message(m.role, _without(name, m.content, label), name=m.name) for m in messages
        )
        made = faults.guessing(view, label, rng)
        if made is None or left == messages or made == usual or made.kind != usual.kind:
            continue
        return Intervention(
            step=place.scene.step, actions=(made,), inputs=left, by=SandboxNative.name
        )
    return None


def _without(name: str, text: str, label: str) -> str:
    """A text without the sentences that say something of a label."""
    parts = _SENTENCE.split(text)
    kept = [part for part in parts if all(said.label != label for said in read(name, part))]
    return text if len(kept) == len(parts) else " ".join(kept)


def _prompted(place: _Place) -> Intervention | None:
    """Something in what the agent is given is another than it was."""
    mode, view = place.scene.mode, place.view
    if mode == "AT-1":
        return place.said(planted(place.step, place.problem, place.rng))
    if view is None or _telling(place):
        return None
    checks = view.duty in faults.CHECKS
    if mode == "FM-1.1" and not checks:
        return place.told(place.shuffled(_misasked(place, view)))
    if mode == "FM-3.3" and checks:
        goal = [*_misquoted(place, view, view.problem.goal)]
        return place.told([*reversed(goal), *place.shuffled(_misasked(place, view))])
    if mode == "FM-2.3":
        return _asked_otherwise(place, view)
    if mode == "FM-3.2" and view.duty != "rebut":
        return _unseen(place) if checks else None
    if mode in ("FM-2.5", "AT-3"):
        ways = list(_misquoted(place, view))
        return place.told(ways if mode == "AT-3" else reversed(ways))
    return None


def _unseen(place: _Place) -> Intervention | None:
    """The agent does not see the task, or one of the messages, that it is to check against."""
    messages = place.given()
    blind = tuple(message for message in messages if message.name)
    named = [at for at, message in enumerate(messages) if message.name]
    partly = place.shuffled(messages[:at] + messages[at + 1 :] for at in named)
    ways = [*partly, blind] if place.rng.random() < faults.LOOKED else [blind]
    return place.told(way for way in ways if not _bare(place, way))


def _bare(place: _Place, messages: Given) -> bool:
    """Whether so little is left that a check would approve of what it has no value for."""
    view = place.system.view(place.before, messages)
    if view is None or view.duty != "check":
        return False
    return view.problem.goal not in view.notes.values and faults.approves(view)


def _misasked(place: _Place, view: View) -> Iterable[Given]:
    """The question with one literal of it replaced by another of its kind."""
    kind = family(view.problem.family)
    for at, message in enumerate(place.given()):
        if message.name or message.role != "user":
            continue
        for item in view.gist:
            other = kind.misplan(item, place.rng, view.problem)
            for old, new in zip(item.args, other.args, strict=False):
                if old != new and old not in kind.labels and new not in kind.labels:
                    text = _swapped_text(message.content, old, new)
                    if text != message.content:
                        yield altered(place.given(), at, text)


def _asked_otherwise(place: _Place, view: View) -> Intervention | None:
    """The question of another task, and what the agent makes of that one."""
    other = faults.another(view.problem, place.rng)
    for at, message in enumerate(place.given()):
        if not message.name and message.role == "user":
            actions = faults.derail(view, place.rng, other)
            inputs = altered(place.given(), at, other.question)
            return Intervention(
                step=place.scene.step, actions=actions, inputs=inputs, by=SandboxNative.name
            )
    return None


def _misquoted(place: _Place, view: View, only: str = "") -> Iterable[Given]:
    """One message of the log with one of the values stated in it replaced, oldest first."""
    messages, name = place.given(), view.problem.family
    for at, message in enumerate(messages):
        own = message.role == "assistant" and place.scene.mode != "AT-3"
        if not message.name or own:
            continue
        for said in read(name, message.content):
            wanted = said.what == "value" and only in ("", said.label)
            new = mistakes.guess(view, said.label, place.rng) if wanted else None
            if new is not None and new != said.value:
                yield altered(messages, at, _swapped_text(message.content, said.value, new))


def _swapped_text(text: str, old: str, new: str) -> str:
    """The text with one word or number replaced wherever it stands by itself."""
    return re.sub(rf"(?<![\w-]){re.escape(old)}(?!\w)", lambda _: new, text)


def _tool(place: _Place) -> Intervention | None:
    """The answer of the tool is another: wrong for an attack, of two minds otherwise."""
    kind = falsified if place.scene.mode == "AT-1" else ambiguous
    return place.said(kind(place.step, place.problem, place.rng))


def _lost(place: _Place) -> Intervention | None:
    """The agent has lost what was said: all of it, or what came last."""
    ways = forgotten(place.given())
    if place.scene.mode == "FM-2.1":
        return place.told(ways[-1:])
    return place.told(place.shuffled(ways), saying=True)


def _late(place: _Place) -> Intervention | None:
    left = delayed(place.given())
    return None if left is None else place.told([left], saying=True)


def _swapped(place: _Place) -> Intervention | None:
    return None if place.view is None else place.said(faults.swap_role(place.view, place.rng))


def _stopped(place: _Place) -> Intervention | None:
    return None if place.view is None else place.said(faults.stop(place.view, place.rng))


def _dropped(place: _Place) -> Intervention | None:
    """The message is not sent; only a check can be a verification left out."""
    duty = place.view.duty if place.view is not None else ""
    if place.scene.mode == "FM-3.2" and duty not in faults.CHECKS:
        return None
    return dropped(place.scene, SandboxNative.name)


_WAYS: dict[str, Callable[[_Place], Intervention | None]] = {
    "response-corruption": _corrupted,
    "prompt-injection": _prompted,
    "tool-fault": _tool,
    "message-drop": _dropped,
    "message-duplicate": lambda place: doubled(place.scene, SandboxNative.name),
    "message-delay": _late,
    "context-loss": _lost,
    "role-swap": _swapped,
    "premature-stop": _stopped,
}
