"""ChatDev's puppeteer."""

import json

FORMAT = "chatdev-puppeteer"


def step(agent, said, action="critique", parameter="", **result):
    return {"agent": agent, "action": {"action": action, "parameter": parameter}, "cost": 9, "tokens": 3,
            "model_size": 1, "result": {"step_data": said, **result}, "success": "Success"}  # fmt: skip


PATH = [
    step("Critic", "weak", answer=" No "),
    step("Python", "42", "run_python", "print(42)", answer="42"),
]
META = """\
[10:09:45 INFO]
---------------[Graph Reasoning Start]---------------
[10:09:45 INFO]
['Critic', 'Idle']
[10:09:45 INFO]
Task:
How many?
A: 1 B: 2
[10:09:46 INFO]
Reasoning Path: 0
Agent Sequence: Critic
[10:10:53 INFO]
[Aggregation Answer] B
[10:10:57 INFO]
[Final Answer]: B
"""
LOG = """\
[10:09:53 INFO]
Start agent: Critic
[10:09:53 INFO]
[Action] {'action': 'critique', 'parameter': ''}

[10:09:53 INFO]
[System Prompt] You criticise.
Now your question is: How many?
Previously, you collected the some information
[10:09:56 INFO]
[Reasoning]: It is
[B]
[10:09:56 INFO]
[Final Answer]:  B
[10:09:56 INFO]
Updated global_info: {'task': {'Answer': 'B', 'id': 70}, 'workflow': <object>}
[10:09:59 INFO]
[Action] {'action': 'planning', 'parameter': ''}
"""


def test_path(read_one, speakers, tmp_path):
    (tmp_path / "meta.log").write_text(META)
    (tmp_path / "path7.log").write_text(LOG)
    trace = read_one(FORMAT, json.dumps(PATH, indent=4), "path_7.jsonl")
    assert speakers(trace) == ["Critic", "Python"]
    assert [step.kind for step in trace.steps] == ["message", "tool_call"]
    assert trace.steps[1].tool.arguments == "print(42)"
    assert trace.steps[0].extra["tokens"] == 3
    assert trace.task.question == "How many?\nA: 1 B: 2"
    assert (trace.task.expected, trace.task.id) == ("B", "70")
    assert trace.outcome.answer == "42"


def test_log_of_a_path(read, speakers):
    got = read(LOG, "path7.log")
    assert got.report.format == FORMAT
    (only,) = got.trace.steps
    assert (only.agent, only.content) == ("Critic", "It is\n[B]")
    assert len(only.raw) == 4
    assert only.extra["action"] == {"action": "critique", "parameter": ""}
    assert (got.trace.task.question, got.trace.task.expected) == ("How many?", "B")
    assert got.trace.outcome.answer == "B"
    assert [problem.severity for problem in got.problems] == ["skip"] * 3


def test_names_come_from_the_path_beside(read, speakers, tmp_path):
    (tmp_path / "path_7.jsonl").write_text(json.dumps([step("Judge", "x")]))
    assert speakers(read(LOG, "path7.log").trace) == ["Judge"]


def test_meta_log(read):
    got = read(META, "meta.log")
    assert got.report.format == FORMAT
    assert got.trace.task.question == "How many?\nA: 1 B: 2"
    assert got.trace.outcome.answer == "B"
    assert got.trace.steps[-1].kind == "final"
    assert {"Critic", "Idle", "system"} == {agent.id for agent in got.trace.agents}


def test_odd_steps(read):
    got = read([3, {"agent": None, "action": "x", "result": "said"}], "path_1.jsonl", FORMAT)
    assert got.trace.steps[0].content == "said"
    assert got.problems[0].record == "/0"


def test_windows_newlines(read_one):
    log = "[09:00:00 INFO]\nTask:\nAdd.\n[09:00:01 INFO]\nAgent Sequence: a->b\n"
    assert (
        read_one("chatdev-puppeteer", log.replace("\n", "\r\n"), "meta.log").task.question == "Add."
    )
