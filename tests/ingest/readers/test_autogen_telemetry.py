"""Telemetry of pyautogen 0.2."""

import json
import sqlite3

import pytest

FORMAT = "autogen-telemetry"


def user(text, **more):
    return {"role": "user", "content": text, **more}


def own(text, **more):
    return {"role": "assistant", "content": text, **more}


CHATS = {
    "admin": [user("Find it"), own("Found: 7")],
    "coder": [own("Look", name="boss"), user("I see 7", name="coder"), own("Found: 7", name="coder")],
    "critic": [own("Look", name="boss"), own("I see 7", name="coder"), user("Sure?", name="critic"),
               own("Found: 7", name="coder")],
}  # fmt: skip


def test_copies_in_the_lists_are_one_step(read_one, speakers):
    trace = read_one(FORMAT, CHATS, "run_boss_messages.json")
    assert speakers(trace) == ["admin", "boss", "coder", "critic", "coder", "boss"]
    assert trace.task.question == "Find it"
    assert trace.outcome.answer == "Found: 7"
    assert trace.steps[2].extra["chats"] == ["coder", "critic"]
    assert [raw.record for raw in trace.steps[2].raw] == ["/coder/1", "/critic/1"]


def test_odd_chats(read, speakers):
    got = read({"a": [user("Hi"), 3], "b": {"role": "user"}}, "x_messages.json", FORMAT)
    assert speakers(got.trace) == ["a"]
    assert len(got.problems) == 2
    assert read([1], "x_messages.json", FORMAT).problems


@pytest.fixture
def database(tmp_path):
    file = tmp_path / "telemetry.db"
    with sqlite3.connect(file) as base:
        base.executescript(
            """
            CREATE TABLE chat_completions(id INTEGER PRIMARY KEY, wrapper_id INTEGER,
                session_id TEXT, request TEXT, response TEXT, cost REAL, start_time TEXT,
                end_time TEXT);
            CREATE TABLE agents(id INTEGER PRIMARY KEY, agent_id INTEGER, wrapper_id INTEGER,
                session_id TEXT, name TEXT, class TEXT, init_args TEXT);
            CREATE TABLE oai_wrappers(id INTEGER PRIMARY KEY);
            CREATE TABLE events(event_name TEXT, source_id INTEGER, source_name TEXT,
                id INTEGER PRIMARY KEY, json_state TEXT, timestamp TEXT);
            CREATE TABLE function_calls(source_id INTEGER, source_name TEXT, function_name TEXT,
                args TEXT, returns TEXT, timestamp TEXT);
            """
        )

        def add(table, *row):
            base.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)

        def at(second):
            return f"2024-06-01 10:00:{second:02}"

        add("agents", 1, 11, 21, "s", "boss", "AssistantAgent", '{"system_message": "Lead."}')
        add("agents", 2, 12, None, "s", "admin", "UserProxyAgent", "not json")
        message = json.dumps({"message": "Add 2 and 2", "sender": "admin", "valid": True})
        add("events", "received_message", 11, "boss", 1, message, at(0))
        add("events", "reply_func_executed", 11, "boss", 2, '{"reply": null}', at(9))
        passed = json.dumps({"message": {"content": "It is 4."}, "sender": "boss"})
        add("events", "received_message", 12, "admin", 3, passed, at(8))
        request = json.dumps({"messages": [user("Add 2 and 2")], "model": "m", "temperature": 0})
        call = {"id": "c", "function": {"name": "add", "arguments": "{}"}}
        first = {
            "choices": [{"message": own(None, tool_calls=[call])}],
            "usage": {"prompt_tokens": 4},
        }
        second = {"choices": [{"message": own("It is 4.")}], "model": "m1"}
        add("chat_completions", 1, 21, "s", request, json.dumps(first), 0.5, at(1), at(2))
        add("chat_completions", 2, 21, "s", request, json.dumps(second), 0.5, at(5), at(6))
        add("chat_completions", 3, 99, "s", "cut {", "quota exceeded", 0, at(7), at(7))
        add("function_calls", 12, "admin", "add", "{}", "4", at(3))
    return file


