"""What an agent has before it when it acts: the one argument of every policy."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cached_property

import msgspec

from tracekit.replay.sandbox.families.table import family
from tracekit.replay.sandbox.language import Pen, Shorthand
from tracekit.replay.sandbox.memory import Memory
from tracekit.replay.sandbox.notes import Notes
from tracekit.replay.sandbox.problem import Item, Problem, understood
from tracekit.replay.sandbox.state import Member, Turn, draw
from tracekit.replay.types import Action
from tracekit.trace import Agent, Message, Step

CARE = {"plan": 0.5, "work": 1.0, "relay": 0.08, "report": 0.3, "miss": 4.0, "alarm": 0.3}
"""How likely each kind of mistake is, as a multiple of 1 - skill; `miss`: an error overlooked."""


class View(msgspec.Struct, dict=True):
    """What an agent has before it when it acts; a policy turns it into an `Action`."""

    member: Member
    turn: Turn
    number: int
    """Number of the turn; part of the seed of everything drawn."""
    seed: int
    memory: Memory
    """What it has heard."""
    question: str | None
    """The task as it was given, None when it was not."""
    problem: Problem
    """What its tools and senses reach; a policy of its own has no business here."""
    skill: float
    told: tuple[Message, ...] = ()
    """Messages given besides the steps."""
    brief: bool = False
    """Whether nobody will look at its words, so that shorthand does."""

    @property
    def steps(self) -> list[Step]:
        """The messages it can see: addressed to it or to everybody, and its own."""
        return self.memory.steps

    @property
    def notes(self) -> Notes:
        """What it knows from messages."""
        return self.memory.notes

    @property
    def agent(self) -> Agent:
        """Who acts."""
        return self.member.agent

    @property
    def duty(self) -> str:
        """What the turn is for: plan, work, check, report, ..."""
        return self.turn.duty

    def messages(self) -> list[Message]:
        """Everything the agent is given, as a chat: instructions, task, what others said."""
        chat = [Message("system", self.agent.system_prompt or "")]
        if self.question is not None and not self.told:
            chat.append(Message("user", self.question))
        chat += self.told
        for step in self.steps:
            role = "assistant" if step.agent == self.agent.id else "user"
            chat.append(Message(role, step.content, name=step.agent))
        return chat

    @cached_property
    def rng(self) -> random.Random:
        """Generator of what it decides, for this turn and agent alone."""
        return draw(self.seed, self.number, self.agent.id, "acts")

    @cached_property
    def pen(self) -> Pen:
        """Writes in the agent's voice, or in shorthand."""
        if self.brief:
            return Shorthand(family(self.problem.family))
        words = draw(self.seed, self.number, self.agent.id, "words")
        return Pen(family(self.problem.family), self.member.voice, words)

    @cached_property
    def gist(self) -> list[Item]:
        """The right plan as far as the question it was given says; empty without one."""
        return understood(self.problem, self.question) if self.question is not None else []

    def errs(self, kind: str) -> bool:
        """Whether it makes a mistake of a kind now."""
        return self.skill < 1 and self.rng.random() < (1 - self.skill) * CARE[kind]


Policy = Callable[[View], Action]
"""Anything that acts: `act`, or a model."""
