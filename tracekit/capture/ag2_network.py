"""AG2's networks: a channel in which several agents take turns is one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracekit.capture.ag2_scope import Scope, Turn
from tracekit.capture.recorder import Recorder, now
from tracekit.trace import Time

WHAT = "an AG2 network event could not be recorded"
BY_PACKET = "the packet names the next speaker"
_CHANNEL = "ag2.network.channel"
"""Key under which AG2 hands a turn its channel."""


class Channels:
    """The runs of channels, by channel id."""

    def __init__(
        self,
        open: Callable[..., Scope],
        current: Callable[[], Turn | None],
        recorder: Recorder,
    ) -> None:
        self._open, self._current, self.recorder = open, current, recorder
        self._scopes: dict[str, Scope] = {}
        self._borrowed: set[str] = set()
        """Channels that belong to a run which somebody else ends."""
        self._closed: dict[str, str] = {}
        """Why channels closed whose last turn has not ended."""
        self.members: set[str] = set()
        """Names of the agents whose turns are recorded."""

    def of(self, context: Any) -> Scope | None:
        """The run of the channel that a turn belongs to, None when it belongs to none."""
        channel = (context.dependencies or {}).get(_CHANNEL)
        return self.scope(channel.channel_id) if channel is not None else None

    def scope(self, channel_id: str) -> Scope:
        """The run of a channel; one that was opened inside a run belongs to that run."""
        found = self._scopes.get(channel_id)
        if found is None or found.run.ended:
            turn = self._current()
            if turn is not None and not turn.scope.run.ended:
                found = turn.scope
                self._borrowed.add(channel_id)
            else:
                found = self._open(extra={"channel": channel_id})
            self._scopes[channel_id] = found
        return found

    def listen(self, hub: Any) -> Listener:
        """A listener for a hub, which tells when channels open and close and what they carry."""
        return Listener(self, hub)

    def ends(self, channel_id: str, reason: str) -> None:
        """A channel closed; its run ends with its last turn."""
        self._closed[channel_id] = reason
        self.tidy()

    def tidy(self) -> None:
        """End the runs of closed channels in which nobody works any more."""
        for channel_id, reason in list(self._closed.items()):
            scope = self._scopes.get(channel_id)
            if scope is None or scope.busy > 0:
                continue
            del self._closed[channel_id]
            del self._scopes[channel_id]
            if channel_id in self._borrowed:
                self._borrowed.discard(channel_id)
            else:
                extra = {"close_reason": reason} if reason else {}
                scope.run.end(scope.answer, extra=extra)

    def close(self) -> None:
        """End the runs of all channels."""
        for channel_id, scope in self._scopes.items():
            if channel_id not in self._borrowed:
                scope.run.end(scope.answer)
        self._scopes.clear()


class Listener:
    """What a hub reports; everything that is not about a conversation is let go."""

    def __init__(self, channels: Channels, hub: Any) -> None:
        self._channels, self._hub = channels, hub

    async def on_channel_event(self, channel_id: str, kind: str, payload: dict[str, Any]) -> None:
        """A channel opens: a run begins. It closes or expires: the run ends."""
        with self._channels.recorder.guard(WHAT):
            if kind in ("created", "opened"):
                self._channels.scope(channel_id)
            elif kind in ("closed", "expired"):
                self._channels.ends(channel_id, str(payload.get("reason") or kind))

    async def on_envelope_posted(self, envelope: Any, metadata: Any) -> None:
        """Somebody spoke: people, agents that nobody watches, and where a packet leads."""
        with self._channels.recorder.guard(WHAT):
            data = envelope.event_data
            if envelope.event_type == "ag2.packet":
                self._packet(envelope, data.get("body") or "", data.get("routing") or {})
            elif envelope.event_type == "ag2.msg.text":
                self._text(envelope, data.get("text") or "")
            self._channels.tidy()

    def _packet(self, envelope: Any, body: str, routing: dict[str, Any]) -> None:
        self._text(envelope, body)
        target = routing.get("target")
        if not target:
            return
        run = self._channels.scope(envelope.channel_id).run
        who, to = self._name(envelope.sender_id), self._name(target)
        last = next((s for s in reversed(run.steps) if s.agent == who), None)
        if last is not None:
            handoff = {"to": to, "evidence": BY_PACKET, "reason": routing.get("reason")}
            run.amend(last.index, to=to, handoff={k: v for k, v in handoff.items() if v})

    def _text(self, envelope: Any, text: str) -> None:
        """What was said, unless a step of a watched agent says it already."""
        scope = self._channels.scope(envelope.channel_id)
        who = self._name(envelope.sender_id)
        if not text or (who in self._channels.members and _tells(scope, who, text)):
            return
        audience = envelope.audience or []
        to = self._name(audience[0]) if len(audience) == 1 else None
        if not scope.run.task.question:
            scope.run.ask(text)
        time = Time(now(), now())
        scope.run.step(who, text, to=to, record=envelope.envelope_id, time=time)
        scope.answer = text

    def _name(self, agent_id: str) -> str:
        return str(self._hub.name_for(agent_id, default=agent_id))

    async def on_turn_failed(
        self, channel_id: str, agent_id: str, envelope_id: str, exc: BaseException
    ) -> None:
        """A turn raised; its middleware has told it, and the channel goes on."""

    async def on_envelope_rejected(self, envelope: Any, reason: Any) -> None:
        """An envelope was refused, so that nobody heard it: the agent's step shows what was said."""
        with self._channels.recorder.guard(WHAT):
            scope = self._channels.scope(envelope.channel_id)
            who = self._name(envelope.sender_id)
            text = f"{type(reason).__name__}: {reason}"
            scope.run.step(who, text, kind="system", extra={"error": text, "rejected": True})

    async def on_dispatch_failed(self, envelope: Any, recipient_id: str, reason: Any) -> None:
        """Somebody did not get an envelope."""

    async def on_agent_event(self, agent_id: str, kind: str, payload: dict[str, Any]) -> None:
        """Somebody registered or left."""

    async def on_expectation_fired(self, channel_id: str, expectation: Any, violation: Any) -> None:
        """Somebody was too slow."""

    async def on_task_event(self, task_id: str, kind: str, payload: dict[str, Any]) -> None:
        """A background task moved on."""

    async def on_inbox_pressure(self, agent_id: str, pending: int, cap: int) -> None:
        """An inbox fills up."""


def _tells(scope: Scope, who: str, text: str) -> bool:
    """Whether one of the agent's last steps says the text, or hands it to a tool."""
    wanted = text.strip()
    for step in scope.run.steps[-20:]:
        said = [step.content, *(str(call.arguments) for call in step.tools)]
        if step.agent == who and any(wanted in part for part in said):
            return True
    return False
