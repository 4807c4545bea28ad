"""OTLP JSON: a record is a span, plumbing included.

Steps are the model calls (ADK's `call_llm`, which `generate_content` and `openai.chat` repeat inside)
and the tools that were executed, in the order of their starts.
"""

import json

FORMAT = "otlp-json"
FILES = ["samples/otlp-json/*batches*.json"]


def all_spans(path):
    for batch in json.loads(path.read_text())["batches"]:
        for scope in batch.get("scopeSpans", batch.get("instrumentationLibrarySpans")):
            for span in scope["spans"]:
                values = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
                yield {**span, "attributes": values}


def records(path):
    return sum(1 for _ in all_spans(path))


def expected(path):
    by_id = {span["spanId"]: span for span in all_spans(path)}

    def agent(span):
        while span is not None:
            name = span["attributes"].get("gen_ai.agent.name")
            if name and span["name"].startswith("invoke_agent"):
                return name
            span = by_id.get(span.get("parentSpanId"))
        return "unknown"

    acts = [s for s in by_id.values() if s["name"].split(" ")[0] in ("call_llm", "execute_tool")]
    acts.sort(key=lambda span: int(span["startTimeUnixNano"]))
    prompts = [s["attributes"].get("gen_ai.prompt.1.content") for s in by_id.values()]
    tools = []
    for span in acts:
        answer = json.loads(span["attributes"].get("gcp.vertex.agent.llm_response") or "{}")
        for part in answer.get("content", {}).get("parts", []):
            if "function_call" in part:
                tools.append(part["function_call"]["name"])
    return [
        {
            "speakers": [agent(span) for span in acts],
            "task": next(p for p in prompts if p),
            "tools": tools,
            "outcome": "unknown",
        }
    ]
