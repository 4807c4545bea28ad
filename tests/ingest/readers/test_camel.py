"""CAMEL and OWL."""

import json

FORMAT = "camel"
CALL = {"tool_name": "search", "args": {"q": "x"}, "result": {"n": 1}, "tool_call_id": "c1"}
ROUNDS = [
    {"user": "Instruction: search", "assistant": "Solution: found", "tool_calls": [CALL]},
    {"user": "CAMEL_TASK_DONE", "assistant": "Done", "tool_calls": [], "truncated_note": True},
]
RESULT = {
    "task_id": "t-1",
    "model_answer": "7",
    "ground_truth": "8",
    "tool_calls": [{"func_name": "execute_code", "args": {"code": "1"}, "result": "1"}],
    "history": [{"role_name": "Assistant", "content": "It is 7", "meta_dict": {"a": 1}, "image": None}],
    "error": None,
    "score": 0,
}  # fmt: skip


def test_rounds(read_one, speakers):
    trace = read_one(FORMAT, ROUNDS)
    assert speakers(trace) == ["user", "assistant"] * 2
    call = trace.steps[1].tool
    assert (call.name, call.arguments, call.result) == ("search", {"q": "x"}, '{"n":1}')
    assert [raw.record for raw in trace.steps[1].raw] == ["/0/assistant", "/0/tool_calls/0"]
    assert trace.steps[2].kind == "final"
    assert trace.steps[3].extra == {"truncated_note": True}
    assert trace.agent("user").role == "instructor"
    assert trace.task.question == "Instruction: search"


def test_results_in_a_row(read, speakers):
    second = {**RESULT, "score": True, "history": None, "error": "late"}
    log = (
        json.dumps(RESULT, indent=2)
        + "\n"
        + json.dumps(second, indent=2)
        + '\n{"task_id": "cut", "mod'
    )
    got = read(log, "results.jsonl")
    first, second = got.traces[:2]
    assert speakers(first) == ["Assistant"]
    assert first.steps[0].tool.name == "execute_code"
    assert first.steps[0].extra == {"meta_dict": {"a": 1}}
    assert (first.task.id, first.task.expected) == ("t-1", "8")
    assert (first.outcome.status, first.outcome.answer, first.outcome.score) == (
        "failure",
        "7",
        0.0,
    )
    assert (second.outcome.status, second.outcome.reason) == ("success", "late")
    assert second.steps[0].kind == "tool_call"
    assert {problem.severity for problem in got.problems} == {"warning", "error"}


def test_odd_rounds(read):
    got = read([{"user": None, "assistant": ["x"], "tool_calls": "y"}, 4], format=FORMAT)
    assert [step.content for step in got.trace.steps] == ["x"]
    assert got.problems[0].record == "/1"
