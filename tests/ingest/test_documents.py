"""JSON documents of a file, the first of them, and text logs."""

import io
import time

import pytest

from tracekit.errors import Problem
from tracekit.ingest.documents import documents, is_lines
from tracekit.ingest.peek import peek, peek_items, peek_keys
from tracekit.ingest.readers.crewai_log import CrewAILog
from tracekit.ingest.sources import Blob, OpenSource
from tracekit.ingest.textlog import between, log_entries, strip_ansi


def source(data):
    return OpenSource(Blob(lambda: io.BytesIO(data)), "log.json")


@pytest.mark.parametrize(
    ("data", "values", "lines"),
    [
        (b'{"a": 1}', [{"a": 1}], [None]),
        (b'\xef\xbb\xbf{"a": 1}\n', [{"a": 1}], [None]),
        (b'{"a": 1}\n{"a": NaN}\n', [{"a": 1}, {"a": None}], [1, 2]),
        (b'\n{"a": 1}\r\n\r\n{"a": 2}', [{"a": 1}, {"a": 2}], [2, 4]),
        (b'{\n"a": 1\n}\n\n{\n"a": 2}{"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}], [1, 5, 6]),
        (b'{"a": 1}\n{"a": ["2", 3', [{"a": 1}, {"a": ["2"]}], [1, 2]),
        (b'{\n"a": 1}\n{\n"a": [2, "x", 3', [{"a": 1}, {"a": [2, "x"]}], [1, 3]),
        (b'[{"a": 1}, {"b": "cu', [[{"a": 1}]], [None]),
    ],
)
def test_documents(data, values, lines):
    found = [item for item in documents(source(data)) if not isinstance(item, Problem)]
    assert [document.value for document in found] == values
    assert [document.line for document in found] == lines


def test_what_is_broken_or_empty_is_reported():
    items = list(documents(source(b'{"a": 1}\noops\n[]\n{"a": 2}\n')))
    problems = [item for item in items if isinstance(item, Problem)]
    assert [(problem.severity, problem.line) for problem in problems] == [("error", 2), ("skip", 3)]
    assert [type(item).__name__ for item in documents(source(b"{oops"))] == ["Problem"]


def test_a_first_line_longer_than_the_head_is_a_line():
    long = b'{"a": "' + b"x" * 70_000 + b'"}\n'
    opened = source(long * 2)
    assert [document.line for document in documents(opened)] == [1, 2]
    assert opened.account.records == 2
    assert not is_lines(long)


def test_peek():
    assert peek(b'{"a": 1}\n{"b": 2}\n') == {"a": 1}
    assert peek(b'{\n"a": 1}\n{"b": 2}\n') == {"a": 1}
    assert peek(b"plain text") is None
    assert peek(b'[{"a": "') == [{"a": ""}]
    assert peek(b'{"a": {"b": 1, "c') == {"a": {"b": 1}}
    assert peek(b'{"a": "x\\u00') == {"a": "x"}
    assert peek(b'{"a": "x\\\\') == {"a": "x\\"}
    assert peek(b"[1, 2") == [1, 2]
    assert peek(b'{"a"]') is None
    assert peek_keys(b'{"a": [{"b": "cut off he') == {"a"}
    assert peek_items(b'[{"a": 1}, 3, {"b": 2}]') == [{"a": 1}, {"b": 2}]


def test_entries_of_a_text_log():
    import re

    opened = source(b"before\n\x1b[31m#1 first\x1b[0m\r\nmore\n\n#2 \n")
    found = list(log_entries(opened, re.compile(r"#(?P<n>\d) ?")))
    assert [(entry.text, entry.raw.line) for entry in found] == [
        ("before", 1),
        ("first\nmore", 2),
        ("", 5),
    ]
    assert [entry.header and entry["n"] for entry in found] == [None, "1", "2"]
    assert opened.account.records == 3
    assert opened.data[found[1].raw.start : found[1].raw.end].endswith(b"more\n")


def test_small_steps():
    assert between("a <b> <c>", "<", ">") == "b"
    assert between("a <b", "<", ">") is None
    assert strip_ansi("\x1b]0;title\x07x\x1b[1;32my") == "xy"


def test_hostile_text_takes_no_more_than_a_pass():
    text = b'2025-01-01 10:00:00: task_name="' + b'", task="", agent="' * 20_000
    opened = source(text)
    started = time.process_time()
    assert all(isinstance(item, Problem) for item in CrewAILog().read(opened))
    assert time.process_time() - started < 5
