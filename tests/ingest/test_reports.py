"""Reports of files stay small whatever the files hold, and their totals stay right."""

from tracekit.errors import Problem
from tracekit.ingest import pipeline
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
