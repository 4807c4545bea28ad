"""The faults of docs/robustness.md, each on a log of every reader it can happen to."""

import base64
import importlib.util
import itertools
import json
import math
import re
import shutil
from pathlib import Path

import pytest

from tracekit import registry
from tracekit.errors import Problem
from tracekit.ingest import pipeline
from tracekit.ingest.pipeline import Ingest
from tracekit.testing.damage import STRANGERS
from tracekit.testing.readers import examine
from tracekit.trace import Trace, faults

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "robustness.md"
_spec = importlib.util.spec_from_file_location("reader_faults", HERE / "faults.py")
fault = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fault)


def label(path):
    return "/".join(path.relative_to(fault.FIXTURES).parts)


def read(path, data=None):
    """Everything a reader makes of a log; raises when it breaks a promise."""
    data = path.read_bytes() if data is None else data
    return examine(registry.get("readers", fault.reader_of(path)), data, path.name)


def said(output):
    return [[(s.agent, s.kind, s.content) for s in trace.steps] for trace in output.traces]


def contents(traces):
    return [step.content for trace in traces for step in trace.steps]


def loaded(path):
    """Traces and problems of files or folders, found and recognised as a user would have it."""
    ingest = Ingest([path])
    items = list(ingest)
    traces = [item for item in items if isinstance(item, Trace)]
    problems = [item for item in items if isinstance(item, Problem)]
    assert [problem for problem in problems if "no step holds it" in problem.what] == []
    assert [found for trace in traces for found in faults(trace)] == []
    return traces, problems, ingest.files


every_log = pytest.mark.parametrize("path", fault.LOGS, ids=label)
json_logs = pytest.mark.parametrize(
    "path", [path for path in fault.LOGS if fault.is_json(path.read_bytes())], ids=label
)


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN["readers"]))
def test_every_reader_has_a_sound_log(name):
    outputs = [read(path) for path in fault.logs(name)]
    assert outputs
    assert all(output.traces for output in outputs)
    errors = [problem for o in outputs for problem in o.problems if problem.severity == "error"]
    assert errors == []


@every_log
@pytest.mark.parametrize("name", fault.ANY)
def test_fault_on_every_log(name, path):
    data = path.read_bytes()
    damaged = fault.ANY[name](data)
    output = read(path, damaged)
    if name == "truncated last line" and fault.is_json(data):
        assert output.problems
    elif damaged.strip() and damaged != data:
        assert output.traces or output.problems


@every_log
@pytest.mark.parametrize("name", fault.SAME)
def test_log_says_the_same(name, path):
    data = path.read_bytes()
    if fault.reader_of(path) in fault.TYPED and name in ("duplicate keys", "numbers as strings"):
        assert read(path, fault.ANY[name](data)).problems
        return
    assert said(read(path, fault.ANY[name](data))) == said(read(path))


@json_logs
def test_bad_bytes_are_marked(path):
    plain, output = read(path), read(path, fault.ANY["invalid UTF-8"](path.read_bytes()))
    assert len(output.traces) == len(plain.traces)


@every_log
def test_no_number_is_infinite(path):
    for trace in read(path, fault.ANY["NaN and Infinity"](path.read_bytes())).traces:
        for step in trace.steps:
            moments = (step.time.start, step.time.end) if step.time else ()
            assert all(math.isfinite(moment) for moment in moments if moment is not None)
        assert trace.outcome.score is None or math.isfinite(trace.outcome.score)


@json_logs
def test_hostile_text_is_kept(path):
    """What a record says stands in the trace letter for letter, whatever it holds."""
    data = path.read_bytes()
    values = set(fault.texts(fault.documents(data)))
    before = [text for text in contents(read(path).traces) if text in values and " " in text]
    after = contents(read(path, fault.ANY["hostile text"](data)).traces)
    wanted = [text + fault.ENDING for text in before if "->" not in text]
    assert [text for text in wanted if not any(text in other for other in after)] == []


def test_empty_and_blank_files(tmp_path):
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "blank.jsonl").write_bytes(b" \n\n")
    traces, problems, _ = loaded(tmp_path)
    assert traces == []
    assert [problem.severity for problem in problems] == ["skip", "skip"]


def test_strangers_are_skipped(tmp_path):
    for name, data in STRANGERS.items():
        (tmp_path / f"{name}.json").write_bytes(data)
    traces, _, files = loaded(tmp_path)
    assert contents(traces) == []
    assert all(report.problems for report in files)


LINES = [
    {"sessionId": "s", "type": "user", "uuid": f"u{i}", "parentUuid": None,
     "timestamp": f"2026-01-01T00:00:0{i}Z", "message": {"role": "user", "content": f"word {i}"}}
    for i in range(4)
]  # fmt: skip


JSONL = [path for path in fault.LOGS if len(fault.documents(path.read_bytes()) or ()) > 2]


