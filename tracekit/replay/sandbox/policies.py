"""Models in place of the sandbox's seeded agents: anything that turns a chat into a reply.

`spoken` makes a policy of a function from messages to text; `endpoint` asks an OpenAI-compatible
server; `tracekit_models.policies.transformers_policy` runs a model of the transformers library.
A model calls the family's tool with a line of its own, `call NAME {"argument": "value"}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from tracekit.replay.sandbox.view import Policy, View
from tracekit.replay.types import Action
from tracekit.trace import Message, StepKind, ToolCall

if TYPE_CHECKING:
    from tracekit.llm.client import Client

KINDS: dict[str, StepKind] = {
    "plan": "plan",
    "delegate": "handoff",
    "review": "handoff",
    "report": "final",
    "judge": "final",
}
"""What sort of step a turn makes; a message where the table says nothing."""

_CALL = re.compile(r"^call[ \t]+([\w-]{1,100})[ \t]*(\{.*\})[ \t]*$", re.M)


def spoken(reply: Callable[[list[Message]], str]) -> Policy:
    """A policy of a function from the chat that an agent is given to what it says.

    The policy is exact in replays when the function gives the same reply to the same chat.

    >>> from tracekit.replay.sandbox.system import Sandbox
    >>> parrot = spoken(lambda chat: chat[-1].content)
    >>> sandbox = Sandbox("arithmetic", "chain", policies={"*": parrot})
    >>> trace = sandbox.run(next(sandbox.tasks()), seed=0)
    >>> trace.steps[0].content == trace.task.question
    True
    """

    def policy(view: View) -> Action:
        return acted(view, reply([*view.messages(), *_how(view)]))

    return policy


def endpoint(client: Client, model: str, **params: Any) -> Policy:
    """A policy that asks `model` behind the client's endpoint; `params` go into every request.

    A temperature of 0, or the client's store, makes replays exact. Raises what the client raises:
    a call that fails ends the run, nothing is said in its place.
    """
    from tracekit.llm.request import Message as Said
    from tracekit.llm.request import Request, Role

    def reply(chat: list[Message]) -> str:
        said = tuple(Said(cast("Role", each.role), each.content) for each in chat)
        return client.wait(client.complete(Request(model, said, params))).text

    return spoken(reply)


def acted(view: View, text: str) -> Action:
    """What a reply comes to in a turn: a call of the family's tool, or something said."""
    tool = view.pen.family.tool
    match = _CALL.search(text) if tool else None
    if match is not None and match[1] == tool:
        try:
            arguments = json.loads(match[2])
        except (ValueError, RecursionError):
            arguments = None
        if isinstance(arguments, dict):
            call = ToolCall(tool, arguments, call_id=f"call-{view.number}")
            return Action(text, "tool_call", tool, (call,))
    return Action(text, KINDS.get(view.duty, "message"), view.turn.to)


def _how(view: View) -> list[Message]:
    """How to call the tool, for those who have one."""
    tool = view.pen.family.tool
    if not tool or tool not in view.agent.tools:
        return []
    return [
        Message("system", f'To use {tool}, answer with a line: call {tool} {{"name": "value"}}')
    ]
