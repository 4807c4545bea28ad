"""Traces on disk: versions of the schema, and errors that say where."""

import pytest

from tracekit import store
from tracekit.errors import SchemaError
from tracekit.trace import SCHEMA, Source, Step, Trace

TRACE = Trace(id="t", source=Source(format="x"), steps=(Step(0, "a", extra={"k": [1, None]}),))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"schema": "tracekit/trace/99", "id": "t"}', ["tracekit/trace/99", "newer", "upgrade"]),
        ('{"schema": "tracekit/trace/0", "id": "t"}', ["tracekit/trace/0", f"not a {SCHEMA}"]),
        ('{"schema": "tracekit/attribution/1"}', ["tracekit/attribution/1", f"not a {SCHEMA}"]),
        ('{"schema": "someone/else", "id": "t"}', ["someone/else", f"not a {SCHEMA}"]),
        ('{"schema": 7}', ["$.schema"]),
        ("[1]", [SCHEMA, "array"]),
        (f'{{"schema": "{SCHEMA}", "id": "t"}}', ["source"]),
        (f'{{"schema": "{SCHEMA}", "id": 3, "source": {{"format": "x"}}}}', ["$.id", "int"]),
        ("{", ["not JSON"]),
        (b"\xff", ["not JSON"]),
    ],
)
def test_what_is_wrong_is_said(line, words):
    with pytest.raises(SchemaError) as caught:
        store.decode_trace(line)
    for word in words:
        assert word in str(caught.value)


def test_without_a_version_it_is_todays():
    assert store.decode_trace('{"id": "t", "source": {"format": "x"}}').id == "t"


def test_an_older_version_is_read_by_its_own_decoder(monkeypatch):
    """No older version exists yet; the door they will come through does."""

    def read_zero(line):
        assert b"tracekit/trace/0" in line
        return TRACE

    monkeypatch.setitem(store.OLDER, "tracekit/trace/0", read_zero)
    assert store.decode_trace(b'{"schema": "tracekit/trace/0", "name": "t"}') == TRACE


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"])
def test_round_trip(tmp_path, name):
    first, second = tmp_path / name, tmp_path / f"again-{name}"
    assert store.write_traces([TRACE, TRACE], first) == 2
    assert list(store.read_traces(first)) == [TRACE, TRACE]
    store.write_traces(store.read_traces(first), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(store.encode(TRACE) + b"\n\n{}\n")
    with pytest.raises(SchemaError, match=r"t\.jsonl:3: "):
        list(store.read_traces(path))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.jsonl"
    store.write_traces([TRACE], path)
    before = path.read_bytes()

    def breaks():
        yield TRACE
        raise KeyError("boom")

    with pytest.raises(KeyError):
        store.write_traces(breaks(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