@pytest.mark.parametrize("path", JSONL, ids=label)
def test_rotated_log(path, tmp_path):
    """A log that begins in the middle of a record is recognised and read all the same."""
    log = tmp_path / path.name
    log.write_bytes(b'ken": 4}, "type": "cut off"}\n' + path.read_bytes())
    traces, problems, (report,) = loaded(log)
    assert report.format == fault.reader_of(path)
    assert contents(traces) == contents(read(path).traces)
    assert any(problem.line == 1 for problem in problems)


@pytest.mark.parametrize(
    "first", [b'lo","type":"user"}', b"starting the agent ...", b"\0\0\0", b"{"]
)
def test_broken_first_line(tmp_path, first):
    """Or under a banner, or after what a crash left."""
    log = tmp_path / "session.jsonl"
    log.write_bytes(first + b"\n" + fault.written(LINES))
    traces, problems, _ = loaded(log)
    assert contents(traces) == [f"word {i}" for i in range(4)]
    assert [problem.line for problem in problems if problem.severity == "error"] in ([1], [])


# --- messages ------------------------------------------------------------------------------

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
CHAT = [
    {"role": "user", "content": "What is up?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "the sky"},
    {"role": "assistant", "content": "The sky."},
]


def chat(tmp_path, messages):
    (tmp_path / "chat.json").write_text(json.dumps({"messages": messages}))
    (trace,), problems, _ = loaded(tmp_path / "chat.json")
    assert [problem for problem in problems if problem.severity == "error"] == []
    return trace


def test_arguments_encoded_twice(tmp_path):
    assert chat(tmp_path, CHAT).steps[1].tools[0].arguments == {"at": "sky"}


def test_python_repr_is_read_and_not_run(tmp_path):
    canary = tmp_path / "canary"
    bomb = f"[__import__('pathlib').Path({str(canary)!r}).touch()]"
    trace = chat(tmp_path, [*CHAT, {"role": "user", "content": bomb}])
    assert trace.steps[-1].content == bomb
    for path in fault.LOGS:
        data = path.read_bytes()
        if not fault.is_binary(data):
            read(path, data.replace(b": [", b": " + bomb.encode()[:-1] + b", ", 1))
            read(path, data.replace(b"[", bomb.encode(), 1))
    assert not canary.exists()


def test_unknown_role_speaks(tmp_path):
    trace = chat(tmp_path, [*CHAT, {"role": "wizard", "content": "Abracadabra"}])
    assert (trace.steps[-1].agent, trace.steps[-1].content) == ("wizard", "Abracadabra")


def test_unknown_part_is_kept(tmp_path):
    part = {"type": "hologram", "beam": "blue"}
    trace = chat(tmp_path, [*CHAT, {"role": "user", "content": [part]}])
    assert json.loads(trace.steps[-1].content) == part


IMAGE = base64.b64encode(bytes(range(256)) * 100).decode()
PARTS = {
    "openai": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}},
    "anthropic": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": IMAGE},
    },
    "google": {"inlineData": {"mimeType": "image/png", "data": IMAGE}},
}


@pytest.mark.parametrize("dialect", PARTS)
def test_images_become_references(tmp_path, dialect):
    content = [{"type": "text", "text": "See"}, PARTS[dialect]]
    step = chat(tmp_path, [{"role": "user", "content": content}, *CHAT]).steps[0]
    (medium,) = step.media
    assert (medium.type, medium.size) == ("image/png", 25_600)
    assert len(medium.sha256) == 64
    assert IMAGE[:100] not in step.content


def test_result_without_call(tmp_path):
    trace = chat(tmp_path, [CHAT[0], *CHAT[2:]])
    assert [(s.agent, s.kind, s.parent) for s in trace.steps][1] == ("tool", "tool_result", None)


def test_agent_renamed_midway(tmp_path):
    says = [("Planner", "a plan"), ("Coder", "code"), ("Coder_v2", "better code")]
    history = [{"role": "assistant", "name": who, "content": what} for who, what in says]
    run = {"question": "Do it", "history": history, "mistake_agent": "Coder", "mistake_step": "1"}
    (tmp_path / "1.json").write_text(json.dumps(run))
    (trace,), _, _ = loaded(tmp_path)
    assert [step.agent for step in trace.steps] == ["Planner", "Coder", "Coder_v2"]
    assert [agent.id for agent in trace.agents] == ["Planner", "Coder", "Coder_v2"]


# --- sessions ------------------------------------------------------------------------------


def twin(data):
    """The same log as another session: every id of a trace or session is another one."""
    for old, new in (
        (b"4bf92f3577b34da6", b"5cf92f3577b34da6"),
        (b"0b7c1f6e-8a52", b"1b7c1f6e-8a52"),
        (b'"s-1"', b'"s-2"'),
        (b'"s1"', b'"s2"'),
        (b'"uuid": "', b'"uuid": "2'),
        (b'"parentUuid": "', b'"parentUuid": "2'),
    ):
        data = data.replace(old, new)
    return data


