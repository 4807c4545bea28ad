"""Memory dumps of smolagents, old and new, whole and cut off."""

import json

CALL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": {"q": "x"}}}
PROMPT = [{"role": "system", "content": [{"type": "text", "text": "Think first."}]}]
OLD = [
    {"task": "Who is x?", "task_images": None},
    {
        "model_input_messages": PROMPT,
        "tool_calls": [CALL],
        "start_time": 1735689600.0,
        "end_time": 1735689602.5,
        "step": 1,
        "error": {"type": "AgentExecutionError", "message": "no network"},
        "model_output": "Thought: search",
        "observations": "nothing",
    },
]
NEW = [
    {"system_prompt": "Think first."},
    {"task": "Who is x?", "task_images": None},
    {"plan": "1. search", "model_input_messages": PROMPT, "token_usage": {"input_tokens": 9}},
    {
        "step_number": 1,
        "timing": {"start_time": 1735689600.0, "end_time": 1735689601.0, "duration": 1.0},
        "model_output_message": {"role": "assistant", "content": "Code: final_answer('y')"},
        "tool_calls": [CALL | {"function": {"name": "final_answer", "arguments": "y"}}],
        "token_usage": {"input_tokens": 20, "output_tokens": 7},
        "observations": "",
        "action_output": "y",
        "is_final_answer": True,
    },
    {"output": "y"},
]


def test_action_with_call_observation_and_error(read):
    trace = read(OLD).trace
    assert [(s.agent, s.kind) for s in trace.steps] == [("user", "message"), ("agent", "tool_call")]
    step = trace.steps[1]
    assert step.content == "Thought: search"
    call = step.tool
    assert (call.name, call.arguments, call.result) == ("search", {"q": "x"}, "nothing")
    assert call.error == "no network"
    assert step.time.seconds == 2.5
    assert step.extra["error"]["type"] == "AgentExecutionError"
    assert trace.task.question == "Who is x?"
    assert trace.agent("agent").system_prompt == "Think first."
    assert trace.agent("user").role == "user"


def test_plans_prompts_and_final_answers(read):
    trace = read({"steps": NEW, "agent": "CodeAgent"}).trace
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("system", "system"),
        ("user", "message"),
        ("agent", "plan"),
        ("agent", "tool_call"),
        ("agent", "final"),
    ]
    assert trace.steps[3].usage.output_tokens == 7
    assert trace.outcome.answer == "y"
    assert trace.extra == {"agent": "CodeAgent"}


def test_cut_off_dump_gives_what_is_readable(read):
    text = json.dumps(OLD, indent=2)
    got = read(text[: text.index("nothing")])
    assert [s.agent for s in got.trace.steps] == ["user", "agent"]
    assert got.trace.steps[1].tool.name == "search"
    (problem,) = got.problems
    assert problem.severity == "warning"
    assert "breaks off" in problem.what


def test_actions_without_calls_keep_what_they_observed(read):
    parse_error = {
        "step": 1,
        "observations": "seen",
        "model_output": "?",
        "error": {"message": "m"},
    }
    got = read([OLD[0], parse_error | {"model_input_messages": "bad"}, 7, {"odd": 1}])
    step = got.trace.steps[1]
    assert (step.kind, step.extra["observations"], step.tools) == ("message", "seen", ())
    assert [p.record for p in got.problems] == ["/2"]


def test_wrong_types(read):
    hostile = {
        "tool_calls": "x", "timing": 3, "token_usage": [], "model_output_message": 4,
        "observations": {"a": 1}, "error": "text", "model_input_messages": [1, {"role": "system"}],
    }  # fmt: skip
    got = read([{"task": ["a"]}, hostile], format="smolagents")
    assert [s.content for s in got.trace.steps] == ['["a"]', "4"]
    assert read({"steps": "x"}, format="smolagents").traces == []
