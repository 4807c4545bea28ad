"""One judgement at work: what is shown, who is asked, and what it has cost so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import msgspec

from tracekit.analyzers.judges.prompts import system
from tracekit.analyzers.judges.shown import Shown
from tracekit.attribution import Evidence
from tracekit.llm.client import Client
from tracekit.llm.request import Completion, Message, Request
from tracekit.llm.structured import Form, ask
from tracekit.trace import Trace

T = TypeVar("T")


class Blame(msgspec.Struct, frozen=True):
    """The answer of a judge that names one agent and one step."""

    reason: str
    agent: str
    step: int


class Choice(msgspec.Struct, frozen=True):
    """One step that a judge holds against an agent."""

    agent: str
    """Id of the agent, from the roster."""
    step: int
    """Index of the step."""
    weight: float = 1.0
    """How much it counts beside the other choices of the same judgement; positive."""
    reason: str = ""
    """Why, in the words of the model."""
    modes: tuple[str, ...] = ()
    """Failure modes."""
    evidence: tuple[Evidence, ...] = ()
    """Words of the log that it points to."""


class Finding(msgspec.Struct, frozen=True):
    """What one judgement comes to: choices, or why there are none."""

    choices: tuple[Choice, ...] = ()
    """Weights need not sum to 1."""
    nobody: str = ""
    """Why nobody is named; empty = somebody is."""
    posterior: bool = False
    """Whether the weights are probabilities over all steps, not votes."""
    warnings: tuple[str, ...] = ()
    """Doubts to be passed on."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is asked."""

    client: Client
    model: str
    params: dict[str, Any]
    form: Form
    options: dict[str, Any]
    """The method's own settings."""


class Case:
    """A run before a judge. Everything that is asked is asked through it, and so is counted."""

    def __init__(self, shown: Shown, how: Ask, repeat: int = 0) -> None:
        self.shown = shown
        self.options = how.options
        self.completions: list[Completion] = []
        self._how = how
        self._repeat = repeat

    @property
    def trace(self) -> Trace:
        """The run that is judged."""
        return self.shown.trace

    async def complete(self, request: Request) -> Completion:
        """One call; raises a `CallError` when it has no answer."""
        completion = await self._how.client.complete(request)
        self.completions.append(completion)
        return completion

    async def ask(
        self, prompt: str, type: type[T], check: Callable[[T], object] | None = None
    ) -> T:
        """The answer to one question that stands by itself."""
        return await self.go_on((Message("user", prompt),), type, check)

    async def go_on(
        self,
        talk: tuple[Message, ...],
        type: type[T],
        check: Callable[[T], object] | None = None,
    ) -> T:
        """The answer to the last message of a conversation.

        `check` raises `ValueError` for what the type cannot exclude; its words go to the model,
        outside the marks, so they must hold nothing of the log. Raises a `CallError`.
        """
        how = self._how
        params = dict(how.params)
        if isinstance(params.get("seed"), int):
            params["seed"] += self._repeat  # servers that sample by seed must not repeat themselves
        messages = (Message("system", system(self.shown)), *talk)
        request = Request(how.model, messages, params, self._repeat)
        return (await ask(self, request, type, check=check, form=how.form)).value

    async def blame(self, prompt: str) -> Choice:
        """The agent and the step that the answer to a question names."""
        return self.choice(await self.ask(prompt, Blame, self.choice))

    def choice(self, said: Blame) -> Choice:
        """What an answer names; raises `ValueError` when the run has no such agent or step."""
        agent, step = self.shown.agent(said.agent), self.shown.step(said.step)
        return Choice(agent, step, reason=said.reason)


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of works that are under way at once; waits for all, then raises the first error."""
    done = await asyncio.gather(*works, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return [result for result in done if not isinstance(result, BaseException)]
