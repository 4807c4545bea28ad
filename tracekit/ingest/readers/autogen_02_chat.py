"""MathChat logs of AutoGen 0.2: one maths problem per file, told from the assistant's side.

`user` is the MathUserProxyAgent that runs the code; the assistant solves. Two layouts exist, with
`voted_answer` (AgentEval) and with `response_with_ans` (model-logs).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, is_message, note_prompt
from tracekit.ingest.documents import Document, each, holds
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek_items
from tracekit.ingest.sources import OpenSource
from tracekit.names import by_role
from tracekit.trace import Outcome, Task, Trace

PROXY = "MathUserProxyAgent"
_MARKS = frozenset(
    {"is_correct", "correct_ans", "voted_answer", "response_with_ans", "is_valid_reply",
     "check_result", "problem_id"}
)  # fmt: skip
_ANSWERS = ("voted_answer", "new_ans", "response_with_ans")
_KNOWN = ("problem", "messages", "correct_ans", "is_correct")


class AutoGen02Chat:
    """Reads MathChat problems."""

    name: ClassVar[str] = "autogen-02-chat"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of a `problem` with `messages` and a mark of the experiment."""
        for item in peek_items(head)[:1]:
            if "problem" in item and _MARKS & item.keys():
                return 0.9 if "messages" in item else 0.5
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per problem; a file may list several."""
        return each(source, holds("messages", list), _problem, "there is no list of messages")


def _problem(
    source: OpenSource, document: Document, run: dict[str, Any], where: str
) -> Iterator[Trace | Problem]:
    build = Builder(source, AutoGen02Chat.name, framework="autogen")
    for raw, item in source.records(run["messages"], f"{where}/messages", document.line):
        if not is_message(item):
            yield source.problem(raw, "this is not a chat message")
            continue
        user = by_role(item["role"]) == "user" and not item.get("name")
        add_message(build, item, raw, who=PROXY if user else None)
    if any(step.agent == PROXY for step in build.steps):
        build.agent(PROXY, role="user")
    note_prompt(build)
    yield build.trace(
        document.id(source) + where.replace("/", "-"),
        task=Task(
            question=as_text(run.get("problem")),
            expected=as_text(run.get("correct_ans")) or None,
            id=_task_id(run),
        ),
        outcome=_outcome(run),
        extra=rest(run, *_KNOWN),
        sha256=source.sha256,
    )


def _task_id(run: dict[str, Any]) -> str | None:
    """Numbers count within a type of problem."""
    parts = [as_text(run.get(key)) for key in ("type", "problem_id")]
    return "/".join(filter(None, parts)) if parts[1] else None


def _outcome(run: dict[str, Any]) -> Outcome:
    answer = next((text for key in _ANSWERS if (text := as_text(run.get(key)))), None)
    correct = run.get("is_correct")
    if not isinstance(correct, bool):
        return Outcome(answer=answer)
    return Outcome("success" if correct else "failure", answer=answer, by="is_correct")
