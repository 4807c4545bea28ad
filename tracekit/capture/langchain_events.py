"""What LangChain's events mean: which of them are steps, whose, and what they hold."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from tracekit.capture.langchain_values import (
    Reader,
    commands_in,
    gotos,
    is_message,
    messages_in,
    offered,
    plain,
    spent,
)
from tracekit.capture.recorder import now
from tracekit.capture.runs import BY_TOOL, Run, failed, told
from tracekit.ingest.parts import as_text, maybe_json
from tracekit.ingest.spans.agents import graph_node
from tracekit.ingest.spans.contents import answer, question
from tracekit.ingest.spans.messages import Said
from tracekit.names import UNKNOWN, speaker
from tracekit.trace import StepKind, Time, ToolCall

BY_COMMAND = "the node returned Command(goto=...)"
_NAMELESS = ("Runnable", "LangGraph", "Prompt", "ChatPromptTemplate", "PromptTemplate")
_PLACE = "langgraph_checkpoint_ns"


class Event:
    """One LangChain run: a graph, a node, a chain, a model's call or a tool's."""

    __slots__ = (
        "agent", "follower", "id", "inputs", "metadata", "name", "parent", "start", "step", "steps"
    )  # fmt: skip

    def __init__(
        self,
        id: UUID,
        name: str,
        metadata: dict[str, Any],
        parent: Event | None,
        follower: Follower,
        *,
        chain: bool = False,
    ) -> None:
        self.id, self.name, self.metadata = id, name, metadata
        self.parent, self.follower = parent, follower
        self.start = now()
        self.inputs: Any = None
        self.step: int | None = None
        """The step that the event is."""
        self.steps: list[int] = []
        """The steps inside it, its own included."""
        self.agent = self._acting(chain)

    @property
    def is_node(self) -> bool:
        """Whether this is the outermost event of one run of a graph's node.

        The start, which an edge with a condition makes a node, only hands on what was given.
        """
        if self.metadata.get("langgraph_node") == "__start__":
            return False
        place = self.metadata.get(_PLACE)
        return bool(place) and (self.parent is None or self.parent.metadata.get(_PLACE) != place)

    def _acting(self, chain: bool) -> str | None:
        """The agent around the event, None when nothing names one."""
        place = self.metadata.get(_PLACE)
        if self.parent is None:
            named = self.metadata.get("lc_agent_name") or (self.name if chain else "")
            return named if named and not named.startswith(_NAMELESS) and not place else None
        if not self.is_node:
            return self.parent.agent
        graph = self.parent.name
        if "|" not in str(place) and graph and not graph.startswith(_NAMELESS):
            place = f"{graph}:|{place}"
        return graph_node({**self.metadata, _PLACE: place})

    def contains(self, step: int) -> None:
        """Note a step in this event and in all around it."""
        around: Event | None = self
        while around is not None:
            around.steps.append(step)
            around = around.parent

    def above(self) -> int | None:
        """The step that encloses the event: that of a tool which runs agents."""
        around = self.parent
        while around is not None and around.step is None:
            around = around.parent
        return around.step if around is not None else None


class Follower:
    """Turns the events of one run into its steps."""

    def __init__(self, run: Run, metadata: dict[str, Any], tags: list[str], inputs: Any) -> None:
        self.run = run
        self.members: list[UUID] = []
        self.reader = Reader()
        self._seen: set[str] = set()
        """Ids of messages that a step tells or that were given."""
        self._raised: list[BaseException] = []
        asked = question(plain({"input": inputs} if isinstance(inputs, list) else inputs))
        if asked:
            run.ask(asked)
        own = {k: plain(v) for k, v in metadata.items() if not k.startswith(("lc_", "ls_"))}
        if own or tags:
            run.know({k: v for k, v in (("metadata", own), ("tags", list(tags))) if v})

    # --- chains -------------------------------------------------------------------------------

    def chain_begins(self, event: Event, inputs: Any) -> None:
        """Remember what a node was given, to know later what it added."""
        if event.is_node:
            event.inputs = inputs
            self._seen.update(str(m.id) for m in messages_in(inputs) if getattr(m, "id", None))

    def chain_ends(self, event: Event, outputs: Any) -> None:
        """What a node adds without a model is a step; with the outermost chain the run ends."""
        if event.is_node:
            self._node_ends(event, outputs)
        if event.parent is None:
            self.run.end(answer(plain(outputs)) or None)

    def chain_fails(self, event: Event, error: BaseException, *, cancelled: bool) -> None:
        """An error is told once, by the innermost event that raised it."""
        command = _parent_command(error)
        if command is not None and event.is_node:
            self._node_ends(event, command)
        elif _is_signal(error):
            self.run.know({"interrupted": plain(error.args[0] if error.args else told(error))})
        elif not cancelled and not self._is_told(error):
            self._raised.append(error)
            text = told(error)
            extra = {"error": text, "chain": event.name}
            self._add(event, text, kind="system", extra=extra)
        if event.parent is None:
            if cancelled:
                self.run.abandon()
            elif _is_signal(error):
                self.run.end()
            else:
                self.run.end(outcome=failed(error))

    # --- models -------------------------------------------------------------------------------

    def model_begins(self, event: Event, messages: list[Any], parameters: Any) -> None:
        """A step opens with what the model is given."""
        given = [self.reader.said(message) for message in messages]
        self._seen.update(str(m.id) for m in messages if getattr(m, "id", None))
        tools = offered(parameters)
        if event.agent is not None and tools:
            self.run.agent(speaker(event.agent).name, tools=tools)
        self._open(event, kind="message", given=given)

    def model_ends(self, event: Event, response: Any) -> None:
        """The step gets what the model said."""
        choices = response.generations[0] if response.generations else []
        first = choices[0] if choices else None
        message = getattr(first, "message", None)
        said = Said("assistant", getattr(first, "text", ""))
        if message is not None:
            said = self.reader.said(message)
            self._seen.add(str(message.id))
        target = self.run.target(said.asks)
        extra: dict[str, Any] = {}
        if target:
            extra["handoff"] = {"to": target, "evidence": BY_TOOL}
        if len(choices) > 1:
            extra["alternatives"] = [choice.text for choice in choices[1:]]
        broken = getattr(message, "invalid_tool_calls", None)
        if broken:
            extra["invalid_tool_calls"] = plain(broken)
        self._finish(
            event,
            content=said.text,
            kind="handoff" if target else _kind(said),
            tools=said.asks,
            media=said.media,
            to=target,
            usage=spent(message, response.llm_output),
            extra=extra,
        )
        if event.parent is None:
            self.run.end(said.text or None)

    # --- tools --------------------------------------------------------------------------------

    def tool_begins(self, event: Event, given: Any, call_id: str | None) -> None:
        """A step opens under the one that asked for the tool."""
        call = ToolCall(event.name, maybe_json(plain(given)), call_id=call_id)
        agent = event.agent
        asker = self.run.history.asker(call, speaker(agent).name if agent else None)
        if asker is not None:
            asked = self.run.steps[asker].agent
            agent = agent if asked == UNKNOWN else asked
        target = self.run.target([call]) if asker is None else None
        kind: StepKind = (
            "tool_result" if asker is not None else "handoff" if target else "tool_call"
        )
        parent = asker if asker is not None else event.above()
        self._open(event, who=agent, kind=kind, to=target, tools=(call,), parent=parent)

    def tool_ends(self, event: Event, output: Any) -> None:
        """The step gets the tool's result, and where a command leads."""
        commands = commands_in(output)
        messages = [m for c in commands for m in messages_in(c.update)] if commands else [output]
        said = [self.reader.said(m) for m in messages if is_message(m)]
        self._seen.update(str(m.id) for m in messages if getattr(m, "id", None))
        text = "\n".join(m.text for m in said) if said or commands else as_text(plain(output))
        failed_ = any(getattr(m, "status", None) == "error" for m in messages)
        targets = [name for command in commands for name in gotos(command)]
        extra = {"handoff": {"to": targets[0], "evidence": BY_COMMAND}} if targets else {}
        self._answer(event, result=text, error=text if failed_ else None, to=targets, extra=extra)
        if event.parent is None:
            self.run.end(text or None)

    def step_fails(self, event: Event, error: BaseException) -> None:
        """The step of a model or a tool gets its error; a pause and a command are none."""
        command = _parent_command(error)
        if command is not None:
            self.tool_ends(event, command)
        elif _is_signal(error):
            self._finish(event, extra={"interrupted": told(error)})
        elif event.step is not None and self.run.steps[event.step].tools:
            self._raised.append(error)
            self._answer(event, result=None, error=told(error), to=[], extra={})
        else:
            self._raised.append(error)
            self._finish(event, extra={"error": told(error)})
        if event.parent is None:
            self.run.end(outcome=failed(error))

    def _answer(
        self,
        event: Event,
        *,
        result: str | None,
        error: str | None,
        to: list[str],
        extra: dict[str, Any],
    ) -> None:
        if event.step is None:
            return
        step = self.run.steps[event.step]
        call = msgspec.structs.replace(step.tools[0], result=result, error=error)
        changes: dict[str, Any] = {"to": to[0]} if to else {}
        content = result if result is not None else error or ""
        self._finish(event, content=content, tools=(call,), extra=extra, **changes)

    # --- nodes --------------------------------------------------------------------------------

    def _node_ends(self, event: Event, outputs: Any) -> None:
        commands = commands_in(outputs)
        updates = [command.update for command in commands] if commands else [outputs]
        for update in updates:
            self._added(event, update)
        targets = [name for command in commands for name in gotos(command)]
        if not targets:
            return
        handoff = {"to": targets[0], "evidence": BY_COMMAND}
        extra = {"handoff": handoff if len(targets) == 1 else {**handoff, "all": targets}}
        if event.steps:
            step = self.run.steps[event.steps[-1]]
            if step.to is None:
                self.run.amend(step.index, to=targets[0], **extra)
        else:
            text = f"Command(goto={', '.join(targets)})"
            self._add(event, text, kind="handoff", to=targets[0], extra=extra)

    def _added(self, event: Event, update: Any) -> None:
        """What a node adds to the state that no step inside it tells."""
        spoke = bool(event.steps)
        for message in messages_in(update):
            known = getattr(message, "id", None)
            if message.type == "remove" or (known and str(known) in self._seen):
                continue
            said = self.reader.said(message)
            if said.answers and self._answered(said.answers[0]):
                continue
            if not self._tells(event, said.text) or said.asks:
                self._message(event, said)
            if known:
                self._seen.add(str(known))
        rest = _values(update, event.inputs)
        if not rest:
            return
        if not event.steps:
            only = next(iter(rest.values())) if len(rest) == 1 else rest
            self._add(event, as_text(only), extra={"update": sorted(rest)})
        elif spoke:
            news = {k: v for k, v in rest.items() if not self._tells(event, as_text(v))}
            if news:
                self.run.amend(event.steps[-1], update=news)

    def _message(self, event: Event, said: Said) -> None:
        """A message that a node made up without a model."""
        fields: dict[str, Any] = {}
        if said.answers:
            fields["parent"] = self.run.history.asker(said.answers[0], event.agent)
            fields["kind"] = "tool_result"
        self._add(event, said.text, tools=(*said.asks, *said.answers), media=said.media, **fields)

    def _tells(self, event: Event, text: str) -> bool:
        """Whether a step inside the event already says the text."""
        wanted = text.strip()
        return any(wanted in self.run.steps[index].content for index in event.steps)

    def _answered(self, call: ToolCall) -> bool:
        asked = call.call_id
        return asked is not None and any(
            c.call_id == asked and (c.result is not None or c.error is not None)
            for step in self.run.steps
            for c in step.tools
        )

    def _is_told(self, error: BaseException) -> bool:
        return any(
            error is raised or error.__cause__ is raised or str(error) == str(raised)
            for raised in self._raised
        )

    # --- steps --------------------------------------------------------------------------------

    def _open(self, event: Event, *, who: str | None = None, **fields: Any) -> None:
        fields.setdefault("parent", event.above())
        event.step = self.run.step(
            who or event.agent,
            record=str(event.id),
            open=True,
            time=Time(start=event.start),
            **fields,
        )
        event.contains(event.step)

    def _finish(self, event: Event, **changes: Any) -> None:
        if event.step is not None:
            known = {key: value for key, value in changes.items() if value is not None}
            self.run.finish(event.step, time=Time(event.start, now()), **known)

    def _add(self, event: Event, text: str, **fields: Any) -> None:
        fields.setdefault("parent", event.above())
        step = self.run.step(
            event.agent, text, record=str(event.id), time=Time(event.start, now()), **fields
        )
        event.contains(step)


def _kind(said: Said) -> StepKind:
    if said.asks:
        return "tool_call"
    return "thought" if said.thought and said.text else "message"


def _values(update: Any, inputs: Any) -> dict[str, Any]:
    """What an update sets besides messages, as far as it is new."""
    if not isinstance(update, dict):
        return {}
    before = inputs if isinstance(inputs, dict) else getattr(inputs, "__dict__", {})
    return {
        str(key): plain(value)
        for key, value in update.items()
        if value is not None
        and not any(messages_in(value))
        and value != []
        and before.get(key) is not value
    }


def _is_signal(error: BaseException) -> bool:
    """Whether an exception is LangGraph's way to pause or to leave a subgraph."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def _parent_command(error: BaseException) -> Any:
    """The command with which a node or a tool leaves its subgraph, None for other exceptions."""
    if type(error).__name__ != "ParentCommand" or not error.args:
        return None
    return error.args[0]
