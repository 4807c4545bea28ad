"""ATIF, the trajectory format of Harbor: one JSON document a trace."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from tracekit.errors import UsageError
from tracekit.export import fields
from tracekit.ingest.atif_own import KEY, differing, said
from tracekit.names import by_role
from tracekit.store import atomic
from tracekit.trace import SCHEMA, Agent, Step, ToolCall, Trace

VERSION = "ATIF-v1.6"
"""What the documents say they are; nothing of 1.7 is used, so that older readers take them."""

Origin = Literal["user", "agent", "system"]


class Atif:
    """Harbor's trajectories (ATIF), one document a trace: a folder, or one `.json` file."""

    name: ClassVar[str] = "atif"
    suffix: ClassVar[str] = ""
    keeps: ClassVar[frozenset[str]] = fields.ALL - fields.POINTERS

    def losses(self, trace: Trace) -> list[str]:
        """Pointers into the original log."""
        return fields.losses(trace, self.keeps)

    def write(self, traces: Iterable[Trace], out: Path) -> int:
        """A file for one trace where `out` ends in `.json`, else a new folder of such files."""
        if out.suffix != ".json":
            return _write_folder(traces, out)
        found = list(islice(traces, 2))
        if len(found) != 1:
            many = "no trace" if not found else "more than one trace"
            raise UsageError(f"{out}: {many}, and ATIF has one to a file: name a folder instead")
        _write(found[0], out)
        return 1


def _write(trace: Trace, path: Path) -> None:
    with atomic(path) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(document(trace)), indent=2) + b"\n")


