"""Prompts that repeat what happened: earlier steps recognised in what a model was given."""

from __future__ import annotations

from tracekit.ingest.parts import as_text
from tracekit.ingest.spans.contents import is_system
from tracekit.ingest.spans.messages import Said
from tracekit.trace import Inputs, Message, Step, ToolCall

_LOOK_BACK = 200
"""Steps searched for a text that is quoted inside a longer message."""
_UNANSWERED = 100
"""Requests of one tool that may wait for their answers before the oldest are given up."""
_QUOTED = 40
"""Characters that a text must have before finding it inside another one means anything."""


class History:
    """What was said so far in one trace, to be found again in later prompts.

    >>> history = History()
    >>> history.add(Step(index=0, agent="A", content="Four."))
    >>> history.inputs([Said("user", "2+2?"), Said("assistant", "Four.")], None)
    Inputs(steps=(0,), messages=(Message(role='user', content='2+2?', name=None),))
    """

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        self._long: list[tuple[int, str]] = []
        self._asked: dict[str, int] = {}
        self._answered: dict[str, int] = {}
        self._agents: dict[int, str] = {}
        self._waiting: dict[str, list[tuple[int, ToolCall]]] = {}
        self._known: dict[tuple[str, str, str], tuple[int, ...] | Message] = {}

    def add(self, step: Step) -> None:
        """A step that later prompts may repeat."""
        self._agents[step.index] = step.agent
        text = step.content.strip()
        if text:
            self._texts[text] = step.index
            if len(text) >= _QUOTED:
                self._long.append((step.index, text))
        for call in step.tools:
            if call.result is None and call.error is None:
                self._asked[call.call_id or _signature(call)] = step.index
                self._waiting.setdefault(call.name, []).append((step.index, call))
            else:
                self._answered.setdefault(call.call_id or _signature(call), step.index)

    def asker(self, call: ToolCall, agent: str | None) -> int | None:
        """The step that asked for a call which a tool's span answers, None when none did.

        Found by id, by arguments, or as the last request of that name by the same agent that
        nobody answered.
        """
        waiting = self._waiting.get(call.name, [])
        recent = waiting[: -_UNANSWERED - 1 : -1]
        for index, request in recent:
            by_id = call.call_id is not None and call.call_id == request.call_id
            if by_id or _signature(call) == _signature(request):
                waiting.remove((index, request))
                return index
        for index, request in recent:
            theirs = agent is not None and self._agents[index] != agent
            if not theirs and (call.call_id is None or request.call_id is None):
                waiting.remove((index, request))
                return index
        return self._asked.get(call.call_id) if call.call_id else None

    def inputs(self, messages: list[Said], prompt: str | None) -> Inputs | None:
        """What the messages stand for: earlier steps, and messages seen nowhere else.

        A system prompt equal to `prompt`, which the roster holds, is left out.
        """
        steps: set[int] = set()
        new: list[Message] = []
        for said in messages:
            if prompt is not None and is_system(said) and said.text == prompt:
                continue
            found = self._find(said)
            if isinstance(found, tuple):
                steps.update(found)
            elif found.content or found.name:
                new.append(found)
        if not steps and not new:
            return None
        return Inputs(steps=tuple(sorted(steps)), messages=tuple(new))

    def _find(self, said: Said) -> tuple[int, ...] | Message:
        """The steps that a message repeats, or the message itself when it repeats none."""
        ids = ""
        if said.asks or said.answers:
            ids = ",".join(c.call_id or _signature(c) for c in (*said.asks, *said.answers))
        key = (said.role, said.text, ids)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._sources(said) or _message(said)
        return found

    def _sources(self, said: Said) -> tuple[int, ...]:
        if is_system(said):
            return ()
        if said.asks or said.answers:
            steps = {self._asked.get(c.call_id or _signature(c)) for c in said.asks}
            steps |= {self._answered.get(c.call_id or "") for c in said.answers}
            steps.discard(None)
            if steps:
                return tuple(sorted(step for step in steps if step is not None))
        text = said.text.strip()
        if text in self._texts:
            return (self._texts[text],)
        if len(text) < _QUOTED:
            return ()
        return tuple(i for i, quoted in self._long[-_LOOK_BACK:] if quoted in text)


def _message(said: Said) -> Message:
    """A message without a step; requests and answers of tools become text."""
    text = said.text
    if not text and said.asks:
        text = "\n".join(f"{c.name}({as_text(c.arguments)})" for c in said.asks)
    return Message(role=said.role, content=text, name=said.name)


def _signature(call: ToolCall) -> str:
    """What stands for a call that has no id."""
    return f"{call.name}\0{as_text(call.arguments)}"
