"""Langfuse: a record is an observation.

Steps are generations and tool runs by start (a span whose output is a LangChain tool message ran a
tool). The agent is CrewAI's `role`, the graph's node, or the name of the nearest agent above.
"""

import json
import re

FORMAT = "langfuse-export"
FILES = ["samples/langfuse-export/*.json"]


def plain(value):
    """Undo JSON inside JSON."""
    while isinstance(value, str):
        try:
            decoded = json.loads(value)
        except ValueError:
            return value
        if not isinstance(decoded, dict | list | str):
            return value
        value = decoded
    return value


def records(path):
    return len(json.loads(path.read_text())["observations"])


def own_agent(item):
    metadata = plain(item["metadata"]) or {}
    attributes = metadata.get("attributes", {})
    if attributes.get("openinference.span.kind") == "AGENT":
        if item["name"] == "Task._execute_core":
            return re.search(r"role='([^']+)'", attributes["input.value"]).group(1)
        named = re.fullmatch(r"agent_run \[(.+)\]", item["name"])
        return attributes.get("graph.node.id") or (named.group(1) if named else None)
    return metadata.get("langgraph_node") if metadata.get("langgraph_node") != "tools" else None


def is_tool(item):
    made = plain(item["output"])
    return item["type"] == "TOOL" or (isinstance(made, dict) and made.get("type") == "tool")


def asked(item):
    """Tools that the model's answer asks for, in four providers' shapes."""
    made = plain(item["output"])
    if not isinstance(made, dict):
        return []
    found = [part for part in made.get("output", []) if part.get("type") == "function_call"]
    content = made.get("content")
    parts = content.get("parts", []) if isinstance(content, dict) else []
    found += [part["function_call"] for part in parts if "function_call" in part]
    calls = made.get("additional_kwargs", {}).get("tool_calls", [])
    return [call["name"] for call in found] + [call["function"]["name"] for call in calls]


def expected(path):
    whole = json.loads(path.read_text())
    by_id = {item["id"]: item for item in whole["observations"]}

    def agent(item):
        while item is not None:
            if own_agent(item):
                return own_agent(item)
            item = by_id.get(item["parentObservationId"])
        return None

    steps = [i for i in by_id.values() if i["type"] == "GENERATION" or is_tool(i)]
    steps.sort(key=lambda item: item["startTime"])
    speakers = [agent(item) for item in steps]
    # A tool in LangGraph's `tools` node acts for the one agent there is.
    known = [name for name in speakers if name] or ["unknown"]
    text = whole["trace"]["input"] or ""
    return [
        {
            "speakers": [name or known[0] for name in speakers],
            "task": question(plain(text), by_id),
            "tools": [name for item in steps for name in asked(item)],
            "outcome": "unknown",
        }
    ]


def question(given, by_id):
    if isinstance(given, dict) and "messages" in given:
        return given["messages"][0]["content"]
    if isinstance(given, dict) and "new_message" in given:
        return given["new_message"]["parts"][0]["text"]
    if given:
        return given
    for item in by_id.values():
        tasks = (plain(item["metadata"]) or {}).get("attributes", {}).get("crew_tasks")
        if tasks and "description" in tasks:
            return json.loads(tasks)[0]["description"]
    first = plain(next(i["input"] for i in by_id.values() if i["type"] == "GENERATION"))
    return first[0]["content"]
