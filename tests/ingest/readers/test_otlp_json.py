"""OTLP JSON: the names it had, ids and numbers in every spelling, lines, several traces."""

import json

TEXT = '[{"role": "assistant", "parts": [{"type": "text", "content": "Rain."}]}]'
ASKED = '[{"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}]'


def attribute(key, value):
    return {"key": key, "value": value}


def llm(span="00000000000000b1", parent="00000000000000a1", trace="0" * 31 + "1", at="2000000000"):
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": parent,
        "name": "chat m",
        "startTimeUnixNano": at,
        "endTimeUnixNano": "3500000000",
        "attributes": [
            attribute("gen_ai.operation.name", {"stringValue": "chat"}),
            attribute("gen_ai.output.messages", {"stringValue": TEXT}),
            attribute("gen_ai.input.messages", {"stringValue": ASKED}),
            attribute("gen_ai.usage.input_tokens", {"intValue": "12"}),
            attribute("tags", {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": 3}]}}),
            attribute("table", {"kvlistValue": {"values": [attribute("k", {"boolValue": True})]}}),
            attribute("blob", {"bytesValue": "AAE="}),
        ],
    }


def agent(trace="0" * 31 + "1"):
    return {
        "traceId": trace,
        "spanId": "00000000000000a1",
        "name": "invoke_agent Sky",
        "startTimeUnixNano": 1000000000,
        "endTimeUnixNano": 4000000000,
        "status": {"code": "STATUS_CODE_ERROR", "message": "quota"},
        "attributes": [
            attribute("gen_ai.operation.name", {"stringValue": "invoke_agent"}),
            attribute("gen_ai.agent.name", {"stringValue": "Sky"}),
        ],
    }


def export(*spans, resources="resourceSpans", scopes="scopeSpans", scope="scope"):
    inner = {scope: {"name": "lib"}, "spans": list(spans)}
    return {resources: [{"resource": {"attributes": []}, scopes: [inner]}]}


def check(trace):
    (step,) = [step for step in trace.steps if step.content == "Rain."]
    assert step.agent == "Sky"
    assert step.usage.input_tokens == 12
    assert step.time.seconds == 1.5
    assert step.extra["tags"] == ["x", 3]
    assert step.extra["table"] == {"k": True}
    assert trace.task.question == "Weather?"
    assert trace.outcome.status == "failure"
    assert trace.outcome.reason == "quota"


def test_resource_spans_children_first(read_one):
    check(read_one("otlp-json", export(llm(), agent())))


def test_tempo_batches_and_the_older_scope_name(read_one):
    old = {"resources": "batches", "scopes": "instrumentationLibrarySpans"}
    check(read_one("otlp-json", export(agent(), llm(), **old, scope="instrumentationLibrary")))


def test_query_apis_wrap_the_newer_form(read_one):
    check(read_one("otlp-json", {"trace": export(agent(), llm())}))
    check(read_one("otlp-json", {"result": export(agent(), llm())}))


def test_base64_ids_join_hex_ones(read_one):
    encoded = llm(span="AAAAAAAAALE=", parent="AAAAAAAAAKE=", trace="AAAAAAAAAAAAAAAAAAAAAQ==")
    check(read_one("otlp-json", export(agent(), encoded)))


def test_json_lines_of_the_collector(read_one, jsonl):
    check(read_one("otlp-json", jsonl(export(agent()), export(llm())), "spans.jsonl"))


def test_several_traces_in_one_file(read_as):
    other = "f" * 32
    traces, _ = read_as("otlp-json", export(llm(trace=other), agent(), llm()), sniffed=True)
    assert [(t.id, t.steps[0].agent) for t in traces] == [
        (other, "unknown"),
        ("0" * 31 + "1", "Sky"),
    ]


def test_records_are_spans_keyed_by_their_place(read):
    got = read(export(agent(), llm()))
    assert got.report.records == 2
    places = {raw.record: raw.span for step in got.trace.steps for raw in step.raw}
    assert places["/resourceSpans/0/scopeSpans/0/spans/1"] == "00000000000000b1"


def test_metrics_and_empty_exports_are_said_to_hold_no_spans(read_as):
    traces, problems = read_as("otlp-json", {"resourceMetrics": []})
    assert traces == []
    assert ["no spans" in p.what for p in problems] == [True]


def test_spans_that_are_none_are_reported_and_the_rest_is_read(read_as):
    traces, problems = read_as("otlp-json", export(7, agent(), None, llm()))
    check(traces[0])
    assert [p.what for p in problems] == ["a span is not an object"] * 2


def test_a_cut_file_is_read_up_to_the_cut(read_as):
    whole = json.dumps(export(agent(), llm(), llm(span="00000000000000b2", at="3000000000")))
    traces, problems = read_as("otlp-json", whole[: whole.rindex('"attributes"')])
    assert any("breaks off" in p.what for p in problems)
    assert [s.content for s in traces[0].steps if s.content] == ["Rain."]
