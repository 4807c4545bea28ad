"""Messages of LangChain in their layouts, whole and in pieces."""

from __future__ import annotations

import re
from typing import Any

from tracekit.ingest.parts import as_text, read_content
from tracekit.names import by_role

_CLASSES = re.compile(r"^(?P<type>Human|AI|System|Tool|Function|Chat)Message(?:Chunk)?$")


def plain_message(item: Any) -> dict[str, Any] | None:
    """A message in any of the three layouts as `{role, content, …}`, None for what is none."""
    if not isinstance(item, dict):
        return None
    inner = item.get("kwargs")
    if isinstance(item.get("id"), list) and isinstance(inner, dict):
        found = _CLASSES.match(as_text(item["id"][-1] if item["id"] else ""))
        return inner | {"role": inner.get("type") or found["type"].lower()} if found else None
    kind = item.get("type")
    if not isinstance(kind, str):
        return None
    found = _CLASSES.match(kind)
    role = found["type"].lower() if found else kind
    data = item.get("data")
    if isinstance(data, dict):
        return {**data, "role": role}
    if by_role(role) is None and role not in ("chat", "remove"):
        return None
    return item | {"role": role} if "content" in item else None


def grown_message(known: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A message with a further piece of it; arguments of calls come in pieces too."""
    before = plain_message(known) or known
    chunks = [*objects(before.get("tool_call_chunks")), *objects(more.get("tool_call_chunks"))]
    texts = [read_content(m.get("content")).text for m in (before, more)]
    calls: dict[int, dict[str, Any]] = {}
    for place, chunk in enumerate(chunks):
        index = chunk["index"] if isinstance(chunk.get("index"), int) else place
        call = calls.setdefault(index, {"name": "", "args": "", "id": None})
        call["name"] += as_text(chunk.get("name"))
        call["args"] += as_text(chunk.get("args"))
        call["id"] = call["id"] or chunk.get("id")
    asked = list(calls.values()) or [*objects(before.get("tool_calls"))]
    return {**before, "content": "".join(texts), "tool_calls": asked, "tool_call_chunks": chunks}


def objects(items: Any) -> list[dict[str, Any]]:
    """The objects of a list, empty for what is no list."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
