"""Jaeger: a record is a span; steps are ADK's model calls and tool runs, in order of their starts."""

import json

FORMAT = "jaeger"
FILES = ["samples/otlp-json/*jaeger*.json"]


def records(path):
    return sum(len(trace["spans"]) for trace in json.loads(path.read_text())["data"])


def expected(path):
    runs = []
    for trace in json.loads(path.read_text())["data"]:
        by_id = {span["spanID"]: span for span in trace["spans"]}
        tags = {i: {t["key"]: t["value"] for t in span["tags"]} for i, span in by_id.items()}

        def agent(span, by_id=by_id, tags=tags):
            while span is not None:
                if span["operationName"].startswith("invoke_agent "):
                    return tags[span["spanID"]]["gen_ai.agent.name"]
                parents = [r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"]
                span = by_id.get(parents[0]) if parents else None
            return "unknown"

        acts = [
            span
            for span in by_id.values()
            if span["operationName"].split(" ")[0] in ("call_llm", "execute_tool")
        ]
        acts.sort(key=lambda span: span["startTime"])
        runs.append(
            {
                "speakers": [agent(span) for span in acts],
                "task": next(
                    t["gen_ai.prompt.1.content"]
                    for t in tags.values()
                    if "gen_ai.prompt.1.content" in t
                ),
                "tools": [],
                "outcome": "unknown",
            }
        )
    return runs
