"""ATIF: calls with their observations, sub-agents inside, versions, answers."""

import pytest


def trajectory(*steps, version="ATIF-v1.6", **more):
    agent = {"name": "digger", "version": "1", "tool_definitions": [{"function": {"name": "dig"}}]}
    return {
        "schema_version": version,
        "session_id": "s1",
        "agent": agent,
        "steps": list(steps),
        **more,
    }


USER = {"step_id": 1, "source": "user", "message": "Dig a hole."}
DIG = {
    "step_id": 2, "source": "agent", "message": "I dig.", "model_name": "m",
    "timestamp": "2025-01-01T00:00:00Z", "reasoning_content": "deep",
    "tool_calls": [
        {"tool_call_id": "c1", "function_name": "dig", "arguments": {"deep": 2}},
        {"tool_call_id": "c2", "function_name": "dig", "arguments": {"deep": 3}},
    ],
    "observation": {"results": [{"source_call_id": "c2", "content": "rock"},
                                {"source_call_id": "c1", "content": "sand"}]},
    "metrics": {"prompt_tokens": 5, "completion_tokens": 2, "cost_usd": 0.5, "logprobs": [-1.0]},
}  # fmt: skip
DONE = {"step_id": 3, "source": "agent", "message": "There is a hole."}


def test_calls_get_the_results_that_name_them(read_one):
    trace = read_one("atif-harbor", trajectory(USER, DIG, DONE))
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("user", "message", "Dig a hole."), ("digger", "tool_call", "I dig."),
        ("digger", "message", "There is a hole."),
    ]  # fmt: skip
    step = trace.steps[1]
    assert [(c.call_id, c.result) for c in step.tools] == [("c1", "sand"), ("c2", "rock")]
    assert (step.usage.input_tokens, step.usage.cost, step.usage.model) == (5, 0.5, "m")
    assert step.extra["metrics"] == {"logprobs": [-1.0]}
    assert step.extra["reasoning_content"] == "deep"
    assert trace.agent("digger").tools == ("dig",)
    assert (trace.task.question, trace.outcome.answer) == ("Dig a hole.", "There is a hole.")


def test_a_result_without_a_call_and_a_run_that_was_cut(read_one):
    seen = {"step_id": 2, "source": "agent", "message": "{}",
            "observation": {"results": [{"content": "$ ls"}]}}  # fmt: skip
    trace = read_one("atif-harbor", trajectory(USER, seen))
    assert [(c.name, c.result) for c in trace.steps[1].tools] == [("", "$ ls")]
    assert trace.outcome.answer is None


def test_a_tool_that_finishes_holds_the_answer(read_one):
    finish = {"tool_call_id": "c", "function_name": "finish", "arguments": {"message": "A hole."}}
    last = {"step_id": 2, "source": "agent", "message": "Bye.", "tool_calls": [finish]}
    assert read_one("atif-harbor", trajectory(USER, last)).outcome.answer == "A hole."


def test_sub_agents_follow_the_step_that_refers_to_them(read_one):
    sub = trajectory({"step_id": 1, "source": "agent", "message": "Sieved."}) | {
        "session_id": "sub", "agent": {"name": "siever"},
    }  # fmt: skip
    refers = {"results": [{"subagent_trajectory_ref": [{"session_id": "sub"}]}]}
    asks = {"step_id": 2, "source": "agent", "message": "Sieve it.", "observation": refers}
    trace = read_one("atif-harbor", trajectory(USER, asks, DONE, subagent_trajectories=[sub]))
    assert [(s.agent, s.content, s.parent) for s in trace.steps] == [
        ("user", "Dig a hole.", None), ("digger", "Sieve it.", None), ("siever", "Sieved.", 1),
        ("digger", "There is a hole.", None),
    ]  # fmt: skip


@pytest.mark.parametrize("version", ["ATIF-v1.9", "ATIF-v2.0", ""])
def test_an_unknown_version_warns(version, read_as):
    traces, problems = read_as("atif-harbor", trajectory(USER, version=version))
    assert len(traces) == 1
    assert [p.severity for p in problems] == ["warning"]


def test_a_list_of_trajectories_is_one_trace_each(read):
    got = read([trajectory(USER, DIG), trajectory(USER, DONE) | {"session_id": "s2"}])
    assert [(t.id, len(t.steps)) for t in got.traces] == [("s1", 2), ("s2", 2)]


def test_long_definitions_before_the_steps(read):
    agent = {
        "name": "digger",
        "tool_definitions": [{"function": {"name": "dig", "x": "y" * 70_000}}],
    }
    whole = {"schema_version": "ATIF-v1.6", "session_id": "s1", "agent": agent, "steps": [USER]}
    got = read(whole)
    assert got.report.format == "atif-harbor"
