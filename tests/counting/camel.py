"""CAMEL. A record is what `user` or `assistant` says in a round, a message of `history`, a tool
call, and each of several results in one file. Tool calls belong to the assistant's words of their round, or to the last message.
"""

import json

FORMAT = "camel"
FILES = ["samples/camel/*.json", "samples/camel/*.jsonl"]


def _results(path):
    text, decoder, position = path.read_text().rstrip(), json.JSONDecoder(), 0
    while position < len(text):
        while text[position].isspace():
            position += 1
        value, position = decoder.raw_decode(text, position)
        yield value


def records(path):
    if path.suffix == ".jsonl":
        return sum(1 + len(run["history"]) + len(run["tool_calls"]) for run in _results(path))
    return sum(2 + len(item["tool_calls"]) for item in json.loads(path.read_text()))


def expected(path):
    if path.suffix == ".jsonl":
        return [
            {
                "speakers": [message["role_name"] for message in run["history"]],
                "task": "",
                "tools": [call["func_name"] for call in run["tool_calls"]],
                "outcome": "success" if run["score"] else "failure",
            }
            for run in _results(path)
        ]
    rounds = json.loads(path.read_text())
    return [
        {
            "speakers": ["user", "assistant"] * len(rounds),
            "task": rounds[0]["user"],
            "tools": [call["tool_name"] for item in rounds for call in item["tool_calls"]],
            "outcome": "unknown",
        }
    ]
