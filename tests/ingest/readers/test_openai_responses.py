"""Calls and items of the OpenAI Responses API."""

import json
from pathlib import Path

import pytest

FORMAT = "openai-responses"
FOLDER = Path(__file__).parents[2] / "fixtures" / FORMAT
CALLS = [json.loads(line) for line in (FOLDER / "calls.jsonl").read_text().splitlines()]
ITEMS = json.loads((FOLDER / "items.json").read_text())


def test_calls_that_name_the_one_before_are_one_run(read_one, jsonl):
    trace = read_one(FORMAT, jsonl(*CALLS), "calls.jsonl")
    assert [(step.agent, step.kind, step.content) for step in trace.steps] == [
        ("user", "message", "How heavy are parcels 4 and 9 together?"),
        ("assistant", "thought", "Both must be weighed."),
        ("assistant", "tool_call", ""),
        ("assistant", "tool_call", ""),
        ("tool", "tool_result", "3 kg"),
        ("tool", "tool_result", "5 kg"),
        ("assistant", "message", "Together they weigh 9 kg."),
    ]
    assert [step.parent for step in trace.steps] == [None, None, None, None, 2, 3, None]
    assert trace.steps[2].tool.arguments == {"parcel": 4}
    assert trace.steps[5].tool.name == "weigh"
    assert (trace.steps[1].usage.input_tokens, trace.steps[6].usage.output_tokens) == (50, 8)
    assert trace.steps[6].time.start - trace.steps[1].time.start == 4
    assert trace.agent("assistant").system_prompt == "You weigh parcels for the ferry."
    assert trace.task.question == "How heavy are parcels 4 and 9 together?"
    assert trace.outcome.answer == "Together they weigh 9 kg."
    assert trace.extra["response"]["id"] == "resp_02"


def test_calls_without_a_chain_are_apart(read, jsonl):
    lost = json.loads(json.dumps(CALLS[1]).replace("resp_01", "resp_00"))
    got = read(jsonl(CALLS[0], lost), "calls.jsonl")
    assert [len(trace.steps) for trace in got.traces] == [4, 3]
    assert got.problems == []


WRAPPED = {
    "batch": lambda c: {"custom_id": "a", "response": {"status_code": 200, "body": c["response"]}},
    "alone": lambda c: {**c["response"], "instructions": c["request"]["instructions"]},
    "flat": lambda c: {"input": c["request"]["input"], "output": c["response"]},
    "list": lambda c: [c],
}


@pytest.mark.parametrize("how", WRAPPED)
def test_wrappings(read_one, how):
    trace = read_one(FORMAT, WRAPPED[how](CALLS[0]))
    assert [step.kind for step in trace.steps][-3:] == ["thought", "tool_call", "tool_call"]
    assert len(trace.steps) == (3 if how in ("batch", "alone") else 4)


@pytest.mark.parametrize("lines", [False, True])
def test_items_are_a_conversation(read_one, speakers, jsonl, lines):
    trace = read_one(FORMAT, jsonl(*ITEMS) if lines else ITEMS, "items.jsonl")
    assert speakers(trace) == ["user", "assistant", "tool", "assistant"]
    assert trace.task.question == "Which parcel is for Holm?"
    assert trace.outcome.answer == "Parcel 12 is for Holm."


def test_tools_of_the_provider(read):
    output = [
        {"type": "web_search_call", "id": "w", "action": {"query": "tides"}, "status": "completed"},
        {"type": "mcp_call", "id": "m", "name": "roll", "arguments": '{"n": 2}', "output": "7"},
        {"type": "code_interpreter_call", "id": "c", "code": "1/0", "error": "ZeroDivisionError"},
        {"type": "mcp_list_tools", "id": "l", "tools": []},
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "xx"},
        {"type": "item_reference", "id": "old"},
        {"note": 1},
        5,
    ]
    got = read({"object": "response", "id": "x", "output": output, "error": {"code": "late"}})
    assert [(step.kind, step.tools and step.tool.name) for step in got.trace.steps] == [
        ("tool_call", "web_search"), ("tool_call", "roll"),
        ("tool_call", "code_interpreter"), ("system", ()),
    ]  # fmt: skip
    assert got.trace.steps[1].tool.result == "7"
    assert got.trace.steps[2].tool.error == "ZeroDivisionError"
    assert [problem.severity for problem in got.problems] == ["skip", "skip", "error", "error"]
    assert got.trace.outcome.reason == '{"code":"late"}'


def test_what_is_neither(read):
    assert read({"output": "x"}, format=FORMAT).problems[0].severity == "error"
    assert read([3], format=FORMAT).problems[0].record == "/0"
