"""DyLAN."""

import json

FORMAT = "dylan"
LINES = [[["a0", "a1"], ["b0", None], [None, "c1"]], [["x", None], ["y", None], [None, None]]]


def test_replies_by_agent_and_round(read, jsonl, tmp_path):
    (tmp_path / "algebra.txt").write_text("[True, False] 0.5\n12 6\n[[0.5, 0.5], [1, 0]]\n")
    got = read(jsonl(*LINES), "algebra.json")
    assert got.report.format == FORMAT
    first, second = got.traces
    assert [(s.agent, s.content, s.extra["round"]) for s in first.steps] == [
        ("Agent 1", "a0", 0), ("Agent 2", "b0", 0), ("Agent 1", "a1", 1), ("Agent 3", "c1", 1),
    ]  # fmt: skip
    assert first.steps[2].raw[0].record == "1:/0/1"
    assert (first.outcome.status, second.outcome.status) == ("success", "failure")
    assert first.outcome.by == "algebra.txt"
    assert second.extra["importance"] == [1, 0]
    assert first.task.id == "algebra/0"
    assert [agent.id for agent in second.agents] == ["Agent 1", "Agent 2", "Agent 3"]


def test_without_verdicts_and_with_odd_lines(read, jsonl, tmp_path):
    (tmp_path / "run.txt").write_text("nothing here")
    got = read(jsonl(LINES[0], {"a": 1}, [["x"], [5], "loose"]) + '[["cut', "run.json", FORMAT)
    assert [len(trace.steps) for trace in got.traces] == [4, 2]
    assert got.traces[0].outcome.status == "unknown"
    assert sum(problem.severity == "error" for problem in got.problems) == 3


def test_the_verdicts_alone_hold_no_trace(read):
    got = read("[True, False] 0.5\n12 6\n", "algebra.txt")
    assert (got.report.format, got.traces) == (FORMAT, [])
    assert got.problems[0].severity == "skip"


def test_lists_of_other_things_are_not_ours(read):
    assert read(json.dumps([[1, "a"]])).report.format != FORMAT
