"""Jaeger: references, tags, logs, microseconds, processes."""

import pytest


def tag(key, value):
    return {"key": key, "type": "string", "value": value}


def span(id, name, start, tags, parent=None, kind="CHILD_OF", logs=(), duration=1_500_000):
    references = [{"refType": kind, "traceID": "t1", "spanID": parent}] if parent else []
    return {
        "traceID": "t1", "spanID": id, "operationName": name, "references": references,
        "startTime": start, "duration": duration, "tags": tags, "logs": list(logs),
        "processID": "p1",
    }  # fmt: skip


AGENT = span(
    "a1", "invoke_agent Sky", 1_000_000,
    [tag("gen_ai.operation.name", "invoke_agent"), tag("gen_ai.agent.name", "Sky")],
)  # fmt: skip
LLM = span(
    "b1", "openai.chat", 2_000_000,
    [
        tag("llm.request.type", "chat"), tag("gen_ai.prompt.0.role", "user"),
        tag("gen_ai.prompt.0.content", "Weather?"), tag("gen_ai.completion.0.content", "Rain."),
        tag("otel.scope.name", "lib"),
    ],
    "a1",
)  # fmt: skip
TOOL = span(
    "c1", "execute_tool barometer", 3_000_000,
    [
        tag("gen_ai.operation.name", "execute_tool"), tag("gen_ai.tool.name", "barometer"),
        tag("error", True), tag("otel.status_description", "stuck"),
    ],
    "a1", "FOLLOWS_FROM",
)  # fmt: skip


def export(*spans, trace="t1"):
    processes = {"p1": {"serviceName": "sky", "tags": [tag("host", "h")]}}
    return {"traceID": trace, "spans": list(spans), "processes": processes}


@pytest.mark.parametrize("shape", ["api", "bare list", "one trace"])
def test_every_wrapping(shape, read_one):
    run = export(TOOL, LLM, AGENT)
    log = {"api": {"data": [run], "total": 0}, "bare list": [run], "one trace": run}[shape]
    trace = read_one("jaeger", log)
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("Sky", "message", "Rain."), ("Sky", "tool_call", "stuck"),
    ]  # fmt: skip
    said, ran = trace.steps
    assert (said.time.start, said.time.seconds) == (2.0, 1.5)
    assert ran.tool.error == "stuck"
    assert trace.task.question == "Weather?"
    assert trace.extra["resource"] == {"service.name": "sky", "host": "h"}


def test_a_reference_into_another_trace_is_no_parent(read_one):
    foreign = {"refType": "CHILD_OF", "traceID": "t0", "spanID": "a1"}
    trace = read_one("jaeger", {"data": [export(AGENT, LLM | {"references": [foreign]})]})
    assert trace.steps[0].agent == "unknown"


def test_an_exception_in_the_logs_names_the_error(read_one):
    fields = [tag("event", "exception"), tag("exception.type", "IOError")]
    log = {"timestamp": 1, "fields": [*fields, tag("exception.message", "wire cut")]}
    failed = TOOL | {"tags": [t for t in TOOL["tags"] if "description" not in t["key"]]}
    trace = read_one("jaeger", {"data": [export(failed | {"logs": [log]})]})
    assert trace.steps[0].tool.error == "IOError: wire cut"
