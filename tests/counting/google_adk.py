"""Google ADK: a record is an event of a session, or a piece of an expected conversation.

Events without content only change state and are no steps. The first evaluation schema names no
agent for tool uses and references; they stand under `assistant`, as does the newer one's `model`.
"""

import json

FORMAT = "google-adk"
FILES = ["samples/google-adk/*.json", "samples/otlp-json/kagent_evalset*.json"]


def load(path):
    return json.loads(path.read_text())


def records(path):
    run = load(path)
    if isinstance(run, dict) and "events" in run:
        return len(run["events"])
    return sum(len(case["speakers"]) for case in expected(path))


def expected(path):
    run = load(path)
    if isinstance(run, list):
        return [old_case(case) for case in run]
    if "eval_cases" in run:
        return [case(case_) for case_ in run["eval_cases"]]
    spoken = [event for event in run["events"] if event.get("content")]
    parts = [part for event in spoken for part in event["content"]["parts"]]
    asked = next(event for event in spoken if event["author"] == "user")
    return [
        {
            "speakers": [event["author"] for event in spoken],
            "task": asked["content"]["parts"][0]["text"],
            "tools": [p["function_call"]["name"] for p in parts if p.get("function_call")],
            "outcome": "unknown",
        }
    ]


def old_case(case_):
    speakers, tools = [], []
    for turn in case_["data"]:
        uses = [use["tool_name"] for use in turn["expected_tool_use"]]
        between = [said["author"] for said in turn["expected_intermediate_agent_responses"]]
        speakers += ["user", *["assistant"] * len(uses), *between, "assistant"]
        tools += uses
    first = case_["data"][0]["query"]
    return {"speakers": speakers, "task": first, "tools": tools, "outcome": "unknown"}


def case(case_):
    speakers = []
    for turn in case_["conversation"]:
        used = len(turn["intermediate_data"]["tool_uses"])
        speakers += ["user", *["assistant"] * used, "assistant"]
    first = case_["conversation"][0]["user_content"]["parts"][0]["text"]
    return {"speakers": speakers, "task": first, "tools": [], "outcome": "unknown"}
