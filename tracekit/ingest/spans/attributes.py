"""What one span says of itself: its role, what went in and what came out.

Knows the GenAI semantic conventions in their versions (1.26 to the genai repository's head),
OpenInference, OpenLLMetry (traceloop), Google ADK (`gcp.vertex.agent.*`), AgentOps, Monocle,
any-agent, Vercel AI, MLflow, and the OpenTelemetry spellings of Langfuse and LangSmith. Readers
of formats with fields of their own fill in `Span.role`, `given` and `made` instead.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tracekit.ingest.meters import as_count, as_number
from tracekit.ingest.parts import as_text
from tracekit.ingest.spans.shapes import Shape, Spellings, shape_of
from tracekit.trace import Raw, Usage

Role = Literal["llm", "tool", "retriever", "agent", "chain", "setup", "noise", ""]
"""What a span stands for; empty = no convention says."""


class Span(msgspec.Struct, kw_only=True, gc=False):
    """One span, whatever file it came from."""

    id: str
    trace: str
    parent: str | None = None
    name: str = ""
    attributes: dict[str, Any] = {}
    """Keys with dots; values as JSON."""
    raw: Raw
    also: tuple[Raw, ...] = ()
    """Further records of the same span."""
    start: float | None = None
    """Seconds since 1970 UTC; None = not logged."""
    end: float | None = None
    failed: bool = False
    """True when the span's status is an error."""
    reason: str | None = None
    """The status message."""
    events: list[dict[str, Any]] = []
    """Each with `name` and `attributes`."""
    role: Role = ""
    """Set by formats that say it outside the attributes."""
    agent: str | None = None
    """Set by formats that name the agent outside the attributes."""
    given: Any = None
    """What went in, for formats that have a field for it."""
    made: Any = None
    """What came out, likewise."""
    usage: Usage | None = None
    scope: str = ""
    """Name of the instrumentation library."""
    resource: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    """What else the record holds."""
    _shape: Any = None

    @property
    def shape(self) -> Shape:
        """What the names of its attributes tell."""
        shape = self._shape
        if shape is None:
            shape = self._shape = shape_of(self.attributes)
        return shape  # type: ignore[no-any-return]


ROLES: dict[str, Role] = {
    # GenAI operation names
    "chat": "llm", "generate_content": "llm", "text_completion": "llm", "invoke_agent": "agent",
    "create_agent": "setup", "invoke_workflow": "chain", "execute_tool": "tool", "plan": "chain",
    "retrieval": "retriever", "embeddings": "noise", "create_memory": "tool",
    "search_memory": "tool", "update_memory": "tool", "upsert_memory": "tool",
    "delete_memory": "tool", "create_memory_store": "setup", "delete_memory_store": "setup",
    # spellings met in the wild: any-agent, Strands, AgentOps, Vercel AI, Langfuse, LangSmith, MLflow
    "call_llm": "llm", "completion": "llm", "completions": "llm", "generate": "llm",
    "chat.completions": "llm", "text.completions": "llm", "framework": "chain",
    "auto_function_invocation": "chain", "responses": "llm", "message": "llm", "messages": "llm", "execute_event_loop_cycle": "chain",
    "llm": "llm", "generation": "llm", "chat_model": "llm", "request": "llm", "prompt": "chain",
    "tool": "tool", "agent": "agent", "chain": "chain", "workflow": "chain", "task": "chain",
    "retriever": "retriever", "reranker": "retriever", "embedding": "noise", "guardrail": "tool",
    "evaluator": "chain", "parser": "chain", "workflow.step": "chain", "operation": "chain",
    "session": "chain", "span": "", "unknown": "", "event": "", "rerank": "retriever",
    "handoff": "tool", "mcp_tools": "noise", "function": "tool", "memory": "tool", "client": "",
    "ai.generatetext": "llm", "ai.streamtext": "llm", "ai.generateobject": "llm",
    "ai.streamobject": "llm", "ai.generatetext.dogenerate": "llm", "ai.toolcall": "tool",
    "ai.streamtext.dostream": "llm", "ai.generateobject.dogenerate": "llm",
    "ai.streamobject.dostream": "llm", "ai.embed": "noise",
    # Monocle
    "agentic.turn": "chain", "agentic.invocation": "agent", "agentic.request": "chain",
    "agentic.delegation": "tool", "agentic.tool.invocation": "tool", "agentic.mcp.invocation": "tool",
    "inference": "llm", "inference.framework": "llm", "inference.modelapi": "llm",
}  # fmt: skip
"""A span kind as any convention writes it, in small letters, to its role."""

