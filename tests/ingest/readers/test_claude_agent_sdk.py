"""Recordings and streams of the Claude Agent SDK."""


def said(kind, content, parent=None, **more):
    message = {"role": kind, "content": content} | more
    return {"type": kind, "message": message, "parent_tool_use_id": parent, "session_id": "s-1"}


INIT = {"type": "system", "subtype": "init", "session_id": "s-1", "tools": ["Bash", "Task"]}
TASK = {"type": "tool_use", "id": "t1", "name": "Task", "input": {"subagent_type": "digger"}}
STREAM = [
    INIT,
    said("user", "Find it"),
    said("assistant", [TASK], id="m1", usage={"output_tokens": 1}),
    said("user", [{"type": "text", "text": "Dig"}], "t1"),
    said("assistant", [{"type": "text", "text": "Dug."}], "t1", id="m2"),
    said(
        "user", [{"type": "tool_result", "tool_use_id": "t1", "content": "Dug.", "is_error": True}]
    ),
    said("assistant", [{"type": "text", "text": "Found."}], id="m3", usage={"output_tokens": 4}),
]
DONE = {"type": "result", "subtype": "success", "result": "Found.", "total_cost_usd": 0.1}


def test_stream_with_sub_agent(read, jsonl):
    got = read(jsonl(*STREAM, DONE), "stream.jsonl")
    trace = got.trace
    assert got.report.format == "claude-agent-sdk"
    assert trace.id == "s-1"
    assert [s.agent for s in trace.steps] == [
        "user",
        "claude",
        "claude",
        "digger",
        "tool",
        "claude",
    ]
    assert trace.agent("digger").parent == "claude"
    assert trace.agent("claude").tools == ("Bash", "Task")
    assert trace.steps[1].to == "digger"
    assert (trace.steps[4].parent, trace.steps[4].tool.name) == (1, "Task")
    assert trace.steps[4].tool.error == "Dug."
    assert len(trace.steps[5].raw) == 2
    assert (trace.outcome.status, trace.outcome.answer) == ("unknown", "Found.")
    assert trace.extra["result"]["total_cost_usd"] == 0.1
    assert got.report.skipped == 1


def test_recording_that_ended_badly(read):
    ended = DONE | {"subtype": "error_max_turns", "is_error": True, "result": None}
    hook = {"type": "control_request", "request_id": "r"}
    items = [{"direction": "recv", "message": m} for m in [hook, *STREAM, ended]]
    got = read({"metadata": {"cli_version": "1"}, "messages": [*items, 4, {"direction": "send"}]})
    trace = got.trace
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "error_max_turns")
    assert trace.extra["metadata"] == {"cli_version": "1"}
    assert len(trace.steps) == 6
    assert sum(p.severity == "error" for p in got.problems) == 1


def test_wrong_types(read):
    hostile = [said("assistant", 4), {"type": "user", "message": []}, {"type": 3}, None]
    got = read({"messages": hostile}, format="claude-agent-sdk")
    assert [s.content for s in got.trace.steps] == ["4"]
    assert read({"messages": 2}, format="claude-agent-sdk").traces == []


def test_runs_appended_to_one_stream_are_apart(read, jsonl):
    second = [line | {"session_id": "s-2"} for line in STREAM]
    got = read(jsonl(*STREAM, DONE, *second, DONE | {"session_id": "s-2"}), "stream.jsonl")
    assert [(t.id, len(t.steps)) for t in got.traces] == [("s-1", 6), ("s-2", 6)]
