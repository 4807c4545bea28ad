"""Console transcripts of AutoGen."""

import pytest

FORMAT = "autogen-console"
DASHES = "\n" + "-" * 80 + "\n"
OLD = (
    "RUN.SH STARTING !#!#\nCollecting things\nSCENARIO.PY STARTING !#!#\n"
    "admin (to boss):\n\nFind the key.\nA quote:\nboss (to admin):\n" + DASHES + "Planning ...\n" + DASHES
    + "boss (to coder):\n\n***** Suggested tool call (call_1): look *****\nArguments: \n"
    '{"at": "door"}\n****************************\n' + DASHES
    + "\x1b[33mcoder\x1b[0m (to boss):\n\n***** Response from calling tool (call_1) *****\nit is open\n"
    "**********************************\n" + DASHES
)  # fmt: skip
NEW = """\
Loading
---------- user ----------
Add 2 and 2
---------- ToolCallRequestEvent (Adder) ----------
[FunctionCall(id='c1', arguments='{"a": 2}', name='add')]
[Prompt tokens: 12, Completion tokens: 3]
---------- Adder ----------
[FunctionExecutionResult(content="it's 4", call_id='c1', is_error=True)]
---------- Adder ----------
---------- Two words ----------
The sum is 4.
---------- Summary ----------
Number of messages: 4
"""


def test_headers_and_dashes(read_one, speakers):
    trace = read_one(FORMAT, OLD + "SCENARIO.PY COMPLETE !#!#\n", "console_log.txt")
    assert speakers(trace) == ["admin", "boss", "coder"]
    assert [step.to for step in trace.steps] == ["boss", "coder", "boss"]
    assert trace.task.question == "Find the key.\nA quote:\nboss (to admin):"
    assert trace.steps[1].extra["printed_before"] == "Planning ..."
    assert (trace.steps[1].tool.name, trace.steps[1].tool.arguments) == ("look", '{"at": "door"}')
    assert (trace.steps[2].tool.name, trace.steps[2].tool.result) == ("look", "it is open")
    assert trace.steps[2].parent == 1
    assert "Collecting things" in trace.extra["before"]
    assert trace.outcome.status == "unknown"


def test_a_script_that_crashed_is_a_failure(read_one):
    log = (
        OLD
        + "Traceback (most recent call last):\nKeyError: 'x'\nSCENARIO.PY EXITED WITH CODE: 1 !#!#\n"
    )
    outcome = read_one(FORMAT, log, "console_log.txt").outcome
    assert (outcome.status, outcome.reason) == ("failure", "KeyError: 'x'")


def test_passed_tests_and_the_expected_answer_beside(read_one, tmp_path):
    (tmp_path / "expected_answer.txt").write_text("42\n")
    trace = read_one(FORMAT, OLD + "ALL TESTS PASSED !#!#\n", "console_log.txt")
    assert trace.outcome.status == "success"
    assert trace.task.expected == "42"


def check_new(trace, speakers):
    assert speakers(trace) == ["user", "Adder", "Adder", "Adder"]
    assert trace.task.question == "Add 2 and 2"
    asked, answered = trace.steps[1].tool, trace.steps[2].tool
    assert asked.arguments == {"a": 2}
    assert (answered.name, answered.result, answered.error) == ("add", "it's 4", "it's 4")
    assert trace.steps[2].parent == 1
    assert (trace.steps[1].usage.input_tokens, trace.steps[1].usage.output_tokens) == (12, 3)
    assert trace.steps[3].content == "---------- Two words ----------\nThe sum is 4."
    assert trace.extra["summary"] == "Number of messages: 4"
    assert trace.extra["before"] == "Loading"


def test_banners(read_one, speakers):
    check_new(read_one(FORMAT, NEW, "console.txt"), speakers)


def test_output_kept_by_a_harness(read_one, speakers):
    execution = {"success": False, "error": "killed"}
    log = {"execution": execution, "output": {"stdout": NEW, "stderr": "warning"}}
    trace = read_one(FORMAT, log, "results.json")
    check_new(trace, speakers)
    assert trace.steps[0].raw[0].record == "/output/stdout#2"
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "killed")
    assert trace.extra["output"] == {"stderr": "warning"}


