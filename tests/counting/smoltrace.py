"""SMOLTRACE: a record is a span; model calls and tool runs are steps, by start, all of one agent.

What a model asked for is not in its span; a tool's run is either the call or its answer, so every
run of a tool counts once, and a call that the next prompt shows counts in its place.
"""

import json

FORMAT = "smoltrace"
FILES = ["samples/smolagents/*traces.json"]


def records(path):
    return sum(len(trace["spans"]) for trace in json.loads(path.read_text()))


def expected(path):
    results = json.loads(path.with_name(path.name.replace("traces", "results")).read_text())
    ended = {json.loads(r["enhanced_trace_info"])["trace_id"]: r for r in results}
    runs = []
    for trace in json.loads(path.read_text()):
        kind = {
            s["span_id"]: s["attributes"].get("openinference.span.kind") for s in trace["spans"]
        }
        steps = [s for s in trace["spans"] if kind[s["span_id"]] in ("LLM", "TOOL")]
        result = ended[trace["trace_id"]]
        status = {True: "success", False: "failure", None: "unknown"}[result["success"]]
        runs.append(
            {
                "speakers": ["ToolCallingAgent"] * len(steps),
                "task": result["prompt"],
                "tools": [
                    s["attributes"]["tool.name"] for s in steps if kind[s["span_id"]] == "TOOL"
                ],
                "outcome": status,
            }
        )
    return runs
