"""AgentRx runs with their labels beside them."""

import json

TURNS = [
    {"role": "human", "content": "Find x"},
    {"role": "Orchestrator (thought)", "content": "Plan"},
    {"role": "Orchestrator (-> WebSurfer)", "content": "Search"},
    {"role": "WebSurfer", "content": "Nothing"},
]


def failure(id, step, agent="Websurfer"):
    return {"failure_id": id, "step_number": step, "failure_category": "C", "failed_agent": agent}


def labels(run, cause, *failures):
    return {
        "trajectory_id": run, "failures": list(failures), "failure_summary": "s",
        "root_cause": {"failure_id": cause, "reason_for_root_cause": "because"},
    }  # fmt: skip


def lay_labels(tmp_path, *items, name="magentic_one_ground_truth.json"):
    folder = tmp_path / "ground_truth"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(items))


def test_magentic_run(read, tmp_path):
    lay_labels(tmp_path, labels("run-1", "2", failure(1, 3, "Orchestrator"), failure(2, 4)))
    trace = read(TURNS, "magentic_dataset/run-1.json").trace
    assert trace.source.format == "agentrx"
    assert (trace.id, trace.task.id) == ("run-1", "run-1")
    assert [(s.agent, s.kind, s.to) for s in trace.steps] == [
        ("human", "message", None),
        ("Orchestrator", "thought", None),
        ("Orchestrator", "message", "WebSurfer"),
        ("WebSurfer", "message", None),
    ]
    (label,) = trace.labels
    assert (label.definition, label.base) == ("first-unrecoverable", 1)
    assert (label.agent, label.step, label.modes) == ("WebSurfer", 3, ("C",))
    assert label.reason == "because"
    assert len(trace.extra["failures"]) == 2
    assert trace.outcome.status == "failure"
    assert trace.agent("human").role == "user"


def test_run_without_labels_and_labels_without_sense(read, tmp_path):
    assert read(TURNS, "m/run-2.json").trace.labels == ()
    lay_labels(tmp_path, labels("run-3", 1, failure(1, 99, None), 4), 5, {"failures": 3})
    trace = read([*TURNS, 4, {"x": 1}], "m/run-3.json").trace
    assert trace.labels[0].step is None
    (tmp_path / "ground_truth" / "magentic_one_ground_truth.json").write_text("{")
    assert any("labels" in p.what for p in read(TURNS, "m/run-3.json").problems)


def test_files_of_labels_hold_no_trace(read):
    got = read([labels("r", 1, failure(1, 1))], "magentic_one_ground_truth.json")
    assert got.traces == []
    assert [p.severity for p in got.problems] == ["skip"]


def test_tau_records(read, tmp_path):
    lay_labels(tmp_path, labels(7, 1, failure(1, 3, "Assistant")), name="tau_ground_truth.json")
    call = {"id": "c", "function": {"name": "look", "arguments": "{}"}}
    traj = [
        {"role": "system", "content": "Policy", "index": 0},
        {"role": "user", "content": "Hi", "index": 1},
        {"role": "assistant", "content": None, "tool_calls": [call], "index": 2},
        {"role": "tool", "name": "look", "tool_call_id": "c", "content": "5", "index": 3},
    ]
    record = {
        "task_id": 7, "reward": 0.0, "info": {"task": {"instruction": "Return it", "outputs": ["5"]}},
        "traj": traj, "trial": 0, "records": {},
    }  # fmt: skip
    got = read(
        [record, record | {"task_id": 8, "reward": 1, "traj": [3]}, {"traj": 4}], "tau/x.json"
    )
    first, second = got.traces
    assert [s.agent for s in first.steps] == ["system", "user", "assistant", "tool"]
    assert first.steps[2].tool.name == "look"
    assert (first.task.question, first.task.expected) == ("Return it", '["5"]')
    assert (first.labels[0].agent, first.labels[0].step) == ("assistant", 2)
    assert (first.outcome.status, first.outcome.score) == ("failure", 0.0)
    assert (second.outcome.status, second.labels) == ("success", ())
    assert len(got.problems) == 2


def test_the_person_may_be_called_user(read, tmp_path):
    turns = [
        {"role": "user", "content": "Find x"},
        {"role": "Orchestrator (thought)", "content": "Hm"},
    ]
    trace = read(turns, "magentic_dataset/run.json", "agentrx").trace
    assert (trace.task.question, trace.agent("user").role) == ("Find x", "user")
