"""`runtime.log` of `autogen.runtime_logging`."""

import json
from pathlib import Path

import pytest

FORMAT = "autogen-file-log"
LOG = (Path(__file__).parents[2] / "fixtures" / FORMAT / "runtime.log").read_text()
OPENS, *NOTES = LOG.splitlines()
KEEPS, TOOL = "The lighthouse keeps 5 lamps lit.", "7 lamps, 2 of them dark"


def test_a_session(read_one):
    trace = read_one(FORMAT, LOG, "runtime.log")
    assert [(step.agent, step.kind, step.content, step.to) for step in trace.steps] == [
        ("harbour", "message", trace.task.question, "keeper"),
        ("keeper", "tool_call", "", None),
        ("harbour", "tool_result", TOOL, None),
        ("keeper", "message", KEEPS, "harbour"),
    ]
    assert trace.id == OPENS.rsplit(" ", 1)[1]
    assert trace.task.question.startswith("How many lamps")
    asked, given, said = trace.steps[1:]
    assert (asked.tool.name, asked.tool.arguments) == ("count_lamps", {"place": "Brae"})
    assert (given.tool.name, given.tool.arguments) == ("count_lamps", {"place": "Brae"})
    assert (asked.usage.input_tokens, asked.usage.output_tokens) == (41, 12)
    assert (asked.usage.cost, asked.usage.model) == (0.0004, "tiny-1")
    assert asked.inputs.messages[0].content == "You keep the book of lamps."
    assert asked.time.end - asked.time.start == 1
    assert [raw.line for raw in said.raw] == [10, 11], "what arrived is what was completed"
    assert trace.agent("keeper").system_prompt == "You keep the book of lamps."
    assert trace.agent("harbour").role == "UserProxyAgent"
    assert [row["client_id"] for row in trace.extra["clients"] if "client_id" in row] == [31]


def test_sessions_follow_one_another(read):
    other = LOG.replace("5d1c6c0e", "6e2d7d1f").replace("Brae", "Kinnaird")
    got = read(LOG + OPENS.replace("5d1c6c0e", "77777777") + "\n" + other, "runtime.log")
    assert got.report.format == FORMAT
    assert [trace.id[:8] for trace in got.traces] == ["5d1c6c0e", "6e2d7d1f"]
    assert [len(trace.steps) for trace in got.traces] == [4, 4]
    assert {problem.severity for problem in got.problems} == {"skip"}


def test_the_head_may_be_missing(read_one, speakers):
    trace = read_one(FORMAT, "\n".join(NOTES[4:]), "runtime.log")
    assert speakers(trace) == ["harbour", "keeper", "harbour", "keeper"]
    assert trace.id.startswith("runtime-")


@pytest.mark.parametrize(
    ("response", "content", "failed"),
    [
        ("quota exceeded", "quota exceeded", True),
        ("ChatCompletion(id='x', choices=[<oops>])", "ChatCompletion(id='x', choices=[<oops>])", False),
        ("ChatCompletion(id='x', choices=[Choice(message=None)], at=__import__('os'))", None, True),
        ("f(a=f(a=" * 400, "f(a=f(a=" * 400, True),
    ],
)  # fmt: skip
def test_replies_that_are_none(read, response, content, failed):
    note = json.loads(NOTES[5]) | {"response": response}
    got = read("\n".join([OPENS, json.dumps(note)]), "runtime.log")
    (step,) = got.trace.steps
    assert content is None or step.content == content
    assert step.extra.get("failed", False) is failed


def test_odd_lines(read):
    odd = ["{cut", "[1]", '{"note": 1}', "[file_logger] Failed to log event: not serializable"]
    got = read("\n".join([OPENS, *NOTES, *odd]), "runtime.log")
    told = [(problem.line, problem.severity) for problem in got.problems if problem.line > 11]
    assert told == [(12, "error"), (13, "error"), (14, "error"), (15, "warning")]
    assert len(got.trace.steps) == 4


def test_prompts_may_be_a_list(read):
    agent = json.loads(NOTES[2])
    agent["args"] = {"system_message": ["You keep the book.", "Count twice."]}
    trace = read("\n".join([OPENS, json.dumps(agent), *NOTES[4:]]), "runtime.log").trace
    assert trace.agent("keeper").system_prompt == "You keep the book.\nCount twice."


def test_a_use_that_nobody_asked_for_has_no_name(read):
    note = json.loads(NOTES[6])
    got = read("\n".join([OPENS, json.dumps(note), json.dumps(note)]), "runtime.log")
    assert [step.tool.name for step in got.trace.steps] == ["", ""]
