"""Which spans of a tree are steps, and what those steps hold."""

from __future__ import annotations

from typing import Any

import msgspec

from tracekit.ingest.build import Builder
from tracekit.ingest.parts import as_text
from tracekit.ingest.spans.attributes import Span, error_of, usage_of
from tracekit.ingest.spans.contents import (
    answer,
    heard,
    is_system,
    merged_said,
    question,
    runs_code,
    spoken,
    text_in,
    text_out,
)
from tracekit.ingest.spans.history import History
from tracekit.ingest.spans.leftover import leftover
from tracekit.ingest.spans.messages import Said
from tracekit.ingest.spans.tools import offered_tools, tool_call
from tracekit.ingest.spans.tree import MISSING_ABOVE, Node, missing_above
from tracekit.names import UNKNOWN, folded, handoff_target, speaker
from tracekit.trace import Inputs, Message, StepKind, Time, ToolCall, Usage

_ACTS = ("llm", "tool", "retriever")


class Stepper:
    """Makes the steps of one trace, in order of time."""

    def __init__(self, build: Builder, nodes: list[Node]) -> None:
        self.build = build
        self.nodes = nodes
        self.history = History()
        self.tools: dict[str, Any] = {}
        """Definitions of tools that models were offered."""
        self._team = {folded(n.own_agent): n.own_agent for n in nodes if n.own_agent}
        self._prompts: dict[str, str] = {}
        self._met: set[tuple[str, int]] = set()
        """Agents and the spans below which they acted: what there was to learn is learnt."""

    def walk(self) -> None:
        """Make the steps: models and tools when they start, agents and failures when they end."""
        events: list[tuple[float, int, Node]] = []
        for node in self.nodes:
            if node.role in _ACTS and not self._is_part(node):
                events.append((node.begins, node.enter, node))
            events.append((node.ends, node.leave, node))
        events.sort()  # no position is there twice, so that nodes are never compared
        for _, position, node in events:
            if position == node.leave:
                self._leave(node)
            elif node.role == "llm":
                self._call(node)
            else:
                self._tool(node)

    def as_they_are(self) -> None:
        """The generic reading, for traces in which no convention marks anything."""
        for node in sorted(self.nodes, key=lambda n: (n.begins, n.enter)):
            if node.role != "noise":
                text, error = answer(text_out(node.span)), error_of(node.span)
                said = text or error or node.span.name
                self._add(node, [node.span], said, "message", error=error)

    def _is_part(self, node: Node) -> bool:
        """Whether the span tells again, or in parts, what another span's step tells."""
        if node.role == "llm":
            return len(node.inner) > 1 or (node.call is not None and len(node.call.inner) == 1)
        above = node.parent
        if above is None or above.role != node.role:
            return False
        if len([child for child in above.children if child.role == node.role]) > 1:
            return False
        inner, outer = tool_call(node.span), tool_call(above.span)
        if inner.result and outer.result:
            return inner.result == outer.result
        return inner.name == outer.name

    def _call(self, node: Node) -> None:
        """One call of a model, told by one span or by several inside one another."""
        group = [node]
        while len(group[-1].inner) == 1:
            group.append(group[-1].inner[0])
        lead, said = node, Said("assistant")
        for member in group:
            found = merged_said(spoken(member.span))
            if found.text or found.asks or found.media:
                lead, said = member, found
                break
        messages = heard(lead.span)
        usages: list[Usage] = []
        agent = error = None
        for member in group:
            messages = messages or heard(member.span)
            agent = agent or member.own_agent
            error = error or error_of(member.span)
            if (usage := usage_of(member.span)) is not None:
                usages.append(usage)
            self.tools.update(offered_tools(member.span))
        agent = agent or node.agent
        spans = [lead.span, *(m.span for m in group if m is not lead)]
        target = self._target(said.asks)
        index = self._add(
            node,
            spans,
            said.text,
            "handoff" if target else _kind_of(said),
            agent=agent,
            tools=said.asks,
            media=said.media,
            to=target,
            usage=_joined_usage(usages),
            inputs=self._inputs(agent, messages),
            error=error,
        )
        for member in group:
            member.holder = index

    def _tool(self, node: Node) -> None:
        call = tool_call(node.span)
        agent = node.agent
        asker = self.history.asker(call, speaker(agent).name if agent else None)
        if agent is None and asker is not None and self.build.steps[asker].agent != UNKNOWN:
            agent = self.build.steps[asker].agent
        text = call.result if call.result is not None else call.error or ""
        target = self._target((call,))
        self._add(
            node,
            [node.span],
            text,
            "tool_result" if asker is not None else "handoff" if target else "tool_call",
            agent=agent,
            tools=(call,),
            to=target if asker is None else None,
            parent=asker,
        )
        if call.error:
            node.errors.append(call.error)

    def _leave(self, node: Node) -> None:
        """The end of a span: an agent's last word, or an error that nothing below told."""
        if node.role == "agent":
            self._agent_ends(node)
        elif node.step is None and node.role in ("chain", ""):
            self._chain_ends(node)
        above = node.parent
        if above is None:
            return
        if node.first is not None:
            above.first = node.first if above.first is None else min(above.first, node.first)
        if node.tail:
            above.tail = (above.tail + node.tail)[-4:]
        if node.errors:
            above.errors = (above.errors + node.errors)[-4:]

    def _agent_ends(self, node: Node) -> None:
        text = answer(text_out(node.span))
        if text.startswith("<generator object"):
            text = ""
        error = self._untold(node)
        if text and error is None:
            said = self._told(node, text)
            if said is not None:
                node.holder = said
                self._close(node, said)
                return
        if not text and error is None and (node.first is not None or not _opaque(node)):
            return
        given = question(text_in(node.span))
        inputs = Inputs(messages=(Message("user", given),)) if given else None
        kind: StepKind = "final" if text and node.parent is None else "message"
        self._add(node, [node.span], text, kind, error=error, inputs=inputs)

    def _close(self, node: Node, index: int) -> None:
        """Mark the step that holds the whole run's answer as final."""
        step = self.build.steps[index]
        if node.parent is None and step.kind == "message" and index == len(self.build.steps) - 1:
            self.build.steps[index] = msgspec.structs.replace(step, kind="final")

    def _chain_ends(self, node: Node) -> None:
        """A wrapper is a step only for what nothing inside it tells."""
        error = self._untold(node) if node.first is not None or node.role == "chain" else None
        text = ""
        if runs_code(node.span):
            text = as_text(text_out(node.span))
        if text and error is None and self._told(node, text, whole=True) is not None:
            return
        if text or error:
            result = ToolCall("", result=text or None, error=error)
            code = bool(text) or node.span.name.startswith("Step ")
            self._add(
                node,
                [node.span],
                text or error or "",
                "tool_result" if code else "system",
                tools=(result,) if code else (),
                error=error,
                parent=node.first if code else None,
            )

    def _untold(self, node: Node) -> str | None:
        """The error of a span unless a step below tells it: wrappers repeat what they wrap."""
        error = error_of(node.span)
        if error is None:
            return None
        return None if any(_repeats(error, told) for told in node.errors) else error

    def _told(self, node: Node, text: str, *, whole: bool = False) -> int | None:
        """The step below that already says what the span returns, None when none does."""
        wanted = text.strip()
        for index in reversed(node.tail):
            step = self.build.steps[index]
            results = [call.result for call in step.tools if call.result]
            for said in (step.content, *results):
                said = said.strip()
                if said and (said == wanted or _mostly(said, wanted)):
                    return index
            if whole:
                continue
            if wanted in step.content:
                return index
            if step.tools:
                asked = " ".join(as_text(call.arguments) for call in step.tools)
                if wanted in asked or as_text([wanted])[2:-2] in asked:
                    return index
        return None

    def _target(self, asks: tuple[ToolCall, ...]) -> str | None:
        """The agent that a request hands over to, by the name or the arguments of its tool."""
        for call in asks:
            target = handoff_target(call.name)
            arguments = call.arguments if isinstance(call.arguments, dict) else {}
            named = arguments.get("agent_name") or arguments.get("coworker")
            if isinstance(named, str) and (
                target == "agent"
                or call.name.lower().startswith(
                    ("delegate work", "delegate_work", "ask question to coworker")
                )
            ):
                target = named
            if call.name.startswith("handoff to "):
                target = call.name[len("handoff to ") :]
            elif call.name == "handoff":  # LlamaIndex, OpenLLMetry
                named = arguments.get("to_agent")
                target = named if isinstance(named, str) else None
            if target:
                return self._team.get(folded(target), target)
        return None

    def _inputs(self, agent: str | None, messages: list[Said]) -> Inputs | None:
        prompt = None
        if agent is not None:
            prompt = self._prompts.get(agent)
            system = next((m.text for m in messages if is_system(m) and m.text), None)
            if prompt is None and system is not None:
                prompt = self._prompts[agent] = system
                self.build.agent(agent, system_prompt=system)
        return self.history.inputs(messages, prompt)

    def _add(
        self,
        node: Node,
        spans: list[Span],
        text: str,
        kind: StepKind,
        *,
        agent: str | None = None,
        error: str | None = None,
        **fields: Any,
    ) -> int:
        """Append the step of a node and note what it changes around it."""
        acting = agent or node.agent
        extra: dict[str, Any] = {"span": spans[0].name, **leftover(spans[0], node.role)}
        if len(spans) > 1:
            extra["merged"] = {s.id: {"span": s.name, **leftover(s, node.role)} for s in spans[1:]}
        if error:
            extra["error"] = error
            node.errors.append(error)
        missing = missing_above(node) if acting is None else None
        if missing:
            extra[MISSING_ABOVE] = missing
        handoff = self._handoff(node, acting, fields.get("to"), kind)
        if handoff:
            extra["handoff"] = handoff
        if fields.get("parent") is None:
            fields["parent"] = self._above(node)
        raws = [raw for s in spans for raw in ((s.raw, *s.also) if s.also else (s.raw,))]
        index = self.build.add(
            acting, text, raws, kind=kind, time=_time(spans), extra=extra, **fields
        )
        node.step = node.holder = index
        if node.first is None:
            node.first = index
        node.tail = [*node.tail[-3:], index]
        self.history.add(self.build.steps[index])
        if acting is not None and (acting, id(node.parent)) not in self._met:
            self._met.add((acting, id(node.parent)))
            self._know(node, acting)
        return index

    def _know(self, node: Node, acting: str) -> None:
        """What the roster learns of the agent that acts."""
        around: Node | None = node
        while around is not None and (around.role != "agent" or around.agent != acting):
            around = around.parent
        above = around.parent.agent if around is not None and around.parent is not None else None
        fields: dict[str, Any] = {}
        if above is not None and above != acting:
            fields["parent"] = self.build.agent(above)
        if around is not None and around.span.name.endswith("Agent.run"):
            fields["role"] = around.span.name.removesuffix(".run")
        self.build.agent(acting, **fields)

    def _handoff(
        self, node: Node, acting: str | None, target: str | None, kind: StepKind
    ) -> dict[str, str] | None:
        """How control moved, as far as the spans show, with what shows it."""
        if target is not None and kind == "handoff":
            return {"to": target, "evidence": "the tool that was called names the agent"}
        steps = self.build.steps
        last = steps[-1].agent if steps else acting
        if acting is None or last == acting or last is None or UNKNOWN in (last, acting):
            return None
        here: Node | None = node
        while here is not None:
            if here.agent == last:
                evidence = f"the span runs inside a span of {last}"
                return {"from": last, "to": acting, "evidence": evidence}
            here = here.parent
        return {
            "from": last,
            "to": acting,
            "evidence": "the agent changes from one step to the next",
        }

    def _above(self, node: Node) -> int | None:
        """The step of the nearest span around that has one already."""
        around = node.parent
        while around is not None:
            if around.step is not None:
                return around.step
            around = around.parent
        return None


