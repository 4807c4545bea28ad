"""One trace out of parts that lie in several files, as span exporters leave them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracekit.ingest.spans.tree import MISSING_ABOVE
from tracekit.names import UNKNOWN
from tracekit.trace import Agent, Inputs, Label, Step, Trace


def joinable(trace: Trace) -> bool:
    """Whether the trace is made of spans, so that its id names the run and not just a file."""
    return bool(trace.steps) and all(step.raw and step.raw[0].span for step in trace.steps)


def join(parts: Sequence[Trace]) -> Trace:
    """The run whose spans lie in `parts`, in order of time; spans met twice count once.

    What the parts say of task, outcome and agents is taken from the first that says it. Steps
    without a time stay behind the step that precedes them in their own part.
    """
    first = parts[0]
    placed = _in_order(parts)
    renumbered = {old: new for new, (_, old) in enumerate(placed)}
    owners = _owners(parts)
    steps = tuple(
        _owned(_moved(parts[part].steps[index], new, part, parts, renumbered), owners)
        for new, (_, (part, index)) in enumerate(placed)
    )
    return msgspec.structs.replace(
        first,
        task=next((p.task for p in parts if p.task.question), first.task),
        outcome=next((p.outcome for p in parts if p.outcome.status != "unknown"), first.outcome),
        agents=_roster(parts, steps),
        steps=steps,
        labels=_labels(parts, renumbered),
        extra={k: v for part in reversed(parts) for k, v in part.extra.items()},
        source=msgspec.structs.replace(first.source, sha256=None),
    )


_Place = tuple[int, int]  # part, index of the step within it


def _in_order(parts: Sequence[Trace]) -> list[tuple[float, _Place]]:
    seen: set[str] = set()
    placed: list[tuple[float, _Place]] = []
    for number, part in enumerate(parts):
        clock = float("-inf")
        for step in part.steps:
            if step.time is not None and step.time.start is not None:
                clock = max(clock, step.time.start)
            span = step.raw[0].span or ""
            if span not in seen:
                seen.add(span)
                placed.append((clock, (number, step.index)))
    return sorted(placed)


def _moved(
    step: Step, new: int, part: int, parts: Sequence[Trace], renumbered: dict[_Place, int]
) -> Step:
    path = parts[part].source.path
    raw = step.raw
    if path != parts[0].source.path:
        raw = tuple(msgspec.structs.replace(r, path=r.path or path) for r in raw)
    inputs = step.inputs
    if inputs is not None and inputs.steps:
        kept = sorted(renumbered[part, i] for i in inputs.steps if (part, i) in renumbered)
        inputs = Inputs(steps=tuple(i for i in kept if i < new), messages=inputs.messages)
    return msgspec.structs.replace(
        step,
        index=new,
        raw=raw,
        inputs=inputs,
        parent=None if step.parent is None else renumbered.get((part, step.parent)),
    )


def _roster(parts: Sequence[Trace], steps: tuple[Step, ...]) -> tuple[Agent, ...]:
    roster: dict[str, Agent] = {}
    for part in parts:
        for agent in part.agents:
            roster.setdefault(agent.id, agent)
    spoken = {step.agent for step in steps}
    return tuple(a for a in roster.values() if a.id != UNKNOWN or UNKNOWN in spoken)


def _labels(parts: Sequence[Trace], renumbered: dict[_Place, int]) -> tuple[Label, ...]:
    return tuple(
        msgspec.structs.replace(
            label, step=None if label.step is None else renumbered.get((number, label.step))
        )
        for number, part in enumerate(parts)
        for label in part.labels
    )


def _owners(parts: Sequence[Trace]) -> dict[str, str]:
    """Agent by span id over all parts, for spans whose agent is known."""
    return {
        raw.span: step.agent
        for part in parts
        for step in part.steps
        if step.agent != UNKNOWN
        for raw in step.raw
        if raw.span
    }


def _owned(step: Step, owners: dict[str, str]) -> Step:
    """The step with the agent of the span above it that only another part holds."""
    owner = owners.get(step.extra.get(MISSING_ABOVE, "")) if step.agent == UNKNOWN else None
    return step if owner is None else msgspec.structs.replace(step, agent=owner)
