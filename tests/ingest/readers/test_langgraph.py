"""LangGraph states, histories, updates and LangChain messages."""

HUMAN = {"type": "human", "content": "How warm is it in Oslo?", "id": "m1", "name": None}
ASKS = {
    "type": "ai",
    "content": "",
    "id": "m2",
    "additional_kwargs": {"reasoning_content": "look it up"},
    "response_metadata": {"model_name": "model-a"},
    "tool_calls": [{"name": "weather", "args": {"city": "Oslo"}, "id": "c1"}],
    "usage_metadata": {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14},
}
ANSWERS = {
    "type": "tool",
    "content": "timeout",
    "id": "m3",
    "name": "weather",
    "tool_call_id": "c1",
    "status": "error",
}
SAYS = {"type": "ai", "content": [{"type": "text", "text": "I do not know."}], "id": "m4"}
MESSAGES = [HUMAN, ASKS, ANSWERS, SAYS]


def state(messages, step=3, **more):
    return {
        "values": {"messages": messages, "title": "Oslo"},
        "next": [],
        "tasks": [],
        "metadata": {"step": step, "thread_id": "t-1", "langgraph_version": "1.0.0", **more},
        "created_at": f"2025-01-01T00:00:0{step}+00:00",
        "checkpoint": {"checkpoint_id": f"cp{step}"},
    }


def test_thread_state(read):
    got = read(state(MESSAGES, graph_id="weather_agent"))
    trace = got.trace
    assert trace.id == "t-1"
    assert trace.source.format == "langgraph"
    assert trace.source.version == "1.0.0"
    assert [s.agent for s in trace.steps] == ["user", "weather_agent", "tool", "weather_agent"]
    asked, answered = trace.steps[1], trace.steps[2]
    assert asked.kind == "tool_call"
    assert asked.tool.arguments == {"city": "Oslo"}
    assert (asked.usage.input_tokens, asked.usage.output_tokens) == (10, 4)
    assert asked.usage.model == "model-a"
    assert asked.extra["additional_kwargs"] == {"reasoning_content": "look it up"}
    assert answered.parent == 1
    assert answered.tool.error == "timeout"
    assert trace.task.question == "How warm is it in Oslo?"
    assert trace.outcome.answer == "I do not know."
    assert trace.outcome.status == "unknown"
    assert trace.extra["values"] == {"title": "Oslo"}


def test_history_is_one_thread_in_order_of_time(read):
    changed = SAYS | {"content": "It is 3 degrees."}
    newest_first = [
        state([HUMAN, ASKS, ANSWERS, changed], 4),
        state(MESSAGES, 3),
        state([HUMAN, ASKS], 1),
        state([HUMAN], 0),
    ]
    got = read(newest_first)
    assert [s.content for s in got.trace.steps][-1] == "It is 3 degrees."
    assert [s.agent for s in got.trace.steps] == ["user", "assistant", "tool", "assistant"]
    assert [r.record for r in got.trace.steps[3].raw] == [
        "/1/values/messages/3",
        "/0/values/messages/3",
    ]
    assert got.report.records == 5
    assert got.trace.steps[0].time.start < got.trace.steps[3].time.start


def test_streamed_updates_name_the_node_that_ran(read, jsonl):
    handoff = {"name": "transfer_to_critic", "args": {}, "id": "c9"}
    lines = jsonl(
        {"writer": {"messages": [SAYS | {"tool_calls": [handoff], "response_metadata": {}}]}},
        {"critic": {"messages": [{"type": "ai", "content": "Too short.", "id": "m9"}]}},
    )
    got = read(lines, "updates.jsonl")
    assert [s.agent for s in got.trace.steps] == ["writer", "critic"]
    assert got.trace.steps[0].kind == "handoff"
    assert got.trace.steps[0].to == "critic"


def test_messages_as_dumped_by_langchain(read):
    dumped = [
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", f"{t}Message"],
         "kwargs": {"content": c, "name": n}}
        for t, c, n in [("System", "Be brief.", None), ("Human", "Hi", None), ("AI", "Ho", "Bo")]
    ]  # fmt: skip
    assert read(dumped).steps == [
        ("system", "system", "Be brief."),
        ("user", "message", "Hi"),
        ("Bo", "message", "Ho"),
    ]
    as_dicts = [
        {"type": "human", "data": {"content": "Hi", "additional_kwargs": {}}},
        {"type": "ai", "data": {"content": "Ho", "name": "Bo"}},
    ]
    assert read(as_dicts).steps == [("user", "message", "Hi"), ("Bo", "message", "Ho")]