def test_database(read_one, speakers, database):
    trace = read_one(FORMAT, database.read_bytes(), "copy.db")
    assert speakers(trace) == ["admin", "boss", "admin", "boss", "unknown", "boss"]
    assert [step.kind for step in trace.steps] == [
        "message", "tool_call", "tool_result", "message", "message", "message",
    ]  # fmt: skip
    assert trace.task.question == "Add 2 and 2"
    assert trace.agent("boss").system_prompt == "Lead."
    assert trace.agent("admin").role == "UserProxyAgent"
    asked = trace.steps[1]
    assert (asked.usage.input_tokens, asked.usage.cost, asked.usage.model) == (4, 0.5, "m")
    assert asked.inputs.messages[0].content == "Add 2 and 2"
    assert asked.time.end - asked.time.start == 1
    assert trace.steps[2].tool.result == "4"
    assert trace.steps[4].content == "quota exceeded"
    assert trace.steps[4].extra["failed"] is True
    assert trace.steps[5].to == "admin"


def test_message_that_repeats_a_completion_is_merged(read_one, database):
    with sqlite3.connect(database) as base:
        base.execute("DELETE FROM chat_completions WHERE id = 3")
    trace = read_one(FORMAT, database.read_bytes(), "copy.db")
    assert [raw.record for raw in trace.steps[-1].raw] == ["chat_completions/2", "events/3"]
    assert trace.steps[-1].to == "admin"


def test_damaged_database(read, database):
    data = database.read_bytes()
    got = read(data[: len(data) // 2], "half.db", FORMAT)
    assert any(problem.severity == "error" for problem in got.problems)
    assert read(b"SQLite format 3\0chat_completions agents", "tiny.db").problems


def test_what_the_manager_passes_on_to_the_group_is_said_once(read_one, database):
    with sqlite3.connect(database) as base:
        base.executescript("DELETE FROM events; DELETE FROM chat_completions;")
        base.execute("DELETE FROM function_calls")
        base.execute("INSERT INTO agents VALUES (3, 13, 23, 's', 'chair', 'GroupChatManager', '')")
        answer = {
            "content": "4",
            "role": "tool",
            "tool_responses": [{"tool_call_id": "c", "content": "4"}],
        }
        call = {"content": None, "tool_calls": [{"id": "c", "function": {"name": "add"}}]}
        told = [("admin", "chair", "Add"), ("chair", "boss", "Add"), ("boss", "chair", call),
                ("chair", "admin", call), ("admin", "chair", answer), ("chair", "boss", answer)]  # fmt: skip
        for number, (sender, here, message) in enumerate(told):
            state = json.dumps({"message": message, "sender": sender})
            row = ("received_message", 11, here, number, state, f"2024-06-01 10:00:0{number}")
            base.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
    trace = read_one(FORMAT, database.read_bytes(), "copy.db")
    assert [(s.agent, s.kind, s.to) for s in trace.steps] == [
        ("admin", "message", "chair"), ("boss", "tool_call", "chair"), ("admin", "tool_result", "chair"),
    ]  # fmt: skip
    assert (trace.steps[2].tool.name, trace.steps[2].parent) == ("add", 1)


def test_a_long_second_message(read):
    chats = {
        "admin": [
            {"content": t, "role": r} for t, r in (("Hi", "user"), ("x" * 70_000, "assistant"))
        ]
    }
    assert read(chats, "boss_messages.json").report.format == FORMAT


def test_a_database_that_asks_for_too_much_memory_is_damaged(read, database, monkeypatch):
    class Greedy(sqlite3.Connection):
        def execute(self, *_):
            raise MemoryError

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Greedy))
    got = read(database.read_bytes(), "copy.db", FORMAT)
    assert {problem.severity for problem in got.problems} == {"error"}
    assert "memory" in got.problems[0].what
