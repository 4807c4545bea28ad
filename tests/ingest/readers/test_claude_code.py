"""Claude Code sessions: split answers, sub-agents, bookkeeping."""

BASE = {"sessionId": "s-1", "version": "2.1.0", "cwd": "/home/u/p", "isSidechain": False}


def line(uuid, parent, kind, content, **more):
    message = {"role": kind, "content": content}
    if kind == "assistant":
        message |= {"id": more.pop("id", uuid), "model": "m", "usage": more.pop("usage", {})}
    at = f"2025-01-01T00:00:{len(uuid):02}Z"
    return BASE | {
        "uuid": uuid, "parentUuid": parent, "type": kind, "message": message, "timestamp": at
    } | more  # fmt: skip


def text(words):
    return [{"type": "text", "text": words}]


def call(id, name, **given):
    return [{"type": "tool_use", "id": id, "name": name, "input": given}]


def answer(id, content, **more):
    return [{"type": "tool_result", "tool_use_id": id, "content": content, **more}]


def test_split_answer_counts_its_usage_once(read, jsonl):
    first, last = {"input_tokens": 5, "output_tokens": 1}, {"input_tokens": 5, "output_tokens": 40}
    got = read(
        jsonl(
            {"type": "summary", "summary": "Old talk", "leafUuid": "z"},
            line("a", None, "user", "Fix the build"),
            line("b", "a", "assistant", text("I look."), id="msg", usage=first),
            line("c", "b", "assistant", call("t1", "Bash", command="make"), id="msg", usage=last),
            BASE | {"type": "progress", "uuid": "p", "parentUuid": "c", "data": {}},
            line("d", "c", "user", answer("t1", "Error 2", is_error=True), toolUseResult="Error"),
            line("e", "d", "assistant", text("It is broken."), usage={"output_tokens": 3}),
            {"type": "file-history-snapshot", "messageId": "e", "snapshot": {}},
        ),
        "s-1.jsonl",
    )
    trace = got.trace
    assert trace.id == "s-1"
    assert [s.agent for s in trace.steps] == ["user", "claude", "claude", "tool", "claude"]
    assert [s.usage and s.usage.output_tokens for s in trace.steps] == [None, 40, None, None, 3]
    assert trace.steps[3].parent == 2
    assert (trace.steps[3].tool.name, trace.steps[3].tool.error) == ("Bash", "Error 2")
    assert trace.steps[3].extra["toolUseResult"] == "Error"
    assert trace.task.question == "Fix the build"
    assert trace.outcome.answer == "It is broken."
    assert trace.source.version == "2.1.0"
    assert (got.report.records, got.report.skipped) == (8, 3)
    assert {p.severity for p in got.problems} == {"skip"}


def test_side_chain_in_the_session_is_the_sub_agent_of_its_prompt(read, jsonl):
    side = {"isSidechain": True}
    trace = read(
        jsonl(
            line("a", None, "user", "<command-name>/dig</command-name>"),
            line("a2", "a", "user", text("Dig for the bug."), isMeta=True),
            line("b", "a2", "assistant", call("t", "Task", subagent_type="Explore", prompt="Dig")),
            line("x", None, "user", "Dig", **side),
            BASE | side | {"type": "progress", "uuid": "q", "parentUuid": "x"},
            line("y", "q", "assistant", call("u", "Read", file_path="a"), **side),
            line("z", "y", "user", answer("u", "text"), **side),
            line("w", "z", "assistant", text("Found."), **side),
            line("c", "b", "user", answer("t", text("Found."))),
            line("d", "c", "assistant", text("Done.")),
        )
    ).trace
    agents = ["user", "user", "claude", "claude", "Explore", "tool", "Explore", "tool", "claude"]
    assert [s.agent for s in trace.steps] == agents
    assert trace.agent("Explore").parent == "claude"
    assert trace.steps[2].to == "Explore"
    assert trace.task.question == "Dig for the bug."
    assert trace.outcome.answer == "Done."


