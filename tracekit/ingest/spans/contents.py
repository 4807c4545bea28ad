"""What went into a span and what came out: model calls, tool calls, and plain inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tracekit.ingest.parts import as_text, maybe_json
from tracekit.ingest.spans.attributes import Span, first_of
from tracekit.ingest.spans.messages import Said, numbered, read_messages
from tracekit.ingest.spans.shapes import Spellings, families
from tracekit.names import by_role
from tracekit.trace import ToolCall

_GIVEN = Spellings(
    "input.value", "traceloop.entity.input", "agentops.entity.input", "mlflow.spanInputs",
    "langfuse.observation.input", "langfuse.trace.input", "gen_ai.input", "input", "gen_ai.prompt",
    "all_messages_events", "pydantic_ai.all_messages", "gen_ai.agent.input",
)  # fmt: skip
_MADE = Spellings(
    "output.value", "traceloop.entity.output", "agentops.entity.output", "mlflow.spanOutputs",
    "langfuse.observation.output", "langfuse.trace.output", "gen_ai.output", "output",
    "final_result", "crewai.crew.result", "gen_ai.completion", "gen_ai.agent.output",
)  # fmt: skip


def heard(span: Span) -> list[Said]:
    """The messages that a model call was given, system prompt first."""
    attributes = span.attributes
    for messages in _heard(span):
        if messages:
            system = attributes.get("gen_ai.system_instructions")
            if system and not any(m.role == "system" for m in messages):
                messages = [*read_messages(system, "system"), *messages]
            return messages
    return []


def _heard(span: Span) -> Iterator[list[Said]]:
    """The same input from every place where it may stand, the most exact place first."""
    attributes = span.attributes
    if span.given is not None:
        yield read_messages(span.given)
    if "gen_ai.input.messages" in attributes:
        yield read_messages(attributes["gen_ai.input.messages"])
    yield _numbered_messages(span, "gen_ai.prompt", "user")
    yield _numbered_messages(span, "llm.input_messages", "user")
    yield read_messages(_useful(attributes.get("gcp.vertex.agent.llm_request")))
    yield read_messages(attributes.get("ai.prompt.messages") or attributes.get("ai.prompt"))
    yield list(_event_messages(span, output=False))
    yield read_messages(first_of(span, _GIVEN))
    yield read_messages(numbered(attributes, "llm.prompts"))


def spoken(span: Span) -> list[Said]:
    """The messages that a model call produced."""
    empty: list[Said] = []
    for messages in _spoken(span):
        for message in messages:
            if message.text or message.asks or message.media:
                return messages
        empty = empty or messages
    return empty


def _spoken(span: Span) -> Iterator[list[Said]]:
    attributes = span.attributes
    if span.made is not None:
        yield read_messages(span.made, "assistant")
    if "gen_ai.output.messages" in attributes:
        yield read_messages(attributes["gen_ai.output.messages"], "assistant")
    yield _numbered_messages(span, "gen_ai.completion", "assistant")
    yield _numbered_messages(span, "llm.output_messages", "assistant")
    yield read_messages(_useful(attributes.get("gcp.vertex.agent.llm_response")), "assistant")
    yield _vercel(attributes)
    yield list(_event_messages(span, output=True))
    yield _any_agent(attributes.get("gen_ai.output"))
    yield read_messages(first_of(span, _MADE), "assistant")


def _numbered_messages(span: Span, prefix: str, role: str) -> list[Said]:
    """`gen_ai.prompt.0.role` and its like."""
    attributes = span.attributes
    pairs = span.shape[families].get(prefix)
    if pairs is None and prefix not in attributes:
        return []
    if pairs and prefix not in attributes:
        found: list[Said] = []
        for role_key, text_key in pairs:
            speaks, text = by_role(attributes[role_key]), attributes[text_key]
            if speaks is None or speaks == "tool" or not isinstance(text, str):
                break
            if text[:1] == "[" or text[:1] == "{":
                break
            found.append(Said(speaks, text))
        else:
            return found  # nothing but roles and texts, as most prompts are
    return read_messages(numbered(attributes, prefix), role)


def _useful(value: Any) -> Any:
    """ADK writes `{}` for content that it was told not to log."""
    return None if value in ("{}", {}, "") else value


def _vercel(attributes: dict[str, Any]) -> list[Said]:
    text = attributes.get("ai.response.text") or attributes.get("ai.response.object")
    calls = maybe_json(attributes.get("ai.response.toolCalls"))
    asks = tuple(
        ToolCall(
            name=as_text(call.get("toolName")),
            arguments=maybe_json(call.get("input", call.get("args"))),
            call_id=as_text(call.get("toolCallId")) or None,
        )
        for call in (calls if isinstance(calls, list) else [])
        if isinstance(call, dict)
    )
    return [Said("assistant", as_text(text), asks=asks)] if text or asks else []


def _any_agent(value: Any) -> list[Said]:
    """any-agent writes tool requests as `[{"tool.name": …, "tool.args": …}]`."""
    decoded = maybe_json(value)
    if not isinstance(decoded, list) or not decoded:
        return []
    if not all(isinstance(item, dict) and "tool.name" in item for item in decoded):
        return []
    asks = tuple(
        ToolCall(as_text(item["tool.name"]), maybe_json(item.get("tool.args"))) for item in decoded
    )
    return [Said("assistant", asks=asks)]


_IN_EVENTS = {
    "gen_ai.system.message": "system", "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant", "gen_ai.tool.message": "tool",
    "gen_ai.content.prompt": "user", "data.input": "user",
}  # fmt: skip
_OUT_EVENTS = {
    "gen_ai.choice": "assistant", "gen_ai.content.completion": "assistant",
    "data.output": "assistant",
}  # fmt: skip
_DETAILS = "gen_ai.client.inference.operation.details"


def _event_messages(span: Span, *, output: bool) -> Iterator[Said]:
    """Messages that stand in span events, as the conventions before 1.37 and Monocle have them."""
    roles = _OUT_EVENTS if output else _IN_EVENTS
    events = span.events
    listed = maybe_json(span.attributes.get("events"))  # Pydantic AI's, in one attribute
    if isinstance(listed, list):
        events = [*events, *(event for event in listed if isinstance(event, dict))]
    for event in events:
        name = as_text(event.get("name") or event.get("event.name"))
        body = event.get("attributes")
        body = body if isinstance(body, dict) else event if "event.name" in event else {}
        if isinstance(event.get("body"), dict):
            body = {**body, **event["body"]}
        if name == _DETAILS:
            key = "gen_ai.output.messages" if output else "gen_ai.input.messages"
            yield from read_messages(body.get(key), "assistant" if output else "user")
        elif name in roles:
            yield from _event_said(body, roles[name])


def _event_said(body: dict[str, Any], role: str) -> list[Said]:
    """The message of one event."""
    for key in ("gen_ai.prompt", "gen_ai.completion", "input", "response", "gen_ai.event.content"):
        if body.get(key):
            return read_messages(body[key], role)
    inner = maybe_json(body.get("message"))
    if isinstance(inner, dict):
        body = {**body, **inner}
    elif inner is not None:
        body = {**body, "content": inner}
    message = {"role": role, **body}
    if role == "tool":
        message["role"] = role
    return read_messages([message], role)


def text_in(span: Span) -> Any:
    """What an agent, chain or tool was given, as logged; None when it is not logged."""
    if span.given is not None:
        return span.given
    attributes = span.attributes
    value = attributes.get("gen_ai.input.messages") or first_of(span, _GIVEN)
    if value is not None:
        return value
    messages = _event_messages(span, output=False) if span.events else ()
    return "\n".join(m.text for m in messages if m.role != "system") or None


def text_out(span: Span) -> Any:
    """What an agent, chain or tool produced, as logged; None when it is not logged."""
    if span.made is not None:
        return span.made
    attributes = span.attributes
    value = attributes.get("gen_ai.output.messages") or first_of(span, _MADE)
    if value is not None:
        return value
    messages = _event_messages(span, output=True) if span.events else ()
    return "\n".join(m.text for m in messages) or None


def runs_code(span: Span) -> bool:
    """Whether a chain's span is one step of smolagents, whose output is what the code gave back."""
    given = span.attributes.get("input.value")
    return as_text(given).startswith('{"memory_step"') if given is not None else False


