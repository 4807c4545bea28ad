"""What an agent has heard so far. It listens on as a run grows, so nothing is read twice."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.replay.sandbox.notes import Notes
from tracekit.trace import Message, Step


class Memory:
    """The steps that an agent can see, and its notes of them."""

    def __init__(self, family: str, agent: str | None, *, own: bool = False) -> None:
        """`agent` None hears everything; with `own`, only what is from the agent or to it."""
        self.agent, self.own = agent, own
        self.steps: list[Step] = []
        self.notes = Notes(family)
        self._listened = 0

    @classmethod
    def of(cls, family: str, messages: Sequence[Message]) -> Memory:
        """Of messages that are no steps."""
        memory = cls(family, None)
        for message in messages:
            memory.notes.take(message.content, message.name or "")
        return memory

    def listen(self, steps: Sequence[Step]) -> Memory:
        """Take in what came since it last listened; `steps` are all of the run."""
        if self._listened < len(steps):
            for step in steps[self._listened :]:
                if self.sees(step):
                    self.steps.append(step)
                    self.notes.hear(step)
            self._listened = len(steps)
        return self

    def sees(self, step: Step) -> bool:
        """An agent sees its own steps, those addressed to it, and those to everybody."""
        if self.agent is None or self.agent in (step.agent, step.to):
            return True
        return step.to is None and not self.own

    def copy(self) -> Memory:
        """One that listens on by itself."""
        other = Memory.__new__(Memory)
        other.agent, other.own, other._listened = self.agent, self.own, self._listened
        other.steps, other.notes = self.steps.copy(), self.notes.copy()
        return other
