"""Recorded events and exports of OpenCode."""


def event(kind, **told):
    return ["event", {"event": {"type": kind, "properties": told}}]


def part(id, message, session="ses_1", **more):
    return event(
        "message.part.updated", part={"id": id, "messageID": message, "sessionID": session} | more
    )


def message(id, role, session="ses_1", agent="build"):
    info = {"id": id, "role": role, "sessionID": session, "agent": agent, "modelID": "m"}
    return event("message.updated", info=info)


CALL = {"type": "tool", "tool": "task", "callID": "c1"}
INPUT = {"subagent_type": "general", "prompt": "Dig"}
TOKENS = {"input": 5, "output": 2, "reasoning": 1, "cache": {"read": 3, "write": 0}}
EVENTS = [
    event("session.created", info={"id": "ses_1", "version": "1.2"}),
    ["chat.message", {"sessionID": "ses_1"}, {
        "message": {"id": "m1", "role": "user", "sessionID": "ses_1", "agent": "build"},
        "parts": [{"id": "p1", "type": "text", "text": "Hi", "messageID": "m1", "sessionID": "ses_1"}],
    }],
    ["experimental.chat.system.transform", {"sessionID": "ses_1"}, {"system": ["Be good."]}],
    ["tool.definition", {"toolID": "task"}, {}],
    message("m2", "assistant"),
    part("p2", "m2", type="step-start"),
    part("p3", "m2", type="text", text="I"),
    event("message.part.delta", partID="p3", delta=" dig"),
    part("p3", "m2", type="text", text="I dig."),
    part("p4", "m2", **CALL, state={"status": "running", "input": INPUT}),
    event("session.created", info={"id": "ses_2", "parentID": "ses_1"}),
    message("m3", "user", "ses_2", "general"),
    part("p5", "m3", "ses_2", type="text", text="Dig"),
    message("m4", "assistant", "ses_2", "general"),
    part("p6", "m4", "ses_2", type="reasoning", text="Hm"),
    part("p4", "m2", **CALL, state={"status": "error", "input": INPUT, "error": "denied"}),
    part("p7", "m2", type="step-finish", tokens=TOKENS, cost=0.5),
    event("session.error", sessionID="ses_1", error={"name": "X", "data": {"message": "gone"}}),
]  # fmt: skip


def test_events_of_a_session_and_its_sub_agent(read, jsonl):
    got = read(jsonl(*EVENTS), "events.jsonl")
    trace = got.trace
    assert (trace.id, trace.source.version) == ("ses_1", "1.2")
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("user", "message", "Hi"),
        ("build", "message", "I dig."),
        ("build", "tool_call", ""),
        ("build", "message", "Dig"),
        ("general", "thought", "Hm"),
    ]
    assert [r.line for r in trace.steps[1].raw] == [7, 8, 9, 17]
    assert (trace.steps[1].usage.input_tokens, trace.steps[1].usage.output_tokens) == (8, 3)
    assert trace.steps[1].usage.cost == 0.5
    assert (trace.steps[2].tool.error, trace.steps[2].to) == ("denied", "general")
    assert trace.agent("general").parent == "build"
    assert trace.agent("build").system_prompt == "Be good."
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "gone")
    assert trace.outcome.answer == "I dig."


def test_export(read):
    parts = [{"type": "text", "text": "Hi", "id": "p1"}, {"type": "snapshot"}, 3]
    done = [{"type": "text", "text": "Ho", "id": "p2", "messageID": "b"}]
    got = read(
        {
            "info": {"id": "ses_9"},
            "messages": [
                {"info": {"id": "a", "role": "user"}, "parts": parts},
                {"info": {"id": "b", "role": "assistant", "mode": "plan"}, "parts": done},
                5,
            ],
        }
    )
    assert got.steps == [("user", "message", "Hi"), ("plan", "message", "Ho")]
    assert got.report.skipped == 3


def test_wrong_types(read, jsonl):
    hostile = [["event"], ["event", {"event": 4}], {"a": 1}, 5, [1, 2]]
    hostile += [event("session.created", info={"id": "x", "parentID": "x"})]
    hostile += [part("p", None, "x", type="tool", state=4), part("q", [], "x", type="step-finish")]
    got = read(jsonl(*hostile), "events.jsonl", format="opencode-events")
    assert [s.kind for s in got.trace.steps] == ["tool_call"]


def test_what_a_run_prints_as_json(read, jsonl):
    def line(kind, **more):
        held = {"id": f"prt_{kind}", "messageID": "msg_1", "sessionID": "ses_1"} | more
        return {"type": kind, "timestamp": 1, "sessionID": "ses_1", "part": held}

    done = {"status": "completed", "input": {"command": "ls"}, "output": "a.py"}
    got = read(jsonl(
        line("step_start", type="step-start"), line("tool_use", type="tool", tool="bash", state=done),
        line("text", type="text", text="Done."),
    ), "run.jsonl")  # fmt: skip
    assert got.report.format == "opencode-events"
    assert got.steps == [("assistant", "tool_call", ""), ("assistant", "message", "Done.")]
