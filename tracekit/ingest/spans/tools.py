"""Tools inside spans: the call that a span stands for, and the tools that a model was offered."""

from __future__ import annotations

from typing import Any

from tracekit.ingest.parts import as_text, maybe_json, read_calls, read_content
from tracekit.ingest.reprs import read_repr
from tracekit.ingest.spans.attributes import Span, error_of, first_of
from tracekit.ingest.spans.contents import text_in, text_out
from tracekit.ingest.spans.messages import numbered, read_messages
from tracekit.ingest.spans.shapes import Spellings
from tracekit.trace import ToolCall

_TOOL_NAMES = Spellings(
    "gen_ai.tool.name", "tool.name", "traceloop.entity.name", "ai.toolCall.name", "tool_name",
    "agentops.tool.name", "agentops.entity.name",
)  # fmt: skip
_ARGUMENTS = Spellings(
    "gen_ai.tool.call.arguments", "gen_ai.tool.args", "gen_ai.tool.arguments",
    "gcp.vertex.agent.tool_call_args", "ai.toolCall.args", "tool_arguments", "tool.arguments",
    "tool_call.function.arguments",
)  # fmt: skip
_RESULTS = Spellings(
    "gen_ai.tool.call.result", "gcp.vertex.agent.tool_response", "ai.toolCall.result",
    "tool_response", "gen_ai.tool.result", "tool.result",
)  # fmt: skip
_CALL_IDS = Spellings(
    "gen_ai.tool.call.id", "tool_call.id", "tool.id", "ai.toolCall.id", "tool.call_id",
    "tool_call_id",
)  # fmt: skip


def tool_call(span: Span) -> ToolCall:
    """The call that a tool's span stands for."""
    attributes = span.attributes
    arguments = first_of(span, _ARGUMENTS)
    if arguments is None:
        arguments = text_in(span)
    if arguments is None and "gen_ai.handoff.to_agent" in attributes:
        arguments = {"to_agent": attributes["gen_ai.handoff.to_agent"]}
    result = first_of(span, _RESULTS)
    if result is None:
        result = text_out(span)
    if result is None:
        result = _documents(attributes)
    decoded = maybe_json(result)
    if not attributes.get("gen_ai.tool.call.id") and isinstance(decoded, dict):
        answered = decoded.get("kwargs") if "lc" in decoded else decoded
        call_id = answered.get("tool_call_id") if isinstance(answered, dict) else None
    else:
        call_id = None
    text, failure = tool_text(result)
    error = error_of(span) or failure
    call_id = as_text(first_of(span, _CALL_IDS) or call_id)
    return ToolCall(
        name=_tool_name(span),
        arguments=_plain_arguments(maybe_json(arguments)),
        result=text if text is not None else None if error else "",
        error=error,
        call_id=call_id or None,
    )


def _documents(attributes: dict[str, Any]) -> str | None:
    """What a retriever found, when its output is logged as documents alone."""
    found = [
        item.get("document", item)
        for item in numbered(attributes, "retrieval.documents")
        if isinstance(item, dict)
    ]
    texts = [as_text(item.get("content")) for item in found if isinstance(item, dict)]
    return "\n\n".join(texts) if texts else None


def _tool_name(span: Span) -> str:
    named = first_of(span, _TOOL_NAMES)
    kind = span.attributes.get("span.type")
    if named is None and isinstance(kind, str) and kind.startswith("agentic."):
        named = span.attributes.get("entity.1.name")
    if isinstance(named, str) and named:
        return named
    name = span.name
    for prefix in ("execute_tool ", "running tool: ", "tool_call ", "tool "):
        name = name.removeprefix(prefix)
    return name.removesuffix(".tool")


def _plain_arguments(value: Any) -> Any:
    """Arguments out of the `args` and `kwargs` that smolagents and traceloop wrap them in."""
    if isinstance(value, dict) and isinstance(value.get("input_str"), str):
        whole = value.get("inputs")  # OpenLLMetry's runs of LangChain's tools
        return (
            whole if isinstance(whole, dict) else _plain_arguments(maybe_json(value["input_str"]))
        )
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("input"), str):
        inner = _plain_arguments(maybe_json(value["input"]))  # LangChain's runs of tools
        return inner if isinstance(inner, dict) else value
    if isinstance(value, str) and value[:2] in ("{'", "['"):
        printed = read_repr(value)
        value = value if printed is None else printed
    if isinstance(value, dict) and isinstance(value.get("kwargs"), dict) and value.keys() <= _WRAP:
        args, kwargs = value.get("args"), value["kwargs"]
        if not args:
            return kwargs
        return args if not kwargs else {"args": args, "kwargs": kwargs}
    return value


_WRAP = {"args", "kwargs", "sanitize_inputs_outputs"}


def tool_text(value: Any) -> tuple[str | None, str | None]:
    """The result of a tool as text, and the same as error when an MCP result says it is one.

    >>> tool_text('{"content": [{"type": "text", "text": "no"}], "isError": true}')
    ('no', 'no')
    """
    decoded = maybe_json(value)
    if isinstance(decoded, dict):
        if (
            "lc" in decoded
            or decoded.get("type") in ("tool", "ToolMessage")
            or (decoded.get("role") == "tool" and "content" in decoded)
        ):
            messages = read_messages([decoded], "tool")
            failed = decoded.get("status") == "error"
            return messages[0].text, messages[0].text if failed else None
        if isinstance(decoded.get("content"), list) and decoded.keys() <= _MCP:
            text = read_content(decoded["content"]).text
            return text, text if decoded.get("isError") or decoded.get("is_error") else None
        if len(decoded) == 1 and isinstance(decoded.get("output"), str | dict):
            return tool_text(decoded["output"])
    return (None if value is None else as_text(value)), None


_MCP = {"content", "isError", "is_error", "meta", "_meta", "structuredContent"}


_OFFERS = (
    "gen_ai.tool.definitions", "gen_ai.agent.tools", "ai.prompt.tools", "smolagents.tools_names",
    "llm.tools", "llm.request.functions",
)  # fmt: skip


def _offers_tools(names: tuple[str, ...]) -> bool:
    return any(name.startswith(_OFFERS) for name in names)


def offered_tools(span: Span) -> dict[str, Any]:
    """Tools that a model or agent may call, by name, with what the log says of them."""
    if not span.shape[_offers_tools]:
        return {}
    attributes = span.attributes
    listed: list[Any] = []
    for key in _OFFERS[:3]:
        value = maybe_json(attributes.get(key))
        listed.extend(value if isinstance(value, list) else [])
    listed.extend(numbered(attributes, "llm.tools"))
    listed.extend(numbered(attributes, "llm.request.functions"))
    names = attributes.get("smolagents.tools_names")
    if isinstance(names, str):
        listed.extend({"name": n} for n in names.strip("[]()").replace("'", '"').split('"')[1::2])
    tools: dict[str, Any] = {}
    for item in listed:
        item = maybe_json(item)
        if isinstance(item, dict) and isinstance(item.get("tool"), dict):
            item = maybe_json(item["tool"].get("json_schema")) or item["tool"]
        for call in read_calls([item]):
            if call.name and isinstance(item, dict):
                tools[call.name] = item
    return tools
