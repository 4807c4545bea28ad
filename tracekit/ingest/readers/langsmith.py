"""LangSmith runs: ingestion batches with `post` and `patch`, and exports of runs with children.

A batch tells every run twice, at its start and at its end; both records are one span. Exports are
lists of runs (JSON or one a line), nested through `child_runs` or tied by `parent_run_id` and
`dotted_order`, in which every run names its ancestors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.documents import documents
from tracekit.ingest.meters import as_number, read_instant, read_usage
from tracekit.ingest.parts import as_text
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.spans.assemble import traces
from tracekit.ingest.spans.attributes import ROLES, Span
from tracekit.trace import Raw, Trace, Usage

_TIES = (b'"dotted_order"', b'"parent_run_id"', b'"child_runs"', b'"trace_id"')


class LangSmith:
    """Reads runs as LangSmith's SDKs send them and its API returns them."""

    name: ClassVar[str] = "langsmith"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of runs that have a type and a place in a tree."""
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
            return 0.0
        if b'"run_type"' not in head:
            return 0.0
        return 0.92 if any(tie in head for tie in _TIES) else 0.3

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace id."""
        runs = _Runs(source)
        problems = list(runs.collect())
        yield from problems
        yield from traces(source, self.name, runs.spans())


class _Run(msgspec.Struct):
    """What the records of one run say together."""

    raws: list[Raw]
    record: dict[str, Any]
    parent: str | None = None


class _Runs:
    """The runs of a source, records of the same run put together."""

    def __init__(self, source: OpenSource) -> None:
        self.source = source
        self._runs: dict[str, _Run] = {}

    def collect(self) -> Iterator[Problem]:
        for document in documents(self.source):
            if isinstance(document, Problem):
                yield document
                continue
            value, line = document.value, document.line
            if isinstance(value, dict) and ("post" in value or "patch" in value):
                for key in ("post", "patch"):
                    items = value.get(key)
                    items = items if isinstance(items, list) else []
                    yield from self._list(items, f"/{key}", line, None)
            elif isinstance(value, dict):
                inner = next((k for k in ("runs", "data") if isinstance(value.get(k), list)), "")
                if inner:
                    yield from self._list(value[inner], f"/{inner}", line, None)
                else:
                    record = line if line is not None else "/"
                    self.source.see(record)
                    yield from self._run(Raw(record=record, line=line), value, None)
            elif isinstance(value, list):
                yield from self._list(value, "", line, None)

    def _list(
        self, items: list[Any], pointer: str, line: int | None, parent: str | None
    ) -> Iterator[Problem]:
        for raw, item in self.source.records(items, pointer, line):
            yield from self._run(raw, item, parent)

    def _run(self, raw: Raw, record: Any, parent: str | None) -> Iterator[Problem]:
        """Note a run and, without recursion, everything nested in it."""
        waiting: list[tuple[Raw, Any, str | None]] = [(raw, record, parent)]
        while waiting:
            place, item, above = waiting.pop()
            if not isinstance(item, dict):
                yield self.source.problem(place, "a run is not an object")
                continue
            id = as_text(item.get("id") or item.get("run_id")) or _last(item)
            if not id:
                yield self.source.problem(place, "a run has no id")
                continue
            self._note(id, place, item, above)
            children = item.get("child_runs")
            if isinstance(children, list) and children:
                found = list(self.source.records(children, _below(place), place.line))
                waiting.extend((child, inner, id) for child, inner in reversed(found))

    def _note(self, id: str, raw: Raw, record: dict[str, Any], parent: str | None) -> None:
        raw = Raw(record=raw.record, line=raw.line, span=id)
        known = self._runs.get(id)
        if known is None:
            self._runs[id] = _Run([raw], dict(record), parent)
            return
        known.raws.append(raw)
        known.record |= {k: v for k, v in record.items() if v not in (None, {}, [], "")}

    def spans(self) -> Iterator[Span]:
        """One span a run; the trace of a run without one is that of its topmost ancestor."""
        for id, run in self._runs.items():
            yield _span(id, run, self._trace(id, run))

    def _trace(self, id: str, run: _Run) -> str:
        stated = as_text(run.record.get("trace_id")) or next(iter(_ancestors(run.record)), "")
        if stated:
            return stated
        met = {id}
        while (parent := _parent(run)) in self._runs and parent not in met:
            id, run = parent, self._runs[parent]
            met.add(id)
        return as_text(run.record.get("trace_id")) or id


