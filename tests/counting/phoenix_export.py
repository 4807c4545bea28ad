"""Phoenix exports: a record is a span; every trace id is a run.

Steps are spans of the kinds LLM, TOOL and RETRIEVER (or named `llm.…`, `tool.…` by the home-made
exporter), by start; a span inside another of the same kind repeats it. In traces without any such
span every span is a step. An agent is a span of the kind AGENT, or one with `agent.class`.
"""

import json

FORMAT = "phoenix-export"
FILES = ["samples/phoenix-export/*.json*"]


def listed(path):
    text = path.read_text()
    return json.loads(text) if text.startswith("[") else [json.loads(x) for x in text.splitlines()]


def records(path):
    return len(listed(path))


def view(span):
    """(id, trace, parent, kind, agent, task, tools asked for) whatever the shape."""
    attributes = span.get("attributes") or {
        k.removeprefix("attributes."): v for k, v in span.items() if k.startswith("attributes.")
    }
    context = span.get("context", {})
    kind = span.get("span_kind") or span["name"].split(".")[0].upper()
    asked = [
        v
        for k, v in sorted(attributes.items())
        if k.startswith("llm.output_messages") and k.endswith("tool_call.function.name")
    ]
    return {
        "id": span.get("context.span_id") or context.get("span_id") or span["span_id"],
        "trace": span.get("context.trace_id") or context.get("trace_id") or span["trace_id"],
        "parent": span["parent_id"],
        "kind": kind if kind in ("LLM", "TOOL", "RETRIEVER", "AGENT") else "",
        "agent": span["name"] if kind == "AGENT" else attributes.get("agent.class"),
        "task": attributes.get("input.value") if kind in ("AGENT", "LLM") else None,
        "asked": asked,
        "start": span["start_time"],
        "name": attributes.get("tool.name") or span["name"],
    }


def expected(path):
    traces = {}
    for span in map(view, listed(path)):
        traces.setdefault(span["trace"], []).append(span)
    return [run(spans) for spans in traces.values()]


def run(spans):
    by_id = {span["id"]: span for span in spans}

    def agent(span):
        while span is not None:
            if span["agent"]:
                return span["agent"]
            span = by_id.get(span["parent"])
        return "unknown"

    def repeats(span):
        above = by_id.get(span["parent"])
        return above is not None and above["kind"] == span["kind"] != ""

    acts = [s for s in spans if s["kind"] in ("LLM", "TOOL", "RETRIEVER")]
    steps = [span for span in acts or spans if not repeats(span)]
    steps.sort(key=lambda span: span["start"])
    tools, waiting = [], []
    for span in steps if acts else []:
        tools += span["asked"]
        waiting += span["asked"]
        if span["kind"] in ("TOOL", "RETRIEVER"):
            if span["name"] in waiting:
                waiting.remove(span["name"])
            else:
                tools.append(span["name"])
    first = next((s["task"] for s in sorted(spans, key=lambda s: s["start"]) if s["task"]), "")
    prompt = json.loads(first)["prompt"] if first.startswith('{"prompt"') else first
    return {
        "speakers": [agent(span) for span in steps],
        "task": prompt,
        "tools": tools,
        "outcome": "unknown",
    }
