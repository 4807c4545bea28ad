"""Benchmark runs of transformers.agents."""

import json

FORMAT = "transformers-agents-benchmark"
RUN = {
    "agent_name": "react",
    "question": "2 + 2?",
    "prediction": "It is 4.0 now",
    "true_answer": "4",
    "agent_error": None,
    "iteration_limit_exceeded": False,
    "intermediate_steps": [
        {"system_prompt": "Solve it.", "task": "2 + 2?", "agent_memory": []},
        {"llm_output": "oops", "error": {"error_type": "AgentParsingError", "message": "no code"}},
        {
            "llm_output": "Thought: add",
            "rationale": "add",
            "tool_call": {"tool_name": "code interpreter", "tool_arguments": "2+2"},
            "observation": "4",
            "agent_memory": [{"role": "system", "content": "Solve it."}],
        },
        {"facts": "two", "plan": "add"},
        {"error": "stopped"},
        {"llm_output": "x", "tool_call": {"tool_name": "c", "tool_arguments": "final_answer(4)"}},
    ],
}


def test_run(read_one, speakers):
    trace = read_one(FORMAT, json.dumps(RUN) + "\n")
    assert speakers(trace) == ["user"] + ["react"] * 5
    assert [step.kind for step in trace.steps] == [
        "message", "message", "tool_call", "plan", "message", "final",
    ]  # fmt: skip
    assert trace.agent("react").system_prompt == "Solve it."
    assert trace.steps[1].extra["error"]["message"] == "no code"
    assert trace.steps[2].tool.result == "4"
    assert trace.steps[2].inputs.messages[0].content == "Solve it."
    assert trace.steps[4].content == "stopped"
    assert (trace.outcome.status, trace.outcome.answer) == ("success", "It is 4.0 now")
    assert trace.task.expected == "4"


def test_wrong_and_missing_answers(read, jsonl):
    log = jsonl(
        RUN | {"prediction": "44", "iteration_limit_exceeded": True},
        RUN | {"prediction": None, "agent_error": "broken"},
        RUN | {"true_answer": None},
    )
    first, second, third = read(log, "x.jsonl").traces
    assert (first.outcome.status, first.outcome.reason) == ("failure", "iteration_limit_exceeded")
    assert (second.outcome.status, second.outcome.reason) == ("failure", "broken")
    assert third.outcome.status == "unknown"


def test_nan_and_odd_steps(read):
    text = json.dumps(RUN | {"intermediate_steps": [7, {"tool_call": "x", "llm_output": 3}]})
    got = read(text.replace('"It is 4.0 now"', "NaN") + "\n[]\n", "x.jsonl", FORMAT)
    assert got.trace.outcome.answer is None
    assert got.trace.steps[0].content == "3"
    assert len(got.problems) == 2


def test_turns_as_langchain_logs_them(read_one):
    action = {"tool": "search", "tool_input": {"q": "x"}, "log": "I look", "type": "AgentAction"}
    steps = json.dumps([[action, "found"], ["said", "seen"]])
    trace = read_one(FORMAT, RUN | {"intermediate_steps": steps})
    assert trace.steps[0].content == "I look"
    assert (trace.steps[0].tool.name, trace.steps[0].tool.result) == ("search", "found")
    assert trace.steps[0].extra == {"type": "AgentAction"}
    assert trace.steps[1].content == "said"
    assert trace.steps[1].extra == {"observation": "seen"}


def test_a_run_without_steps_still_answers(read_one):
    trace = read_one(FORMAT, RUN | {"intermediate_steps": None})
    assert [(step.agent, step.kind, step.content) for step in trace.steps] == [
        ("react", "final", "It is 4.0 now")
    ]


def test_messages_of_a_memory_are_steps(read, jsonl):
    run = {"agent_name": "o1", "question": "How many?", "prediction": "3", "true_answer": "3"}
    memory = [
        {"role": "system", "content": [{"type": "text", "text": "Be good"}]},
        {"role": "user", "content": "How many?"}, {"role": "assistant", "content": "I look"},
        {"role": "tool-call", "content": "look()"}, {"role": "tool-response", "content": "3"},
    ]  # fmt: skip
    got = read(
        jsonl(run | {"intermediate_steps": memory}, run | {"intermediate_steps": []}), "r.jsonl"
    )
    assert [(s.agent, s.kind, s.content) for s in got.traces[0].steps] == [
        ("system", "system", "Be good"), ("user", "message", "How many?"), ("o1", "message", "I look"),
        ("o1", "tool_call", "look()"), ("o1", "tool_result", "3"),
    ]  # fmt: skip
