"""Telemetry of pyautogen 0.2. In the database a record is a row of what happened: a completion,
an event, a function call; agents, clients and wrappers are not steps.

In `*_messages.json` a record is a message in one of the lists that an agent keeps per
counterpart; copies of one message are one step. The expected order was worked out by hand from the
two sample files: the user's task, then the group's messages, then the answer passed on.
"""

import json
import sqlite3

FORMAT = "autogen-telemetry"
FILES = ["samples/autogen-telemetry/*.db", "samples/autogen-telemetry/*.json"]
GROUP = [
    "user_proxy", "user_proxy", "plan_assistant", "reconnaissance_agent", "user_proxy",
    "plan_assistant", "review_code_agent", "user_proxy", "plan_assistant",
]  # fmt: skip
CODING = ["code_assistant", "user_proxy"] * 3


def _rows(path, query):
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as base:
        return list(base.execute(query))


def records(path):
    if path.suffix == ".json":
        return sum(len(messages) for messages in json.loads(path.read_text()).values())
    return sum(
        _rows(path, f"select count(*) from {t}")[0][0] for t in ("chat_completions", "events")
    )


def expected(path):
    if path.suffix == ".json":
        return [_messages(path)]
    names = dict(_rows(path, "select wrapper_id, name from agents"))
    sender = _rows(path, "select json_extract(json_state, '$.sender') from events order by id")
    task = _rows(path, "select json_extract(json_state, '$.message') from events order by id")
    calls = _rows(path, "select wrapper_id from chat_completions order by start_time")
    return [
        {
            "speakers": [name for (name,) in sender] + [names.get(w, "unknown") for (w,) in calls],
            "task": task[0][0],
            "tools": [],
            "outcome": "unknown",
            "agents": sorted({name for (name,) in _rows(path, "select name from agents")}),
        }
    ]


def _messages(path):
    lists = json.loads(path.read_text())
    first = next(iter(lists.values()))[0]["content"]
    if "user_proxy" in lists:
        speakers = ["user_proxy", *GROUP, "code_exec_agent", "plan_assistant"]
    else:
        speakers = [*GROUP, *CODING, "code_exec_agent"]
    return {"speakers": speakers, "task": first, "tools": [], "outcome": "unknown"}
