"""A run as text for a prompt, in which nothing can pass for what stands outside of it.

Three fences, each enough by itself. The text stands between `<log-KEY>` and `</log-KEY>`, where KEY
is a hash of everything inside, which a text cannot hold: whatever it holds changes the hash. Every
line of it begins with `| `, so that none can look like a heading. And no `<` in it is followed by
what could make it a tag: `<` becomes `&lt;` there, which takes the sting out of forged delimiters
and of the marks of chat templates alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from itertools import groupby

import msgspec

from tracekit.names import folded
from tracekit.trace import Agent, Step, ToolCall, Trace

PROMPT_SHOWN = 600
"""Characters of an agent's instructions that are shown."""

_TAG = re.compile(r"<(?![\s\d=<-]|$)")
_TEMPLATE = re.compile(
    r"\[(?=\||/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_(?:CALLS|RESULTS|CONTENT)|ARGS|CALL_ID"
    r"|THINK|PREFIX|MIDDLE|SUFFIX|IMG|g?MASK|BOS|EOS|PAD|UNK|CLS|SEP)\])"
)
"""Marks of chat templates, and other tokens that models have, which begin with a square bracket."""
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
"""Control characters, marks that turn the direction of text, and invisible tags."""

View = Callable[[int, str], str]
"""From the index of a step and its text to what is shown of it."""


def escaped(text: str) -> str:
    """The text without tags, marks of chat templates, and characters that nobody sees.

    >>> escaped("</log> <|im_end|> [INST] 1 < 2 a<b")
    '&lt;/log> &lt;|im_end|> [ INST] 1 < 2 a&lt;b'
    """
    text = text.encode("utf-8", "replace").decode()
    text = _TEMPLATE.sub("[ ", _TAG.sub("&lt;", text))
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def quoted(name: str) -> str:
    """A name on one line between quotation marks.

    >>> quoted("A\\n[3] B")
    '"A\\\\n[3] B"'
    """
    clean = name.encode("utf-8", "replace").decode()
    return escaped(msgspec.json.encode(clean).decode())


def barred(text: str) -> str:
    """Every line of a text, escaped, behind a bar.

    >>> print(barred("first\\n[3] second"))
    | first
    | [3] second
    """
    return "\n".join(f"| {escaped(line)}".rstrip() for line in text.splitlines()) or "|"


def whole(_: int, text: str) -> str:
    """The view of a step that leaves nothing out."""
    return text


def cut(text: str, longest: int) -> str:
    """The text, or its beginning and end with a note of how much is left out between.

    >>> cut("abcdefghij" * 10, 40)
    'abcdefghijabcdefghijabcdef … [60 characters left out] … ghijabcdefghij'
    """
    if len(text) <= longest:
        return text
    head = longest * 2 // 3
    tail = longest - head
    left = len(text) - head - tail
    return f"{text[:head]} … [{left:,} characters left out] … {text[len(text) - tail :]}"


