"""AgentVerse's console logs."""

FORMAT = "agentverse-log"
LOG = """\
 \x1b[0m Loop Round 0
\x1b[36mRole Assignment:
a coder
a tester \x1b[0m
Reviews:
[Bo]: Let us start:
1. do [this]: now
[Cy]: Yes.
Decision Plan:
Bo - code
Bo
Tool: run
Tool Input: {'thought': 'try', 'code': "print('a')"}
Observation: {"Error": 1}
more
\x1b[32mExecution Result:
[Bo]: My execution result:
Done
(Pdb) Evaluation result:
Score: False
Advice: test it
Bad score! Reject!:
 Loop Round 1
Reviews:
"""


def test_rounds(read, speakers):
    got = read(LOG, "x.txt")
    trace = got.trace
    assert got.report.format == FORMAT
    assert speakers(trace) == [
        "role_assigner", "Bo", "Cy", "solver", "Bo", "Bo", "evaluator", "evaluator",
    ]  # fmt: skip
    assert trace.steps[1].content == "Let us start:\n1. do [this]: now"
    tool = trace.steps[4].tool
    assert (tool.name, tool.result) == ("run", '{"Error": 1}\nmore')
    assert tool.arguments["code"] == "print('a')"
    assert trace.steps[4].content == "try"
    assert trace.steps[5].content == "My execution result:\nDone"
    assert (trace.outcome.status, trace.outcome.score, trace.outcome.reason) == (
        "unknown",
        0.0,
        "test it",
    )
    assert [problem.severity for problem in got.problems] == ["skip", "skip"]


def test_tool_input_that_is_no_literal_is_kept_as_text(read):
    log = "Loop Round 0\nReviews:\n[Bo]: x\nBo\nTool: run\nTool Input: {oops\n"
    assert read(log, "x.txt").trace.steps[1].tool.arguments == "{oops"


def test_text_before_the_first_round_is_kept(read, speakers):
    trace = read("warning\n" + LOG, "x.txt").trace
    assert speakers(trace)[0] == "unknown"


def test_headings_within_a_review_are_not_speakers(read_one):
    log = "Loop Round 0\nRole Assignment:\na cook\nReviews:\n[Ann]: Do this:\n[Step 1]: boil\n[Bo]: Yes\n"
    steps = read_one("agentverse-log", log).steps
    assert [step.agent for step in steps] == ["role_assigner", "Ann", "Bo"]
    assert steps[1].content == "Do this:\n[Step 1]: boil"
