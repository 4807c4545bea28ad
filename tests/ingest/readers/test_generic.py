"""Formats that no reader knows: the best generic reading, never without a warning."""

import pytest


def warnings(got):
    return [p.what for p in got.problems if p.severity == "warning"]


RUN = {
    "goal": "Count the stars",
    "passed": False,
    "gold": 5,
    "dialogue": [
        {"speaker": "Customer", "utterance": "How many stars?", "at": 1},
        {"speaker": "Astronomer (-> Customer)", "utterance": "Six", "to": "Customer"},
        {"speaker": {"name": "Checker"}, "utterance": None, "tool_calls": [{"name": "count"}]},
    ],
}


def test_list_of_messages_in_an_object(read):
    got = read(RUN)
    trace = got.trace
    assert got.report.format == "generic-messages"
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("Customer", "message"),
        ("Astronomer", "message"),
        ("Checker", "tool_call"),
    ]
    assert trace.steps[1].to == "Customer"
    assert trace.steps[0].extra == {"at": 1}
    assert (trace.task.question, trace.task.expected) == ("Count the stars", "5")
    assert (trace.outcome.status, trace.outcome.by) == ("failure", "passed")
    (doubt,) = warnings(got)
    assert "generic reading" in doubt
    assert "'speaker'" in doubt
    assert "'utterance'" in doubt


def test_many_runs_and_other_lists(read):
    aside = [{"name": "x", "text": "1"}, {"name": "y", "text": "2"}]
    got = read({"runs": [RUN, RUN | {"passed": True}], "aside": aside})
    assert [t.outcome.status for t in got.traces] == ["failure", "success"]
    assert len({t.id for t in got.traces}) == 2
    assert any("/aside" in what for what in warnings(got))
    assert got.traces[0].steps[1].raw[0].record == "/runs/0/dialogue/1"


def test_lines_that_are_messages(read, jsonl):
    got = read(
        jsonl(
            {"from": "human", "value": "Hi", "timestamp": "2025-01-01T00:00:00Z"},
            {"from": "gpt", "value": "Ho"},
            {"note": 1},
            {"from": "system", "value": "Be brief"},
        ),
        "x.jsonl",
    )
    trace = got.trace
    assert got.report.format == "generic-messages"
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("user", "message"), ("assistant", "message"), ("system", "system")
    ]  # fmt: skip
    assert trace.task.question == "Hi"
    assert trace.steps[0].time.start == 1735689600.0
    assert got.report.records == 4


def test_json_without_messages(read):
    got = read({"a": [{"name": 1}]}, format="generic-messages")
    assert got.traces == []
    assert [p.severity for p in got.problems] == ["skip"]
    deep = {"speaker": "x", "text": "y"}
    for _ in range(40):
        deep = {"a": deep}
    assert read(deep, format="generic-messages").traces == []


@pytest.mark.parametrize(
    "log",
    [
        "---- Al ----\nHi\n---- Bo ----\nHo\n---- Al ----\nHa\n---- Bo ----\nBye",
        "# Al\nHi\n## Bo\nHo\n# Al:\nHa\n## Bo\nBye",
        "[Al] Hi\n[Bo] Ho\n[Al]: Ha\n[Bo] Bye",
        "Al: Hi\nBo (to Al): Ho\n**Al:** Ha\nBo: Bye",
        "2025-01-01 00:00:01 Al: Hi\n2025-01-01 00:00:02 Bo: Ho\n2025-01-01 00:00:03 Al: Ha\nBo: Bye",
        "\x1b[32mAl:\x1b[0m Hi\r\nBo: Ho\r\nAl: Ha\r\nBo: Bye",
    ],
)
def test_text_with_speakers(read, log):
    got = read("Nobody speaks here: once\n" + log, "log.txt")
    assert got.report.format == "generic-text"
    assert [(s.agent, s.content) for s in got.trace.steps] == [
        ("Al", "Hi"), ("Bo", "Ho"), ("Al", "Ha"), ("Bo", "Bye")
    ]  # fmt: skip
    assert got.trace.extra["before"] == "Nobody speaks here: once"
    assert len(warnings(got)) == 1
    assert got.report.skipped == 1


def test_records_run_on_and_roles_are_known(read):
    log = "User: Count\nNote: not a speaker\nAgent: 5\nError: x\nError: y\nUser: no\nAgent: 6\n"
    trace = read(log, "log.txt").trace
    assert [(s.agent, s.content) for s in trace.steps] == [
        ("user", "Count\nNote: not a speaker"),
        ("Agent", "5\nError: x\nError: y"),
        ("user", "no"),
        ("Agent", "6"),
    ]
    assert trace.agent("user").role == "user"
    assert trace.task.question == "Count\nNote: not a speaker"


@pytest.mark.parametrize(
    "text", ["Just prose.\n" * 9, "a,b\n1,2\n", "Al: Hi\nBo: Ho\n", "INFO: a\n" * 9]
)
def test_other_texts_are_left_alone(read, text):
    got = read(text, "x.txt")
    assert got.traces == []
    assert got.report.format is None
    assert read(text, "x.txt", format="generic-text").traces == []
