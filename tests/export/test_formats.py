"""What other tools find in an export: the conventions' own words, in the layouts they expect."""

import json
from datetime import datetime

import msgspec
import pytest

import tracekit as tk
from tracekit.errors import MissingExtra, UsageError
from tracekit.export import fields
from tracekit.export.atif import Atif
from tracekit.export.openinference import OpenInference
from tracekit.export.otlp import Otlp
from tracekit.export.parquet import Parquet
from tracekit.ingest.pipeline import Ingest
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Inputs, Message, Time, ToolCall, Usage

ASK = ToolCall("search", {"q": "owls"}, call_id="c1")
STEPS = [
    tk.Step(0, "user", content="How many owls?", time=Time(1.5e9, 1.5e9)),
    tk.Step(
        0,
        "Planner",
        "tool_call",
        "I will look.",
        inputs=Inputs((0,), (Message("system", "Be brief."),)),
        tools=(ASK,),
        usage=Usage(11, 7, 0.25, "some-model"),
        time=Time(1.5e9 + 1, 1.5e9 + 3),
    ),
    tk.Step(
        0,
        "Planner",
        "tool_result",
        "seven",
        parent=1,
        tools=(ToolCall("search", result="seven", call_id="c1"),),
    ),
    tk.Step(0, "Writer", "final", "There are seven."),
]


@pytest.fixture
def trace():
    made = make_trace("owls", STEPS, outcome=tk.Outcome("success", answer="There are seven."))
    return msgspec.structs.replace(made, task=tk.Task("How many owls?"))


def plain(attributes):
    return {item["key"]: next(iter(item["value"].values())) for item in attributes}


def otlp_spans(trace, path):
    Otlp().write([trace], path)
    (line,) = path.read_text().splitlines()
    (resource,) = json.loads(line)["resourceSpans"]
    return resource["scopeSpans"][0]["spans"]


def test_otlp_is_a_tree_of_agents_models_and_tools(trace, tmp_path):
    spans = otlp_spans(trace, tmp_path / "o.jsonl")
    assert [span["name"] for span in spans] == [
        "invoke_workflow made-up",
        "invoke_agent user",
        "chat",
        "invoke_agent Planner",
        "chat some-model",
        "execute_tool search",
        "invoke_agent Writer",
        "chat",
    ]
    root, _, _, planner, chat, tool, writer, _ = spans
    assert "parentSpanId" not in root
    assert planner["parentSpanId"] == writer["parentSpanId"] == root["spanId"]
    assert chat["parentSpanId"] == tool["parentSpanId"] == planner["spanId"]
    assert writer["links"][0]["spanId"] == tool["spanId"]
    assert tool["links"][0]["spanId"] == chat["spanId"]
    assert {span["traceId"] for span in spans} == {root["traceId"]}
    assert (len(root["traceId"]), len({span["spanId"] for span in spans})) == (32, 8)
    assert chat["startTimeUnixNano"] == "1500000001000000000"


