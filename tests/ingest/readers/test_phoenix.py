"""Phoenix exports: the client's objects, a dataframe's rows, nested attributes, half a trace."""

import json

import pytest

LLM = {
    "openinference.span.kind": "LLM",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Weather?",
    "llm.output_messages.0.message.content": "Rain.",
    "llm.model_name": "m",
}
AGENT = {"openinference.span.kind": "AGENT", "input.value": "Weather?", "output.value": "Rain."}


def client(id, parent, attributes, second):
    return {
        "id": f"x{id}", "name": "sky", "context": {"trace_id": "t", "span_id": id},
        "span_kind": attributes["openinference.span.kind"], "parent_id": parent,
        "start_time": f"2025-01-01T00:00:0{second}+00:00", "end_time": None, "status_code": "OK",
        "status_message": "", "attributes": attributes, "events": [],
    }  # fmt: skip


def row(id, parent, attributes, second):
    columns = {f"attributes.{key}": value for key, value in attributes.items()}
    return {
        "name": "sky", "span_kind": attributes["openinference.span.kind"], "parent_id": parent,
        "start_time": f"2025-01-01T00:00:0{second}Z", "end_time": None, "status_code": "OK",
        "events": None, "context.span_id": id, "context.trace_id": "t", "attributes.user.id": None,
        **columns,
    }  # fmt: skip


def nested(id, parent, attributes, second):
    inner = {}
    for key, value in attributes.items():
        place = inner
        *folders, last = key.split(".")
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    start = (1_735_689_600 + second) * 10**9
    return {
        "span_id": id, "trace_id": "t", "parent_id": parent, "name": "sky", "start_time": start,
        "end_time": start + 5, "duration_ns": 5, "status": {"status_code": "OK"},
        "attributes": inner, "events": [],
    }  # fmt: skip


@pytest.mark.parametrize("shape", [client, row, nested])
@pytest.mark.parametrize("lines", [True, False])
def test_every_shape_as_list_and_as_lines(shape, lines, read_one, jsonl):
    spans = [shape("b", "a", LLM, 2), shape("a", None, AGENT, 1)]
    trace = read_one("phoenix-export", jsonl(*spans) if lines else spans)
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [("sky", "final", "Rain.")]
    assert trace.steps[0].time.start == 1_735_689_602.0
    assert trace.steps[0].usage.model == "m"
    assert (trace.task.question, trace.outcome.answer) == ("Weather?", "Rain.")


def test_the_api_wraps_spans_in_data(read_one):
    trace = read_one("phoenix-export", {"data": [client("b", "a", LLM, 2)], "next_cursor": None})
    assert [s.content for s in trace.steps] == ["Rain."]


def test_a_file_of_one_kind_lacks_the_parents(read_one):
    trace = read_one("phoenix-export", [row("b", "gone", LLM, 2)])
    assert [(s.agent, s.parent) for s in trace.steps] == [("unknown", None)]
    assert trace.outcome.status == "unknown"


def test_a_retriever_that_wraps_a_retriever_is_one_step(read_one):
    found = {
        "openinference.span.kind": "RETRIEVER", "input.value": "rain",
        "retrieval.documents": [{"document.content": "wet"}, {"document.content": "water"}],
    }  # fmt: skip
    trace = read_one("phoenix-export", [row("a", None, found, 1), row("b", "a", found, 2)])
    (step,) = trace.steps
    assert (step.tool.arguments, step.content) == ("rain", "wet\n\nwater")
    assert [raw.span for raw in step.raw] == ["a", "b"]


def test_a_failed_span(read_one):
    failed = row("a", None, AGENT, 1) | {"status_code": "ERROR", "status_message": "fog"}
    trace = read_one("phoenix-export", [failed])
    assert (trace.outcome.status, trace.outcome.reason) == ("failure", "fog")
    assert trace.steps[0].extra["error"] == "fog"


def test_a_file_of_nothing_but_wrappers_loses_none_of_them(read_as, jsonl):
    def wrapper(id, name, second, status="OK", **more):
        return {
            "name": name, "span_kind": "CHAIN", "parent_id": "elsewhere", "status_code": status,
            "context.span_id": id, "context.trace_id": "t", "status_message": "", "events": [],
            "start_time": f"2025-01-01T00:00:0{second}+00:00",
            "end_time": f"2025-01-01T00:00:0{second}.5+00:00", **more,
        }  # fmt: skip

    log = jsonl(
        wrapper("a", "Flow.sort", 1, **{"attributes.output.value": "Sorted(owls=3)"}),
        wrapper("b", "Flow.count", 2, "ERROR", status_message="no owls"),
    )
    (trace,), problems = read_as("phoenix-export", log)
    assert [(s.content, s.extra.get("error")) for s in trace.steps] == [
        ("Sorted(owls=3)", None), ("no owls", "no owls"),
    ]  # fmt: skip
    assert [p.severity for p in problems] == ["warning"]


def test_attributes_in_a_string_and_in_columns_of_objects(read_one):
    said = [{"message": {"role": "assistant", "content": "Three."}}]
    row = {"context.span_id": "a", "context.trace_id": "t", "name": "chat", "parent_id": None}
    columns = row | {"attributes.llm": {"output_messages": said, "model_name": "m"}}
    inner = json.dumps({"llm.output_messages": said, "openinference.span.kind": "LLM"})
    text = {"span_id": "a", "trace_id": "t", "parent_id": None, "name": "chat", "attributes": inner}
    for log in (columns, text):
        assert [s.content for s in read_one("phoenix-export", [log]).steps] == ["Three."]
