"""tau2-bench results: an agent and a user, both with tools, and the reward of every simulation.

A file holds `simulations` beside the `tasks` and the `info` of the experiment, or one simulation
alone (arXiv 2506.07982). What the agent is told of the domain is the policy in `info`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, is_message
from tracekit.ingest.documents import Document, listed
from tracekit.ingest.meters import as_number, read_time, read_usage
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Outcome, Raw, Task, Trace

_SINGLE = frozenset({"task_id", "termination_reason"})
_METERS = ("turn_idx", "timestamp", "cost", "usage")
_KNOWN = ("id", "messages", "task_id", "reward_info", "termination_reason")


class Tau2Bench:
    """Reads results of whole experiments and of single simulations."""

    name: ClassVar[str] = "tau2-bench"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of an experiment's `info` with `tasks` or `simulations`, and of a simulation."""
        for item in peek_items(head)[:1]:
            info = _table(item.get("info"))
            about = info.keys() & {"environment_info", "agent_info", "user_info"}
            if about and item.keys() & {"tasks", "simulations"}:
                return 0.95
            if about and "timestamp" in item:
                return 0.8  # the tasks lie beyond the head
            if item.keys() >= _SINGLE:
                return 0.9 if item.keys() & {"messages", "reward_info"} else 0.6
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per simulation."""
        for entry in listed(source):
            if isinstance(entry, Problem):
                yield entry
                continue
            document, value, where = entry
            inside = value.get("simulations") if isinstance(value, dict) else None
            found = inside if isinstance(inside, list) else [value]
            if not found:
                yield source.skip_file("the list of simulations is empty", line=document.line)
            for position, run in enumerate(found):
                place = where if inside is not found else f"{where}/simulations/{position}"
                if isinstance(run, dict) and isinstance(run.get("messages"), list):
                    yield from _simulation(source, self.name, value, run, document, place)
                else:
                    what = f"there is no list of messages at {place or 'the top'}"
                    yield source.problem(None, what, line=document.line)


def _simulation(
    source: OpenSource,
    format: str,
    results: dict[str, Any],
    run: dict[str, Any],
    document: Document,
    pointer: str,
) -> Iterator[Trace | Problem]:
    build = Builder(source, format, framework="tau2-bench")
    info = _table(results.get("info"))
    for raw, item in source.records(run["messages"], f"{pointer}/messages", document.line):
        if is_message(item) or isinstance(_table(item).get("tool_messages"), list):
            _add(build, item, raw, info)
        else:
            yield source.problem(raw, "this is not a message")
    if any(step.agent == "assistant" for step in build.steps):
        policy = _table(info.get("environment_info")).get("policy")
        build.agent("assistant", system_prompt=as_text(policy))
    task = _task(results.get("tasks"), as_text(run.get("task_id")))
    yield build.trace(
        as_text(run.get("id")) or document.id(source) + pointer.replace("/", "-"),
        task=task,
        outcome=_outcome(run),
        extra=rest(run, *_KNOWN)
        | {"reward_info": rest(_table(run.get("reward_info")), "reward")}
        | {"info": rest(info, "environment_info")},
        sha256=source.sha256,
    )


def _add(build: Builder, item: dict[str, Any], raw: Raw, info: dict[str, Any]) -> None:
    """A message of agent or user, or what one or several tools answered."""
    given = {key: value for key, value in item.items() if value is not None and key not in _METERS}
    role = as_text(item.get("role"))
    model = _table(info.get("agent_info" if role == "assistant" else "user_info")).get("llm")
    spends = role in ("assistant", "user") and item.get("usage") is not None
    answers = given.pop("tool_messages", None)
    if isinstance(answers, list):
        given = {"role": "tool", **given}
        given["tool_responses"] = [_answer(each) for each in answers if isinstance(each, dict)]
    elif role == "tool":
        given = _answer(given)
    index = add_message(
        build,
        {"content": None, **given},
        raw,
        time=read_time(item.get("timestamp")),
        usage=read_usage(item.get("usage"), model, item.get("cost")) if spends else None,
    )
    if role == "tool" and item.get("error") is True:
        step = build.steps[index]
        failed = tuple(msgspec.structs.replace(call, error=call.result) for call in step.tools)
        build.steps[index] = msgspec.structs.replace(step, tools=failed)


def _answer(item: dict[str, Any]) -> dict[str, Any]:
    """The answer of a tool, whose `id` is that of the call."""
    return {**rest(item, "id", "error"), "tool_call_id": item.get("id")}


def _task(tasks: Any, id: str) -> Task:
    """The task of that id: what the user wants, and what the evaluation looks for."""
    known = tasks if isinstance(tasks, list) else []
    task = next((t for t in known if isinstance(t, dict) and as_text(t.get("id")) == id), {})
    asked = _table(task.get("user_scenario")).get("instructions")
    told = _table(asked)
    parts = [as_text(told.get(key)) for key in ("reason_for_call", "task_instructions")]
    question = "\n".join(filter(None, parts)) or as_text(asked)
    wanted = _table(task.get("evaluation_criteria"))
    expected = wanted.get("communicate_info") or wanted.get("actions")
    return Task(question or as_text(task.get("ticket")), as_text(expected) or None, id or None)


def _outcome(run: dict[str, Any]) -> Outcome:
    """A reward of 1 is a success; without one nothing is known."""
    reward = as_number(_table(run.get("reward_info")).get("reward"))
    reason = as_text(run.get("termination_reason")) or None
    if reward is None:
        return Outcome(reason=reason)
    won = reward >= 1 - 1e-6
    return Outcome("success" if won else "failure", score=reward, reason=reason, by="reward")


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