def test_otlp_speaks_the_genai_conventions(trace, tmp_path):
    spans = otlp_spans(trace, tmp_path / "o.jsonl")
    chat, tool = plain(spans[4]["attributes"]), plain(spans[5]["attributes"])
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.agent.name"] == "Planner"
    assert chat["gen_ai.request.model"] == "some-model"
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) == ("11", "7")
    (heard,) = json.loads(chat["gen_ai.input.messages"])
    assert heard == {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}
    (said,) = json.loads(chat["gen_ai.output.messages"])
    assert said["role"] == "assistant"
    assert said["parts"] == [
        {"type": "text", "content": "I will look."},
        {"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "owls"}},
    ]
    assert tool["gen_ai.operation.name"] == "execute_tool"
    assert (tool["gen_ai.tool.name"], tool["gen_ai.tool.call.result"]) == ("search", "seven")
    assert chat["tracekit.step.index"] == "1"
    assert "tracekit.step.content" not in chat, "the convention has a word for it"


def test_a_failed_run_is_a_failed_root(tmp_path):
    failed = make_trace("f", [("A", "x")], outcome=tk.Outcome("failure", reason="wrong sum"))
    root, *others = otlp_spans(failed, tmp_path / "o.jsonl")
    assert root["status"] == {"code": 2, "message": "wrong sum"}
    assert not any("status" in span for span in others)


def test_steps_without_a_clock_stay_in_order(tmp_path):
    for trace in edge_traces():
        if any(step.time for step in trace.steps):
            continue
        spans = otlp_spans(trace, tmp_path / "o.jsonl")
        starts = [
            int(span["startTimeUnixNano"])
            for span in spans
            if "tracekit.step.index" in plain(span["attributes"])
        ]
        assert starts == sorted(set(starts))
        assert min(starts, default=1) > 0


def test_openinference_is_what_phoenix_uploads(trace, tmp_path):
    path = tmp_path / "o.jsonl"
    OpenInference().write([trace], path)
    spans = [json.loads(line) for line in path.read_text().splitlines()]
    kinds = ["CHAIN", "AGENT", "LLM", "AGENT", "LLM", "TOOL", "AGENT", "LLM"]
    assert [span["span_kind"] for span in spans] == kinds
    root, chat, tool, writer = spans[0], spans[4], spans[5], spans[6]
    assert root["parent_id"] is None
    assert root["attributes"]["input.value"] == "How many owls?"
    assert root["attributes"]["output.value"] == "There are seven."
    assert datetime.fromisoformat(chat["start_time"]).timestamp() == 1.5e9 + 1
    held = chat["attributes"]
    assert held["llm.input_messages.0.message.role"] == "system"
    assert held["llm.output_messages.0.message.content"] == "I will look."
    call = "llm.output_messages.0.message.tool_calls.0.tool_call."
    assert held[f"{call}function.name"] == "search"
    assert json.loads(held[f"{call}function.arguments"]) == {"q": "owls"}
    assert held["llm.token_count.prompt"] == 11
    assert tool["attributes"]["output.value"] == "seven"
    assert writer["attributes"]["graph.node.parent_id"] == "Planner"


@pytest.mark.parametrize("exporter", [Otlp(), OpenInference()], ids=["otlp", "openinference"])
def test_who_ignores_our_attributes_reads_the_same_story(exporter, trace, tmp_path):
    """What a tool that knows the conventions alone would see: our own reader of foreign spans."""

    def foreign(value):
        if isinstance(value, dict):
            return {k: foreign(v) for k, v in value.items() if not k.startswith("tracekit.")}
        if isinstance(value, list):
            ours = [isinstance(v, dict) and v.get("key", "").startswith("tracekit.") for v in value]
            return [foreign(v) for v, own in zip(value, ours, strict=True) if not own]
        return value

    exporter.write([trace], tmp_path / "ours.jsonl")
    lines = (tmp_path / "ours.jsonl").read_text().splitlines()
    text = "\n".join(json.dumps(foreign(json.loads(line))) for line in lines)
    assert "tracekit.step" not in text
    (tmp_path / "theirs.jsonl").write_text(text + "\n")
    (found,) = tk.load(tmp_path / "theirs.jsonl")
    assert [(s.agent, s.content) for s in found.steps] == [
        (s.agent, s.content) for s in trace.steps
    ]
    assert found.steps[1].tools == (ASK,)
    assert found.steps[2].parent == 1
    assert found.task.question == trace.task.question
    assert found.outcome.answer == trace.outcome.answer


@pytest.mark.parametrize("exporter", [Otlp(), OpenInference(), Atif()], ids=lambda e: e.name)
@pytest.mark.parametrize("change", ["tracekit.step.index", '"index"', "seven"])
def test_a_changed_export_is_read_like_any_other(exporter, change, trace, tmp_path):
    """Every step survives an edit; at worst with a warning and the words of the convention."""
    path = tmp_path / ("o.json" if exporter.name == "atif" else "o.jsonl")
    exporter.write([trace], path)
    text = path.read_text().replace(change, change.replace("index", "x").replace("seven", "six"), 1)
    path.write_text(text)
    ingest = Ingest([path])
    (found,) = ingest.traces()
    errors = [p for f in ingest.files for p in f.problems if p.severity == "error"]
    assert errors == []
    assert len(found.steps) >= 3


def test_atif_folds_answers_into_the_call(trace, tmp_path):
    Atif().write([trace], tmp_path / "o.json")
    made = json.loads((tmp_path / "o.json").read_text())
    assert made["schema_version"].startswith("ATIF-v1.")
    assert [step["step_id"] for step in made["steps"]] == [1, 2, 3]
    assert [step["source"] for step in made["steps"]] == ["user", "agent", "agent"]
    call = made["steps"][1]
    assert call["tool_calls"] == [
        {"tool_call_id": "c1", "function_name": "search", "arguments": {"q": "owls"}}
    ]
    assert call["observation"]["results"] == [{"source_call_id": "c1", "content": "seven"}]
    assert call["metrics"] == {"prompt_tokens": 11, "completion_tokens": 7, "cost_usd": 0.25}
    assert made["agent"]["name"] == "Planner"


def test_atif_keeps_harbors_rules(tmp_path):
    """The rules that Harbor's own validator checks, on every trace at the edges."""
    Atif().write(edge_traces(), tmp_path / "o")
    only_agent = {"tool_calls", "metrics", "model_name", "reasoning_content"}
    for file in sorted((tmp_path / "o").iterdir()):
        steps = json.loads(file.read_text())["steps"]
        assert [step["step_id"] for step in steps] == list(range(1, len(steps) + 1))
        for step in steps:
            calls = step.get("tool_calls", [])
            assert all(isinstance(call["arguments"], dict) for call in calls)
            known = {call["tool_call_id"] for call in calls} | {None}
            results = step.get("observation", {}).get("results", [])
            assert {result.get("source_call_id") for result in results} <= known
            assert step["source"] == "agent" or only_agent.isdisjoint(step)


def test_atif_wants_one_trace_a_file_and_a_new_folder(tmp_path):
    with pytest.raises(UsageError, match="more than one"):
        Atif().write(edge_traces(), tmp_path / "o.json")
    with pytest.raises(UsageError, match="no trace"):
        Atif().write([], tmp_path / "o.json")
    (tmp_path / "o").mkdir()
    with pytest.raises(UsageError, match="exists"):
        Atif().write(edge_traces(), tmp_path / "o")


def test_atif_names_no_file_outside_its_folder(tmp_path):
    steps = [("A", "x")]
    Atif().write([make_trace("../../up", steps), make_trace("a/b", steps)], tmp_path / "o")
    assert sorted(file.name for file in (tmp_path / "o").iterdir()) == ["a-b.json", "up.json"]


def test_parquet_has_fixed_columns(tmp_path):
    import pyarrow.parquet as pq

    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    Parquet().write(edge_traces(), paths[0])
    Parquet().write([make_trace("t", [("A", "x")])], paths[1])
    schemas = [pq.read_schema(path) for path in paths]
    assert schemas[0].equals(schemas[1])
    row = pq.read_table(paths[1]).to_pylist()[0]
    assert (row["schema"], row["id"], row["steps"][0]["kind"]) == (
        "tracekit/trace/1",
        "t",
        "message",
    )
    assert row["extra"] == "{}"
    assert isinstance(row["steps"][0]["extra"], str)


def test_parquet_of_others_is_not_ours(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    ingest = Ingest([tmp_path], formats=["tracekit-parquet"])
    assert list(ingest.traces()) == []
    assert [p.severity for f in ingest.files for p in f.problems] == ["skip"]


def test_a_cut_parquet_is_a_problem(tmp_path):
    Parquet().write(edge_traces(), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[: len(data) // 2])
    ingest = Ingest([tmp_path])
    assert list(ingest.traces()) == []
    assert [p.severity for f in ingest.files for p in f.problems] == ["error"]


def test_parquet_says_which_extra_it_needs(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="mas-tracekit\\[parquet\\]"):
        Parquet().write([], tmp_path / "o.parquet")


def test_a_number_too_great_for_a_table_is_refused_by_name(tmp_path):
    step = tk.Step(0, "A", usage=Usage(2**70))
    with pytest.raises(UsageError, match="huge"):
        Parquet().write([make_trace("huge", [step])], tmp_path / "o.parquet")


def test_losses_are_in_words():
    trace = make_trace("t", [("A", "x")])
    assert fields.losses(trace, fields.ALL - {"steps.raw"}) == [
        "where each step lies in the original log (steps.raw)"
    ]