def crew_tasks(span: Span) -> str:
    """The descriptions of a CrewAI crew's tasks, which say what the crew was asked."""
    tasks = maybe_json(span.attributes.get("crew_tasks"))
    if tasks is None and "crewai.crew.tasks" in span.attributes:
        tasks = numbered(span.attributes, "crewai.crew.tasks")
    listed = [t for t in tasks if isinstance(t, dict)] if isinstance(tasks, list) else []
    return "\n".join(as_text(t.get("description")) for t in listed if t.get("description"))


_ASKED_KEYS = (
    "task", "question", "query", "query_str", "user_input", "input", "user_message", "user_query",
    "prompt", "text", "content", "message", "messages", "query_bundle", "topic", "goal", "inputs",
    "kwargs", "args", "instruction", "instructions", "request", "contents", "new_message",
)  # fmt: skip
_ANSWER_KEYS = (
    "output", "answer", "final_answer", "final_output", "result", "response", "content", "text",
    "raw", "return_values", "outputs", "messages", "message", "choices", "generations",
)  # fmt: skip


def question(value: Any, level: int = 0) -> str:
    """What was asked, out of the input of an agent or of a whole run.

    >>> question('{"task": "Count the owls", "stream": true}')
    'Count the owls'
    >>> question({"messages": [["user", "hello"]]})
    'hello'
    """
    text, value = value, maybe_json(value)
    if isinstance(value, dict) and level < 4 and not {"role", "lc", "parts"} & value.keys():
        for key in _ASKED_KEYS:
            if value.get(key):
                return question(value[key], level + 1)
        if len(value) == 1:
            return question(next(iter(value.values())), level + 1)
        return as_text(text) if value else ""
    if isinstance(value, list | dict):
        return asked(read_messages(value))
    return as_text(value)


