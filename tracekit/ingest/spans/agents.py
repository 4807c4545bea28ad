"""Which agent a span names as its own: by attributes, by the span's name, by the node of a graph."""

from __future__ import annotations

import re
from typing import Any

from tracekit.ingest.parts import as_text, maybe_json
from tracekit.ingest.spans.attributes import Role, Span
from tracekit.ingest.spans.shapes import Spellings
from tracekit.names import speaker

_NAMES = Spellings(
    "gen_ai.agent.name", "agent.name", "graph.node.name", "graph.node.id", "agent_name",
    "traceloop.entity.name", "agent.role", "agent.class", "agentops.agent.name", "lc_agent_name",
)  # fmt: skip
_SUFFIXES = (
    ".run", ".arun", ".agent", ".invoke", ".ainvoke", ".execute", "._execute_core", ".execute_task",
    ".task", ".run_stream", ".on_messages", " run",
)  # fmt: skip
_PREFIXES = ("invoke_agent ", "agent run: ", "agent run ", "Agent: ", "run ")
_NO_NAMES = frozenset(
    {"", "agent", "invoke_agent", "agent run", "run", "agent workflow", "workflow", "invocation"}
)


def agent_of(span: Span, role: Role) -> str | None:
    """The agent that a span names as its own, None when it names none."""
    if span.agent:
        return span.agent
    attributes = span.attributes
    if span.name.startswith(_PROCESSES):
        return _runtime_agent(span.name)
    if role != "agent":
        named = attributes.get("gen_ai.agent.name") or attributes.get("agent.name")
        if isinstance(named, str) and named and role in ("llm", "tool"):
            return named
        if role == "chain" and span.name.startswith("AgentWorkflow."):
            return _workflow_member(span)
        nowhere = role in ("noise", "setup") or not span.shape[_GRAPH]
        return None if nowhere else graph_node(attributes)
    for key in span.shape[_NAMES]:
        named = attributes[key]
        if isinstance(named, str) and named.strip():
            return named
    if attributes.get("span.type") == "agentic.invocation":
        named = attributes.get("entity.1.name")
        return named if isinstance(named, str) and named else None
    if span.name.endswith("._execute_core"):
        return _crew_member(span)
    return _from_name(span.name)


_CURRENT = re.compile(r"""current_agent_name\\*['"]?\s*[:=]\s*\\*['"](?P<name>[^'"\\]{1,200})""")


def _workflow_member(span: Span) -> str | None:
    """LlamaIndex's workflow says whose turn it is in the event that a step is given or gives."""
    told = (
        span.attributes.get("input.value") or span.given,
        span.attributes.get("output.value") or span.made,
    )
    for value in told:
        found = _CURRENT.search(as_text(value))
        if found is not None:
            return found["name"]
    return None


_PROCESSES = "autogen process "


def _runtime_agent(name: str) -> str | None:
    """AutoGen's runtime names the agent that handles a message by type and key."""
    type, _, _ = name.removeprefix(_PROCESSES).partition("/")
    return speaker(type).name if type.strip() else None


def _crew_member(span: Span) -> str | None:
    """CrewAI prints the agent that does a task into the task's input."""
    given = span.attributes.get("input.value") or span.given
    if isinstance(given, dict):
        given = given.get("agent")
    _, found, further = given.partition("role='") if isinstance(given, str) else ("", "", "")
    role = further.partition("'")[0].strip()
    return role if found and role else _from_name(span.name)


def _from_name(name: str) -> str | None:
    if name.startswith("agent_run [") and name.endswith("]"):
        return name[11:-1] or None
    if name.endswith(".take_step"):
        return None  # LlamaIndex: a method of the class that all agents of the workflow share
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            name = name[len(prefix) :].strip("'\"")
            break
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            name = name[: -len(suffix)]
            break
    return None if name.strip().lower() in _NO_NAMES else name.strip()


_PLAIN_NODES = frozenset(
    {"agent", "call_model", "model", "llm", "chatbot", "model_request", "generate", "assistant"}
)
_TOOL_NODES = frozenset({"tools", "tool_node", "tool", "__start__", "__end__", "action"})


_METADATA = (
    "", "traceloop.association.properties.", "langsmith.metadata.", "langfuse.observation.metadata.",
)  # fmt: skip
"""What exporters write before the names of LangGraph's metadata."""
_GRAPH = Spellings(
    "metadata", "lc_agent_name", "graph.node.name", "graph.node.id",
    *(f"{prefix}langgraph_node" for prefix in _METADATA),
)  # fmt: skip


_GRAPH_NODES = ("graph.node.name", "graph.node.id")


def graph_node(attributes: dict[str, Any]) -> str | None:
    """The node of a graph that acts: LangGraph's metadata, OpenInference's `graph.node.*`.

    A node with a plain name such as `agent` inside a subgraph is that subgraph's agent; nodes
    that run tools are nobody.
    """
    metadata: Any = attributes.get("metadata")
    table = attributes
    if isinstance(metadata, str) and "langgraph_node" in metadata:
        metadata = maybe_json(metadata)
    if isinstance(metadata, dict):
        table = {**attributes, **metadata}
    named = table.get("lc_agent_name")
    if isinstance(named, str) and named:
        return named
    before = next((p for p in _METADATA if table.get(f"{p}langgraph_node")), "")
    node = next(
        (n for k in (f"{before}langgraph_node", *_GRAPH_NODES) if (n := table.get(k))), None
    )
    if not isinstance(node, str) or not node:
        return None
    if node.lower() in _PLAIN_NODES | _TOOL_NODES:
        place = table.get(f"{before}langgraph_checkpoint_ns") or table.get("checkpoint_ns")
        outer = [part.partition(":")[0] for part in str(place or "").split("|")][:-1]
        if outer and outer[-1]:
            return outer[-1]
    return None if node.lower() in _TOOL_NODES else node
