"""Faults written by a model, over any OpenAI-compatible endpoint."""

from __future__ import annotations

from random import Random
from typing import ClassVar

import msgspec

from tracekit.errors import InjectionError, UsageError
from tracekit.inject import strategies
from tracekit.inject.manipulators.llm_prompts import RULES, SYSTEM, instruction
from tracekit.inject.modes import place
from tracekit.inject.types import Scene
from tracekit.llm.client import Client
from tracekit.llm.request import Message, Request
from tracekit.llm.structured import Form, ask
from tracekit.replay.types import Action, Intervention
from tracekit.trace import ToolCall


class Rewritten(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model answers."""

    content: str
    """The message with the error in it."""


class Llm:
    """The manipulator `llm`: rewrites what an agent says, or the last message it is given.

    Asked at `temperature` with a seed that is drawn from the generator, so that a client with a
    store gives the same fault again. Failed calls raise (`tracekit.llm.errors`); nothing is made
    up in their place.
    """

    name: ClassVar = "llm"
    modes: ClassVar = frozenset(RULES)

    def __init__(
        self,
        client: Client | None = None,
        model: str = "",
        *,
        temperature: float = 0.7,
        max_tokens: int = 2000,
        form: Form = "schema",
    ) -> None:
        self.client, self.model, self.form = client, model, form
        self.params = {"temperature": temperature, "max_tokens": max_tokens}

    def apply(self, scene: Scene, rng: Random) -> Intervention:
        """The change as the model writes it.

        Raises `InjectionError` for what it does not do (calls of tools, strategies that need no
        words), `UsageError` without a client, and a `CallError` when there is no valid answer.
        """
        if self.client is None or not self.model:
            raise UsageError("manipulator 'llm' needs a client and a model: Llm(client, model)")
        step = scene.trace.steps[scene.step]
        if scene.mode not in RULES or place(step) == "tool_call":
            raise InjectionError(f"manipulator 'llm' does not do {scene.mode} in a {step.kind}")
        if scene.strategy == "response-corruption" or scene.mode == "AT-1":
            return self._said(scene, rng)
        if scene.strategy == "prompt-injection":
            return self._told(scene, rng)
        raise InjectionError(f"{scene.strategy} takes no model; manipulator 'rules' does it")

    def _said(self, scene: Scene, rng: Random) -> Intervention:
        step = scene.trace.steps[scene.step]
        text = self._rewritten(scene, step.content, rng)
        tools = step.tools
        if place(step) == "tool_result":
            tools = tuple(ToolCall(c.name, c.arguments, text, None, c.call_id) for c in step.tools)
        action = Action(text, step.kind, step.to, tools)
        return strategies.said_instead(scene, (action,), self.name)

    def _told(self, scene: Scene, rng: Random) -> Intervention:
        messages = strategies.given(scene.trace, scene.step)
        others = [n for n, one in enumerate(messages) if one.role != "assistant" and one.content]
        if not others:
            raise InjectionError(f"step {scene.step}: the agent was given nothing")
        text = self._rewritten(scene, messages[others[-1]].content, rng)
        changed = strategies.altered(messages, others[-1], text)
        return strategies.told_instead(scene, changed, self.name)

    def _rewritten(self, scene: Scene, message: str, rng: Random) -> str:
        request = Request(
            self.model,
            (Message("system", SYSTEM), Message("user", instruction(scene, message))),
            {**self.params, "seed": rng.randrange(2**31)},
        )

        def changed(answer: Rewritten) -> None:
            if not answer.content.strip() or answer.content.strip() == message.strip():
                raise ValueError("the message must be rewritten, and differ from the old one")

        assert self.client is not None  # apply has looked
        asked = ask(self.client, request, Rewritten, check=changed, form=self.form)
        return self.client.wait(asked).value.content
