"""Outcomes from tables and check functions: exact lines in errors, nothing lost."""

import pytest

from tracekit.errors import InputError, UsageError
from tracekit.ingest.outcomes import Outcomes, outcomes_from
from tracekit.trace import Outcome, Source, Trace


def trace(id="a", **outcome):
    return Trace(id=id, source=Source(format="x", path="x.json"), outcome=Outcome(**outcome))


def table(tmp_path, text, name="outcomes.csv"):
    file = tmp_path / name
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize(
    "text",
    [
        "id,status,answer,reason\na,failure,42,too small\nb,success,,\n",
        "\ufeffid,status,answer,reason\r\na,FAILURE,42,too small\r\nb,true,,\r\n",
        'status,id,reason,answer\nfailure,a,"too small",42\nsuccess,b,,\n',
        """{"id": "a", "status": "failure", "answer": 42, "reason": "too small"}

        {"id": "b", "status": true}
        """,
    ],
)
def test_tables_give_outcomes_by_id(tmp_path, text):
    file = table(tmp_path, text)
    found = outcomes_from(file)
    told = found.apply(trace(answer="41", score=0.5)).outcome
    assert told == Outcome(
        status="failure", answer="42", score=0.5, reason="too small", by=str(file)
    )
    assert found.unmatched() == ["b"]
    assert found.apply(trace("b", answer="7")).outcome.status == "success"
    assert found.unmatched() == []


def test_traces_the_table_does_not_know_keep_their_outcome(tmp_path):
    found = outcomes_from(table(tmp_path, "id,status\nb,success\n"))
    known = trace(status="failure", by="is_correct")
    assert found.apply(known) is known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,failure\n", ":1: the header needs the columns id and status"),
        ("", ":1: the header needs"),
        ("id,status\na,broken\n", ":2: status 'broken' is not one of success, failure, unknown"),
        ("id,status\na\n", ":2: status None is not one of"),
        ("id,status\n,failure\n", ":2: the trace id is missing"),
        ("id,status\na,failure,x\n", ":2: more fields than the header has"),
        ("id,status\na,failure\nb,failure\na,success\n", ":4: trace 'a' was in line 2 already"),
        ("id,status,anwser\na,failure,3\n", ":2: unknown column 'anwser'; known: id, status"),
        ("id,status,score\na,failure,high\n", ":2: score 'high' is not a number"),
        ('id,status\n"a,failure\n', ":2: not a CSV row"),
        ('{"id": "a", "status": "failure"}\n{"id": "b"\n', ":2: not a JSON object"),
        ('{"id": "a"}\n', ":1: status None is not one of"),
    ],
)
def test_bad_tables_name_file_and_line(tmp_path, text, says):
    file = table(tmp_path, text)
    with pytest.raises(InputError) as error:
        outcomes_from(file)
    assert f"{file}{says}" in str(error.value)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (True, "success"),
        (False, "failure"),
        ("unknown", "unknown"),
        (Outcome(status="failure", reason="r"), "failure"),
    ],
)
def test_checks_may_answer_in_any_form(answer, status):
    told = Outcomes("check", check=lambda _: answer).apply(trace()).outcome
    assert (told.status, told.by) == (status, "check")


def test_a_check_that_says_nothing_leaves_the_log_alone():
    known = trace(status="success", by="reward")
    assert Outcomes("check", check=lambda _: None).apply(known) is known


@pytest.mark.parametrize("check", [lambda _: 1 / 0, lambda _: 3])
def test_a_check_that_fails_is_a_problem_of_that_trace(check):
    found = Outcomes("mine:check", check=check)
    assert found.apply(trace()).outcome.status == "unknown"
    (problem,) = found.problems
    assert problem.severity == "error"
    assert problem.path == "x.json"
    assert "check mine:check failed on a" in problem.what


@pytest.mark.parametrize("given", ["nowhere.csv", "nowhere", "a/b:c", "json:__name__"])
def test_what_is_neither_file_nor_function_is_a_usage_error(given):
    with pytest.raises(UsageError):
        outcomes_from(given)
