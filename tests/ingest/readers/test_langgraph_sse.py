"""LangGraph event streams: replays in pieces, and streams of states."""

import json


def stream(*events):
    return "".join(f"event: {kind}\ndata: {json.dumps(data)}\n\n" for kind, data in events)


def piece(id, agent="planner", role="assistant", **more):
    return {"thread_id": "t1", "id": id, "agent": agent, "role": role} | more


CALL = {"name": "search", "args": {}, "id": "c1"}
CHUNK = {"index": 0, "args": '{"q": '}
REPLAY = [
    ("message_chunk", {"thread_id": "t1", "id": "m0", "role": "user", "content": "Find x"}),
    (
        "tool_calls",
        piece("m1", "boss", tool_calls=[{"name": "handoff_to_planner", "args": {"a": 1}}]),
    ),
    ("message_chunk", piece("m2", content="Let ")),
    ("tool_calls", piece("m3", "seeker", tool_calls=[CALL], tool_call_chunks=[CHUNK])),
    ("message_chunk", piece("m2", content="us plan", finish_reason="stop")),
    ("tool_call_chunks", piece("m3", "seeker", tool_call_chunks=[CHUNK | {"args": '"x"}'}])),
    ("tool_call_result", piece("m4", "seeker", content="none", tool_call_id="c1")),
    ("tool_calls", piece("m5", "seeker", tool_calls=[CALL | {"id": ""}])),
    ("tool_call_result", piece("m6", "seeker", content="still none", tool_call_id="")),
    ("message_chunk", piece("m7", reasoning_content="Hm")),
    ("message_chunk", piece("m8")),
    ("message_chunk", piece("m9", "reporter", content="No x.")),
]


def test_replay(read):
    got = read(stream(*REPLAY), "replay.txt")
    trace = got.trace
    assert got.report.format == "langgraph-sse"
    assert trace.id == "t1"
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("user", "message", "Find x"),
        ("boss", "handoff", ""),
        ("planner", "message", "Let us plan"),
        ("seeker", "tool_call", ""),
        ("seeker", "tool_result", "none"),
        ("seeker", "tool_call", ""),
        ("seeker", "tool_result", "still none"),
        ("planner", "thought", "Hm"),
        ("reporter", "message", "No x."),
    ]
    assert trace.steps[1].to == "planner"
    assert [r.line for r in trace.steps[2].raw] == [8, 14]
    assert trace.steps[3].tool.arguments == {"q": "x"}
    assert (trace.steps[4].parent, trace.steps[4].tool.name) == (3, "search")
    assert (trace.steps[6].parent, trace.steps[6].tool.name) == (5, "search")
    assert trace.task.question == "Find x"
    assert trace.outcome.answer == "No x."
    assert (got.report.records, got.report.skipped) == (12, 1)


def test_stream_of_states(read):
    human = {"type": "human", "content": "Hi", "id": "1"}
    said = {"type": "ai", "content": "Ho", "id": "2", "name": "Bo"}
    events = [
        ("metadata", {"run_id": "r"}),
        ("values", {"messages": [human]}),
        ("values", {"messages": [human, said]}),
        ("updates", {"critic": {"messages": [{"type": "ai", "content": "Bad", "id": "3"}]}}),
    ]
    got = read(stream(*events), "stream.txt")
    assert got.steps == [
        ("user", "message", "Hi"), ("Bo", "message", "Ho"), ("critic", "message", "Bad")
    ]  # fmt: skip


def test_broken_streams(read):
    text = stream(*REPLAY[:3]) + 'event: message_chunk\ndata: {"id": "m3", "rol'
    got = read(text + "\n\nevent: message_chunk\ndata: [1]\n\n: comment\nretry: 5\n", "cut.txt")
    assert len(got.trace.steps) == 3
    assert sorted(p.severity for p in got.problems) == ["error", "skip"]
    odd = stream(("tool_calls", piece("m1", tool_calls=[3], tool_call_chunks="x", content=4)))
    assert read(odd, "odd.txt").steps == [("planner", "message", "4")]


def test_messages_of_the_api_are_no_speakers_named_event(read):
    def said(content, **more):
        return {"type": "AIMessageChunk", "id": "run-1", "content": content} | more

    place = {"langgraph_node": "writer"}
    partial = stream(
        ("metadata", {"run_id": "r"}),
        ("messages/metadata", {"run-1": {"metadata": place}}),
        ("messages/partial", [said("An")]), ("messages/partial", [said("An owl.")]),
    )  # fmt: skip
    pairs = stream(
        ("metadata", {"run_id": "r"}), ("messages", [said("An"), place]),
        ("messages", [said(" owl."), place]),
    )  # fmt: skip
    for log in (partial, pairs):
        got = read(log, "stream.txt")
        assert got.report.format == "langgraph-sse"
        assert got.steps == [("writer", "message", "An owl.")]
