"""AutoGen AgentChat 0.4 and later."""

import json

import pytest

FORMAT = "autogen-agentchat-04"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3}
THREAD = [
    {"source": "user", "models_usage": None, "content": "Weather?", "type": "TextMessage"},
    {
        "source": "Forecaster",
        "models_usage": USAGE,
        "content": [{"id": "c1", "name": "look", "arguments": '{"day": 1}'}],
        "type": "ToolCallRequestEvent",
    },
    {
        "source": "Forecaster",
        "models_usage": None,
        "content": [{"call_id": "c1", "content": "rain", "is_error": True}],
        "type": "ToolCallExecutionEvent",
    },
    {"source": "Forecaster", "content": "Rain.", "type": "ToolCallSummaryMessage"},
    {
        "source": "Forecaster",
        "target": "Writer",
        "content": "Over to you",
        "type": "HandoffMessage",
        "created_at": "2025-01-01T00:00:00Z",
    },
    {"source": "Writer", "content": "It rains.", "type": "TextMessage", "metadata": {"k": "v"}},
]


def check(trace, speakers):
    assert speakers(trace) == ["user", *["Forecaster"] * 4, "Writer"]
    assert trace.task.question == "Weather?"
    assert [step.kind for step in trace.steps] == [
        "message", "tool_call", "tool_result", "message", "handoff", "message",
    ]  # fmt: skip
    assert trace.steps[1].tool.arguments == {"day": 1}
    assert trace.steps[1].usage.output_tokens == 3
    result = trace.steps[2].tool
    assert (result.name, result.result, result.error) == ("look", "rain", "rain")
    assert trace.steps[2].parent == 1
    assert trace.steps[4].to == "Writer"
    assert trace.outcome.answer == "It rains."


@pytest.mark.parametrize(
    "log",
    [THREAD, {"messages": THREAD, "stop_reason": "enough"}, "\n".join(map(json.dumps, THREAD))],
)
def test_lists_of_messages(log, read_one, speakers):
    trace = read_one(FORMAT, log)
    check(trace, speakers)
    assert trace.steps[4].time.end == 1735689600.0
    assert trace.steps[5].extra == {"type": "TextMessage", "metadata": {"k": "v"}}
    if isinstance(log, dict):
        assert trace.outcome.reason == "enough"


def team(thread, key="message_thread"):
    own = [
        {"content": "You forecast.", "type": "SystemMessage"},
        {"content": "Weather?", "source": "user", "type": "UserMessage"},
        {"content": "Rain.", "source": "Forecaster", "type": "AssistantMessage"},
    ]
    uuid = "0a0b0c0d-0000-4000-8000-000000000001"
    return {
        "type": "TeamState",
        "version": "1.0.0",
        "agent_states": {
            f"group_chat_manager/{uuid}": {"type": "RoundRobinManagerState", key: thread},
            f"Forecaster/{uuid}": {
                "agent_state": {"llm_context": {"messages": own}},
                "message_buffer": [thread[-1]],
            },
            f"Silent/{uuid}": {"agent_state": {}, "message_buffer": []},
        },
    }


def test_copies_in_a_team_state_are_merged(read_as, speakers):
    (trace,), problems = read_as(FORMAT, team(THREAD), sniffed=True)
    check(trace, speakers)
    assert len(trace.steps[0].raw) == 2
    assert len(trace.steps[5].raw) == 2
    assert [problem.severity for problem in problems] == ["skip"]  # the system prompt
    assert "Silent" in {agent.id for agent in trace.agents}
    assert "You forecast." in json.dumps(trace.extra)


def test_state_of_one_agent(read_one, speakers):
    messages = [
        {"content": "You add.", "type": "SystemMessage"},
        {"content": "2 + 2?", "source": "user", "type": "UserMessage"},
        {
            "content": [{"id": "c1", "name": "add", "arguments": "{}"}],
            "thought": "use the tool",
            "source": "Adder",
            "type": "AssistantMessage",
        },
        {
            "content": [{"call_id": "c1", "name": "add", "content": "4", "is_error": False}],
            "type": "FunctionExecutionResultMessage",
        },
    ]
    state = {"type": "AssistantAgentState", "llm_context": {"messages": messages}}
    trace = read_one(FORMAT, state)
    assert speakers(trace) == ["system", "user", "Adder", "unknown"]
    assert trace.steps[2].extra["thought"] == "use the tool"
    assert trace.steps[3].parent == 2