def test_sub_agents_and_refused_calls(read):
    calls = [{"name": "task", "args": {"subagent_type": "digger", "prompt": "dig"}, "id": "c1"}]
    refused = [{"name": "search", "args": "{oops", "id": "c2", "error": "not JSON"}]
    message = SAYS | {"content": "", "tool_calls": calls, "invalid_tool_calls": refused}
    trace = read(state([HUMAN, message], graph_id="lead")).trace
    assert trace.steps[1].to == "digger"
    assert trace.agent("digger").parent == "lead"
    assert [(c.name, c.error) for c in trace.steps[1].tools] == [
        ("task", None),
        ("search", "not JSON"),
    ]


def test_errors_of_a_task_fail_the_run(read):
    broken = state([HUMAN]) | {"tasks": [{"name": "agent", "error": "ValueError('x')"}]}
    assert read(broken).trace.outcome.status == "failure"
    assert read(broken).trace.outcome.by == "tasks.error"


def test_wrong_types_are_problems(read):
    got = read(state([HUMAN, 7, {"type": "ai"}, {"type": 3, "content": "x"}, SAYS]))
    assert len(got.trace.steps) == 2
    assert [p.record for p in got.problems] == [f"/values/messages/{i}" for i in (1, 2, 3)]
    assert read({"values": {"messages": "none"}}, format="langgraph").traces == []


def test_cut_off_state_gives_the_messages_before_the_cut(read):
    import json

    text = json.dumps(state(MESSAGES))
    got = read(text[: text.index("I do not know")])
    assert [s.agent for s in got.trace.steps][:3] == ["user", "assistant", "tool"]
    assert any("breaks off" in p.what for p in got.problems)


def event(kind, run, above, data, node="writer", **more):
    place = {"langgraph_node": node, "langgraph_checkpoint_ns": f"{node}:1"}
    return {"event": kind, "run_id": run, "parent_ids": above, "data": data, "name": run,
            "metadata": place} | more  # fmt: skip


def test_events_of_runs_are_spans(read, jsonl):
    asked = {"type": "human", "content": "Owls?"}
    call = {"name": "look", "args": {"up": 1}, "id": "c1"}
    log = [
        event("on_chain_start", "graph", [], {"input": {"messages": [asked]}}, metadata={}),
        event("on_chat_model_start", "m1", ["graph"], {"input": {"messages": [[asked]]}}),
        event("on_chat_model_stream", "m1", ["graph"], {"chunk": {"type": "AIMessageChunk"}}),
        event("on_chat_model_end", "m1", ["graph"],
              {"output": {"type": "ai", "content": "", "tool_calls": [call]}}),
        event("on_tool_start", "look", ["graph"], {"input": {"up": 1}}, "tools"),
        event("on_tool_end", "look", ["graph"],
              {"output": {"type": "tool", "content": "an owl", "tool_call_id": "c1"}}, "tools"),
        event("on_chain_end", "graph", [], {"output": {"messages": []}}, metadata={}),
    ]  # fmt: skip
    got = read(jsonl(*log), "events.jsonl")
    assert got.report.format == "langgraph"
    assert got.steps == [("writer", "tool_call", ""), ("writer", "tool_result", "an owl")]
    assert (got.trace.task.question, got.trace.steps[1].parent) == ("Owls?", 0)
    assert (got.report.records, got.report.skipped, got.problems) == (7, 0, [])


def test_pieces_of_messages_are_put_together(read, jsonl):
    def piece(content, *chunks, id="m1"):
        message = {"type": "AIMessageChunk", "id": id, "content": content, "additional_kwargs": {},
                   "tool_call_chunks": list(chunks)}  # fmt: skip
        return [message, {"langgraph_node": "agent", "checkpoint_ns": "seeker:1|agent:2"}]

    log = [
        piece("Let "), piece("me look", {"name": "look", "args": '{"up"', "id": "c1", "index": 0}),
        piece("", {"args": ": 1}", "index": 0}), piece("An owl.", id="m2"),
    ]  # fmt: skip
    got = read(jsonl(*log), "pieces.jsonl")
    assert got.steps == [("seeker", "tool_call", "Let me look"), ("seeker", "message", "An owl.")]
    (call,) = got.trace.steps[0].tools
    assert (call.name, call.arguments, call.call_id) == ("look", {"up": 1}, "c1")


def test_the_place_of_a_subgraph_names_the_agent(read, jsonl):
    said = {"type": "ai", "content": "An owl.", "id": "1", "additional_kwargs": {}}
    got = read(
        jsonl([["seeker:9"], {"agent": {"messages": [said]}}], [[], {"end": None}]), "u.jsonl"
    )
    assert got.steps == [("seeker", "message", "An owl.")]
