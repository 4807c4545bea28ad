"""Langfuse: JSON in strings, once and twice; the API's, the UI's and a batch export's shapes."""

import json

import pytest


def coded(value, times=1):
    for _ in range(times):
        value = json.dumps(value)
    return value


def observation(id, parent, kind, name, second, **more):
    return {
        "id": id, "traceId": "t1", "type": kind, "name": name, "level": "DEFAULT",
        "startTime": f"2025-01-01T00:00:0{second}.000Z", "endTime": f"2025-01-01T00:00:0{second}.500Z",
        "parentObservationId": parent, "input": None, "output": None, "metadata": None, **more,
    }  # fmt: skip


AGENT = observation(
    "a", None, "SPAN", "run", 1,
    metadata=coded({"attributes": {"openinference.span.kind": "AGENT", "agent.name": "Sky"}}),
)  # fmt: skip
LLM = observation(
    "b", "a", "GENERATION", "chat", 2, model="m", totalCost=0.5, usageDetails={"input": 5, "output": 2},
    input=coded([{"role": "user", "content": "Weather?"}], 2), output=coded("Rain.", 2),
)  # fmt: skip
TOOL = observation(
    "c", "a", "SPAN", "look", 3, input=coded("{'up': 1}"),
    output=coded({"type": "tool", "content": "clouds", "tool_call_id": "x"}),
)  # fmt: skip
TRACE = {
    "id": "t1", "projectId": "p", "name": "sky", "input": coded("Weather today?", 2),
    "output": coded("It rains.", 2), "scores": [{"name": "toxicity", "value": 0.8}],
}  # fmt: skip
ALL = [TOOL, LLM, AGENT]


def snake(item):
    names = {"traceId": "trace_id", "parentObservationId": "parent_observation_id",
             "startTime": "start_time", "endTime": "end_time", "totalCost": "total_cost",
             "usageDetails": "usage_details"}  # fmt: skip
    return {names.get(key, key): value for key, value in item.items()}


@pytest.mark.parametrize("shape", ["ui", "api", "list", "batch"])
def test_every_shape(shape, read_one, jsonl):
    log = {
        "ui": {"trace": TRACE, "observations": ALL},
        "api": TRACE | {"observations": ALL},
        "list": {"data": [TRACE | {"observations": ALL}], "meta": {"page": 1}},
        "batch": jsonl(*map(snake, ALL)),
    }[shape]
    trace = read_one("langfuse-export", log)
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("Sky", "message", "Rain."), ("Sky", "tool_call", "clouds"),
    ]  # fmt: skip
    said, ran = trace.steps
    assert (said.usage.input_tokens, said.usage.output_tokens) == (5, 2)
    assert (said.usage.cost, said.usage.model, said.time.seconds) == (0.5, "m", 0.5)
    assert [m.content for m in said.inputs.messages] == ["Weather?"]
    assert (ran.tool.name, ran.tool.arguments, ran.tool.call_id) == ("look", {"up": 1}, "x")
    assert trace.task.question == ("Weather?" if shape == "batch" else "Weather today?")
    assert trace.outcome.status == "unknown"
    if shape != "batch":
        assert trace.outcome.answer == "It rains."
        assert trace.extra["trace"]["scores"][0]["value"] == 0.8


def test_an_error_at_the_root_is_a_failure(read_one):
    failed = AGENT | {"level": "ERROR", "statusMessage": "fog"}
    trace = read_one("langfuse-export", {"trace": TRACE, "observations": [failed, LLM]})
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "fog")


def test_a_trace_without_observations_is_skipped_with_a_reason(read_as):
    traces, problems = read_as("langfuse-export", {"trace": TRACE, "observations": []})
    assert (traces, [p.severity for p in problems]) == ([], ["skip"])


def test_openai_responses_and_their_requests(read_one):
    answer = {
        "object": "response", "instructions": "Be brief.", "text": {"format": {"type": "text"}},
        "output": [
            {"type": "function_call", "name": "look", "arguments": '{"up": 1}', "call_id": "x"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]},
        ],
    }  # fmt: skip
    given = [{"role": "user", "content": "Weather?"},
             {"type": "function_call_output", "call_id": "w", "output": "wind"}]  # fmt: skip
    item = LLM | {"input": coded(given), "output": coded(answer)}
    (step,) = read_one("langfuse-export", {"trace": TRACE, "observations": [item]}).steps
    assert (step.kind, step.content, step.tool.name) == ("tool_call", "So.", "look")
    assert [(m.role, m.content) for m in step.inputs.messages] == [
        ("user", "Weather?"), ("tool", "wind"),
    ]  # fmt: skip


def test_a_llamaindex_workflow_names_its_agents_in_its_events(read_one):
    def turn(id, agent, second, output):
        return [
            observation(id, None, "CHAIN", "AgentWorkflow.run_agent_step", second,
                        input=coded({"ev": {"input": [], "current_agent_name": agent}})),
            observation(f"{id}a", id, "AGENT", "FunctionAgent.take_step", second),
            observation(f"{id}b", f"{id}a", "GENERATION", "OpenAI.chat", second, output=coded(output)),
        ]  # fmt: skip

    asked = {"name": "handoff", "arguments": coded({"to_agent": "Writer", "reason": "facts known"})}
    first = turn(
        "1", "Finder", 1, {"role": "assistant", "content": "", "tool_calls": [{"function": asked}]}
    )
    ran = observation("2", None, "TOOL", "FunctionTool.acall", 2, output=coded("Writer goes on"),
                      metadata=coded({"tool.name": "handoff"}),
                      input=coded({"kwargs": {"to_agent": "Writer", "reason": "facts known"}}))  # fmt: skip
    last = turn("3", "Writer", 3, {"role": "assistant", "content": "Owls are birds."})
    trace = read_one("langfuse-export", {"trace": TRACE, "observations": [*first, ran, *last]})
    assert [(s.agent, s.kind, s.to, s.parent) for s in trace.steps] == [
        ("Finder", "handoff", "Writer", None), ("Finder", "tool_result", None, 0),
        ("Writer", "message", None, None),
    ]  # fmt: skip


def test_the_message_of_a_tool_is_its_text(read_one):
    said = coded({"role": "tool", "content": "clouds", "tool_call_id": "x", "name": "look"})
    tool = observation("c", "a", "TOOL", "look", 3, output=said)
    trace = read_one("langfuse-export", {"trace": TRACE, "observations": [AGENT, tool]})
    assert (trace.steps[0].content, trace.steps[0].tool.call_id) == ("clouds", "x")
