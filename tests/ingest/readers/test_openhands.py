"""Three generations of OpenHands events."""


def act(id, action, source="agent", **args):
    return {"id": id, "source": source, "action": action, "args": args, "timestamp": "2025-01-01"}


def saw(cause, observation, content, source="environment", **extras):
    return {
        "id": cause + 100, "cause": cause, "source": source, "observation": observation,
        "content": content, "extras": extras,
    }  # fmt: skip


ANSWER = {
    "id": "r1",
    "model": "m",
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "cache_read_input_tokens": 8},
    "choices": [
        {
            "message": {
                "tool_calls": '[{"id": "c1", "function": {"name": "bash", "arguments": "{}"}}]'
            }
        }
    ],
}
META = {"function_name": "bash", "tool_call_id": "c1", "model_response": ANSWER}
EVENTS = [
    act(0, "system", content="Be good.", agent_class="CodeAct", openhands_version="0.5"),
    act(1, "message", "user", content="Fix it"),
    act(5, "run", thought="Look.", command="ls") | {"tool_call_metadata": META},
    act(6, "run", command="pwd") | {"tool_call_metadata": META | {"tool_call_id": "c2"}},
    saw(5, "run", "no such file", metadata={"exit_code": 2}),
    act(8, "think", thought="Hm."),
    act(9, "delegate", agent="Browser", task="Search"),
    act(10, "browse", thought="Go.", url="x"),
    saw(10, "error", "timed out"),
    saw(9, "delegate", "done"),
    {"observation": "null", "content": "", "source": "agent"},
    act(12, "finish", final_thought="Fixed.", task_completed="true"),
]


def test_event_list(read):
    got = read(EVENTS)
    trace = got.trace
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("agent", "system"),
        ("user", "message"),
        ("agent", "tool_call"),
        ("agent", "tool_call"),
        ("environment", "tool_result"),
        ("agent", "thought"),
        ("agent", "handoff"),
        ("Browser", "tool_call"),
        ("environment", "tool_result"),
        ("environment", "tool_result"),
        ("agent", "final"),
    ]
    run, again, failed = trace.steps[2:5]
    assert (run.content, run.tool.name, run.tool.call_id) == ("Look.", "bash", "c1")
    assert run.usage.input_tokens == 10
    assert again.usage is None
    assert (failed.parent, failed.tool.error, failed.tool.call_id) == (2, "exit code 2", "c1")
    assert trace.steps[8].tool.error == "timed out"
    assert trace.steps[6].to == "Browser"
    assert trace.agent("Browser").parent == "agent"
    assert trace.agent("agent").role == "CodeAct"
    assert trace.source.version == "0.5"
    assert (trace.outcome.status, trace.outcome.answer) == ("unknown", "Fixed.")
    assert got.report.skipped == 1


def test_output_lines_and_old_pairs(read, jsonl):
    pair = [
        {"action": "run", "args": {"command": "ls", "thought": ""}},
        {"observation": "run", "content": "a.py", "extras": {"exit_code": 1}},
    ]
    line = {
        "instance_id": "i-1", "instruction": "Fix it", "history": [pair], "metrics": {"cost": 1},
        "test_result": {"report": {"resolved": False}, "git_patch": "diff"}, "error": None,
    }  # fmt: skip
    solved = line | {"instance_id": "i-2", "resolved": True}
    crashed = line | {"test_result": {}, "error": "boom", "history": [5, [None]]}
    got = read(jsonl(line, solved, crashed), "output.jsonl")
    first, second, third = got.traces
    assert [(s.agent, s.kind) for s in first.steps] == [
        ("agent", "tool_call"), ("environment", "tool_result")
    ]  # fmt: skip
    assert first.steps[1].parent == 0
    assert first.steps[1].tool.error == "exit code 1"
    assert (first.task.question, first.task.id) == ("Fix it", "i-1")
    assert (first.outcome.status, first.outcome.answer) == ("failure", "diff")
    assert first.outcome.by == "test_result.report.resolved"
    assert second.outcome.status == "success"
    assert (third.outcome.status, third.outcome.reason) == ("failure", "boom")
    assert sum(p.severity == "error" for p in got.problems) == 2


