"""AgentErrorBench: single agents that answer in tags, with the critical error labelled.

A file holds `messages` (a prompt and an answer for each step) and `metadata` with `won`. The
labels lie one folder above; step k is the k-th answer of the assistant, counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, is_message
from tracekit.ingest.decode import decode_json
from tracekit.ingest.meters import as_count
from tracekit.ingest.parts import as_text, maybe_json, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Label, Outcome, Task, ToolCall, Trace

_ACTION = re.compile(r"<action>\s*(.*?)\s*</action>", re.DOTALL)
_TOOL = re.compile(
    r"(?:tool|action)\s*:\s*(?P<name>[^\n]+?)\s*\n\s*parameters\s*:\s*(?P<given>.*)", re.S
)
_ANSWER = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL)
_TASK = re.compile(
    r"(?:Your task is to|Task)\s*:\s*(.*?)(?:\n\s*\n(?:Available|Prior|You)|\s*Your admissible actions|\Z)",
    re.S,
)


class AgentErrorBench:
    """Reads trajectories with the labels beside them, and passes over the labels."""

    name: ClassVar[str] = "agenterrorbench"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of tagged turns with the benchmark's metadata or prompt, and of its labels."""
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text[:1] not in (b"{", b"["):
            return 0.0
        if b'"critical_failure_step"' in head and b'"trajectory_id"' in head:
            return 0.9
        tagged = text[:1] == b"{" and b"<action>" in head and b'"messages"' in text[:200]
        if not tagged:
            return 0.0
        if b'"won"' in head and b'"env_id"' in head:
            return 0.9
        prompt = (b"Current Observation", b"admissible action", b"<memory>", b"<reflection>")
        return 0.75 if any(mark in head for mark in prompt) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        value = source.json()
        if isinstance(value, Problem):
            yield value
        elif isinstance(value, list):
            yield source.skip_file("labels, which are read with their runs")
        elif not isinstance(value, dict) or not isinstance(value.get("messages"), list):
            yield source.problem(None, "there is no list of messages")
        else:
            yield from _run(source, value)


def _run(source: OpenSource, value: dict[str, Any]) -> Iterator[Trace | Problem]:
    build = Builder(source, AgentErrorBench.name)
    answer = None
    for raw, item in source.records(value["messages"], "/messages"):
        if not is_message(item):
            yield source.problem(raw, "a message has no role or no content")
            continue
        index = add_message(build, item, raw)
        if build.steps[index].agent == "assistant":
            _act(build, index)
            found = _ANSWER.findall(build.steps[index].content)
            answer = found[-1] if found else answer
    meta = value.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    won = meta.get("won")
    outcome = Outcome(answer=answer)
    if isinstance(won, bool):
        status = "success" if won else "failure"
        outcome = Outcome(status, answer, by="metadata.won")  # type: ignore[arg-type]
    id = source.name.removesuffix(".json")
    yield build.trace(
        id,
        task=Task(question=_question(build), id=_task_id(id)),
        outcome=outcome,
        labels=_labels(source, build, id),
        extra=rest(value, "messages"),
        sha256=source.sha256,
    )


def _act(build: Builder, index: int) -> None:
    """The tool that an answer asks for in its tag."""
    step = build.steps[index]
    actions = _ACTION.findall(step.content)
    calls = tuple(
        ToolCall(found["name"], arguments=maybe_json(found["given"].strip()))
        if (found := _TOOL.match(action))
        else ToolCall(action.split("(")[0].split("[")[0].strip()[:80], arguments=action)
        for action in actions
    )
    kind = "tool_call" if calls else "final" if _ANSWER.search(step.content) else step.kind
    build.steps[index] = msgspec.structs.replace(step, tools=calls, kind=kind)


def _question(build: Builder) -> str:
    first = next((s.content for s in build.steps if s.agent == "user"), "")
    found = _TASK.search(first)
    return found[1].strip() if found else first


def _task_id(id: str) -> str | None:
    """Runs of one task share the hash that ends their names."""
    _, _, digest = id.rpartition("-")
    return digest if re.fullmatch(r"[0-9a-f]{6,}", digest) else None


def _labels(source: OpenSource, build: Builder, id: str) -> list[Label]:
    for folder in ("..", "."):
        for _, data in source.siblings(folder, "*labels*.json"):
            try:
                items = decode_json(data)
            except ValueError:
                continue
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict) and as_text(item.get("trajectory_id")) == id:
                    return [_label(build, item)]
    return []


def _label(build: Builder, item: dict[str, Any]) -> Label:
    answers = [step.index for step in build.steps if step.agent == "assistant"]
    number = as_count(item.get("critical_failure_step"))
    module = as_text(item.get("critical_failure_module"))
    noted: dict[str, Any] = {}
    listed = item.get("step_annotations")
    for note in listed if isinstance(listed, list) else ():
        if isinstance(note, dict) and as_count(note.get("step")) == number:
            found = note.get(module)
            noted = found if isinstance(found, dict) else noted
    modes = (module, as_text(noted.get("failure_type")).strip())
    return Label(
        definition="decisive",
        agent="assistant" if answers else None,
        step=answers[number - 1] if number and number <= len(answers) else None,
        modes=tuple(mode for mode in modes if mode),
        reason=read_content(noted.get("reasoning")).text or None,
        base=1,
        extra=rest(item, "trajectory_id", "critical_failure_module"),
    )
