"""Calls seen by a proxy."""

FORMAT = "llm-call-proxy-jsonl"
SURVEY = (
    "user: Below I will present you a request. Before we begin addressing the request, ...\n\n"
    "Here is the request:\n\nHow many?\nTell me.\n\nHere is the pre-survey:\n\n1. ..."
)
TEAM = SURVEY + (
    "\n\nassistant: FACTS\n\nuser: To address this request we have assembled the following team:\n\n"
    "WebSurfer: It surfs.\nCoder: It codes.\n\nBased on the team"
)


def call(when, given, output, session="s1", **more):
    return {"timestamp": when, "input": given, "output": output, "session_id": session, **more}


def test_speakers_of_fixed_prompts_in_order_of_time(read, jsonl, speakers):
    ledger = '{"next_speaker": {"answer": "Coder"}}'
    log = jsonl(
        call(1760000000000000, SURVEY, "FACTS"),
        call(1760000003000000, "system: Solve tasks using your coding and language skills.", "code"),
        call(1760000001000000, TEAM, "a plan"),
        call(1760000002000000, "assistant: We are working to address the following user request:", ledger),
        call(1760000004000000, "anything", "", "s1"),
    )  # fmt: skip
    trace = read(log, "x.jsonl").trace
    assert speakers(trace) == ["Orchestrator", "Orchestrator", "Orchestrator", "Coder", "unknown"]
    assert trace.task.question == "How many?\nTell me."
    assert trace.steps[2].to == "Coder"
    assert [step.raw[0].line for step in trace.steps] == [1, 3, 4, 2, 5]
    assert trace.steps[0].extra["inferred_from"].startswith("Below I will present")
    assert trace.steps[1].inputs.messages[1].content == "FACTS"
    assert trace.steps[4].kind == "tool_call"
    assert trace.steps[0].time.start == 1760000000.0
    assert "WebSurfer" in {agent.id for agent in trace.agents}
    assert (trace.id, trace.source.format) == ("s1", FORMAT)


def test_simulated_user(read, jsonl, speakers):
    hello = "Hi! How can I help you today?"
    log = jsonl(
        call(1, hello, "I want a refund"),
        call(2, "I want a refund", "Which order?"),
        call(3, hello + "\n\nWhich order?", "The last"),
    )
    trace = read(log).trace
    assert speakers(trace) == ["user", "assistant", "user"]
    assert trace.task.question == "I want a refund"


def test_unknown_callers_sessions_and_broken_lines(read, jsonl, speakers):
    log = jsonl(
        call(1, "Do it", "ok"), call("x", "Other", "ok", "s2"), {"input": 3, "extra": 1}, []
    )
    got = read(log + "{oops\n")
    assert [speakers(trace) for trace in got.traces] == [["unknown"]] * 3
    assert got.traces[0].task.question == "Do it"
    assert [problem.line for problem in got.problems] == [4, 5]


def test_the_first_mark_of_a_prompt_names_the_caller(read, jsonl, speakers):
    shared = "We are working to address the following user request:\n\nHow many?"
    log = jsonl(
        call(1, f"assistant: {shared}", "a ledger"),
        call(2, f"system: Solve tasks using your coding and language skills.\n\nuser: {shared}", "code"),
        call(3, f"user: {shared}", "anyone on the team"),
    )  # fmt: skip
    assert speakers(read(log, "x.jsonl").trace) == ["Orchestrator", "Coder", "unknown"]


def test_the_task_of_an_unknown_caller_is_what_the_user_says(read, jsonl):
    log = jsonl(call(1, "system: Be kind.\n\nuser: Count the owls", "3"))
    assert read(log, "x.jsonl").trace.task.question == "Count the owls"
