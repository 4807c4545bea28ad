"""Chat-completion messages."""

import json

import pytest

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is 2 + 2?"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "4"},
    {"role": "assistant", "content": "4.", "refusal": None},
]
FORMAT = "openai-chat-messages"


def check_chat(trace, speakers):
    assert speakers(trace) == ["system", "user", "assistant", "tool", "assistant"]
    assert trace.task.question == "What is 2 + 2?"
    assert [step.kind for step in trace.steps[:4]] == [
        "system", "message", "tool_call", "tool_result",
    ]  # fmt: skip
    assert trace.steps[2].tool.arguments == {"a": 2}
    assert (trace.steps[3].tool.name, trace.steps[3].tool.result) == ("add", "4")
    assert trace.steps[3].parent == 2
    assert trace.agent("assistant").system_prompt == "Be brief."


@pytest.mark.parametrize(
    "log",
    [
        CHAT,
        {"messages": CHAT},
        {"request": {"messages": CHAT}},
        "\n".join(map(json.dumps, CHAT)),
    ],
)
def test_layouts_of_one_conversation(log, read_one, speakers):
    trace = read_one(FORMAT, log)
    check_chat(trace, speakers)
    assert trace.outcome.answer in ("4.", None)
    assert trace.steps[4].extra == {"refusal": None}


def test_logged_call_ends_with_its_reply(read_one, speakers):
    call = {
        "messages": CHAT[:4],
        "tools": [{"type": "function", "function": {"name": "add", "parameters": {}}}],
        "response": {
            "model": "m1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "4."}}],
            "usage": {"prompt_tokens": 30, "completion_tokens": 2},
        },
        "cost": 0.25,
        "timestamp": 1700000000.0,
        "latency_sec": 1.5,
    }
    trace = read_one(FORMAT, call)
    check_chat(trace, speakers)
    reply = trace.steps[4]
    assert reply.usage.input_tokens == 30
    assert (reply.usage.cost, reply.usage.model) == (0.25, "m1")
    assert (reply.time.start, reply.time.end) == (1699999998.5, 1700000000.0)
    assert reply.extra == {"finish_reason": "stop"}
    assert reply.raw[0].record == "/response/choices/0"
    assert trace.agent("assistant").tools == ("add",)
    assert trace.outcome.answer == "4."


def test_rewritten_messages_are_read_in_their_first_form(read_one, speakers):
    rewritten = [{"role": m["role"], "content": f"<{m['role']}>"} for m in CHAT]
    trace = read_one(FORMAT, {"messages": rewritten, "raw_messages": CHAT, "response": {}})
    check_chat(trace, speakers)
    assert trace.steps[3].extra["sent"] == "<tool>"
    assert [raw.record for raw in trace.steps[3].raw] == ["/raw_messages/3", "/messages/3"]


def test_displayed_chat(read_as, speakers):
    shown = "user: Where?\nIn town.\nassistant: None\ntool: [1, 2]\nassistant: Here: there."
    lines = "\n".join(json.dumps({"messages_display": text}) for text in (shown, "user: Hi"))
    traces, problems = read_as(FORMAT, lines, "shots.jsonl", sniffed=True)
    assert problems == []
    assert speakers(traces[0]) == ["user", "assistant", "tool", "assistant"]
    assert traces[0].task.question == "Where?\nIn town."
    assert [step.content for step in traces[0].steps[1:]] == ["", "[1, 2]", "Here: there."]
    assert traces[0].steps[2].parent == 1
    assert traces[0].id != traces[1].id


def test_displayed_text_without_speakers_is_kept(read_one, speakers):
    trace = read_one(FORMAT, {"messages_display": "no turns\nhere"})
    assert speakers(trace) == ["unknown"]
    trace = read_one(FORMAT, {"messages_display": "note\nuser: Hi"})
    assert [step.content for step in trace.steps] == ["note", "Hi"]


def test_named_speakers_keep_their_role(read_one, speakers):
    chat = [
        {"role": "user", "name": "admin", "content": "Go"},
        {"role": "assistant", "name": "Coder", "content": "Done"},
        {"role": "function", "name": "ls", "content": "a.txt"},
    ]
    trace = read_one(FORMAT, chat)
    assert speakers(trace) == ["admin", "Coder", "tool"]
    assert trace.steps[1].extra["role"] == "assistant"
    assert trace.steps[2].tool.name == "ls"


def test_ag2_answers_in_one_message(read_one, speakers):
    calls = [CALL, {**CALL, "id": "c2"}]
    answers = [{"tool_call_id": f"c{n}", "role": "tool", "content": str(n)} for n in (1, 2)]
    chat = [
        {"role": "assistant", "name": "Coder", "content": "", "tool_calls": calls},
        {"role": "tool", "name": "Runner", "content": "1\n2", "tool_responses": answers},
    ]
    trace = read_one(FORMAT, chat)
    assert speakers(trace) == ["Coder", "Runner"]
    assert [(call.name, call.result) for call in trace.steps[1].tools] == [
        ("add", "1"),
        ("add", "2"),
    ]
    assert trace.steps[1].parent == 0


def test_bad_messages_are_reported_and_the_rest_is_read(read_as, speakers):
    traces, problems = read_as(FORMAT, [CHAT[0], "text", {"role": 3}, None, CHAT[1]])
    assert speakers(traces[0]) == ["system", "user"]
    assert [problem.record for problem in problems] == ["/1", "/2", "/3"]


def test_cut_file_gives_what_is_readable(read_as, speakers):
    traces, problems = read_as(FORMAT, json.dumps({"messages": CHAT})[:-60])
    assert speakers(traces[0])[:4] == ["system", "user", "assistant", "tool"]
    assert [problem.severity for problem in problems] == ["warning"]


@pytest.mark.parametrize(
    "log", ["", "[", "3", "{}", '{"messages": 1}', "[[]]", '{"messages": [[]]}']
)
def test_no_conversation_is_a_problem_or_nothing(log, read_as):
    traces, problems = read_as(FORMAT, log)
    assert problems or not any(trace.steps for trace in traces)
