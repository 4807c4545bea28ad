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


def said(text, own, before=None):
    """A call in words, and the words of its answer, by its id."""
    answer = [{"type": "message", "role": "assistant", "content": f"answer {own}"}]
    response = {"id": own, "object": "response", "output": answer}
    return {"request": {"input": text, "previous_response_id": before}, "response": response}


def words(got):
    return [[step.content for step in trace.steps] for trace in got.traces]


ONE, TWO, THREE = said("one", "a"), said("two", "b", "a"), said("three", "c", "b")
WHOLE = ["one", "answer a", "two", "answer b", "three", "answer c"]


def test_calls_whose_chain_begins_elsewhere_are_apart_with_a_warning(read, jsonl):
    lost = json.loads(json.dumps(CALLS[1]).replace("resp_01", "resp_00"))
    got = read(jsonl(CALLS[0], lost), "calls.jsonl")
    assert [len(trace.steps) for trace in got.traces] == [4, 3]
    (problem,) = got.problems
    assert (problem.severity, problem.line) == ("warning", 2)
    assert "the call before this one is not in the file" in problem.what


@pytest.mark.parametrize("calls", [(THREE, TWO, ONE), (TWO, THREE, ONE), (ONE, THREE, TWO)])
@pytest.mark.parametrize("lines", [False, True])
def test_calls_may_lie_in_any_order(read, jsonl, calls, lines):
    got = read(jsonl(*calls) if lines else list(calls), "calls.jsonl", FORMAT)
    assert words(got) == [WHOLE]
    assert got.problems == []


@pytest.mark.parametrize("turned", [False, True])
def test_a_call_that_branches_off_is_a_run_that_saw_nothing_of_the_other(read, jsonl, turned):
    calls = [ONE, TWO, THREE, said("two again", "d", "a"), said("on", "e", "d")]
    got = read(jsonl(*(reversed(calls) if turned else calls)), "calls.jsonl", FORMAT)
    branch = ["one", "answer a", "two again", "answer d", "on", "answer e"]
    assert words(got) == ([branch, WHOLE] if turned else [WHOLE, branch])
    assert got.problems == []
    assert len({trace.id for trace in got.traces}) == 2
    assert got.report.records == 5 + 10  # lines and items; what both runs hold counts once


def test_too_much_is_not_repeated(read, jsonl, monkeypatch):
    monkeypatch.setattr("tracekit.ingest.readers.openai_responses.REPEATED", 250)
    got = read(jsonl(ONE, *(said(f"{n}", f"b{n}", "a") for n in range(4))), "c.jsonl", FORMAT)
    assert [len(trace.steps) for trace in got.traces] == [4, 4, 2, 2]
    assert [problem.line for problem in got.problems] == [4, 5]
    assert all("too much would be repeated" in problem.what for problem in got.problems)


@pytest.mark.parametrize("calls", [
    [said("one", "a", "a")],
    [said("one", "a", "b"), said("two", "b", "a")],
    [said("one", "a", "c"), said("two", "b", "a"), said("three", "c", "b")],
])  # fmt: skip
def test_calls_in_a_circle_begin_somewhere_with_a_warning(read, jsonl, calls):
    got = read(jsonl(*calls), "calls.jsonl", FORMAT)
    assert words(got) == [WHOLE[: 2 * len(calls)]]
    (problem,) = got.problems
    assert problem.severity == "warning"
    assert "lead back to it" in problem.what


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
