"""In-house formats through a mapping file, the documented example first."""

import json
import re
from pathlib import Path

import pytest

from tracekit.errors import InputError, UsageError
from tracekit.ingest.mapping import load_mapping, walk
from tracekit.ingest.pipeline import Ingest, load
from tracekit.trace import Trace, faults

DOCS = Path(__file__).parents[2] / "docs" / "mapping.md"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]


@pytest.fixture
def mapped(tmp_path):
    """Ingest a log with a mapping."""

    def mapped(mapping, log, name="log.json"):
        (tmp_path / "map.toml").write_text(mapping)
        (tmp_path / name).write_text(log if isinstance(log, str) else json.dumps(log))
        load_mapping.cache_clear()
        items = list(Ingest([tmp_path / name], formats=[f"mapping:{tmp_path / 'map.toml'}"]))
        traces = [item for item in items if isinstance(item, Trace)]
        assert [fault for trace in traces for fault in faults(trace)] == []
        return traces, [item for item in items if not isinstance(item, Trace)]

    return mapped


def test_documented_example(mapped):
    run = json.loads(block("json"))
    (trace,), problems = mapped(block("toml"), run)
    assert problems == []
    assert (trace.id, trace.source.format, trace.source.framework) == ("r-1", "acme", "acme-crew")
    assert [(s.agent, s.kind, s.to) for s in trace.steps] == [
        ("customer", "message", None), ("planner", "plan", "booker"), ("booker", "message", None)
    ]  # fmt: skip
    call = trace.steps[1].tool
    assert (call.name, call.arguments, call.result) == ("search", {"time": "19:00"}, "none free")
    assert trace.steps[2].usage.input_tokens == 120
    assert trace.steps[2].usage.model == "m"
    assert trace.steps[0].time.start == 1746122400.0
    assert trace.agent("customer").role == "user"
    assert (trace.task.question, trace.task.expected) == ("Book a table", "19:00")
    outcome = trace.outcome
    assert (outcome.status, outcome.answer, outcome.by) == ("failure", "20:00", "result.ok")
    (label,) = trace.labels
    assert (label.agent, label.step, label.base) == ("booker", 2, 1)
    assert trace.steps[0].raw[0].record == "/turns/0"


LINES = """
format = "lines"
[records]
group = "run"
[step]
agent = ["name", "role"]
content = "text"
"""


def test_lines_that_are_steps_in_groups(mapped):
    lines = [{"run": r, "role": "user", "name": n, "text": t} for r, n, t in
             [("a", None, "Hi"), ("b", "Bo", "Ho"), ("a", "Al", "Ha")]]  # fmt: skip
    traces, _ = mapped(LINES, "".join(json.dumps(line) + "\n" for line in [*lines, 5]), "x.jsonl")
    assert [t.id for t in traces][:2] == ["a", "b"]
    assert [(s.agent, s.content) for s in traces[0].steps] == [("user", "Hi"), ("Al", "Ha")]
    assert traces[0].steps[1].extra == {"run": "a", "role": "user"}


def test_traces_within_a_document(mapped):
    mapping = 'format = "x"\n[records]\ntraces = "runs[]"\nsteps = "log[]"\n[step]\ncontent = "t"\n'
    runs = [{"log": [{"t": "1"}, 3]}, {"log": "none"}]
    traces, problems = mapped(mapping, {"runs": runs})
    assert [len(trace.steps) for trace in traces] == [1, 0]
    assert traces[0].steps[0].agent == "unknown"
    assert [p.record for p in problems] == ["/runs/0/log/1"]
    traces, problems = mapped(mapping, {"other": 1})
    assert traces == []
    assert "finds no trace" in problems[0].what


def test_a_mapping_among_other_formats_is_recognised(mapped, tmp_path):
    mapped(block("toml"), json.loads(block("json")))
    names = [f"mapping:{tmp_path / 'map.toml'}", "who-and-when"]
    (trace,) = Ingest([tmp_path / "log.json"], formats=names).traces()
    assert trace.source.format == "acme"
    (trace,) = load(tmp_path / "log.json", format=names[0])
    assert trace.id == "r-1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format = ", "not a TOML file"),
        ("", "format"),
        ('format = "x"\n[stepp]\n', "stepp"),
        ('format = "x"\n[step]\nagents = "a"\n', "agents"),
        ('format = "x"\n[records]\nsteps = "turns"\n[step]\ncontent = "t"', "must end in []"),
        ('format = "x"', "step.content"),
        ('format = "x"\n[kinds]\na = "b"\n', "kinds"),
    ],
)
def test_wrong_mappings_say_what_is_wrong(tmp_path, text, says):
    (tmp_path / "bad.toml").write_text(text)
    load_mapping.cache_clear()
    with pytest.raises(UsageError, match=re.escape(says)):
        load_mapping(str(tmp_path / "bad.toml"))


def test_missing_mapping():
    with pytest.raises(InputError, match=r"nowhere\.toml"):
        load_mapping("nowhere.toml")


def test_paths():
    value = {"a/b": [[1, 2], [3]], "c": {"0": "x"}}
    assert list(walk(value, "a/b[][]")) == [
        ("/a~1b/0/0", 1), ("/a~1b/0/1", 2), ("/a~1b/1/0", 3)
    ]  # fmt: skip
    assert list(walk(value, "a/b.1.0")) == [("/a~1b/1/0", 3)]
    assert list(walk(value, "c.0.y")) == []


def test_mapping_on_the_command_line(mapped, tmp_path):
    from typer.testing import CliRunner

    from tracekit_cli.app import app

    mapped(block("toml"), json.loads(block("json")))
    file, log, out = (str(tmp_path / name) for name in ("map.toml", "log.json", "out.jsonl"))
    done = CliRunner().invoke(app, ["ingest", log, "--mapping", file, "-o", out, "--quiet"])
    assert done.exit_code == 0, done.output
    assert json.loads(Path(out).read_text())["source"]["format"] == "acme"
