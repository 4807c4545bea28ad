"""Spans that are no steps: into which step they are merged, or why they are left out."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tracekit.ingest.build import Builder
from tracekit.ingest.spans.attributes import Span
from tracekit.ingest.spans.leftover import leftover
from tracekit.ingest.spans.tree import Node


def merge(build: Builder, nodes: list[Node]) -> Iterator[tuple[Span, str]]:
    """Merge the spans that are no steps; yields those that belong to none, with the reason.

    A wrapper goes to the step that tells the same or to the first step inside it, everything else
    to the step of the span around it. `nodes` come parents first.
    """
    merged: dict[int, list[Span]] = {}
    for node in nodes:
        if node.holder is None and len(node.inner) > 1 and node.tail:
            node.holder = node.tail[-1]
        if node.holder is None:
            node.holder = node.first
        above = node.parent
        if node.holder is None and above is not None and (node.inside or above.role != "noise"):
            node.holder = above.holder
        if node.holder is not None and node.holder == node.step and not node.twins:
            continue  # the step was made from it
        if node.holder is None:
            yield from ((span, _reason(node)) for span in (node.span, *node.twins))
        else:
            merged.setdefault(node.holder, []).extend((node.span, *node.twins))
    for index, spans in merged.items():
        _into(build, index, spans)


def _into(build: Builder, index: int, spans: list[Span]) -> None:
    """Note further records of a step, and what they hold."""
    step = build.steps[index]
    known = {raw.record for raw in step.raw}
    new = [span for span in spans if span.raw.record not in known]
    if not new:
        return
    merged = dict(step.extra.get("merged") or {})
    for span in new:
        key = span.id if span.id and span.id not in merged else str(span.raw.record)
        merged[key] = {"span": span.name, **leftover(span, "")}
    build.steps[index] = msgspec.structs.replace(
        step,
        raw=(*step.raw, *(raw for span in new for raw in (span.raw, *span.also))),
        extra={**step.extra, "merged": merged},
    )


def _reason(node: Node) -> str:
    if node.role == "setup":
        return "creates an agent or a store, which is no step of the run"
    if node.role == "noise":
        return "plumbing (transport, storage, embeddings) outside of any step"
    if node.role == "agent":
        return "an agent of which nothing but its name is logged"
    return "a span without content, outside of any step"