class Shown:
    """A trace as prompts show it; never its labels, its outcome, or what else a source adds."""

    def __init__(self, trace: Trace, *, with_answer: bool = False) -> None:
        self.trace = trace
        self.with_answer = with_answer
        self._texts = [said(step) for step in trace.steps]
        self.key = _key(self.head(), *self._texts)

    @property
    def open(self) -> str:
        """The mark before the log."""
        return f"<log-{self.key}>"

    @property
    def close(self) -> str:
        """The mark after it."""
        return f"</log-{self.key}>"

    def log(
        self,
        steps: Iterable[int] | None = None,
        *,
        merged: bool = True,
        view: View = whole,
        instructions: bool = True,
    ) -> str:
        """Task, team and steps, fenced.

        `steps` leaves all others out; `merged` puts neighbours of one speaker under one heading;
        without `instructions` agents are introduced by their names and roles alone.
        """
        chosen = sorted(range(len(self.trace.steps)) if steps is None else set(steps))
        head = self.head(instructions=instructions)
        return self.fenced(f"{head}\n\nSteps:\n{self._steps(chosen, merged, view)}")

    def fenced(self, text: str) -> str:
        """Text whose lines are safe already, between the marks."""
        return f"{self.open}\n{text}\n{self.close}"

    def quote(self, text: str) -> str:
        """Any other text that comes from the log or from a model that read it, fenced."""
        return self.fenced(barred(text))

    def text(self, step: int) -> str:
        """All that a step says and does, unescaped."""
        return self._texts[step]

    def agent(self, name: str) -> str:
        """The id of the agent that an answer names; raises `ValueError` when it is not one.

        The words of the error hold nothing of the log.
        """
        ids = [agent.id for agent in self.trace.agents]
        for id in ids:
            if name in (id, escaped(id), quoted(id).strip('"')):
                return id
        alike = [id for id in ids if folded(id) == folded(name) != ""]
        if len(alike) != 1:
            raise ValueError("`agent` must be one of the names under Agents, letter by letter")
        return alike[0]

    def who(self, step: int) -> str:
        """The agent of a step by its number under Agents: its name, part of the log, stays inside.

        For the words of a question, which stand outside of the marks.
        """
        ids = [agent.id for agent in self.trace.agents]
        return f"agent {ids.index(self.trace.steps[step].agent) + 1} of the list"

    def step(self, index: int) -> int:
        """The index, when the trace has such a step; raises `ValueError` else."""
        if not 0 <= index < len(self.trace.steps):
            last = len(self.trace.steps) - 1
            raise ValueError(f"`step` must be a number from 0 to {last}, as in the log")
        return index

    def head(self, *, instructions: bool = True) -> str:
        """Task and team, not fenced."""
        task = self.trace.task
        lines = ["Task:", barred(task.question or "(not in the log)")]
        if self.with_answer and task.expected is not None:
            lines += ["Correct answer:", barred(task.expected)]
        lines.append("Agents:")
        for number, agent in enumerate(self.trace.agents, 1):
            lines.append(_introduced(agent, number, instructions=instructions))
        return "\n".join(lines)

    def _steps(self, chosen: list[int], merged: bool, view: View) -> str:
        lines: list[str] = []
        expected = 0
        for run in _runs(self.trace, chosen, merged):
            if run[0] != expected:
                lines.append(_gap(expected, run[0]))
            if merged:
                lines.append(f"== {quoted(self.trace.steps[run[0]].agent)}")
            for index in run:
                lines += [self._heading(index, merged), barred(view(index, self._texts[index]))]
            expected = run[-1] + 1
        if expected < len(self.trace.steps):
            lines.append(_gap(expected, len(self.trace.steps)))
        return "\n".join(lines)

    def _heading(self, index: int, merged: bool) -> str:
        step = self.trace.steps[index]
        parts = [f"[{index}]"]
        if not merged:
            parts.append(quoted(step.agent))
        if step.kind != "message":
            parts.append(step.kind)
        if step.to is not None:
            parts.append(f"to {quoted(step.to)}")
        return " ".join(parts)


def said(step: Step) -> str:
    """What a step says, and the calls of tools that its text does not tell already."""
    parts = [step.content] if step.content else []
    for call in step.tools:
        parts += [f"{what} {text}" for what, text in _called(call) if text not in step.content]
    return "\n".join(parts)


def _called(call: ToolCall) -> Iterable[tuple[str, str]]:
    name = call.name or "a tool"
    if call.arguments is not None:
        given = call.arguments
        text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
        yield f"(calls {name})", text
    if call.result is not None:
        yield f"({name} returns)", call.result
    if call.error is not None and call.error != call.result:
        yield f"({name} fails)", call.error


def _introduced(agent: Agent, number: int, *, instructions: bool) -> str:
    role = f" ({escaped(' '.join(agent.role.split()))})" if agent.role else ""
    line = f"{number}. {quoted(agent.id)}{role}"
    if agent.system_prompt and instructions:
        line += f", told:\n{barred(cut(agent.system_prompt, PROMPT_SHOWN))}"
    return line


def _runs(trace: Trace, chosen: list[int], merged: bool) -> Iterable[list[int]]:
    """Neighbouring steps of one speaker; each step by itself unless `merged`."""
    if not merged:
        return [[index] for index in chosen]
    keys = {i: (trace.steps[i].agent, i - place) for place, i in enumerate(chosen)}
    return [list(run) for _, run in groupby(chosen, key=keys.__getitem__)]


def _gap(start: int, stop: int) -> str:
    if stop - start == 1:
        return f"(step {start} is not shown)"
    return f"(steps {start} to {stop - 1} are not shown)"


def _key(*texts: str) -> str:
    """A hash of the texts that none of them holds."""
    digest = hashlib.sha256()
    for text in texts:
        raw = text.encode("utf-8", "replace")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    key = digest.hexdigest()[:16]
    while any(key in text for text in texts):
        key = hashlib.sha256(key.encode()).hexdigest()[:16]
    return key
