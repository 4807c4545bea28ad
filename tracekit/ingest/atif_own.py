"""ATIF documents that tracekit exported, read back without guessing.

ATIF keeps what a tool returned in the step that called it, and knows one agent. What it has no
word for stands under `extra.tracekit`: for the run, and for every step that was folded into one of
ATIF. `said` reads what stands in ATIF's own words and must never read more or less than it does
today, because exports only hold what it leaves out or gets wrong.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tracekit.trace import SCHEMA, Step, Trace, faults

KEY = "tracekit"
"""Member of `extra` that holds what ATIF has no word for."""


class Own(msgspec.Struct):
    """What one exported document holds."""

    trace: Trace
    """The trace; its source knows framework and version alone, and its steps no raw records."""
    places: list[int]
    """For every step the position of the ATIF step that holds it."""


def is_own(document: dict[str, Any]) -> bool:
    """Whether tracekit wrote the document."""
    return _kept(document).get("schema") == SCHEMA


def restore(document: dict[str, Any]) -> Own | None:
    """The trace that was exported, None where the document was changed on the way."""
    run = dict(_kept(document))
    try:
        steps: list[Any] = []
        places: list[int] = []
        for position, step in enumerate(document["steps"]):
            kept = _kept(step)
            stated = [kept["step"], *kept.get("answers", [])]
            read = said(step, len(stated) - 1)
            steps += [{**known, **more} for known, more in zip(read, stated, strict=True)]
            places += [position] * len(stated)
        run["source"] = {"format": KEY, **run.get("source", {})}
        trace = msgspec.convert({**run, "steps": steps}, Trace)
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError):
        return None  # whatever an edit of the file can break
    return None if faults(trace) or not trace.source.format else Own(trace, places)


def _kept(value: Any) -> dict[str, Any]:
    extra = value.get("extra") if isinstance(value, dict) else None
    kept = extra.get(KEY) if isinstance(extra, dict) else None
    return kept if isinstance(kept, dict) else {}


def said(step: dict[str, Any], answers: int) -> list[dict[str, Any]]:
    """Fields of the steps within an ATIF step: the one that leads, and `answers` of tools.

    The last results of the observation belong to the answers, those before to the leading step.
    """
    results = list(step.get("observation", {}).get("results", []))
    own = len(results) - answers
    lead = _lead(step, results[:own])
    names = {call["call_id"]: call["name"] for call in lead["tools"]}
    return [lead, *(_answer(result, names) for result in results[own:])]


def _lead(step: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    tools = [
        {
            "name": call["function_name"],
            "arguments": call["arguments"],
            "call_id": call["tool_call_id"],
        }
        for call in step.get("tool_calls", [])
    ]
    for result in results:
        asked = next((c for c in tools if c["call_id"] == result.get("source_call_id")), None)
        if asked is None or "result" in asked:
            asked = {"name": "", "call_id": None}
            tools.append(asked)
        asked["result"] = result["content"]
    thought = step.get("reasoning_content")
    kind = "thought" if thought is not None else "message"
    if step["source"] == "system":
        kind = "tool_result" if tools else "system"
    elif tools:
        kind = "tool_call"
    return {
        "kind": kind,
        "content": step["message"] if thought is None else thought,
        "tools": tools,
        "usage": _usage(step),
    }


def _answer(result: dict[str, Any], names: dict[str | None, str]) -> dict[str, Any]:
    id = result.get("source_call_id")
    call = {"name": names.get(id, ""), "result": result["content"], "call_id": id}
    return {"kind": "tool_result", "content": result["content"], "tools": [call]}


_METRICS = {
    "input_tokens": "prompt_tokens", "output_tokens": "completion_tokens", "cost": "cost_usd"
}  # fmt: skip


def _usage(step: dict[str, Any]) -> dict[str, Any] | None:
    metrics = step.get("metrics", {})
    usage = {name: metrics[key] for name, key in _METRICS.items() if key in metrics}
    if "model_name" in step:
        usage["model"] = step["model_name"]
    return usage or None


def differing(step: Step, read: dict[str, Any]) -> dict[str, Any]:
    """The members of a step, as plain values, that `said` leaves out or gets wrong."""
    plain = msgspec.to_builtins(step)
    bare = msgspec.to_builtins(msgspec.convert({"index": 0, "agent": "", **read}, Step))
    found = {name: value for name, value in plain.items() if bare.get(name, _ABSENT) != value}
    for name in bare.keys() - plain.keys():
        found[name] = _EMPTY.get(name)
    return {"index": step.index, "agent": step.agent, **found}


_ABSENT = object()
_EMPTY: dict[str, Any] = {"kind": "message", "content": "", "tools": [], "extra": {}}
