"""Reports of files stay small whatever the files hold, and their totals stay right."""

from tracekit.errors import Problem
from tracekit.ingest import pipeline
from tracekit.ingest.account import Account
from tracekit.ingest.pipeline import Ingest
from tracekit.store import encode

SPAN = b'{"context": {"trace_id": "0xaa", "span_id": "0x%04x"}, "attributes": {}, "name": "%s"}'


def test_a_report_lists_the_first_problems_of_each_severity_and_counts_the_rest(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(pipeline, "LISTED", 3)
    file = tmp_path / "spans.jsonl"
    broken = [b'{"context": ' for _ in range(8)]
    noise = [SPAN % (n, b"GET /") for n in range(1, 6)]
    file.write_bytes(b"\n".join([*noise, *broken, SPAN % (90, b"agent_run [a]")]))
    ingest = Ingest([file], formats=["otel-span-json"])
    problems = [item for item in ingest if isinstance(item, Problem)]
    (report,) = ingest.files
    told = [problem.severity for problem in report.problems]
    met = [problem.severity for problem in problems]
    assert met.count("error") == 8
    for severity in ("error", "warning", "skip"):
        assert told.count(severity) == min(3, met.count(severity))
        assert report.unlisted.get(severity, 0) == max(0, met.count(severity) - 3)
        assert ingest.summary()["problems"][severity] == met.count(severity)
    assert b'"unlisted":{"error":5' in encode(report)


def test_items_of_a_list_are_records_each_however_often_they_are_seen():
    account = Account()
    for index in (0, 1, 2, 1):
        account.see_item("7:/spans", index)
    account.see("7:/spans/1")
    account.see("7:/spans/x")
    account.see("7:/spans/3")
    assert account.records == 5
    account.settle("7:/spans/2")
    account.settle("7:/spans/9")
    account.settle("7:/spans/" + "9" * 5000)
    account.settle("8:/spans/0")
    assert account.open() == ["7:/spans/0", "7:/spans/1", "7:/spans/x", "7:/spans/3"]


def test_a_line_is_settled_by_what_it_holds_or_by_the_record_that_it_is():
    account = Account()
    for line in (1, 2, 3):
        account.see(line)
    account.unpack(1)
    account.unpack(2)
    account.see(2)
    assert (account.records, account.open()) == (3, [2, 3])
    account.settle(2)
    account.unpack(2)
    assert account.open() == [3]
