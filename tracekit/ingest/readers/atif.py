"""ATIF, the Agent Trajectory Interchange Format of Harbor, versions 1.0 to 1.7.

Steps count from 1 and come from the user, the system or the agent; a step of the agent holds the
tools it called and what they returned. Sub-agents lie in `subagent_trajectories` or in files of
their own, to which observations refer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.atif_own import Own, is_own, restore
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import Document, each, holds
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, read_call, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, StepKind, Task, ToolCall, Trace

_VERSIONS = range(8)


class Atif:
    """Reads trajectories in the interchange format."""

    name: ClassVar[str] = "atif-harbor"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the version of the format is stated."""
        if b'"ATIF-v' in head:
            return 0.97 if b'"steps"' in head else 0.9
        return 0.6 if b'"step_id"' in head and b'"session_id"' in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trajectory; sub-agents that lie inside it are part of it."""
        return each(
            source, holds("steps", list), _trajectory, "there is no list of steps under `steps`"
        )


def _trajectory(
    source: OpenSource, document: Document, value: dict[str, Any], where: str
) -> Iterator[Trace | Problem]:
    if is_own(value):
        own = restore(value)
        if own is not None:
            yield from _own(source, document, own, value, where)
            return
        what = "a trajectory that tracekit exported was changed; it is read like any other"
        yield source.problem(None, what, severity="warning", line=document.line)
    version = as_text(value.get("schema_version"))
    minor = version.removeprefix("ATIF-v1.")
    if not minor.isdecimal() or int(minor[:4]) not in _VERSIONS:
        what = f"ATIF version {version[:40]!r} is not known; read like the newest known"
        yield source.problem(None, what, severity="warning", line=document.line)
    name = _name(value)
    build = Builder(source, Atif.name, framework=name or None, version=version or None)
    yield from _steps(build, value, where, document.line, None)
    task = next((s.content for s in build.steps if s.agent == "user" and s.content), "")
    id = as_text(value.get("trajectory_id") or value.get("session_id")) or document.id(
        source
    ) + where.replace("/", "-")
    yield build.trace(
        id,
        task=Task(question=task),
        outcome=Outcome(answer=_answer(build)),
        extra=rest(value, "steps", "schema_version", "subagent_trajectories"),
        sha256=source.sha256,
    )


def _own(
    source: OpenSource, document: Document, own: Own, value: dict[str, Any], where: str
) -> Iterator[Trace | Problem]:
    """A trace that tracekit exported, with pointers to where it stands now."""
    trace, known = own.trace, own.trace.source
    build = Builder(source, Atif.name, framework=known.framework, version=known.version)
    build.adopt(trace.agents)
    raws = [raw for raw, _ in source.records(value["steps"], f"{where}/steps", document.line)]
    for step, place in zip(trace.steps, own.places, strict=True):
        build.steps.append(msgspec.structs.replace(step, raw=(raws[place],)))
    yield build.trace(
        trace.id,
        task=trace.task,
        outcome=trace.outcome,
        labels=trace.labels,
        extra=trace.extra,
        sha256=source.sha256,
    )


def _answer(build: Builder) -> str | None:
    """What the agent ended with: its last message, or what it handed to a tool that finishes."""
    last = next((s for s in reversed(build.steps) if s.agent not in ("user", "system")), None)
    if last is None:
        return None
    for call in last.tools:
        if call.name in ("finish", "submit", "final_answer", "task_complete"):
            given = call.arguments if isinstance(call.arguments, dict) else {}
            return as_text(next(iter(given.values()), None)) or last.content or None
    return last.content or None if not last.tools else None


def _name(trajectory: dict[str, Any]) -> str:
    agent = trajectory.get("agent")
    return as_text(agent.get("name")) if isinstance(agent, dict) else ""


def _steps(
    build: Builder, value: dict[str, Any], pointer: str, line: int | None, parent: int | None
) -> Iterator[Problem]:
    """The steps of a trajectory, each followed by those of the sub-agents it started."""
    name = _name(value) or "agent"
    agent = value.get("agent")
    tools = agent.get("tool_definitions") if isinstance(agent, dict) else None
    listed = tuple(read_call(tool).name for tool in tools) if isinstance(tools, list) else ()
    inner = value.get("subagent_trajectories")
    waiting = {
        as_text(sub.get("trajectory_id") or sub.get("session_id")): (at, sub)
        for at, sub in enumerate(inner if isinstance(inner, list) else [])
        if isinstance(sub, dict) and isinstance(sub.get("steps"), list)
    }
    index = parent
    for raw, step in build.source.records(value["steps"], f"{pointer}/steps", line):
        if not isinstance(step, dict):
            yield build.source.problem(raw, "a step is not an object")
            continue
        index = _step(build, raw, step, name, parent)
        if listed and build.steps[index].agent == name:
            build.agent(name, tools=listed)
        for id in _references(step):
            if id in waiting:
                at, sub = waiting.pop(id)
                place = f"{pointer}/subagent_trajectories/{at}"
                yield from _steps(build, sub, place, line, index)
    for at, sub in waiting.values():  # nobody refers to them
        yield from _steps(build, sub, f"{pointer}/subagent_trajectories/{at}", line, index)


_KNOWN = (
    "step_id", "source", "message", "tool_calls", "observation", "metrics", "timestamp",
    "model_name",
)  # fmt: skip


def _step(build: Builder, raw: Raw, step: dict[str, Any], name: str, parent: int | None) -> int:
    speaker = as_text(step.get("source")) or None
    content = read_content(step.get("message"))
    metrics = step.get("metrics")
    calls = _calls(step)
    extra = rest(step, *_KNOWN)
    if isinstance(metrics, dict):
        known = ("prompt_tokens", "completion_tokens", "cost_usd")
        extra |= {"metrics": kept} if (kept := rest(metrics, *known)) else {}
    if isinstance(step.get("observation"), dict) and not calls:
        extra["observation"] = step["observation"]
    kind: StepKind = "tool_call" if any(call.name for call in calls) else "message"
    index = build.add(
        name if speaker == "agent" else speaker,
        content,
        raw,
        kind="system" if speaker == "system" and not calls else kind,
        tools=calls,
        time=read_time(step.get("timestamp")),
        usage=read_usage(metrics, step.get("model_name")),
        parent=parent,
        extra=extra,
    )
    if speaker in ("user", "system"):
        build.agent(speaker, role=speaker)
    return index


def _calls(step: dict[str, Any]) -> tuple[ToolCall, ...]:
    """Tools called with what they returned; results that name no call go by position."""
    listed = step.get("tool_calls")
    calls = [
        ToolCall(
            name=as_text(call.get("function_name")),
            arguments=call.get("arguments"),
            call_id=as_text(call.get("tool_call_id")) or None,
        )
        for call in (listed if isinstance(listed, list) else [])
        if isinstance(call, dict)
    ]
    observation = step.get("observation")
    results = observation.get("results") if isinstance(observation, dict) else None
    for at, result in enumerate(results if isinstance(results, list) else []):
        if not isinstance(result, dict) or result.get("content") is None:
            continue
        text = read_content(result["content"]).text
        wanted = as_text(result.get("source_call_id"))
        place = next((i for i, call in enumerate(calls) if wanted and call.call_id == wanted), at)
        if place < len(calls) and calls[place].result is None:
            asked = calls[place]
            calls[place] = ToolCall(asked.name, asked.arguments, text, call_id=asked.call_id)
        else:
            calls.append(ToolCall("", result=text))
    return tuple(calls)


def _references(step: dict[str, Any]) -> Iterator[str]:
    """Ids of the sub-agents whose trajectories an observation refers to."""
    observation = step.get("observation")
    results = observation.get("results") if isinstance(observation, dict) else None
    for result in results if isinstance(results, list) else []:
        references = result.get("subagent_trajectory_ref") if isinstance(result, dict) else None
        for reference in references if isinstance(references, list) else []:
            if isinstance(reference, dict):
                yield as_text(reference.get("trajectory_id") or reference.get("session_id"))
