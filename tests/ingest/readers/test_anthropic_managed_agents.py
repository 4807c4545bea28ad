"""Recordings and event lists of managed agents."""

STREAM = "client.beta.sessions.events.stream"
SEND = "client.beta.sessions.events.send"


def text(words):
    return [{"type": "text", "text": words}]


CREATED = {
    "id": "sesn_1",
    "agent": {
        "name": "Helper",
        "system": "Help.",
        "model": {"id": "m"},
        "tools": [{"name": "look"}],
    },
}
EVENTS = [
    {"type": "user.message", "id": "sevt_1", "content": text("Hi")},
    {"type": "span.model_request_start", "id": "sevt_2"},
    {"type": "agent.thinking", "id": "sevt_3", "content": text("Hm")},
    {"type": "agent.custom_tool_use", "id": "sevt_4", "name": "look", "input": {"at": "x"}},
    {"type": "span.model_request_end", "id": "sevt_5", "model_usage": {"output_tokens": 9}},
    {"type": "user.custom_tool_result", "custom_tool_use_id": "sevt_4", "content": text("no"),
     "is_error": True},
    {"type": "agent.message", "id": "sevt_6", "content": text("Sorry."), "agent_name": "Other"},
    {"type": "session.error", "error": {"message": "overloaded"}},
]  # fmt: skip


def test_recorded_calls(read, jsonl):
    sent = {"events": [{"type": "user.message", "content": text("Hi")}]}
    lost = {"events": [{"type": "user.message", "content": text("Hello?")}]}
    got = read(
        jsonl(
            ["client.beta.sessions.create", CREATED],
            [SEND, ["sesn_1", sent]],
            *([STREAM, event] for event in EVENTS),
            [SEND, ["sesn_1", lost]],
            [SEND, ["sesn_1", {}]],
        ),
        "calls.jsonl",
    )
    trace = got.trace
    assert trace.id == "sesn_1"
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("user", "message"),
        ("Helper", "thought"),
        ("Helper", "tool_call"),
        ("tool", "tool_result"),
        ("Other", "message"),
        ("user", "message"),
    ]
    assert [r.line for r in trace.steps[0].raw] == [3, 2]
    assert trace.steps[1].usage.output_tokens == 9
    assert (trace.steps[3].parent, trace.steps[3].tool.name) == (2, "look")
    assert trace.steps[3].tool.error == "no"
    assert trace.agent("Helper").system_prompt == "Help."
    assert trace.agent("Helper").tools == ("look",)
    assert trace.outcome.answer == "Sorry."
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "overloaded")


def test_bare_events_and_wrong_types(read):
    got = read({"data": [*EVENTS[:3], 5, {"type": 3}, {"type": "agent.tool_use", "input": "x"}]})
    assert [s.kind for s in got.trace.steps] == ["message", "thought", "tool_call"]
    assert sum(p.severity == "error" for p in got.problems) == 2