def _below(place: Raw) -> str:
    """The pointer of a run's children."""
    if isinstance(place.record, int):
        return "/child_runs"
    prefix = f"{place.line}:" if place.line is not None else ""
    return f"{place.record.removeprefix(prefix).rstrip('/')}/child_runs"


def _ancestors(record: dict[str, Any]) -> list[str]:
    """Ids from the root to the run itself, out of its dotted order."""
    dotted = record.get("dotted_order")
    parts = dotted.split(".") if isinstance(dotted, str) and dotted else []
    return [part.partition("Z")[2] for part in parts if part.partition("Z")[2]]


def _last(record: dict[str, Any]) -> str:
    return (_ancestors(record) or [""])[-1]


def _parent(run: _Run) -> str:
    stated = as_text(run.record.get("parent_run_id")) or run.parent
    return stated or (["", *_ancestors(run.record)][-2] if _ancestors(run.record) else "")


_KNOWN = frozenset(
    {"id", "name", "run_type", "start_time", "end_time", "inputs", "outputs", "error", "trace_id",
     "parent_run_id", "dotted_order", "child_runs", "prompt_tokens", "completion_tokens",
     "total_tokens", "total_cost", "extra", "events"}
)  # fmt: skip


def _span(id: str, run: _Run, trace: str) -> Span:
    record = run.record
    get = record.get
    extra = get("extra")
    extra = extra if isinstance(extra, dict) else {}
    metadata = extra.get("metadata")
    error = get("error")
    kind = as_text(get("run_type")).lower()
    return Span(
        id=id,
        trace=trace,
        parent=_parent(run) or None,
        name=as_text(get("name")),
        attributes=metadata if isinstance(metadata, dict) else {},
        raw=run.raws[0],
        also=tuple(run.raws[1:]),
        start=read_instant(get("start_time")),
        end=read_instant(get("end_time")),
        failed=bool(error) or get("status") == "error",
        reason=as_text(error) or None,
        role=ROLES.get(kind, ""),
        given=get("inputs") or None,
        made=get("outputs") or None,
        usage=_usage(record, metadata if isinstance(metadata, dict) else {}),
        events=_events(get("events")),
        extra={
            **{k: v for k, v in record.items() if k not in _KNOWN and v not in (None, [], {}, "")},
            **{k: v for k, v in extra.items() if k != "metadata" and v not in (None, [], {})},
        },
    )


def _events(value: Any) -> list[dict[str, Any]]:
    """Events with attributes; those of LangChain's own have none."""
    listed = value if isinstance(value, list) else []
    return [event for event in listed if isinstance(event, dict) and "attributes" in event]


def _usage(record: dict[str, Any], metadata: dict[str, Any]) -> Usage | None:
    """Tokens where LangSmith counts them, or where the provider's answer does."""
    if as_text(record.get("run_type")).lower() != "llm":
        return None
    outputs = record.get("outputs")
    outputs = outputs if isinstance(outputs, dict) else {}
    provider = outputs.get("llm_output")
    provider = provider if isinstance(provider, dict) else {}
    model = metadata.get("ls_model_name") or outputs.get("model") or provider.get("model_name")
    for counts in (
        outputs.get("usage_metadata"), provider.get("token_usage"), outputs.get("usage"), record,
    ):  # fmt: skip
        usage = read_usage(counts, model, as_number(record.get("total_cost")))
        if usage is not None and usage.input_tokens is not None:
            return usage
    return read_usage(None, model)