def _write_folder(traces: Iterable[Trace], out: Path) -> int:
    """All files, then the folder by its name; an old folder could leave strangers among them."""
    if out.exists():
        raise UsageError(f"{out} exists: name a new folder, or one file that ends in .json")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    names: Counter[str] = Counter()
    try:
        for trace in traces:
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", trace.id).strip(".-")[:80] or "trace"
            names[name.lower()] += 1
            again = names[name.lower()]
            _write(trace, work / (f"{name}.json" if again == 1 else f"{name}~{again}.json"))
        umask = os.umask(0)
        os.umask(umask)
        work.chmod(0o777 & ~umask)  # mkdtemp made it private
        work.rename(out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return names.total()


def document(trace: Trace) -> dict[str, Any]:
    """A trace as an ATIF document."""
    roster = {agent.id: agent for agent in trace.agents}
    steps: list[dict[str, Any]] = []
    for lead, answers in _folded(trace, roster):
        steps.append(_step(len(steps) + 1, lead, answers, roster))
    run = msgspec.to_builtins(msgspec.structs.replace(trace, steps=()))
    source = {"framework": trace.source.framework, "version": trace.source.version}
    run["source"] = {name: value for name, value in source.items() if value is not None}
    return {
        "schema_version": VERSION,
        "session_id": trace.id,
        "agent": _agent(trace, roster),
        "steps": steps,
        "final_metrics": _totals(trace),
        "extra": {KEY: {"schema": SCHEMA, **run}},
    }


def _origin(step: Step, roster: dict[str, Agent]) -> Origin:
    """Who ATIF says the step comes from: results of tools are the system's."""
    agent = roster.get(step.agent)
    role = by_role((agent.role if agent else None) or step.agent)
    if step.kind in ("system", "tool_result") or role in ("system", "tool"):
        return "system"
    return "user" if role == "user" else "agent"


def _folded(trace: Trace, roster: dict[str, Agent]) -> list[tuple[Step, list[Step]]]:
    """Steps, each with the answers of tools that directly follow it and answer it."""
    groups: list[tuple[Step, list[Step]]] = []
    for step in trace.steps:
        if groups and _answers(step, *groups[-1], roster):
            groups[-1][1].append(step)
        else:
            groups.append((step, []))
    return groups


def _answers(step: Step, lead: Step, others: list[Step], roster: dict[str, Agent]) -> bool:
    if step.kind != "tool_result" or len(step.tools) != 1 or _origin(lead, roster) != "agent":
        return False
    call = step.tools[0]
    taken = {other.tools[0].call_id for other in others}
    open_ids = {ask.call_id for ask in lead.tools if ask.result is None}
    asked = call.call_id in open_ids - taken - {None}
    return call.result is not None and asked


def _agent(trace: Trace, roster: dict[str, Agent]) -> dict[str, Any]:
    """The agent that ATIF names for the whole run: the one that acts most."""
    acting = Counter(s.agent for s in trace.steps if _origin(s, roster) == "agent")
    main = acting.most_common(1)[0][0] if acting else "agent"
    models = Counter(s.usage.model for s in trace.steps if s.usage and s.usage.model)
    found: dict[str, Any] = {"name": main, "version": trace.source.version or "unknown"}
    if models:
        found["model_name"] = models.most_common(1)[0][0]
    if main in roster and roster[main].tools:
        definitions = [{"type": "function", "function": {"name": t}} for t in roster[main].tools]
        found["tool_definitions"] = definitions
    return found


def _totals(trace: Trace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, key in (
        ("input_tokens", "total_prompt_tokens"),
        ("output_tokens", "total_completion_tokens"),
        ("cost", "total_cost_usd"),
    ):
        known = [v for s in trace.steps if s.usage and (v := getattr(s.usage, name)) is not None]
        if known:
            found[key] = sum(known)
    return {**found, "total_steps": len(trace.steps)}


def _step(number: int, lead: Step, answers: list[Step], roster: dict[str, Agent]) -> dict[str, Any]:
    """One ATIF step: what was said and asked, and what the tools returned."""
    origin = _origin(lead, roster)
    made: dict[str, Any] = {"step_id": number, "source": origin, "message": lead.content}
    if (instant := _instant(lead)) is not None:
        made["timestamp"] = instant
    if origin == "agent":
        made |= _model(lead)
    results = [
        # only the agent's own steps may refer to a call, and only to one of theirs
        _result(call.result, _call_id(call, at) if origin == "agent" and call.name else None)
        for at, call in enumerate(lead.tools)
        if call.result is not None
    ]
    results += [_result(a.tools[0].result, a.tools[0].call_id) for a in answers]
    if results:
        made["observation"] = {"results": results}
    read = said(made, len(answers))
    kept: dict[str, Any] = {"step": differing(lead, read[0])}
    if answers:
        kept["answers"] = [differing(a, r) for a, r in zip(answers, read[1:], strict=True)]
    return {**made, "extra": {KEY: kept}}


def _model(step: Step) -> dict[str, Any]:
    """What only a step of the agent may hold."""
    made: dict[str, Any] = {}
    if step.kind == "thought":
        made |= {"message": "", "reasoning_content": step.content}
    calls = [
        {"tool_call_id": _call_id(call, at), "function_name": call.name, "arguments": _given(call)}
        for at, call in enumerate(step.tools)
        if call.name or call.result is None
    ]
    if calls:
        made["tool_calls"] = calls
    if step.usage is not None:
        if step.usage.model is not None:
            made["model_name"] = step.usage.model
        known = {
            "prompt_tokens": step.usage.input_tokens,
            "completion_tokens": step.usage.output_tokens,
            "cost_usd": step.usage.cost,
        }
        if metrics := {name: value for name, value in known.items() if value is not None}:
            made["metrics"] = metrics
    return made


def _call_id(call: ToolCall, at: int) -> str:
    """ATIF wants an id for every call; where the log has none, its position is one."""
    return call.call_id if call.call_id is not None else f"call-{at}"


def _given(call: ToolCall) -> dict[str, Any]:
    """ATIF wants an object."""
    if call.arguments is None:
        return {}
    return call.arguments if isinstance(call.arguments, dict) else {"input": call.arguments}


def _result(content: str | None, id: str | None) -> dict[str, Any]:
    return {"content": content} if id is None else {"source_call_id": id, "content": content}


def _instant(step: Step) -> str | None:
    start = step.time.start if step.time else None
    if start is None or not 0 <= start < 4e9:
        return None
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(start * 1e6))
    return instant.isoformat().replace("+00:00", "Z")
