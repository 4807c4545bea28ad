"""tau-bench results."""

FORMAT = "tau-bench"
CALL = {"id": "0", "function": {"name": "find", "arguments": {"id": 1}}}
RECORD = {
    "task_id": 4,
    "trial": 1,
    "reward": 0.0,
    "info": {"task": {"instruction": "You want a refund.", "outputs": [], "actions": [{"name": "find"}]}},
    "traj": [
        {"role": "system", "content": "Policy", "tool_calls": None},
        {"role": "user", "content": "Refund!", "tool_calls": None, "tool_call_id": None},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "{}", "tool_call_id": "0", "name": "find", "tool_calls": None},
        {"role": "assistant", "content": "No.", "tool_calls": [CALL]},
        {"role": "tool", "content": "late", "tool_call_id": "0", "name": "find"},
    ],
}  # fmt: skip


def test_record(read_one, speakers):
    trace = read_one(FORMAT, RECORD)
    assert speakers(trace) == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert (trace.outcome.status, trace.outcome.score, trace.outcome.by) == (
        "failure",
        0.0,
        "reward",
    )
    assert (trace.task.question, trace.task.id) == ("You want a refund.", "4")
    assert trace.task.expected == '[{"name":"find"}]'
    assert (trace.steps[3].parent, trace.steps[5].parent) == (2, 4)
    assert trace.steps[1].extra == {}
    assert trace.agent("assistant").system_prompt == "Policy"


def test_lists_and_odd_records(read):
    won = {**RECORD, "trial": 2, "reward": 1.0}
    crashed = {**RECORD, "trial": 3, "info": {"error": "timeout"}, "traj": [5]}
    got = read([RECORD, won, crashed, {"task_id": 9}])
    assert got.report.format == FORMAT
    assert [trace.outcome.status for trace in got.traces] == ["failure", "success", "failure"]
    assert got.traces[2].outcome.reason == "timeout"
    assert len({trace.id for trace in got.traces}) == 3
    assert [problem.record for problem in got.problems] == ["/2/traj/0", None]
