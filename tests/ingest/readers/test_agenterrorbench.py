"""AgentErrorBench trajectories with their labels above them."""

import json

PROMPT = "You are an agent.\n\nTask: Count\n\nthe stars.\n\nAvailable Tools:\n<action>\ntool: t\n</action>"
RUN = {
    "messages": [
        {"role": "user", "content": PROMPT},
        {"role": "assistant", "content": "<action>\ntool: look\nparameters: {\"q\": 1}\n</action>"},
        {"role": "user", "content": "Current Observation: 5"},
        {"role": "assistant", "content": "<action>look[up]</action>"},
        {"role": "assistant", "content": "<answer> 5 </answer>"},
    ],
    "metadata": {"won": False, "env_id": 4, "model": "m"},
}  # fmt: skip
LABEL = {
    "trajectory_id": "run-0a1b2c3d", "critical_failure_step": 2,
    "critical_failure_module": "action",
    "step_annotations": [{"step": 2, "action": {"failure_type": "bad ", "reasoning": "why"}}],
}  # fmt: skip


def test_run_and_label(read, tmp_path):
    (tmp_path / "gaia_labels.json").write_text(json.dumps([LABEL]))
    trace = read(RUN, "GAIA/run-0a1b2c3d.json").trace
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("user", "message"),
        ("assistant", "tool_call"),
        ("user", "message"),
        ("assistant", "tool_call"),
        ("assistant", "final"),
    ]
    assert (trace.steps[1].tool.name, trace.steps[1].tool.arguments) == ("look", {"q": 1})
    assert (trace.steps[3].tool.name, trace.steps[3].tool.arguments) == ("look", "look[up]")
    assert trace.task.question == "Count\n\nthe stars."
    assert trace.task.id == "0a1b2c3d"
    assert (trace.outcome.status, trace.outcome.answer) == ("failure", "5")
    (label,) = trace.labels
    assert (label.definition, label.base, label.step) == ("decisive", 1, 3)
    assert (label.modes, label.reason) == (("action", "bad"), "why")


def test_labels_hold_no_trace_and_wrong_types(read, tmp_path):
    got = read([LABEL], "gaia_labels.json")
    assert (got.traces, [p.severity for p in got.problems]) == ([], ["skip"])
    odd = LABEL | {"critical_failure_step": "9", "step_annotations": [3, {"step": 9, "action": 4}]}
    (tmp_path / "x_labels.json").write_text(json.dumps([odd]))
    hostile = RUN | {
        "messages": [*RUN["messages"][:2], 4, {"role": "user"}],
        "metadata": {"won": 1},
    }
    got = read(hostile, "GAIA/run-0a1b2c3d.json", format="agenterrorbench")
    assert got.trace.labels[0].step is None
    assert got.trace.outcome.status == "unknown"
    assert len(got.problems) == 2
