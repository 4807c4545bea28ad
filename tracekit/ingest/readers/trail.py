"""TRAIL: smolagents runs as nested Patronus spans, errors annotated by span id (arXiv 2505.08638).

A trace file holds `trace_id` and `spans`, a tree through `child_spans`. Its annotations lie under
the same name in `processed_annotations_gaia` or `processed_annotations_swe_bench` beside the
folder of the traces, and become labels; the file of annotations itself holds no trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.decode import decode_json
from tracekit.ingest.meters import read_instant
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek_keys
from tracekit.ingest.readers.otel_span_json import is_error
from tracekit.ingest.salvage import salvage_json
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import Run, assemble
from tracekit.ingest.spans.attributes import Span
from tracekit.trace import Label, Raw, Task, Trace

_FOLDERS = ("processed_annotations_gaia", "processed_annotations_swe_bench")


class Trail:
    """Reads TRAIL's traces with their annotations."""

    name: ClassVar[str] = "trail"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of nested spans, and of a file of annotations."""
        keys = peek_keys(head)
        if "spans" in keys and b'"child_spans"' in head:
            return 0.95
        annotated = {"errors", "scores"} <= keys or {"trace_id", "errors"} <= keys
        if annotated and (b'"location"' in head or b'"reliability_score"' in head):
            return 0.95
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file, with the labels of its annotations."""
        record = source.json()
        if isinstance(record, Problem):
            yield record
            return
        if not isinstance(record, dict):
            yield source.problem(None, "there is no object with `spans`")
            return
        spans = record.get("spans")
        if not isinstance(spans, list):
            source.see("/")
            whole = Raw(record="/")
            if isinstance(record.get("errors"), list):
                yield source.skip(whole, "annotations, read with their trace")
            else:
                yield source.problem(whole, "there is no list of spans under `spans`")
            return
        notes = _annotations(source)
        for run in assemble(source, self.name, _spans(source, spans, record.get("trace_id"))):
            if isinstance(run, Problem):
                yield run
                continue
            _enrich(run, notes)
            yield run.trace(source.sha256)


def _annotations(source: OpenSource) -> dict[str, Any]:
    """The annotations of the trace of the same name, empty when there are none."""
    for folder in _FOLDERS:
        data = source.sibling(f"../{folder}/{source.name}")
        if data is None:
            continue
        try:
            notes = decode_json(data)
        except ValueError as error:
            rescued = salvage_json(data, source.limits.depth)
            what = f"the annotations in {folder} cannot be read: {error}"
            if rescued is not None:
                what = f"the annotations in {folder} were read as far as they are JSON: {error}"
            source.warnings.append(source.problem(None, what, severity="warning"))
            if rescued is None:
                continue
            notes = rescued[0]
        if isinstance(notes, dict):
            return notes
    return {}


def _spans(source: OpenSource, tops: list[Any], trace: Any) -> Iterator[Span | Problem]:
    """Every span of the tree, parents first; the records are keyed by their place in it."""
    waiting: list[tuple[str, list[Any], str | None]] = [("/spans", tops, None)]
    while waiting:
        place, items, parent = waiting.pop(0)
        for raw, item in source.records(items, place):
            if not isinstance(item, dict):
                yield source.problem(raw, "a span is not an object")
                continue
            span = _span(raw, item, parent, trace)
            yield span
            children = item.get("child_spans")
            if isinstance(children, list) and children:
                waiting.append((f"{raw.record}/child_spans", children, span.id))


_KNOWN = frozenset(
    {"timestamp", "trace_id", "span_id", "parent_span_id", "span_name", "span_attributes",
     "duration", "status_code", "status_message", "events", "child_spans", "scope_name",
     "resource_attributes", "span_kind", "service_name"}
)  # fmt: skip


def _span(raw: Raw, item: dict[str, Any], parent: str | None, trace: Any) -> Span:
    get = item.get
    attributes, resource = get("span_attributes"), get("resource_attributes")
    start = read_instant(get("timestamp"))
    seconds = read_duration(get("duration"))
    id = as_text(get("span_id"))
    return Span(
        id=id,
        trace=as_text(get("trace_id") or trace),
        parent=parent or as_text(get("parent_span_id")) or None,
        name=as_text(get("span_name")),
        attributes=attributes if isinstance(attributes, dict) else {},
        raw=Raw(record=raw.record, span=id or None),
        start=start,
        end=start + seconds if start is not None and seconds is not None else None,
        failed=is_error(get("status_code")),
        reason=as_text(get("status_message")) or None,
        events=_events(get("events")),
        scope=as_text(get("scope_name")),
        resource=resource if isinstance(resource, dict) else {},
        extra={key: value for key, value in item.items() if key not in _KNOWN and value},
    )


def _events(events: Any) -> list[dict[str, Any]]:
    """Patronus capitalises the members of events."""
    listed = [e for e in events if isinstance(e, dict)] if isinstance(events, list) else []
    return [{str(key).lower(): value for key, value in event.items()} for event in listed]


_DURATION = re.compile(
    r"^(?P<sign>-?)P(?:(?P<days>\d{1,9})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d+)?)S)?)?$"
)


def read_duration(value: Any) -> float | None:
    """An ISO 8601 duration in seconds.

    >>> read_duration("PT1M48.5S"), read_duration("soon")
    (108.5, None)
    """
    found = _DURATION.match(value) if isinstance(value, str) and len(value) < 60 else None
    if found is None:
        return None
    sizes = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    total = sum(float(found[unit] or 0) * size for unit, size in sizes.items())
    return -total if found["sign"] else total


def _enrich(run: Run, notes: dict[str, Any]) -> None:
    """What TRAIL knows beyond the spans: the task, its true answer, the final answer, labels."""
    example = _example(run)
    if example:
        run.task = Task(
            question=as_text(example.get("question") or example.get("problem_statement")),
            expected=as_text(example.get("true_answer")) or None,
            id=as_text(example.get("task_id") or example.get("instance_id")) or None,
        )
    final = next(
        (s.content for s in reversed(run.build.steps) if "FINAL ANSWER:" in s.content), None
    )
    if final is not None:
        said = final.rpartition("FINAL ANSWER:")[2].strip()
        run.outcome = msgspec.structs.replace(run.outcome, answer=said)
    errors = notes.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict):
            run.labels.append(_label(run, error))
    if notes.get("scores"):
        run.extra["scores"] = notes["scores"]


def _example(run: Run) -> dict[str, Any]:
    """The dataset's record of the task, as a logged function of the harness saw it."""
    for node in run.nodes:
        logs = node.span.extra.get("logs")
        for log in logs if isinstance(logs, list) else ():
            body = log.get("body") if isinstance(log, dict) else None
            if not isinstance(body, dict):
                continue
            arguments = body.get("function.arguments")
            held = arguments if isinstance(arguments, dict) else {}
            output = body.get("function.output")
            listed = output if isinstance(output, list) else [output]
            for found in (held.get("example"), held.get("item"), *listed):
                if isinstance(found, dict) and ({"question", "problem_statement"} & found.keys()):
                    return found
    return {}


def _label(run: Run, error: dict[str, Any]) -> Label:
    span = as_text(error.get("location"))
    step = run.step_of(span) if span else None
    known = ("category", "location", "description")
    return Label(
        definition="span-error",
        agent=run.build.steps[step].agent if step is not None else None,
        step=step,
        modes=(as_text(error.get("category")),) if error.get("category") else (),
        reason=as_text(error.get("description")) or None,
        span=span or None,
        extra={key: value for key, value in error.items() if key not in known},
    )
