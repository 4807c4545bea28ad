"""tau2-bench results."""

import json
from pathlib import Path

FORMAT = "tau2-bench"
RESULTS = json.loads(
    (Path(__file__).parents[2] / "fixtures" / FORMAT / "plants.json").read_text(encoding="utf-8")
)
RUN = RESULTS["simulations"][0]


def test_an_experiment(read):
    got = read(RESULTS)
    assert (got.report.format, got.problems) == (FORMAT, [])
    lost, won = got.traces
    assert [(step.agent, step.kind) for step in lost.steps] == [
        ("assistant", "message"), ("user", "message"), ("assistant", "tool_call"),
        ("tool", "tool_result"), ("user", "tool_call"), ("tool", "tool_result"),
        ("assistant", "message"), ("user", "message"),
    ]  # fmt: skip
    assert (lost.steps[3].tool.name, lost.steps[3].tool.error) == ("find_order", None)
    assert lost.steps[5].tool.error == "Error: the receipt is not at hand"
    assert (lost.steps[3].parent, lost.steps[5].parent) == (2, 4)
    assert (lost.steps[2].usage.model, lost.steps[2].usage.cost) == ("tiny-agent", 0.001)
    assert lost.steps[1].usage.model == "tiny-user"
    assert lost.steps[1].time.start - lost.steps[0].time.start == 1
    assert lost.steps[1].extra == {}
    assert lost.agent("assistant").system_prompt.startswith("Send a plant")
    assert (lost.id, lost.task.id, lost.task.expected) == (
        RUN["id"],
        "plants_7",
        '["Oak Street"]',
    )
    assert lost.task.question.splitlines() == [
        "Your lemon tree goes to the wrong street.",
        "Have it sent to Oak Street.",
    ]
    assert (lost.outcome.status, lost.outcome.score, lost.outcome.reason) == (
        "failure",
        0.0,
        "user_stop",
    )
    assert (won.outcome.status, won.extra["trial"]) == ("success", 1)
    assert "policy" not in json.dumps(won.extra)


def test_a_simulation_by_itself(read_one, speakers):
    trace = read_one(FORMAT, RUN)
    assert speakers(trace)[:3] == ["assistant", "user", "assistant"]
    assert (trace.task.id, trace.task.question) == ("plants_7", "")
    assert trace.steps[2].usage.model is None


def test_several_tools_answer_at_once(read):
    asked = [{"id": f"t{n}", "name": f"look_{n}", "arguments": {}} for n in (1, 2)]
    answers = [{"id": f"t{n}", "role": "tool", "content": f"seen {n}"} for n in (1, 2)]
    messages = [
        {"role": "assistant", "content": None, "tool_calls": asked},
        {"role": "tool", "tool_messages": answers},
    ]
    trace = read({**RUN, "messages": messages}, format=FORMAT).trace
    assert [(call.name, call.result) for call in trace.steps[1].tools] == [
        ("look_1", "seen 1"),
        ("look_2", "seen 2"),
    ]
    assert trace.steps[1].parent == 0


def test_odd_results(read):
    unjudged = {**RUN, "id": None, "reward_info": None, "messages": [5, RUN["messages"][1]]}
    odd = {**RESULTS, "tasks": 3, "info": [], "simulations": [unjudged, {"messages": 1}, 7]}
    got = read(odd, format=FORMAT)
    assert (got.trace.outcome.status, got.trace.outcome.reason) == ("unknown", "user_stop")
    assert got.trace.id.endswith("-simulations-0")
    assert [problem.record for problem in got.problems] == ["/simulations/0/messages/0", None, None]
    assert read({**RESULTS, "simulations": []}, format=FORMAT).problems[0].severity == "skip"


def test_long_policies_do_not_hide_what_it_is(read):
    info = {**RESULTS["info"], "environment_info": {"policy": "Be kind. " * 20_000}}
    assert read({**RESULTS, "info": info}).report.format == FORMAT
