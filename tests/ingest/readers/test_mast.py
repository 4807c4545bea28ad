"""The early MAST release."""

import json

import pytest

NOTE = {"text": [""], "options": {"Step repetition": "no", "Invented content": "no"}}
RUN = {
    "instance_id": "p-1",
    "problem_statement": ["Count the apples.", "There are two."],
    "other_data": {"correct": True, "answer": "2", "given": "2", "seed_question": "Count."},
    "trajectory": [
        {"content": ["Problem:", "Count"], "role": "assistant", "name": "mathproxyagent"},
        {"content": ["It is 2."], "role": "user", "name": "assistant"},
    ],
    "note": NOTE,
}
LOG = [
    "HyperAgent_repo-9 - INFO - Initialized tools",
    "HyperAgent_repo-9 - INFO - Planner's Response: Thought: look",
    "",
    "Intern Name: Codebase Navigator",
    "Subgoal: find it",
    "HyperAgent_repo-9 - INFO - Inner-Navigator-Assistant's Response: Action:",
    "```python",
    'result = open_file._run(path="a.py")',
    "```",
    "HyperAgent_repo-9 - INFO - Navigator->Planner: It is in a.py",
]


def test_named_messages(read_one, speakers):
    trace = read_one("mast", RUN)
    assert speakers(trace) == ["mathproxyagent", "assistant"]
    assert trace.steps[0].content == "Problem:\nCount"
    assert trace.steps[0].extra == {"role": "assistant"}
    assert trace.task.question == "Count the apples.\nThere are two."
    assert (trace.task.id, trace.task.expected) == ("p-1", "2")
    assert (trace.outcome.status, trace.outcome.by) == ("success", "other_data.correct")
    assert trace.labels == ()
    assert trace.extra["other_data"]["seed_question"] == "Count."


def test_runs_of_one_problem_share_the_task_and_not_the_id(read_one):
    other = {**RUN, "other_data": {**RUN["other_data"], "correct": False}}
    first, second = read_one("mast", RUN), read_one("mast", other)
    assert first.task.id == second.task.id
    assert first.id != second.id
    assert second.failed


def test_modes_are_labels_of_the_whole_run(read_one):
    note = {
        "text": ["It repeats", "itself."],
        "options": {**NOTE["options"], "Step repetition": "yes"},
    }
    (label,) = read_one("mast", {**RUN, "note": note}).labels
    assert label.definition == "outcome-only"
    assert label.modes == ("Step repetition",)
    assert (label.step, label.agent, label.reason) == (None, None, "It repeats\nitself.")


def test_log_lines_are_grouped_to_records(read_one, speakers):
    trace = read_one("mast", {**RUN, "trajectory": LOG, "other_data": {"patch": ["-a", "+b"]}})
    assert speakers(trace) == ["system", "Planner", "Inner-Navigator-Assistant", "Navigator"]
    assert [step.to for step in trace.steps] == [None, "Navigator", None, "Planner"]
    assert trace.steps[1].content.endswith("Subgoal: find it")
    assert trace.steps[2].tool.name == "open_file"
    assert trace.agent("Inner-Navigator-Assistant").parent == "Navigator"
    assert trace.task.expected == "-a\n+b"
    assert trace.steps[2].raw[0].record == "/trajectory/5"


def test_lines_of_an_unknown_log_are_kept_under_an_unknown_speaker(read_one, speakers):
    trace = read_one("mast", {**RUN, "trajectory": ["first", "second"]})
    assert speakers(trace) == ["unknown"]
    assert trace.steps[0].content == "first\nsecond"


def test_speakers_of_an_unknown_log_are_guessed_with_a_warning(read, speakers):
    lines = ["Reasoner: a", "b", "Validator: no", "Reasoner: c", "Validator: yes"]
    got = read({**RUN, "trajectory": lines})
    assert speakers(got.trace) == ["Reasoner", "Validator"] * 2
    assert got.trace.steps[0].content == "a\nb"
    assert [problem.severity for problem in got.problems] == ["warning"]


def test_peers_take_turns(read_one, speakers):
    def peer(name):
        return [
            {"role": "user", "content": "Solve"},
            {"role": "assistant", "content": f"{name} says 4"},
            {"role": "user", "content": "Others say 5"},
            {"role": "assistant", "content": f"{name} still says 4"},
        ]

    run = {**RUN, "trajectory": {"0": peer("A"), "1": peer("B")}}
    run["other_data"] = {"correct": ["wrong", "correct", "wrong"], "answer": 4.0}
    trace = read_one("mast", run)
    assert speakers(trace) == ["0", "1", "0", "1"]
    assert trace.steps[2].inputs.messages[0].content == "Others say 5"
    assert len(trace.steps[2].raw) == 2
    assert (trace.outcome.status, trace.task.expected) == ("failure", "4.0")


def test_an_even_vote_decides_nothing(read_one):
    run = {**RUN, "other_data": {"correct": ["wrong", "correct"]}}
    assert read_one("mast", run).outcome.status == "unknown"


@pytest.mark.parametrize("trajectory", [None, True, 3])
def test_no_trajectory(trajectory, read_as):
    traces, problems = read_as("mast", {**RUN, "trajectory": trajectory})
    assert traces == []
    assert problems[0].severity == "error"


def test_the_sheet_of_annotations_holds_no_trace(read):
    got = read("MultiAgentSystem Name,Task ID (Specific to MAS),Path\nA,b,c\n", "a.csv")
    assert (got.report.format, got.traces) == ("mast", [])
    assert got.problems[0].severity == "skip"


def test_odd_members(read_as, speakers):
    run = {**RUN, "note": "yes", "other_data": [], "problem_statement": None}
    traces, problems = read_as("mast", {**run, "trajectory": [*RUN["trajectory"], 5]})
    assert len(traces[0].steps) == 2
    assert [problem.record for problem in problems] == ["/trajectory/2"]
    run["trajectory"] = {"0": [{"role": "user", "content": "unanswered"}], "1": 4}
    traces, problems = read_as("mast", run)
    assert traces[0].steps == ()
    assert sorted(p.severity for p in problems) == ["error", "skip"]


def test_runs_in_a_list_or_one_a_line_are_one_trace_each(read, jsonl):
    said = [{"role": "user", "name": "boss", "content": ["Add.", "Now."]}]
    runs = [
        {"instance_id": f"r{n}", "problem_statement": ["Add"], "trajectory": said} for n in (1, 2)
    ]
    for log in (runs, jsonl(*runs)):
        got = read(log)
        assert [(t.source.format, t.task.id) for t in got.traces] == [
            ("mast", "r1"),
            ("mast", "r2"),
        ]
        assert got.traces[1].steps[0].content == "Add.\nNow."


def test_a_log_may_be_one_text(read):
    log = "HyperAgent_a__b-1 - INFO - Planner's Response: Look\nhere"
    got = read({"instance_id": "a", "problem_statement": "p", "trajectory": log, "note": {}})
    assert [(s.agent, s.content) for s in got.trace.steps] == [("Planner", "Look\nhere")]


def test_two_runs_on_one_line_are_both_accounted_for(read):
    """Their records lie at the same place, one as a text and one as an item of a list."""
    text = {**RUN, "trajectory": "nobody speaks"}
    got = read(json.dumps(text) + json.dumps(RUN), "run.json", "mast")
    assert [len(trace.steps) for trace in got.traces] == [1, 2]
    assert got.problems == []