def test_output_without_any_speaker(read_one, speakers):
    log = {"execution": {"success": True}, "output": {"stdout": "Result: 4\n"}}
    trace = read_one(FORMAT, log, "results.json")
    assert speakers(trace) == ["unknown"]
    assert (trace.steps[0].content, trace.task.question) == ("Result: 4", "")
    assert trace.outcome.status == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        "[FunctionCall(id=open('x'), arguments=__import__('os'), name=1)]",
        "[FunctionCall(", "[FunctionCall(" + "(" * 5000, "[FunctionCall(**{})]",
    ],
)  # fmt: skip
def test_calls_are_read_and_never_run(body, read_one):
    trace = read_one(FORMAT, f"---------- user ----------\n{body}\n", "c.txt")
    assert trace.steps[0].content == body
    assert all(call.arguments is None for call in trace.steps[0].tools)


def test_answers_of_several_tools_come_under_one_header(read_one):
    answers = "".join(
        f"coder (to boss):\n\n***** Response from calling tool (call_{n}) *****\n{n}\n*******\n" + DASHES
        for n in (1, 2)
    )  # fmt: skip
    log = "boss (to coder):\n\nCount.\n" + DASHES + "coder (to boss):\n\n" + answers
    steps = read_one(FORMAT, log.replace("\n", "\r\n")).steps
    assert [step.agent for step in steps] == ["boss", "coder", "coder"]
    assert [step.tool.result for step in steps[1:]] == ["1", "2"]
    assert steps[1].content.startswith("***** Response")


def test_a_prompt_for_input_may_stand_before_a_header(read_one, speakers):
    prompt = (
        "Provide feedback to bot. Press enter to skip, or type 'exit' to end the conversation: "
    )
    old = "me (to bot):\n\nHi\n" + DASHES + "bot (to me):\n\nYes?\n" + DASHES
    old += prompt + "me (to bot):\n\nParis\n" + DASHES
    assert [step.agent for step in read_one(FORMAT, old).steps] == ["me", "bot", "me"]
    new = NEW + "Enter your response: ---------- TextMessage (boss) ----------\nyes\n"
    assert read_one(FORMAT, new).steps[-1].agent == "boss"


def test_types_of_structured_messages_have_brackets(read_one):
    log = NEW + "---------- StructuredMessage[Plan] (Planner) ----------\n{}\n"
    step = read_one(FORMAT, log).steps[-1]
    assert (step.agent, step.extra["type"]) == ("Planner", "StructuredMessage[Plan]")


def test_a_function_answers_by_its_name(read_one):
    log = (
        "boss (to coder):\n\n***** Suggested function call: look *****\nArguments: \n{}\n*****\n" + DASHES
        + "coder (to boss):\n\n***** Response from calling function (look) *****\nopen\n*****\n" + DASHES
    )  # fmt: skip
    step = read_one(FORMAT, log).steps[1]
    assert (step.tool.name, step.tool.call_id, step.tool.result, step.parent) == (
        "look",
        None,
        "open",
        0,
    )


def test_a_script_that_printed_nothing_has_no_steps(read_one):
    run = {
        "execution": {"success": False, "error": "KeyError"},
        "output": {"stdout": "", "stderr": "x"},
    }
    trace = read_one(FORMAT, run)
    assert trace.steps == ()
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "KeyError")


def test_windows_newlines_within_captured_output(read_one):
    run = {"execution": {"success": True}, "output": {"stdout": NEW.replace("\n", "\r\n")}}
    assert [s.agent for s in read_one(FORMAT, run).steps] == ["user", "Adder", "Adder", "Adder"]


def test_types_tell_thoughts_and_hand_offs(read_one):
    log = NEW + "---------- ThoughtEvent (Adder) ----------\nHm\n"
    log += "---------- HandoffMessage (Adder) ----------\nTransferred to boss\n"
    assert [s.kind for s in read_one(FORMAT, log).steps[-2:]] == ["thought", "handoff"]


@pytest.mark.parametrize("lines", [False, True])
def test_a_harness_may_list_several_runs(read, jsonl, lines):
    runs = [
        {"execution": {"success": n > 0}, "output": {"stdout": NEW}, "task": n} for n in range(2)
    ]
    got = read(jsonl(*runs) if lines else [*runs, 3], "results.json")
    assert got.report.format == FORMAT
    assert [trace.outcome.status for trace in got.traces] == ["failure", "unknown"]
    assert [trace.extra["task"] for trace in got.traces] == [0, 1]
    assert len({trace.id for trace in got.traces}) == 2
    assert got.traces[1].steps[0].raw[0].record == (
        "2:/output/stdout#2" if lines else "/1/output/stdout#2"
    )
    assert [problem.what for problem in got.problems] == ([] if lines else ["no output"])
