"""Who&When: its two layouts, alone or as rows."""

import json

FORMAT = "who-and-when"


def run(number, **more):
    history = [
        {"content": "Add", "role": "human"},
        {"content": "2", "role": "Orchestrator (-> Coder)"},
    ]
    return {
        "history": history, "question": "Add", "question_ID": f"q{number}", "ground_truth": "4",
        "mistake_agent": "Orchestrator", "mistake_step": "1", "mistake_reason": "wrong", **more,
    }  # fmt: skip


def test_a_byte_order_mark_does_not_hide_the_format(read):
    got = read("\ufeff" + json.dumps(run(1)))
    assert got.report.format == FORMAT
    assert [s.agent for s in got.trace.steps] == ["human", "Orchestrator"]


def test_rows_are_one_trace_each(read, jsonl):
    for log in ([run(1), run(2)], jsonl(run(1), run(2))):
        got = read(log)
        assert [(t.source.format, t.task.id) for t in got.traces] == [
            (FORMAT, "q1"),
            (FORMAT, "q2"),
        ]
        label = got.traces[1].labels[0]
        assert (label.agent, label.step, label.base) == ("Orchestrator", 1, 0)


def test_a_row_without_history_is_told(read_as):
    traces, problems = read_as(FORMAT, [run(1), {"question": "x"}])
    assert len(traces) == 1
    assert [p.severity for p in problems] == ["error"]
