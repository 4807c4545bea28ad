"""AgentOps: a record is a span; model calls are the steps, by start, of the agent around them."""

import json

FORMAT = "agentops-export"
FILES = ["samples/agentops-export/*traces*"]


def records(path):
    return len(json.loads(path.read_text())["spans"])


def expected(path):
    spans = json.loads(path.read_text())["spans"]
    by_id = {span["span_id"]: span for span in spans}
    calls = [s for s in spans if s["span_attributes"]["agentops"]["span"]["kind"] == "llm"]
    calls.sort(key=lambda span: span["start_time"])
    roles = [by_id[s["parent_span_id"]]["span_attributes"]["agent"]["role"] for s in calls]
    crew = spans[0]["span_attributes"]["crewai"]["crew"]
    return [
        {
            "speakers": roles,
            "task": crew["tasks"][0]["description"],
            "tools": [],
            "outcome": "unknown",
        }
    ]
