"""TRAIL: a record is a span of the tree; what the harness itself does is no step.

Steps are: every model call and every tool run, at its start; of a CodeAgent's `Step N` what running
the code gave back, at the end of the step, unless the step failed because a tool in it did. Two
copies of one span are one step.
"""

import json
import re
from datetime import datetime

FORMAT = "trail"
FILES = ["labeled/trail/GAIA/*.json", "labeled/trail/SWE_Bench/*.json"]


def spans(tree, agent=None):
    for span in tree:
        name, acting = span["span_name"], agent
        if span["span_attributes"].get("openinference.span.kind") == "AGENT":
            asked = re.search(
                r"helpful agent named '(\w+)'", span["span_attributes"]["input.value"]
            )
            acting = asked.group(1) if asked else name.removesuffix(".run")
        yield span, acting or "unknown"
        yield from spans(span["child_spans"], acting)


def records(path):
    return sum(1 for _ in spans(json.loads(path.read_text())["spans"]))


def start(span):
    return datetime.fromisoformat(span["timestamp"]).timestamp()


def end(span):
    number = {u: float(n) for n, u in re.findall(r"([\d.]+)([HMS])", span["duration"])}
    return start(span) + number.get("H", 0) * 3600 + number.get("M", 0) * 60 + number.get("S", 0)


def requested(attributes):
    keys = sorted(k for k in attributes if k.endswith("tool_call.function.name"))
    return [attributes[k] for k in keys if k.startswith("llm.output_messages")]


def steps(run):
    """(when, place, agent, tools asked for) of every step, in order."""
    found, met = [], set()
    for place, (span, agent) in enumerate(spans(run["spans"])):
        attributes = span["span_attributes"]
        kind = attributes.get("openinference.span.kind")
        if span["span_id"] in met:
            continue
        met.add(span["span_id"])
        if kind == "LLM":
            found.append((start(span), place, agent, requested(attributes)))
        elif kind == "TOOL":
            # A CodeAgent calls tools from its code; nobody asked for them in a message.
            called = [attributes["tool.name"]] if agent in ("CodeAgent", "unknown") else []
            found.append((start(span), place, agent, called))
        elif kind == "CHAIN" and agent in ("CodeAgent", "unknown"):
            told = any(child["status_code"] == "Error" for child in span["child_spans"])
            if attributes.get("output.value") or (span["status_code"] == "Error" and not told):
                found.append((end(span), 10**6 + place, agent, []))
    return sorted(found)


def question(run):
    """The question where the harness logged it."""
    for span, _ in spans(run["spans"]):
        for log in span["logs"]:
            output = log["body"].get("function.output") if isinstance(log["body"], dict) else None
            if isinstance(output, list) and output and "question" in output[0]:
                return output[0]["question"]
    return ""


def labels(path, run):
    """(agent, step) of every annotated error: its span's own step, or the first step inside."""
    folder = {"GAIA": "gaia", "SWE_Bench": "swe_bench"}[path.parent.name]
    notes = path.parent.parent / f"processed_annotations_{folder}" / path.name
    order = [place % 10**6 for _, place, _, _ in steps(run)]
    agents = [agent for _, _, agent, _ in steps(run)]
    places = {}
    for place, (span, _) in enumerate(spans(run["spans"])):
        places.setdefault(span["span_id"], place)
    found = []
    for error in json.loads(notes.read_text())["errors"]:
        place = places[error["location"]]
        if place not in order:
            return None  # on a wrapper: which step holds it is checked by hand-written fixtures
        step = order.index(place)
        found.append((agents[step], step))
    return found


def expected(path):
    run = json.loads(path.read_text())
    want = {
        "speakers": [agent for _, _, agent, _ in steps(run)],
        "task": question(run),
        "tools": [name for _, _, _, names in steps(run) for name in names],
        "outcome": "unknown",
    }
    marked = labels(path, run)
    return [want if marked is None else {**want, "labels": marked}]
