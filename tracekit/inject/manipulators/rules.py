"""Faults in any text of any system, by rule: slips, swaps, omissions, planted orders.

Nothing is paraphrased: what is not at fault stays word for word, and what is new comes from the run
itself. Only planted orders and errors of tools have words of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import ClassVar

import msgspec

from tracekit.errors import InjectionError
from tracekit.inject import strategies
from tracekit.inject.manipulators import rules_given, rules_said
from tracekit.inject.manipulators.rules_said import NAME, Made
from tracekit.inject.modes import MODES
from tracekit.inject.types import Scene
from tracekit.replay.types import Intervention

Way = Callable[[Scene, Random], Made]


class Rules:
    """The manipulator `rules`: every mode, wherever the text of the step gives it a hold."""

    name: ClassVar = NAME
    modes: ClassVar = frozenset(MODES)

    def apply(self, scene: Scene, rng: Random) -> Intervention:
        """The change; raises `InjectionError` where the text of the step gives no hold."""
        way = _WAYS.get((scene.mode, scene.strategy)) or _BY_STRATEGY.get(scene.strategy)
        made = None if way is None else way(scene, rng)
        if made is None:
            raise InjectionError(
                f"{scene.trace.id}: rules find no hold for {scene.mode} by {scene.strategy} "
                f"in step {scene.step}"
            )
        strategies.refuse_nothing(scene.trace, made)
        return msgspec.structs.replace(made, by=NAME)


_BY_STRATEGY: dict[str, Way] = {
    "message-drop": lambda scene, _: strategies.dropped(scene, NAME),
    "message-duplicate": lambda scene, _: strategies.doubled(scene, NAME),
    "message-delay": rules_given.waits,
    "context-loss": rules_given.forgets,
    "role-swap": rules_said.in_other_role,
    "premature-stop": rules_said.stops,
}
_WAYS: dict[tuple[str, str], Way] = {
    ("FM-1.1", "response-corruption"): rules_said.disobeys,
    ("FM-1.1", "prompt-injection"): rules_given.misasked,
    ("FM-1.2", "response-corruption"): rules_said.answers_itself,
    ("FM-1.3", "response-corruption"): rules_said.repeats,
    ("FM-1.5", "response-corruption"): rules_said.overturns,
    ("FM-2.1", "response-corruption"): rules_said.resets,
    ("FM-2.2", "response-corruption"): rules_said.guesses,
    ("FM-2.2", "tool-fault"): rules_given.breaks,
    ("FM-2.3", "response-corruption"): rules_said.derails,
    ("FM-2.3", "prompt-injection"): rules_given.derailed,
    ("FM-2.4", "response-corruption"): rules_said.withholds,
    ("FM-2.5", "response-corruption"): rules_said.ignores,
    ("FM-2.5", "prompt-injection"): rules_given.misinformed,
    ("FM-2.6", "response-corruption"): rules_said.mismatches,
    ("FM-3.2", "response-corruption"): rules_said.checks_less,
    ("FM-3.2", "message-drop"): lambda scene, _: (
        strategies.dropped(scene, NAME) if rules_said.judging(scene) else None
    ),
    ("FM-3.2", "prompt-injection"): rules_given.unasked,
    ("FM-3.3", "response-corruption"): rules_said.misjudges,
    ("FM-3.3", "prompt-injection"): rules_given.misjudged,
    ("AT-1", "prompt-injection"): rules_given.plants,
    ("AT-1", "tool-fault"): rules_given.falsifies,
    ("AT-2", "response-corruption"): rules_said.colludes,
    ("AT-3", "prompt-injection"): rules_given.misremembered,
}
