"""Spans as SDKs print them: any-agent's integers, to_json, Monocle's events, a console's output."""

import json

import pytest

BIG = 2**127 + 12345


def any_agent(*spans, answer="Rain."):
    return {"spans": list(spans), "final_output": answer}


def printed(id, name, start, attributes, parent=None):
    return {
        "name": name, "kind": "internal", "start_time": start, "end_time": start + 500_000_000,
        "parent": {"trace_id": BIG if parent else None, "span_id": parent},
        "context": {"trace_id": BIG, "span_id": id}, "attributes": attributes, "events": [],
        "status": {"status_code": "ok", "description": None}, "links": [],
        "resource": {"attributes": {"service.name": "s"}, "schema_url": ""},
    }  # fmt: skip


NOW = 1_758_000_000_000_000_000
ROOT = printed(
    2**63 + 7, "invoke_agent [sky]", NOW,
    {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "sky"},
)  # fmt: skip
CALL = printed(
    11, "call_llm m", NOW + 1,
    {
        "gen_ai.operation.name": "call_llm", "gen_ai.usage.input_cost": 0.25,
        "gen_ai.input.messages": '[{"role": "user", "content": "Weather?"}]',
        "gen_ai.output": '[{"tool.name": "look", "tool.args": "{\\"up\\": 1}"}]',
        "gen_ai.usage.output_cost": 0.5,
    },
    2**63 + 7,
)  # fmt: skip
RUN = printed(
    12, "execute_tool look", NOW + 10**9,
    {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look",
        "gen_ai.tool.args": '{"up": 1}', "gen_ai.output": "clouds",
    },
    2**63 + 7,
)  # fmt: skip


def test_any_agent_with_ids_of_128_bits_and_children_first(read_one):
    trace = read_one("otel-span-json", any_agent(CALL, RUN, ROOT))
    assert trace.id == f"{BIG:x}"
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("sky", "tool_call", ""), ("sky", "tool_result", "clouds"),
    ]  # fmt: skip
    assert trace.steps[0].tool.arguments == {"up": 1}
    assert trace.steps[0].usage.cost == 0.75
    assert trace.steps[1].parent == 0
    assert (trace.task.question, trace.outcome.answer) == ("Weather?", "Rain.")


def sdk(id, parent, start, attributes, events=(), name="x"):
    return {
        "name": name, "context": {"trace_id": "0xab", "span_id": id, "trace_state": "[]"},
        "kind": "SpanKind.INTERNAL", "parent_id": parent, "start_time": f"2025-01-01T00:00:0{start}Z",
        "end_time": f"2025-01-01T00:00:0{start}.5Z", "status": {"status_code": "OK"},
        "attributes": attributes, "events": list(events), "links": [],
        "resource": {"attributes": {}, "schema_url": "https://opentelemetry.io/schemas/1.37.0"},
    }  # fmt: skip


AGENT = sdk("0xa1", None, 1, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "sky"})
SAID = '[{"role": "assistant", "parts": [{"type": "text", "content": "Rain."}]}]'
CHAT = sdk("0xb1", "0xa1", 2, {"gen_ai.operation.name": "chat", "gen_ai.output.messages": SAID})


@pytest.mark.parametrize("shape", ["list", "lines", "console", "indented lines"])
def test_to_json_in_every_wrapping(shape, read_one):
    spans = [CHAT, AGENT]
    log = {
        "list": json.dumps(spans),
        "lines": "".join(json.dumps(span) + "\n" for span in spans),
        "console": "\n".join(json.dumps(span, indent=4) for span in spans),
        "indented lines": json.dumps(spans, indent=2),
    }[shape]
    trace = read_one("otel-span-json", log)
    assert [(s.agent, s.content) for s in trace.steps] == [("sky", "Rain.")]
    assert trace.source.version == "1.37.0"


def test_monocle_events_and_types(read_one):
    def io(given, made):
        yield {"name": "data.input", "attributes": {"input": given}}
        yield {"name": "data.output", "attributes": {"response": made}}

    counts = {"name": "metadata", "attributes": {"prompt_tokens": 9, "completion_tokens": 2}}
    kinds = {"entity.1.type": "agent.langgraph", "entity.1.name": "Sky"}
    root = sdk("a", None, 1, {"span.type": "agentic.turn"}, io('["Weather?"]', "Rain."))
    agent = sdk(
        "b", "a", 1, {"span.type": "agentic.invocation", **kinds}, io('["Weather?"]', "Rain.")
    )
    asks = '{"ai": {"name": "look", "args": {"up": 1}}}'
    prompt = ['{"system": "Be brief."}', '{"human": "Weather?"}']
    first = sdk("c", "b", 2, {"span.type": "inference.framework"}, [*io(prompt, asks), counts])
    inner = sdk("d", "c", 2, {"span.type": "inference.modelapi"})
    named = {"span.type": "agentic.tool.invocation", "entity.1.name": "look"}
    ran = sdk("e", "b", 3, named, io("{'up': 1}", "clouds"), name="look")
    again = [
        *prompt,
        '{"ai": "[{\\"name\\": \\"look\\", \\"args\\": {\\"up\\": 1}}]"}',
        '{"tool": "clouds"}',
    ]
    last = sdk("f", "b", 4, {"span.type": "inference.framework"}, io(again, '{"ai": "Rain."}'))
    trace = read_one("otel-span-json", [inner, first, ran, last, agent, root])
    assert [(s.agent, s.kind, s.content) for s in trace.steps] == [
        ("Sky", "tool_call", ""), ("Sky", "tool_result", "clouds"), ("Sky", "message", "Rain."),
    ]  # fmt: skip
    assert trace.steps[0].usage.input_tokens == 9
    assert trace.steps[2].inputs.steps == (0, 1)
    assert trace.agent("Sky").system_prompt == "Be brief."
    assert (trace.source.framework, trace.outcome.answer) == ("langgraph", "Rain.")