def asked(messages: Iterable[Said]) -> str:
    """The first user message that nobody has answered yet: a chat's history comes before it."""
    first = ""
    for message in messages:
        if message.role == "assistant":
            first = ""
        elif message.role not in ("system", "tool") and message.text and not first:
            first = message.text
    return first


def answer(value: Any, level: int = 0) -> str:
    """What was said in the end, out of the output of an agent or of a whole run.

    >>> answer({"messages": [{"type": "human", "content": "2+2?"}, {"type": "ai", "content": "4"}]})
    '4'
    """
    text, value = value, maybe_json(value)
    if isinstance(value, dict) and level < 4 and not {"role", "lc", "parts"} & value.keys():
        for key in _ANSWER_KEYS:
            if value.get(key):
                return answer(value[key], level + 1)
        return as_text(text) if value else ""
    if isinstance(value, list | dict):
        messages = read_messages(text, "assistant")
        said = [m.text for m in messages if m.role not in ("user", "system", "tool") and m.text]
        return said[-1] if said else ""
    return as_text(value)


def merged_said(messages: list[Said]) -> Said:
    """The messages of one model call as one: texts joined, requests in order."""
    if len(messages) == 1:
        return messages[0]
    first = messages[0] if messages else Said("assistant")
    media = []
    at = 0
    for message in messages:
        media += [msgspec.structs.replace(m, at=m.at + at) for m in message.media]
        at += len(message.text) + 1 if message.text else 0
    return Said(
        first.role,
        "\n".join(m.text for m in messages if m.text),
        tuple(call for m in messages for call in m.asks),
        tuple(call for m in messages for call in m.answers),
        tuple(media),
        first.name,
        bool(messages) and all(m.thought for m in messages),
    )


def is_system(message: Said) -> bool:
    """Whether a message sets the stage rather than taking part."""
    return by_role(message.role) == "system"
