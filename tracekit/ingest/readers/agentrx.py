"""AgentRx: failed runs of Magentic-One and of tau-bench retail, with every failure labelled.

Magentic-One runs are lists of {content, role} with speakers as in Who&When; tau-bench runs are
records with `traj` (chat messages) and a reward. Labels lie in the folder `ground_truth` above and
count steps from 1. Of the failures of a run one is the root cause: the first that could not be
recovered from; the others are kept in `extra["failures"]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, first_question, is_message, note_prompt
from tracekit.ingest.decode import decode_json
from tracekit.ingest.meters import as_count, as_number
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.names import same, speaker
from tracekit.trace import Label, Outcome, Task, Trace


class AgentRx:
    """Reads the runs of both halves, and passes over the files of labels."""

    name: ClassVar[str] = "agentrx"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of a bare list of Magentic-One turns, of tau records with `records`, of labels."""
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text[:1] != b"[":
            return 0.0
        if b'"failures"' in head and b'"root_cause"' in head and b'"trajectory_id"' in head:
            return 0.9
        if b'"role"' in head and re.search(rb'"Orchestrator \((?:thought|->)', head):
            return 0.85 if re.search(rb'"role"\s*:\s*"human"', head) else 0.4
        tau = all(key in head for key in (b'"task_id"', b'"reward"', b'"traj"', b'"records"'))
        return 0.9 if tau and b'"index"' in head else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per run."""
        value = source.json()
        if isinstance(value, Problem):
            yield value
            return
        items = value if isinstance(value, list) else []
        if any(isinstance(item, dict) and "failures" in item for item in items):
            yield source.skip_file("labels, which are read with their runs")
        elif any(isinstance(item, dict) and "traj" in item for item in items):
            labels = _labels(source, "tau")
            for index, record in enumerate(items):
                yield from _tau(source, record, index, labels)
        elif items:
            yield from _magentic(source, items)
        else:
            yield source.problem(None, "there is no list of turns or of records")


def _magentic(source: OpenSource, items: list[Any]) -> Iterator[Trace | Problem]:
    """The run of a Magentic-One team."""
    build = Builder(source, AgentRx.name, framework="magentic-one")
    for raw, item in source.records(items, ""):
        if isinstance(item, dict) and ("content" in item or "role" in item):
            who = as_text(item.get("role")) or None
            extra = rest(item, "content", "role")
            build.add(who, read_content(item.get("content")), raw, extra=extra)
        else:
            yield source.problem(raw, "a turn is not an object with content and role")
    people = [step for step in build.steps if step.agent in ("human", "user")]
    for name in {step.agent for step in people}:
        build.agent(name, role="user")
    id = source.name.removesuffix(".json")
    question = people[0].content if people else ""
    label = _labels(source, "magentic").get(id, {})
    outcome = Outcome("failure", by="ground_truth") if label.get("failures") else Outcome()
    yield build.trace(
        id,
        task=Task(question=question, id=id),
        outcome=outcome,
        labels=_root_cause(build, label),
        extra=rest(label, "trajectory_id"),
        sha256=source.sha256,
    )


def _tau(
    source: OpenSource, record: Any, index: int, labels: dict[str, dict[str, Any]]
) -> Iterator[Trace | Problem]:
    """The run of a tau-bench agent."""
    turns = record.get("traj") if isinstance(record, dict) else None
    if not isinstance(turns, list):
        yield source.problem(None, f"record {index} holds no list of messages under `traj`")
        return
    build = Builder(source, AgentRx.name, framework="tau-bench")
    for raw, item in source.records(turns, f"/{index}/traj"):
        if is_message(item):
            add_message(build, item, raw)
        else:
            yield source.problem(raw, "a message has no role or no content")
    note_prompt(build)
    id = as_text(record.get("task_id"))
    task = _table(_table(record.get("info")).get("task"))
    outputs = task.get("outputs")
    label = labels.get(id, {})
    reward = as_number(record.get("reward"))
    status = Outcome()
    if reward is not None:
        won = "success" if reward >= 1 else "failure"
        status = Outcome(won, score=reward, by="reward")  # type: ignore[arg-type]
    yield build.trace(
        f"tau-retail-{id or source.default_id()}-{as_text(record.get('trial')) or index}",
        task=Task(
            question=as_text(task.get("instruction")) or first_question(build),
            expected=as_text(outputs) if outputs else None,
            id=id or None,
        ),
        outcome=status,
        labels=_root_cause(build, label),
        extra=rest(record, "traj", "reward") | rest(label, "trajectory_id"),
        sha256=source.sha256,
    )


def _labels(source: OpenSource, part: str) -> dict[str, dict[str, Any]]:
    """The labels of one half by run, from every file of labels near the runs."""
    found: dict[str, dict[str, Any]] = {}
    for folder in ("../ground_truth", ".", "ground_truth"):
        for _, data in source.siblings(folder, f"*{part}*ground_truth*.json"):
            try:
                items = decode_json(data)
            except ValueError:
                source.warnings.append(source.problem(None, "the labels beside it are not JSON"))
                continue
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict) and isinstance(item.get("failures"), list):
                    found.setdefault(as_text(item.get("trajectory_id")), item)
    return found


def _root_cause(build: Builder, label: dict[str, Any]) -> list[Label]:
    """The label of the failure that is the root cause."""
    cause = _table(label.get("root_cause"))
    id = as_text(cause.get("failure_id"))  # sometimes text where the failures have numbers
    listed = label.get("failures")
    for failure in listed if isinstance(listed, list) else ():
        if not isinstance(failure, dict) or as_text(failure.get("failure_id")) != id:
            continue
        number = as_count(failure.get("step_number"))
        blamed = speaker(as_text(failure.get("failed_agent"))).name
        known = [step.agent for step in build.steps]
        category = as_text(failure.get("failure_category"))
        return [
            Label(
                definition="first-unrecoverable",
                agent=next((agent for agent in known if same(agent, blamed)), blamed),
                step=number - 1 if number and number <= len(known) else None,
                modes=(category,) if category else (),
                reason=as_text(cause.get("reason_for_root_cause")) or None,
                base=1,
                extra={"failure": failure},
            )
        ]
    return []


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
