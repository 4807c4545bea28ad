"""What of a span's attributes the schema does not model, for `Step.extra`."""

from __future__ import annotations

from typing import Any

from tracekit.ingest.spans.attributes import Role, Span

_CALL = (
    "gen_ai.prompt", "gen_ai.completion", "llm.input_messages", "llm.output_messages",
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
    "gcp.vertex.agent.llm_re", "ai.prompt", "ai.response.text", "ai.response.toolCalls",
    "llm.tools", "llm.request.functions", "gen_ai.tool.definitions", "input.value", "output.value",
    "input.mime_type", "output.mime_type", "llm.token_count.prompt", "llm.token_count.completion",
    "llm.token_count.total", "llm.model_name", "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens",
    "gen_ai.response.model", "llm.usage.total_tokens", "traceloop.entity.input",
    "traceloop.entity.output", "mlflow.spanInputs", "mlflow.spanOutputs", "llm.prompts",
    "gen_ai.output", "agentops.entity.input", "agentops.entity.output",
)  # fmt: skip
_TOOL = (
    "gen_ai.tool.name", "tool.name", "gen_ai.tool.call.", "gen_ai.tool.args", "gen_ai.output",
    "gcp.vertex.agent.tool_", "ai.toolCall.", "input.value", "output.value", "input.mime_type",
    "output.mime_type", "tool.id", "traceloop.entity.input", "traceloop.entity.output",
    "mlflow.spanInputs", "mlflow.spanOutputs", "retrieval.documents",
)  # fmt: skip
_AGENT = (
    "output.value", "output.mime_type", "input.value", "input.mime_type", "gen_ai.agent.name",
    "agent.name", "smolagents.tools_names", "traceloop.entity.input", "traceloop.entity.output",
)  # fmt: skip


class _Unmodelled:
    """The question which names start with none of these."""

    def __init__(self, *starts: str) -> None:
        self.starts = starts

    def __call__(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if not name.startswith(self.starts))


_MODELLED = {
    "llm": _Unmodelled(*_CALL), "tool": _Unmodelled(*_TOOL), "retriever": _Unmodelled(*_TOOL[:-1]),
    "agent": _Unmodelled(*_AGENT),
}  # fmt: skip
_MONOCLE = ("data.input", "data.output", "metadata")


def leftover(span: Span, role: Role) -> dict[str, Any]:
    """What a step of this role does not hold of its span; of a merged span (role empty) all.

    >>> from tracekit.trace import Raw
    >>> span = Span(id="a", trace="t", raw=Raw(1), attributes={"tool.name": "f", "user.id": "u"})
    >>> leftover(span, "tool")
    {'user.id': 'u'}
    """
    attributes = span.attributes
    if role in _MODELLED:
        found = {key: attributes[key] for key in span.shape[_MODELLED[role]]}
        found.update(span.extra)
    else:
        found = {**attributes, **span.extra}
    events = span.events
    if role == "llm" or role == "tool":
        events = [e for e in events if e.get("name") not in _MONOCLE]
    if events:
        found["events"] = events
    if span.failed or span.reason:
        found["status"] = span.reason or "error"
    if role == "":
        if span.given is not None:
            found["input"] = span.given
        if span.made is not None:
            found["output"] = span.made
    return found
