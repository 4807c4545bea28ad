"""ChatDev's run logs."""

FORMAT = "chatdev-log"


def record(text, time="2024-22-12 12:50:10"):
    return f"[{time} INFO] {text}\n\n"


NEW = (
    record("**[Preprocessing]**\n\n**ChatDev Starts** (1)\n\n**task_prompt**: Make a game\nwith cards\n\n**project_name**: G")
    + record("flask app.py did not start for online log")
    + record("System: **[RolePlaying]**\n\n| Parameter | Value |")
    + record("Chief Executive Officer: **[Start Chat]**\n\n[We are a firm.\nYou are Programmer. Write code.]\n\nWrite [the] game.")
    + record("**[OpenAI_Usage_Info Send]**\n num_prompt_tokens: 9")
    + record("**[OpenAI_Usage_Info Receive]**\nprompt_tokens: 9\ncompletion_tokens: 2\ntotal_tokens: 11\ncost: $0.5")
    + record("**[OpenAI_Usage_Info Receive]**\nprompt_tokens: 5\ncompletion_tokens: 1\ntotal_tokens: 6")
    + record("Programmer: **Programmer<->Code Reviewer on : Coding, turn 0**\n\n[You are Code Reviewer. Check.]\n\nHere it is:\n\n[2024] code")
    + record("**[Update Codes]**\n\n+ line")
    + record("**[Test Reports]**:\n\nNameError", "2024-22-12 12:50:19")
    + record('HTTP Request: POST x "HTTP/1.1 200 OK"')
    + record("**[Seminar Conclusion]**:\n\n done")
    + record("**[Post Info]**\n\ncost=1")
)  # fmt: skip


def test_turns_reports_and_counts(read, speakers):
    got = read("\ufeff" + NEW.replace("\n", "\r\n"), "G.log")
    trace = got.trace
    assert got.report.format == FORMAT
    assert speakers(trace) == ["System", "Chief Executive Officer", "Programmer"] + ["System"] * 3
    assert trace.task.question == "Make a game\nwith cards"
    assert [step.kind for step in trace.steps] == [
        "system", "message", "message", "system", "tool_result", "system",
    ]  # fmt: skip
    opening, turn = trace.steps[1], trace.steps[2]
    assert (opening.content, opening.to) == ("Write [the] game.", "Programmer")
    assert (turn.content, turn.to) == ("Here it is:\n\n[2024] code", "Code Reviewer")
    assert turn.extra == {"phase": "Coding", "turn": 0}
    assert (turn.usage.input_tokens, turn.usage.output_tokens, turn.usage.cost) == (14, 3, 0.5)
    assert len(turn.raw) == 4
    assert turn.inputs.messages[0].content == "You are Code Reviewer. Check."
    assert trace.agent("Code Reviewer").system_prompt == "You are Code Reviewer. Check."
    assert trace.steps[4].tool.result == "NameError"
    assert trace.steps[4].time.start - turn.time.start == 9
    assert trace.extra["post_info"] == "cost=1"
    assert {problem.severity for problem in got.problems} == {"skip"}


def test_a_day_beyond_twelve_tells_the_order_of_the_stamp(read):
    dates = [
        record("A: **[x]**", "2024-22-12 00:00:00"),
        record("A: **[y]**", "2024-12-22 00:00:00"),
    ]
    trace = read("".join(dates) + record("A: **[z]**", "2024-99-99 00:00:00"), format=FORMAT).trace
    assert trace.steps[0].time == trace.steps[1].time
    assert trace.steps[2].time is None


OLD = (
    record("AgentTech Starts (1)", "2023-25-06 20:10:30")
    + "\n\n"
    + record("\x1b[32m[0] AI Assistant (Programmer):\n\nIt is done.\x1b[0m")
    + record("\x1b[31m[0] AI User (Chief Executive Officer) terminated the chat.")
    + record("\x1b[34m[1] AI User (Chief Executive Officer):\n\nGood.")
    + record("AgentTech Ends (2)")
)


def test_the_log_of_june_2023(read, speakers):
    got = read(OLD, "2023.log")
    assert got.report.format == FORMAT
    assert speakers(got.trace) == ["Programmer", "Chief Executive Officer"]
    first, second = got.trace.steps
    assert first.content == "It is done."
    assert first.extra["terminated_by"] == "Chief Executive Officer"
    assert len(first.raw) == 2
    assert second.extra == {"turn": 1, "side": "User"}


def test_a_log_that_ends_abruptly(read, speakers):
    got = read(NEW[: NEW.index("**Programmer<->")], "cut.log", FORMAT)
    assert speakers(got.trace)[-1] == "System"
    assert all(problem.severity == "skip" for problem in got.problems)


def test_the_person_who_takes_part_is_not_the_system(read, speakers):
    log = (
        record("**[Preprocessing]**\n\n**task_prompt**: Make a timer\n\n**project_name**: T")
        + record("System: **[Human-Agent-Interaction]**\n\nType 'end' to submit.")
        + record(
            "**[User Provided Comments]**\n\n In the #1 of total 5 comments: \n\nA stop button."
        )
        + record(
            "dev ops: **dev ops<->Code Reviewer on : CodeReviewHuman, turn 0**\n\n[x]\n\nDone."
        )
        + record("**[Execute Detail]**\n\nexecute SimplePhase:[Test]")
    )
    trace = read(log, "T.log").trace
    assert speakers(trace) == ["System", "user", "dev ops", "System"]
    assert [step.kind for step in trace.steps] == ["system", "message", "message", "system"]
    assert trace.steps[2].to == "Code Reviewer"
