"""TracerTraj."""

import json

FORMAT = "tracertraj"
ROW = {
    "question_ID": "Q_1",
    "question": "Write add.",
    "ground_truth": "def add(): ...",
    "history": [
        {"content": "Team Leader thinking: who", "name": "Team Leader", "role": "assistant", "step": 0},
        {"content": "Team Leader sends to Alex: do it", "name": "Team Leader", "role": "assistant",
         "step": 1},
        {"content": "done", "name": "Engineer", "role": "assistant", "step": 2},
    ],
    "mistake_agent": "Engineer",
    "mistake_step": "2",
    "mistake_reason": "did nothing",
}  # fmt: skip


def test_row(read_one, speakers):
    trace = read_one(FORMAT, json.dumps(ROW) + "\n")
    assert speakers(trace) == ["Team Leader", "Team Leader", "Engineer"]
    assert [step.kind for step in trace.steps] == ["thought", "message", "message"]
    assert trace.steps[1].to == "Engineer"
    assert (trace.id, trace.task.id, trace.task.question) == ("Q_1", "Q_1", "Write add.")
    assert trace.outcome.status == "failure"
    (label,) = trace.labels
    assert (label.definition, label.agent, label.step, label.base) == ("decisive", "Engineer", 2, 0)


def test_label_follows_the_step_written_in_the_history(read_as):
    traces, problems = read_as(FORMAT, [{**ROW, "history": [None, *ROW["history"]]}])
    assert traces[0].labels[0].step == 2
    assert problems[0].record == "/0/history/0"


def test_rows_without_labels_and_broken_lines(read_as):
    bare = {key: value for key, value in ROW.items() if not key.startswith("mistake")}
    text = f"{json.dumps(bare)}\n{{oops\n{json.dumps({'history': 3})}\n{json.dumps(ROW)[:300]}"
    traces, problems = read_as(FORMAT, text, "rows.jsonl", sniffed=True)
    assert traces[0].outcome.status == "unknown"
    assert traces[0].labels == ()
    assert len(traces) == 2
    assert sorted(problem.line for problem in problems) == [2, 3, 4]