def test_file_of_a_sub_agent_finds_its_kind_in_the_session(read, jsonl, tmp_path):
    side = {"isSidechain": True, "agentId": "a77"}
    session = jsonl(
        line("b", None, "assistant", call("t", "Task", subagent_type="Explore", prompt="Dig")),
        line("c", "b", "user", answer("t", "ok"), toolUseResult={"agentId": "a77"}),
    )
    (tmp_path / "s-1.jsonl").write_text(session)
    own = jsonl(
        line("x", None, "user", "Dig", **side), line("y", "x", "assistant", text("Found."), **side)
    )
    trace = read(own, "s-1/subagents/agent-a77.jsonl").trace
    assert trace.id == "s-1-a77"
    assert [s.agent for s in trace.steps] == ["claude", "Explore"]
    assert trace.outcome.answer == "Found."
    alone = read(own, "far/else/where/agent-a77.jsonl").trace
    assert [s.agent for s in alone.steps] == ["claude", "a77"]
    assert alone.agent("a77").parent == "claude"


def test_sessions_in_one_file_are_traces_of_their_own(read, jsonl):
    got = read(
        jsonl(
            line("a", None, "user", "One"),
            line("k", None, "user", "Two", sessionId="s-2"),
            line("b", "a", "assistant", text("First."), sessionId="s-resumed"),
            line("l", "k", "assistant", text("Second."), sessionId="s-2"),
        )
    )
    assert [t.id for t in got.traces] == ["s-1", "s-2"]
    assert [t.outcome.answer for t in got.traces] == ["First.", "Second."]


def test_broken_lines(read, jsonl):
    good = line("a", None, "user", "Hello")
    got = read(
        jsonl(good, [1], good | {"message": 5}, good | {"type": 9}, good | {"message": {}})
        + '{"type": "user", "mess'
    )
    assert [s.content for s in got.trace.steps] == ["Hello"]
    assert got.report.records == 6
    assert sum(p.severity == "error" for p in got.problems) == 2


def test_a_session_exported_as_a_list_reads_like_its_lines(read):
    lines = [line("a", None, "user", "Hi"), line("b", "a", "assistant", text("Yes."))]
    got = read(lines, "s-1.json")
    assert got.report.format == "claude-code"
    assert [s.agent for s in got.trace.steps] == ["user", "claude"]


def test_what_the_user_types_ahead_and_what_teammates_send(read, jsonl):
    queued = {"type": "queued_command", "prompt": "Also lint.", "commandMode": "prompt"}
    notice = {"type": "queued_command", "prompt": "<task>", "commandMode": "task-notification"}
    team = {"agentName": "tester", "teamName": "t"}
    got = read(
        jsonl(
            line("a", None, "user", "Fix it"),
            BASE | {"type": "attachment", "uuid": "q", "parentUuid": "a", "attachment": queued},
            BASE | {"type": "attachment", "uuid": "n", "parentUuid": "q", "attachment": notice},
            line("b", "n", "user", '<teammate-message teammate_id="lead">Go</teammate-message>'),
            line("c", "b", "assistant", text("Done."), **team),
        ),
        "s-1.jsonl",
    )
    said = [(s.agent, s.content) for s in got.trace.steps]
    assert said[:2] == [("user", "Fix it"), ("user", "Also lint.")]
    assert [who for who, _ in said[2:]] == ["lead", "tester"]
    assert got.report.skipped == 1


def test_the_kind_of_a_sub_agent_is_noted_beside_its_file(read, jsonl, tmp_path):
    (tmp_path / "agent-a1.meta.json").write_text('{"agentType": "Explore"}')
    side = {"isSidechain": True, "agentId": "a1"}
    log = jsonl(line("a", None, "user", "Look", **side), line("b", "a", "assistant", "x", **side))
    trace = read(log, "agent-a1.jsonl").trace
    assert [s.agent for s in trace.steps] == ["claude", "Explore"]


def test_what_the_editor_puts_before_the_words_is_not_the_task(read, jsonl):
    shown = text("<ide_opened_file>a.py</ide_opened_file>")
    log = jsonl(
        line("a", None, "user", shown),
        line("b", "a", "user", shown + text("Fix it")),
        line("c", "b", "assistant", text("Done.")),
    )
    assert read(log, "s-1.jsonl").trace.task.question == "Fix it"