def test_old_dumps_hold_only_source_and_content(read_one, speakers):
    log = [{"content": "", "source": "user"}, {"content": "Hi", "source": "yoda"}]
    trace = read_one(FORMAT, log)
    assert speakers(trace) == ["user", "yoda"]


def test_streamed_pieces_and_images(read_as, speakers):
    piece = {"source": "Writer", "content": "It ", "type": "ModelClientStreamingChunkEvent"}
    image = {"source": "user", "content": ["see", {"data": "aGk="}], "type": "MultiModalMessage"}
    (trace,), problems = read_as(FORMAT, [image, piece, THREAD[5]], sniffed=True)
    assert speakers(trace) == ["user", "Writer"]
    assert trace.steps[0].content == "see\n[image]"
    assert trace.steps[0].media[0].size == 2
    assert problems[0].severity == "skip"


def test_odd_values(read_as, speakers):
    (trace,), problems = read_as(FORMAT, [*THREAD[:1], 4, {"source": 5, "content": {"a": 1}}])
    assert trace.steps[1].content == '{"a":1}'
    assert problems[0].record == "/1"
    assert read_as(FORMAT, {"type": "TeamState", "agent_states": []})[1][0].severity == "error"


def test_structured_messages_and_code_that_ran(read):
    more = {"models_usage": None, "metadata": {}}
    got = read(
        [
            {"source": "user", "content": "Plan", "type": "TextMessage"} | more,
            {"source": "coder", "type": "CodeExecutionEvent", "retry_attempt": 0,
             "result": {"exit_code": 1, "output": "NameError"}} | more,
            {"source": "planner", "content": {"days": 2}, "type": "StructuredMessage[Plan]"} | more,
        ]
    )  # fmt: skip
    assert got.report.format == "autogen-agentchat-04"
    assert [(s.agent, s.content) for s in got.trace.steps] == [
        ("user", "Plan"), ("coder", "NameError"), ("planner", '{"days":2}'),
    ]  # fmt: skip


def test_the_outer_team_of_a_society_tells_the_run(read):
    def thread(*said):
        return {
            "message_thread": [{"source": w, "content": c, "type": "TextMessage"} for w, c in said]
        }

    inner = {
        "agent_states": {"RoundRobinGroupChatManager": thread(("a", "1"), ("b", "2"), ("a", "3"))}
    }
    states = {
        "society": {"agent_state": {"inner_team_state": inner}},
        "project_manager": {"agent_state": {}},
        "RoundRobinGroupChatManager": thread(("user", "Go"), ("society", "3")),
    }
    trace = read({"type": "TeamState", "version": "1.0.0", "agent_states": states}).trace
    assert [s.agent for s in trace.steps] == ["user", "society"]
    assert {"project_manager", "society"} <= {a.id for a in trace.agents}


def test_a_state_saved_before_the_run_is_skipped(read):
    got = read(
        {"type": "TeamState", "version": "1.0.0", "agent_states": {"m": {"message_thread": []}}}
    )
    assert [p.severity for p in got.problems] == ["skip"]


def test_a_long_first_message(read):
    long = {"source": "user", "models_usage": None, "content": "x" * 70_000, "type": "TextMessage"}
    got = read([long, long | {"source": "bot"}])
    assert got.report.format == "autogen-agentchat-04"
    assert [s.agent for s in got.trace.steps] == ["user", "bot"]


def test_a_list_that_the_head_cuts_off(read):
    said = {"source": "user", "models_usage": None, "content": "Hi", "type": "TextMessage"}
    got = read([said, said | {"source": "bot"}, said | {"content": "x" * 70_000}])
    assert got.report.format == "autogen-agentchat-04"
    assert len(got.trace.steps) == 3
    assert not got.problems