_KINDS = Spellings(
    "openinference.span.kind", "gen_ai.operation.name", "traceloop.span.kind",
    "agentops.span.kind", "span.type", "langfuse.observation.type", "langsmith.span.kind",
    "mlflow.spanType", "ai.operationId",
)  # fmt: skip
_MARKS: dict[str, Role] = {
    "llm.request.type": "llm", "gen_ai.prompt.0.role": "llm", "gen_ai.prompt.0.content": "llm",
    "gen_ai.completion.0.role": "llm", "gen_ai.completion.0.content": "llm",
    "gcp.vertex.agent.tool_response": "tool", "gcp.vertex.agent.tool_call_args": "tool",
    "gcp.vertex.agent.llm_request": "llm", "gen_ai.tool.name": "tool",
    "gen_ai.tool.call.id": "tool", "llm.input_messages.0.message.role": "llm",
    "llm.input_messages": "llm", "llm.output_messages": "llm", "gen_ai.output.messages": "llm",
    "gen_ai.usage.output_tokens": "llm", "gen_ai.usage.completion_tokens": "llm",
    "gen_ai.response.model": "llm", "llm.model_name": "llm", "tool.name": "tool",
    "gen_ai.agent.name": "agent", "agent.name": "agent", "agent_name": "agent",
    "agent.class": "agent", "retrieval.documents": "retriever", "gen_ai.request.model": "llm",
}  # fmt: skip
"""Attributes that give a span away when no kind is written, the surest first."""
_MARKED = Spellings(*_MARKS)

_PLUMBING = (
    "http.", "url.", "db.", "rpc.", "messaging.", "net.", "server.", "network.", "aws.", "faas.",
)  # fmt: skip
_PLUMBERS = (
    "httpx", "otelhttp", "fastapi", "requests", "urllib", "aiohttp", "starlette", "asgi", "wsgi",
    "grpc", "redis", "sqlalchemy", "psycopg", "botocore", "django", "flask", "a2a-python-sdk",
    "instrumentation.http", "undici", "instrumentation-http", "instrumentation-undici",
)  # fmt: skip


def role_of(span: Span) -> tuple[Role, str | None]:
    """What the span stands for, and the kind it states that no convention knows (else None)."""
    if span.role:
        return span.role, None
    attributes = span.attributes
    strange: str | None = None
    for key in span.shape[_KINDS]:
        stated = attributes[key]
        if isinstance(stated, str) and stated:
            role = ROLES.get(stated.strip('"').lower())
            if role:
                return role, None
            if role is None and key != "span.type" and stated != "UNKNOWN":
                strange = f"{key} = {stated[:60]!r}"
    for key in span.shape[_MARKED]:
        held = attributes[key]
        if held is not None and held not in ("", "{}"):
            return (_by_name(span) or _MARKS[key]), strange
    if span.name.startswith(("agent_run [", "invoke_agent ")):
        return "agent", strange
    return ("noise" if _is_plumbing(span) else ""), strange


def _by_name(span: Span) -> Role:
    """The role that the usual `<operation> <object>` name of a span states, empty when none."""
    first = span.name.partition(" ")[0]
    return ROLES.get(first, "") if first in ("invoke_agent", "execute_tool", "call_llm") else ""


