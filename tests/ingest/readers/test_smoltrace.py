"""SMOLTRACE: agents that end before they begin, answers that only the next prompt shows."""

import json

import pytest


def span(id, parent, name, at, attributes, code=1, **more):
    return {
        "trace_id": "0xab", "span_id": id, "parent_span_id": parent, "name": name,
        "start_time": (1_761_146_658 + at) * 10**9, "end_time": (1_761_146_658 + at) * 10**9,
        "duration_ms": 0.0, "attributes": attributes, "events": [], "kind": "SpanKind.INTERNAL",
        "status": {"code": code, "description": "crashed" if code == 2 else None},
        "resource": {"attributes": {}}, **more,
    }  # fmt: skip


def llm(id, at, prompt):
    messages = {f"llm.input_messages.{i}.message.role": r for i, (r, _) in enumerate(prompt)}
    messages |= {f"llm.input_messages.{i}.message.content": t for i, (_, t) in enumerate(prompt)}
    kind = {"openinference.span.kind": "LLM", "llm.output_messages.0.message.role": "assistant"}
    return span(id, "0x1", "completion", at, kind | messages)


ASKED = ("user", "New task:\nWeather?")
CALLED = "Calling tools:\n[{'id': 'c1', 'type': 'function', 'function': {'name': 'look', 'arguments': {'up': 1}}}]"
SPANS = [
    span("0xa", "0x1", "ToolCallingAgent.run", 0, {
        "openinference.span.kind": "AGENT", "output.value": "<generator object x at 0x1>",
        "input.value": '{"task": "Weather?"}'}),
    llm("0xb", 1, [ASKED]),
    span("0xc", "0x1", "LookTool", 2, {
        "openinference.span.kind": "TOOL", "tool.name": "look", "output.value": "clouds",
        "input.value": '{"args": [], "sanitize_inputs_outputs": true, "kwargs": {"up": 1}}'}),
    llm("0xd", 3, [ASKED, ("assistant", CALLED), ("user", "Observation:\nclouds")]),
    span("0x1", None, "test_evaluation", 0, {"test.id": "w1", "prompt": "Weather?"}),
]  # fmt: skip
RUN = [{"trace_id": "0xab", "spans": SPANS, "total_tokens": 9}]
RESULT = {
    "test_id": "w1", "prompt": "Weather?", "success": True, "response": "Rain.", "error": None,
    "tools_used": ["look"], "enhanced_trace_info": '{"trace_id": "0xab"}',
}  # fmt: skip


@pytest.fixture
def trace(read_one, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps([RESULT]))
    return read_one("smoltrace", RUN, "traces.json")


def test_what_lies_beside_a_streaming_agent_is_its_own(trace):
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("ToolCallingAgent", "tool_call"), ("ToolCallingAgent", "tool_result"),
        ("ToolCallingAgent", "message"),
    ]  # fmt: skip
    assert "streamed" in trace.steps[0].extra["parent_by"]


def test_what_was_said_is_recovered_from_the_next_prompt(trace):
    step = trace.steps[0]
    assert (step.tool.name, step.tool.arguments) == ("look", {"up": 1})
    assert step.extra["said_by"] == "the prompt of span d"
    assert trace.steps[1].parent == 0


def test_the_results_beside_it_say_how_it_ended(trace):
    assert (trace.task.question, trace.task.id) == ("Weather?", "w1")
    assert (trace.outcome.status, trace.outcome.answer) == ("success", "Rain.")
    assert trace.extra["results"]["tools_used"] == ["look"]


def test_without_results_the_outcome_is_unknown(read_one):
    assert read_one("smoltrace", RUN).outcome.status == "unknown"


def test_results_that_are_broken_are_reported(read, tmp_path):
    (tmp_path / "results.json").write_text("[oops")
    got = read(RUN, "traces.json")
    assert got.trace.outcome.status == "unknown"
    assert any("results.json" in p.what for p in got.problems)