def _time(spans: list[Span]) -> Time | None:
    """From the first start to the last end."""
    start, end = spans[0].start, spans[0].end
    for span in spans[1:]:
        if span.start is not None and (start is None or span.start < start):
            start = span.start
        if span.end is not None and (end is None or span.end > end):
            end = span.end
    return Time(start, end) if start is not None or end is not None else None


def _kind_of(said: Said) -> StepKind:
    if said.asks:
        return "tool_call"
    return "thought" if said.thought and said.text else "message"


def _joined_usage(usages: list[Usage]) -> Usage | None:
    """One usage out of what several spans say of one call; the first that knows a thing is right."""
    if len(usages) < 2:
        return usages[0] if usages else None
    fields = {
        field: next((v for u in usages if (v := getattr(u, field)) is not None), None)
        for field in ("input_tokens", "output_tokens", "cost", "model")
    }
    return msgspec.structs.replace(usages[0], **fields)


def _opaque(node: Node) -> bool:
    """An agent of which the log shows nothing but that it was asked something."""
    return bool(question(text_in(node.span)))


def _mostly(one: str, other: str) -> bool:
    """Whether one text is the other with a little around it."""
    short, long = sorted((one, other), key=len)
    return len(short) >= 0.8 * len(long) and short in long


def _repeats(error: str, told: str) -> bool:
    """Whether an error is one that was told, perhaps wrapped in further words."""
    message = told.partition(": ")[2] or told
    return message[:200] in error or error[:200] in told
