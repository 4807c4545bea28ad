"""Sessions and evaluation sets of Google ADK."""

import json


def event(author, *parts, **more):
    return {"invocation_id": "i", "author": author, "content": {"parts": list(parts)}} | more


CALL = {"text": None, "function_call": {"id": "f1", "name": "search", "args": {"q": "x"}}}
REPLY = {"function_response": {"id": "f1", "name": "search", "response": {"hits": 0}}}
MOVE = {"function_call": {"name": "transfer_to_agent", "args": {"agent_name": "writer"}}}
MOVED = {"function_response": {"name": "transfer_to_agent", "response": {"result": None}}}
SESSION = {
    "id": "s1",
    "app_name": "app",
    "events": [
        {"invocation_id": "i", "author": "model", "actions": {"state_delta": {"a": 1}}},
        event("user", {"text": "Find x"}, timestamp=1735689600.5),
        event("finder", {"text": "Let me see.", "thought": True}),
        event("finder", CALL, usage_metadata={"prompt_token_count": 7}),
        event("finder", REPLY),
        event("finder", MOVE),
        event("finder", MOVED, actions={"transfer_to_agent": "writer"}),
        event("writer", {"text": "No"}, partial=True),
        event("writer", {"text": "No x."}),
    ],
}


def test_session(read):
    got = read(SESSION)
    trace = got.trace
    assert trace.id == "s1"
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("user", "message"),
        ("finder", "thought"),
        ("finder", "tool_call"),
        ("finder", "tool_result"),
        ("finder", "handoff"),
        ("finder", "tool_result"),
        ("writer", "message"),
    ]
    assert trace.steps[0].time.start == 1735689600.5
    assert trace.steps[2].usage.input_tokens == 7
    assert trace.steps[2].tool.arguments == {"q": "x"}
    assert (trace.steps[3].parent, trace.steps[3].tool.result) == (2, '{"hits":0}')
    assert (trace.steps[4].to, trace.steps[5].parent) == ("writer", 4)
    assert trace.task.question == "Find x"
    assert trace.outcome.answer == "No x."
    assert (got.report.records, got.report.skipped) == (9, 2)


def test_camel_case_and_errors(read):
    failed = {"invocationId": "i", "author": "finder", "errorCode": "429", "errorMessage": "quota"}
    said = {"author": "user", "invocationId": "i", "content": {"parts": [{"text": "Hi"}]}}
    usage = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}}
    trace = read({"id": "s", "appName": "a", "events": [said | usage, failed]}).trace
    assert trace.steps[0].usage.output_tokens == 2
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "quota")


def test_evaluation_cases(read):
    def content(text, role="user"):
        return {"role": role, "parts": [{"text": text}]}

    turn = {
        "user_content": content("Find x"),
        "final_response": content("Done", "model"),
        "intermediate_data": {
            "tool_uses": [{"name": "search", "args": {}, "id": "f1"}],
            "intermediate_responses": [["finder", [{"text": "Searching"}]]],
        },
    }
    cases = [
        {"eval_id": "a", "conversation": [turn], "session_input": {"app_name": "app"}},
        {"eval_id": "b", "conversation": [3]},
    ]
    got = read({"eval_set_id": "e", "eval_cases": cases})
    first, second = got.traces
    assert [(s.agent, s.content) for s in first.steps] == [
        ("user", "Find x"), ("app", ""), ("finder", "Searching"), ("app", "Done")
    ]  # fmt: skip
    assert first.steps[1].tool.name == "search"
    assert (second.id, second.steps) == ("b", ())
    old = {
        "query": "Hi",
        "expected_tool_use": [{"tool_name": "t", "tool_input": {}}],
        "reference": "Ho",
    }
    assert [s.agent for s in read([{"name": "n", "data": [old]}]).trace.steps] == [
        "user", "assistant", "assistant"
    ]  # fmt: skip


def test_wrong_types(read):
    events = [
        1,
        event(None, {"text": "x"}),
        {"author": 3, "invocation_id": 1, "content": {"parts": "y"}},
    ]
    got = read({"events": events, "id": None})
    assert len(got.trace.steps) == 2
    assert len(got.problems) == 1
    assert read({"events": 3}, format="google-adk").traces == []


def _said(who, text, **more):
    return {"author": who, "invocation_id": "i", "content": {"parts": [{"text": text}]}} | more


def test_events_one_a_line_are_one_session(read, jsonl):
    got = read(jsonl(_said("user", "Roll"), _said("dice", "4")))
    assert got.report.format == "google-adk"
    assert [(s.agent, s.content) for s in got.trace.steps] == [("user", "Roll"), ("dice", "4")]


def test_results_of_an_evaluation_hold_its_sessions(read):
    session = {"id": "s", "app_name": "dice", "events": [_said("user", "Roll"), _said("dice", "4")]}
    cases = [
        {"eval_id": "c", "final_eval_status": status, "session_details": session}
        for status in (1, 2)
    ]
    got = read({"eval_set_result_id": "r", "eval_case_results": cases})
    assert [t.outcome.status for t in got.traces] == ["success", "failure"]
    assert [s.agent for s in got.traces[0].steps] == ["user", "dice"]


def test_a_long_state_before_the_events(read):
    session = {"id": "s", "app_name": "dice", "user_id": "u", "state": {"notes": "x" * 70_000}}
    got = read(session | {"events": [_said("user", "Roll")]})
    assert got.report.format == "google-adk"
    assert len(got.trace.steps) == 1


def test_an_event_that_breaks_off_says_nothing(read):
    log = json.dumps(
        {"id": "s", "app_name": "a", "user_id": "u", "events": [_said("user", "Roll")]}
    )
    got = read(log.removesuffix("]}") + ', {"content": {"role": "model", "parts": [{"text": "4')
    assert [s.agent for s in got.trace.steps] == ["user"]
    assert {p.severity for p in got.problems} == {"skip", "warning"}
