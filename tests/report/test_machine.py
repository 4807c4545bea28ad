import json

import msgspec

from tracekit.attribution import Attribution
from tracekit.report.machine import verdict_lines


def test_a_line_is_the_verdict_with_its_explanation(failed):
    (line,) = verdict_lines([failed])
    record = json.loads(line)
    assert record["suspects"][0] == {
        "agent": "searcher",
        "step": 2,
        "probability": 0.6125,
        "modes": ["FM-3.2"],
        "evidence": [
            {"step": 1, "weight": 0.5, "shows": "the tool failed"},
            {
                "step": 2,
                "quote": "opened in 1937",
                "start": 11,
                "end": 25,
                "weight": 2.5,
                "shows": "a claim without a source",
            },
        ],
    }
    assert record["explanation"].startswith("Searcher at step 2")
    assert record["outcome"] == "failure"
    assert record["source"] == {"path": "logs/bridge.jsonl", "format": "demo"}
    assert record["steps"] == 4


def test_it_decodes_as_an_attribution_without_the_clock(failed):
    (line,) = verdict_lines([failed])
    verdict = failed[1]
    timeless = msgspec.structs.replace(
        verdict, cost=msgspec.structs.replace(verdict.cost, seconds=None)
    )
    assert msgspec.json.decode(line, type=Attribution) == timeless


def test_the_clock_changes_no_byte(failed):
    trace, verdict = failed
    later = msgspec.structs.replace(
        verdict, cost=msgspec.structs.replace(verdict.cost, seconds=99.0)
    )
    assert list(verdict_lines([failed])) == list(verdict_lines([(trace, later)]))


def test_top_cuts_the_suspects_and_not_the_explanation(failed):
    (line,) = verdict_lines([failed], top=1)
    assert [suspect["step"] for suspect in json.loads(line)["suspects"]] == [2]


def test_one_line_each_in_order_whatever_the_text(failed, hostile, unknown, succeeded):
    lines = list(verdict_lines([hostile, failed, succeeded, unknown]))
    assert [line.count(b"\n") for line in lines] == [1, 1, 1, 1]
    records = [json.loads(line) for line in lines]
    assert [record["trace_id"] for record in records[1:]] == ["bridge-1", "ok-1", "maybe-1"]
    assert records[2]["abstained"] == "the run succeeded"
    assert records[3]["conditional"] is True