MANY = [
    "otlp-json/collector.jsonl", "phoenix-export/rows.jsonl", "langfuse-export/batch.jsonl",
    "langsmith/runs.jsonl", "claude-code/session.jsonl",
]  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_interleaved_sessions(name):
    path = fault.FIXTURES / name
    one, other = path.read_bytes(), twin(path.read_bytes())
    assert one != other
    pairs = itertools.zip_longest(one.splitlines(), other.splitlines())
    mixed = b"\n".join(line for pair in pairs for line in pair if line)
    (alone,) = said(read(path))
    assert said(read(path, mixed)) == [alone, alone]


@pytest.mark.parametrize("path", fault.SPAN_LOGS, ids=label)
def test_ids_repeat_across_traces(path):
    """The same span ids in two traces: neither takes a span, a parent or an agent of the other."""
    spans, others = fault.Spans(path), fault.Spans(path)
    both = spans.values + json.loads(twin(json.dumps(others.values).encode()))
    if path.suffix == ".json":
        outputs = [read(path, twin(path.read_bytes()))]
    else:
        outputs = [read(path, fault.written(both))]
    (alone,) = said(read(path))
    assert all(each == alone for output in outputs for each in said(output))


# --- spans ---------------------------------------------------------------------------------

WARNS = {"duplicate span ids", "parent cycles"}
SAME_STEPS = {"children before parents", "zero durations", "a span is its own parent"}


@pytest.mark.parametrize("path", fault.SPAN_LOGS, ids=label)
@pytest.mark.parametrize("name", fault.SPANS)
def test_span_fault(name, path):
    spans = fault.Spans(path)
    assert len(spans.all) > 1
    fault.SPANS[name](spans)
    output, plain = read(path, spans.bytes()), read(path)
    here, before = contents(output.traces), contents(plain.traces)
    if name == "missing parents":  # the span of the leading agent is gone, not what others said
        assert set(here) <= set(before)
        assert here
    elif name == "zero durations":
        assert sorted(here) == sorted(before)
    elif name == "children before parents":
        assert here == before
    else:
        assert set(before) <= set(here)
    if name in WARNS:
        assert any(problem.severity == "warning" for problem in output.problems)
    for trace in output.traces:
        assert all(step.parent is None or step.parent < step.index for step in trace.steps)


def test_ids_in_other_notations():
    path = fault.FIXTURES / "otlp-json" / "garden.json"
    data = path.read_bytes()

    def as_base64(found):
        return b'"' + base64.b64encode(bytes.fromhex(found[1].decode())) + b'"'

    in_base64 = re.sub(rb'"([0-9a-f]{32}|[0-9a-f]{16})"', as_base64, data)
    assert in_base64 != data
    assert said(read(path, in_base64)) == said(read(path))
    sdk = fault.FIXTURES / "otel-span-json" / "spans.json"
    as_integers = re.sub(
        rb'"0x([0-9a-f]{16,32})"', lambda found: str(int(found[1], 16)).encode(), sdk.read_bytes()
    )
    assert as_integers != sdk.read_bytes()
    assert said(read(sdk, as_integers)) == said(read(sdk))


# --- folders -------------------------------------------------------------------------------


def test_mixed_formats_in_one_directory(tmp_path):
    for path in fault.LOGS:
        shutil.copy(path, tmp_path / f"{fault.reader_of(path)}--{path.name}")
    traces, _, files = loaded(tmp_path)
    taken = {Path(report.path).name: report.format for report in files}
    assert {name: name.split("--")[0] for name in taken} == taken
    assert len(traces) >= len(fault.LOGS)


def test_growing_file(tmp_path, monkeypatch):
    log = tmp_path / "session.jsonl"
    log.write_bytes(fault.written(LINES[:3]) + b"\n")
    expand = pipeline.expand

    def meanwhile(source, keep):
        yield from expand(source, keep)
        with log.open("ab") as stream:
            stream.write(fault.written(LINES[3:]))

    monkeypatch.setattr(pipeline, "expand", meanwhile)
    traces, problems, _ = loaded(log)
    assert contents(traces) == ["word 0", "word 1", "word 2"]
    assert [problem.severity for problem in problems] == ["warning"]


# --- the page ------------------------------------------------------------------------------


def test_page_says_what_the_tests_show():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `(test_\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    stated = {name.strip(): (does.strip(), test) for name, does, test in rows}
    assert stated == fault.TABLE
    assert set(fault.ANY) | set(fault.SPANS) <= set(fault.TABLE)
    tests = "".join((HERE / name).read_text() for name in ("test_faults.py", "test_archives.py"))
    assert all(f"def {test}(" in tests for _, test in fault.TABLE.values())
