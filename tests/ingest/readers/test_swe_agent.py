"""SWE-agent and mini-swe-agent trajectories."""


def turn(action, observation, response="I act.", **more):
    return {"action": action, "observation": observation, "response": response} | more


def chat(role, content, **more):
    return {"role": role, "content": content, "agent": "primary"} | more


RUN = {
    "environment": "env",
    "trajectory": [
        turn("open a.py\n", "[File: a.py]\r\n1:x", thought="I act.", state='{"open_file": "n/a"}'),
        turn("submit\n", "", response="Done.", thought="Done", query=[{"role": "system"}]),
    ],
    "history": [
        chat("system", "You are a programmer."),
        chat("user", "Here is a demonstration", is_demo=True),
        chat("assistant", "Demo turn", is_demo=True),
        chat("user", "Fix issue 7"),
        chat("assistant", "I act.", action="open a.py\n"),
        chat("user", "[File: a.py]\r\n1:x"),
        chat("assistant", "Done.", action="submit\n"),
    ],
    "info": {"exit_status": "submitted", "submission": "diff", "model_stats": {"api_calls": 2}},
}


def test_turns_are_steps_and_their_chat_is_merged(read):
    got = read(RUN, "issue-7.traj")
    trace = got.trace
    assert got.report.records == 9
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("primary", "tool_call", "I act."),
        ("primary", "tool_call", "Done."),
    ]
    first, last = trace.steps
    assert (first.tool.name, first.tool.arguments) == ("open", "open a.py\n")
    assert first.tool.result == "[File: a.py]\r\n1:x"
    assert first.extra == {"state": '{"open_file": "n/a"}'}
    assert [m.role for m in first.inputs.messages] == ["system", "user", "assistant", "user"]
    assert first.raw[0].record == "/trajectory/0"
    assert [r.record for r in last.raw] == ["/trajectory/1", "/history/6"]
    assert trace.task.question == "Fix issue 7"
    assert trace.agent("primary").system_prompt == "You are a programmer."
    assert (trace.outcome.status, trace.outcome.answer) == ("unknown", "diff")
    assert trace.extra["info"]["model_stats"] == {"api_calls": 2}


def test_function_calls_name_the_tool(read):
    function = {"name": "bash", "arguments": '{"command": "ls"}'}
    asked = chat("assistant", "Look.", tool_calls=[{"id": "c1", "function": function}])
    run = RUN | {"trajectory": [turn("ls", "a.py", "Look.")], "history": [asked]}
    (step,) = read(run).trace.steps
    assert (step.tool.name, step.tool.arguments, step.tool.result) == (
        "bash", {"command": "ls"}, "a.py"
    )  # fmt: skip


def test_a_run_that_handed_nothing_in_failed(read):
    outcome = read(RUN | {"info": {"exit_status": "exit_cost"}}).trace.outcome
    assert (outcome.status, outcome.by, outcome.reason) == (
        "failure", "info.exit_status", "exit_cost"
    )  # fmt: skip


def test_attempts_are_runs(read):
    got = read({"trajectory": RUN["trajectory"], "attempts": [RUN, RUN | {"history": None}, 5]})
    assert len(got.traces) == 2
    assert len({trace.id for trace in got.traces}) == 2
    assert len(got.problems) == 1


def test_history_without_turns_and_odd_items(read):
    cut = read(RUN | {"trajectory": [RUN["trajectory"][0]]}).trace
    assert [s.content for s in cut.steps] == ["I act.", "Done."]
    odd = read(RUN | {"trajectory": [3, turn(None, None, None)], "history": ["x", {}, None]})
    assert len(odd.trace.steps) == 1
    empty = read(RUN | {"trajectory": [], "history": RUN["history"][:4]}, format="swe-agent")
    assert empty.trace.steps == ()
    assert empty.report.skipped == 4


MINI = [
    {"role": "system", "content": "You can use bash."},
    {"role": "user", "content": "Solve issue 9"},
    {"role": "assistant", "content": "THOUGHT: look\n\n```bash\nls\n```"},
    {"role": "user", "content": "<returncode>2</returncode>\n<output>none</output>"},
    {"role": "assistant", "content": "```bash\necho COMPLETE_TASK_AND_SUBMIT\n```"},
]


def test_mini_keeps_messages(read):
    trace = read(MINI, "mini.json").trace
    assert trace.source.framework == "mini-swe-agent"
    assert [s.agent for s in trace.steps] == ["system", "user", "assistant", "user", "assistant"]
    assert trace.steps[2].tool.arguments == "ls"
    answer = trace.steps[3]
    assert (answer.kind, answer.parent, answer.tool.error) == ("tool_result", 2, "exit code 2")
    assert trace.task.question == "Solve issue 9"


def test_mini_with_its_header(read):
    extra = {"response": {"model": "m", "usage": {"prompt_tokens": 5}}, "cost": 0.5}
    run = {
        "info": {"exit_status": "LimitsExceeded", "submission": "", "mini_version": "1.9"},
        "messages": [*MINI[:2], MINI[2] | {"extra": extra}, {"role": "user"}, None],
        "trajectory_format": "mini-swe-agent-1",
    }
    got = read(run)
    trace = got.trace
    assert trace.source.version == "1.9"
    assert trace.outcome.status == "failure"
    assert (trace.steps[2].usage.input_tokens, trace.steps[2].usage.cost) == (5, 0.5)
    assert len(got.problems) == 2
