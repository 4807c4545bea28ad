"""Spans printed by OpenTelemetry SDKs: a record is a span.

any-agent: every `call_llm` and `execute_tool` is a step, in order of starts; `invoke_agent` is not.
Monocle: `inference.framework` and `agentic.tool.invocation` are; the `inference.modelapi` span
inside the first is the same call.
"""

import json

FORMAT = "otel-span-json"
FILES = ["samples/otel-span-json/*.json"]
STEPS = ("call_llm", "execute_tool", "inference.framework", "agentic.tool.invocation")


def listed(path):
    whole = json.loads(path.read_text())
    return whole["spans"] if isinstance(whole, dict) else whole


def records(path):
    return len(listed(path))


def kind(span):
    attributes = span["attributes"]
    return attributes.get("span.type") or attributes.get("gen_ai.operation.name")


def expected(path):
    spans = sorted(listed(path), key=lambda span: span["start_time"])
    names = [
        s["attributes"].get("gen_ai.agent.name") or s["attributes"].get("entity.1.name")
        for s in spans
        if kind(s) in ("invoke_agent", "agentic.invocation")
    ]
    steps = [span for span in spans if kind(span) in STEPS]
    tools, task = [], ""
    for span in steps:
        asked = span["attributes"].get("gen_ai.output", "")
        if kind(span) == "call_llm" and asked.startswith('[{"tool.name"'):
            tools += [call["tool.name"] for call in json.loads(asked)]
        if "inference" in kind(span):
            for event in span["events"]:
                if event["name"] == "data.output" and '"args"' in event["attributes"]["response"]:
                    tools.append(json.loads(event["attributes"]["response"])["ai"]["name"])
    for span in spans:
        prompt = json.loads(span["attributes"].get("gen_ai.input.messages", "[]"))
        task = task or next((m["content"] for m in prompt if m["role"] == "user"), "")
        for event in span["events"]:
            if event["name"] == "data.input" and kind(span) == "agentic.turn":
                task = json.loads(event["attributes"]["input"])[0]
    return [{"speakers": names * len(steps), "task": task, "tools": tools, "outcome": "unknown"}]
