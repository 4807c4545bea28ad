"""A file of one span a line is read the same whether its lines can be gone over twice or not."""

import io
import json
import random

import pytest

from tracekit.errors import Problem
from tracekit.ingest.pipeline import read_source
from tracekit.ingest.readers.otel_span_json import OtelSpanJson
from tracekit.ingest.sources import Blob, OpenSource
from tracekit.store import encode


def line(number, trace, parent=None, **attributes):
    kind = {"openinference.span.kind": "LLM", "output.value": f"said {number}"}
    span = {
        "name": f"call {number}", "context": {"trace_id": trace, "span_id": f"0x{number:016x}"},
        "parent_id": parent, "start_time": f"2026-01-01T00:00:{number % 60:02}Z",
        "attributes": kind | attributes, "status": {"status_code": "UNSET"},
    }  # fmt: skip
    return json.dumps(span).encode()


GOOD = [line(n, f"0x{'ab'[n % 2] * 32}") for n in range(1, 9)]
CUT = line(20, f"0x{'a' * 32}")[:-30]
ODD = {
    "nothing else": GOOD,
    "a broken line": [*GOOD[:3], b'{"context": {"trace_id": "0xaa', *GOOD[3:]],
    "a line cut off": [*GOOD[:3], CUT, *GOOD[3:]],
    "no object": [*GOOD[:5], b"17", b"[]", b"{}", *GOOD[5:]],
    "bad bytes": [*GOOD[:2], line(21, "0xcc").replace(b"said", b"\xff\xfe"), *GOOD[2:]],
    "lone surrogates": [*GOOD[:2], line(22, "0xcc").replace(b"said", b"\\ud800"), *GOOD[2:]],
    "not a number": [*GOOD[:2], line(23, "0xcc", x=float("nan")), *GOOD[2:]],
    "too deep": [*GOOD[:2], line(24, "0xcc").replace(b'"said 24"', b"[" * 300 + b"]" * 300)],
    "ids as numbers": [line(n, 2**127 + n % 2) for n in range(1, 7)],
    "no ids": [b'{"context": {}, "attributes": {}, "name": "x"}', *GOOD],
    "spans in a list": [*GOOD[:2], b"[" + b",".join(GOOD[2:4]) + b"]", *GOOD[4:]],
    "an answer": [b'{"spans": [' + GOOD[0] + b'], "final_output": "done"}', *GOOD[1:]],
    "both": [GOOD[0][:-1] + b', "spans": [' + GOOD[1] + b"]}", *GOOD[2:]],
    "values of all sorts": [
        line(n, f"0x{'e' * 32}", **{"app.value": value})
        for n, value in enumerate(
            [2**70, -(2**63), 1.0, 1e300, True, None, [], ["a", 1, None], [["a"]], {"a": {}}, {}], 1
        )
    ],
    "members of all sorts": [
        line(n, f"0x{'e' * 32}")[:-1] + b", " + member + b"}"
        for n, member in enumerate(
            [
                b'"events": [], "links": [], "kind": "SpanKind.INTERNAL"',
                b'"events": [{"name": "exception"}]',
                b'"links": [{"context": {}}]',
                b'"status": {"status_code": "ERROR", "description": "no"}',
                b'"status": {"status_code": 2}',
                b'"status": null',
                b'"resource": {"attributes": {"service.name": "s"}, "schema_url": ""}',
                b'"resource": {"attributes": {"process": ["a"]}}',
                b'"resource": null',
                b'"start_time": 1767225600000000000',
                b'"name": null',
                b'"context": {"trace_id": "0xee", "span_id": "0x00", "trace_state": "[]"}',
                b'"context": {"trace_id": "0xee", "span_id": "0x01", "is_remote": false}',
                b'"instrumentation_scope": {"name": "openinference.instrumentation.smolagents"}',
                b'"somewhat": "else"',
            ],
            1,
        )
    ],
    "twice": [*GOOD, *GOOD[:3]],
    "new conventions": [
        line(n, f"0x{'d' * 32}")[:-1]
        + b', "resource": {"schema_url": "https://opentelemetry.io/schemas/1.99.0"}}'
        for n in range(1, 4)
    ],
}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"], ids=["lf", "crlf", "blank"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["", "marked"])
@pytest.mark.parametrize("lines", ODD.values(), ids=ODD.keys())
def test_two_readings_of_a_line_find_what_one_finds(lines, start, end, tmp_path):
    data = start + end.join(lines) + end
    file = tmp_path / "spans.jsonl"
    file.write_bytes(data)
    twice = OpenSource(file, "spans.jsonl")
    once = OpenSource(Blob(lambda: io.BytesIO(data)), "spans.jsonl")
    assert twice.seekable
    assert not once.seekable
    found, expected = (list(read_source(OtelSpanJson(), source)) for source in (twice, once))
    assert _traces(found) == _traces(expected)
    assert _problems(found) == _problems(expected)
    assert (twice.account.records, twice.account.skipped) == (
        once.account.records, once.account.skipped,
    )  # fmt: skip
    assert not twice.account.open()


def test_a_file_that_shrinks_between_the_two_readings_loses_no_record_unsaid(tmp_path):
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"\n".join(GOOD))
    source = OpenSource(file, "spans.jsonl")
    items = OtelSpanJson().read(source)
    first = next(items)  # both traces are noted by now
    file.write_bytes(b"\n".join(GOOD)[: len(GOOD[0])])
    rest = list(items)
    assert len(first.steps) == 4
    assert [(type(item), item.line) for item in rest] == [(Problem, n) for n in (2, 4, 6, 8)]


def test_traces_that_lie_across_the_file_are_whole(tmp_path):
    rng = random.Random(7)
    left = {f"0x{t + 1:032x}": list(range(t * 30 + 1, t * 30 + 31)) for t in range(20)}
    lines = []
    while left:
        trace = rng.choice(sorted(left))
        lines.append(line(left[trace].pop(0), trace))
        if not left[trace]:
            del left[trace]
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"\n".join(lines))
    found = list(OtelSpanJson().read(OpenSource(file, "spans.jsonl")))
    order = list(dict.fromkeys(json.loads(each)["context"]["trace_id"] for each in lines))
    assert [int(trace.id, 16) for trace in found] == [int(trace, 16) for trace in order]
    assert all(len(trace.steps) == 30 for trace in found)


def _traces(items):
    return [
        encode(item).replace(b'"sha256"', b"") for item in items if not isinstance(item, Problem)
    ]


def _problems(items):
    return sorted(encode(item) for item in items if isinstance(item, Problem))