def test_sdk_events(read, jsonl):
    def text(words):
        return [{"type": "text", "text": words}]

    call = {"id": "c1", "name": "terminal", "arguments": '{"command": "ls"}'}
    events = [
        {"kind": "SystemPromptEvent", "source": "agent", "system_prompt": {"text": "Be good."},
         "tools": [{"name": "terminal"}]},
        {"kind": "MessageEvent", "source": "user", "llm_message": {"content": text("Fix it")}},
        {"kind": "ActionEvent", "source": "agent", "id": "e1", "thought": text("Look."),
         "tool_name": "terminal", "tool_call_id": "c1", "tool_call": call,
         "action": {"kind": "TerminalAction"}},
        {"kind": "ObservationEvent", "source": "environment", "action_id": "e1",
         "tool_name": "terminal", "tool_call_id": "c1",
         "observation": {"content": text("no"), "is_error": True}},
        {"kind": "ConversationStateUpdateEvent", "key": "execution_status", "value": "stuck"},
        {"kind": "AgentErrorEvent", "source": "agent", "error": "bad call", "tool_name": "x"},
        {"kind": "ActionEvent", "source": "agent", "action": {"kind": "FinishAction", "message": "Bye"}},
    ]  # fmt: skip
    got = read(jsonl(*events), "events.jsonl")
    trace = got.trace
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("agent", "system"),
        ("user", "message"),
        ("agent", "tool_call"),
        ("environment", "tool_result"),
        ("agent", "tool_result"),
        ("agent", "final"),
    ]
    assert trace.steps[2].tool.arguments == {"command": "ls"}
    assert (trace.steps[3].parent, trace.steps[3].tool.error) == (2, "no")
    assert trace.agent("agent").tools == ("terminal",)
    assert trace.task.question == "Fix it"
    assert (trace.outcome.status, trace.outcome.by) == ("failure", "execution_status")
    assert trace.outcome.answer == "Bye"
    assert [s.content for s in read(events).trace.steps] == [s.content for s in trace.steps]


def test_wrong_types(read):
    hostile = [3, {"action": 5}, {"action": "run", "args": [], "source": None, "cause": {}}]
    hostile += [{"observation": "x", "content": None, "cause": [1], "tool_call_metadata": 7}]
    got = read(hostile, format="openhands")
    assert [s.agent for s in got.trace.steps] == ["agent", "environment"]
    assert len(got.problems) == 2
    sdk = [{"kind": "ActionEvent", "thought": 3, "action": 4, "tool_call": 5}, {"kind": 9}, 1]
    assert len(read(sdk, format="openhands").trace.steps) == 2


def test_the_answer_of_the_api_is_no_trajectory_of_another_agent(read):
    stamped = [event | {"timestamp": "2025-01-01", "message": ""} for event in EVENTS]
    got = read({"trajectory": stamped})
    assert got.report.format == "openhands"
    assert [s.agent for s in got.trace.steps][:2] == ["agent", "user"]


def test_events_without_a_cause_answer_nothing(read):
    failed = saw(0, "error", "no such tool")
    del failed["cause"]
    trace = read([*EVENTS[:3], failed]).trace
    assert (trace.steps[3].parent, trace.steps[3].tool.error) == (None, "no such tool")


def test_a_run_without_a_history_is_skipped_with_its_error(read, jsonl):
    line = {"instance_id": "i1", "instruction": "Fix it", "test_result": {}, "metadata": {}}
    dead = line | {"history": None, "error": "the container did not start"}
    got = read(jsonl(dead, line | {"history": EVENTS}), "output.jsonl")
    assert [trace.task.id for trace in got.traces] == ["i1"]
    assert [(p.severity, p.line) for p in got.problems if "without a history" in p.what] == [
        ("skip", 1)
    ]


def test_a_summary_of_the_sdk_is_kept(read, jsonl):
    said = {"kind": "MessageEvent", "id": "1", "source": "user",
            "llm_message": {"role": "user", "content": [{"type": "text", "text": "Go"}]}}  # fmt: skip
    short = {
        "kind": "CondensationSummaryEvent",
        "id": "2",
        "source": "environment",
        "summary": "so far",
    }
    got = read(jsonl(said, short), "events.jsonl")
    assert got.steps == [("user", "message", "Go"), ("environment", "system", "so far")]