def _is_plumbing(span: Span) -> bool:
    if span.shape[_has_plumbing]:
        return True
    scope = span.scope
    return bool(scope) and any(word in scope for word in _PLUMBERS)


def _has_plumbing(names: tuple[str, ...]) -> bool:
    return any(name.startswith(_PLUMBING) for name in names)


_INPUT = Spellings(
    "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
    "ai.usage.promptTokens", "ai.usage.inputTokens", "llm.usage.prompt_tokens",
)  # fmt: skip
_OUTPUT = Spellings(
    "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
    "ai.usage.completionTokens", "ai.usage.outputTokens", "llm.usage.completion_tokens",
)  # fmt: skip
_MODEL = Spellings(
    "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "ai.model.id",
    "llm.response.model", "entity.2.name",
)  # fmt: skip
_COST = Spellings(
    "gen_ai.usage.cost", "llm.cost.total", "gen_ai.usage.total_cost", "gen_ai.cost.total"
)
_COST_PARTS = ("gen_ai.usage.input_cost", "gen_ai.usage.output_cost")


def usage_of(span: Span) -> Usage | None:
    """Tokens, cost and model of a model call."""
    if span.usage is not None:
        return span.usage
    attributes = span.attributes
    given = as_count(first_of(span, _INPUT))
    made = as_count(first_of(span, _OUTPUT))
    cost = as_number(first_of(span, _COST))
    if cost is None and _COST_PARTS[0] in attributes:
        cost = sum(as_number(attributes.get(key)) or 0.0 for key in _COST_PARTS)
    named = first_of(span, _MODEL)
    model = named if isinstance(named, str) else None
    if given is None and made is None and span.events:
        given, made = _metadata_event(span)
    if given is None and made is None and cost is None and model is None:
        return None
    return Usage(input_tokens=given, output_tokens=made, cost=cost, model=model)


def _metadata_event(span: Span) -> tuple[int | None, int | None]:
    """Monocle counts tokens in an event."""
    for event in span.events:
        if event.get("name") == "metadata" and isinstance(event.get("attributes"), dict):
            counts = event["attributes"]
            return as_count(counts.get("prompt_tokens")), as_count(counts.get("completion_tokens"))
    return None, None


def error_of(span: Span) -> str | None:
    """What went wrong in a span whose status is an error, None for the others."""
    if not span.failed:
        return None
    if span.reason:
        return span.reason
    for event in span.events:
        attributes = event.get("attributes")
        if event.get("name") == "exception" and isinstance(attributes, dict):
            kind = as_text(attributes.get("exception.type"))
            message = as_text(attributes.get("exception.message"))
            return f"{kind}: {message}" if kind and message else message or kind
    named = span.attributes.get("error.message") or span.attributes.get("error.type")
    return as_text(named) or "the span's status is an error"


def first_of(span: Span, names: Spellings) -> Any:
    """The first of several attributes that holds something."""
    for name in span.shape[names]:
        value = span.attributes[name]
        if value is not None and value != "":
            return value
    return None


KNOWN_VERSIONS = range(20, 46)
"""Minor versions 1.x of the semantic conventions that this module was written against."""


def strange_version(schema_url: Any) -> str | None:
    """The version in a schema URL when it is newer or older than those known, else None.

    >>> strange_version("https://opentelemetry.io/schemas/1.99.0")
    '1.99.0'
    >>> strange_version("https://opentelemetry.io/schemas/1.37.0") is None
    True
    """
    if not isinstance(schema_url, str) or "opentelemetry.io/schemas/" not in schema_url:
        return None
    version = schema_url.rsplit("/", 1)[-1]
    major, _, minor = version.partition(".")
    minor = minor.partition(".")[0]
    if not (major.isdecimal() and minor.isdecimal()) or len(minor) > 4:
        return None
    return None if major == "1" and int(minor) in KNOWN_VERSIONS else version
