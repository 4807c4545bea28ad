"""A file of labels is checked row by row: a bad one is said, with its line, and the rest goes on."""

import json

import pytest

from tracekit.errors import InputError, Problem
from tracekit.labels.table import Row, read_rows

HEADER = "trace,agent,step,modes,definition,annotator,reason\n"


@pytest.fixture
def table(tmp_path):
    def write(text, name="labels.csv"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def split(found):
    found = list(found)
    return [x for x in found if isinstance(x, Row)], [x for x in found if isinstance(x, Problem)]


def test_csv_and_jsonl_say_the_same(table):
    csv = table(HEADER + 't1,Ada,3,FM-1.3;3.1,decisive,me,"loops, then stops"\n')
    value = {
        "trace": "t1", "agent": "Ada", "step": 3, "modes": ["1.3", "Premature termination"],
        "definition": "decisive", "annotator": "me", "reason": "loops, then stops",
    }  # fmt: skip
    lines = table(json.dumps(value), "labels.jsonl")
    rows = [split(read_rows(file))[0][0] for file in (csv, lines)]
    for row in rows:
        assert (row.step, row.modes, row.agent) == (3, ("FM-1.3", "FM-3.1"), "Ada")
        assert row.reason == "loops, then stops"
    assert [row.line for row in rows] == [2, 1]


BAD = {
    "t,Ada,x,,decisive,me,": "not a whole number",
    "t,Ada,-1,,decisive,me,": "not a whole number",
    "t,Ada,1.5,,decisive,me,": "not a whole number",
    "t,Ada,1.,,decisive,me,": "not a whole number",
    "t,Ada,1,9.9,decisive,me,": "unknown mode '9.9'",
    "t,Ada,1,,guessed,me,": "unknown definition 'guessed'",
    "t,Ada,1,,,me,": "the definition is missing",
    ",Ada,1,,decisive,me,": "the trace id is missing",
    "t,,,,decisive,me,": "neither an agent nor a step",
    "t,Ada,1,,decisive,me,why,more": "more fields",
    't,"Ada"x,1,,decisive,me,': "not a CSV row",
    "t,Ada,1,,decisive,me," + "x" * 10_001: "longer than",
}


@pytest.mark.parametrize("line", BAD, ids=lambda line: BAD[line])
def test_a_bad_row_is_a_problem_and_the_rest_goes_on(table, line):
    rows, problems = split(
        read_rows(table(f"{HEADER}a,Ada,0,,decisive,me,\n{line}\nb,B,1,,decisive,me,"))
    )
    assert [row.trace for row in rows] == ["a", "b"]
    (problem,) = problems
    assert problem.line == 3
    assert problem.path.endswith("labels.csv")
    assert BAD[line] in problem.what
    assert problem.do


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("[1]", "not a JSON object"),
        ("{", "not a JSON object"),
        ('{"trace": "t", "step": 3.5, "definition": "decisive"}', "not a whole number"),
        ('{"trace": "t", "step": true, "definition": "decisive"}', "not a whole number"),
        ('{"trace": {}, "step": 1, "definition": "decisive"}', "trace is not text"),
        ('{"trace": ["x"], "step": 1, "definition": "decisive"}', "not text"),
        ('{"trace": "t", "step": 1, "definition": {"a": 1}}', "unknown definition"),
        ('{"trace": "t", "step": 1, "modes": {"a": 1}, "definition": "decisive"}', "modes are not"),
        ('{"trace": "t", "setp": 1, "definition": "decisive"}', "unknown column 'setp'"),
        ("[" * 5000, "not a JSON object"),
    ],
)
def test_bad_lines_of_json(table, value, what):
    good = '{"trace": "a", "step": 0, "definition": "decisive"}'
    rows, problems = split(read_rows(table(f"{good}\n{value}\n", "labels.jsonl")))
    assert [row.trace for row in rows] == ["a"]
    assert [problem.line for problem in problems] == [2]
    assert what in problems[0].what


def test_base_one_counts_from_one(table):
    file = table(HEADER + "t,Ada,1,,decisive,me,\nu,Ada,0,,decisive,me,\n")
    rows, problems = split(read_rows(file, base=1))
    assert [row.step for row in rows] == [0]
    assert "before the first" in problems[0].what


def test_windows_files(table):
    rows, problems = split(read_rows(table((HEADER + "t,Ada,1,,decisive,me,\n").encode("utf-16"))))
    assert (len(rows), problems) == (1, [])
    text = "\ufeff" + (HEADER + "t,Ada,1,,decisive,me,\n").replace("\n", "\r\n")
    rows, problems = split(read_rows(table(text)))
    assert (len(rows), problems) == (1, [])


@pytest.mark.parametrize("text", ["", "agent,step\n", "trace,trace,definition\n"])
def test_a_table_without_the_columns_is_refused(table, text):
    with pytest.raises(InputError, match="columns trace and definition"):
        list(read_rows(table(text)))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(read_rows(tmp_path / "none.csv"))


def test_a_whole_number_may_be_written_as_a_float(table):
    """A column with gaps leaves pandas as floats: 2.0 and nothing."""
    csv = table("trace,agent,step,definition\na,,2.0,decisive\nb,Ada,,decisive\nc,,0.0,decisive\n")
    lines = table('{"trace": "a", "step": 2.0, "definition": "decisive"}\n', "labels.jsonl")
    assert [row.step for row in read_rows(csv)] == [2, None, 0]
    assert [row.step for row in read_rows(lines)] == [2]


def test_semicolons_between_columns_are_named(table):
    with pytest.raises(InputError, match="with commas between them"):
        list(read_rows(table("trace;step;definition\na;1;decisive\n")))
