"""SWE-agent trajectories (0.x and 1.x) and mini-swe-agent.

An item of `trajectory` is one turn: thought, action and what the environment answered, and it is
one step. `history` holds the same turns as chat messages, after a system prompt, demonstrations
and the task; its items are merged into the steps. A run with retries lists its `attempts`, each a
run of its own. mini-swe-agent keeps plain chat messages, and each of them is a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, first_question, is_message, note_prompt
from tracekit.ingest.meters import read_time, read_usage
from tracekit.ingest.parts import as_text, maybe_json, read_calls, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Inputs, Message, Outcome, Raw, Task, ToolCall, Trace

_BASH = re.compile(r"```(?:bash|sh|mswea_bash_command)\n(.*?)\n?```", re.DOTALL)
_RETURNED = re.compile(r"<returncode>\s*(-?\d+)\s*</returncode>")


class SweAgent:
    """Reads `.traj` files of SWE-agent and mini-swe-agent."""

    name: ClassVar[str] = "swe-agent"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of a trajectory of actions and observations, or of mini's shell turns."""
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start == b"{" and b'"mini-swe-agent' in head and b'"messages"' in head:
            return 0.95
        if start == b"{" and b'"trajectory"' in head and b'"observation"' in head:
            turn = b'"action"' in head and (b'"response"' in head or b'"thought"' in head)
            return 0.9 if turn and b'"instance_id"' not in head[:200] else 0.5 * turn
        shell = re.search(rb"```(?:bash|mswea_bash_command)\\n", head) is not None
        if start in (b"[", b"{") and b'"role"' in head and shell:
            returned = b"<returncode>" in head or b"COMPLETE_TASK_AND_SUBMIT" in head
            return 0.8 if returned or b"MINI_SWE_AGENT" in head else 0.0
        return 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per run; a run with retries gives one per attempt."""
        value = source.json()
        if isinstance(value, Problem):
            yield value
            return
        if isinstance(value, list):
            yield from _mini(source, {"messages": value}, "")
        elif not isinstance(value, dict):
            yield source.problem(None, "there is neither a trajectory nor a list of messages")
        elif isinstance(value.get("messages"), list) and "trajectory" not in value:
            yield from _mini(source, value, "/messages")
        elif isinstance(value.get("attempts"), list) and value["attempts"]:
            for index, attempt in enumerate(value["attempts"]):
                run = attempt if isinstance(attempt, dict) else {}
                yield from _run(source, run, f"/attempts/{index}", f"-attempt-{index}")
        else:
            yield from _run(source, value, "", "")


_Pairs = list[tuple[Raw, Any]]


def _run(
    source: OpenSource, run: dict[str, Any], where: str, position: str
) -> Iterator[Trace | Problem]:
    """The trace of one run of SWE-agent."""
    turns, history = run.get("trajectory"), run.get("history")
    if not isinstance(turns, list):
        yield source.problem(None, "there is no list of turns under `trajectory`")
        return
    chat = list(source.records(history if isinstance(history, list) else [], f"{where}/history"))
    before, answers = _by_turn(chat)
    agent = next((as_text(m["agent"]) for _, m in chat if _has(m, "agent")), "swe-agent")
    version = as_text(_table(run.get("info")).get("swe_agent_version")) or None
    build = Builder(source, SweAgent.name, framework="swe-agent", version=version)
    for number, (raw, item) in enumerate(source.records(turns, f"{where}/trajectory")):
        messages = answers.pop(number, [])
        if not isinstance(item, dict):
            yield source.problem(raw, "a turn is not an object")
            item = {}
        elif not item and not messages:
            yield source.skip(raw, "an empty turn")
        if item or messages:
            _add_turn(build, agent, raw, item, messages)
    for pairs in answers.values():  # the trajectory was cut off before its chat
        _add_turn(build, agent, pairs[0][0], {}, pairs)
    if build.steps:
        first = build.steps[0]
        raws = (*first.raw, *(raw for raw, _ in before))
        build.steps[0] = msgspec.structs.replace(first, raw=raws, inputs=_given(before))
    else:
        for raw, _ in before:
            yield source.skip(raw, "a prompt of a run that never took a turn")
    _note_agent(build, agent, before)
    yield _trace(build, source, run, _question(before), position)


def _by_turn(chat: _Pairs) -> tuple[_Pairs, dict[int, _Pairs]]:
    """The chat before the first turn, and the messages of each turn."""
    before: _Pairs = []
    turns: dict[int, _Pairs] = {}
    for raw, message in chat:
        if _has(message, "role") and message["role"] == "assistant" and not message.get("is_demo"):
            turns[len(turns)] = []
        (turns[len(turns) - 1] if turns else before).append((raw, message))
    return before, turns


def _add_turn(build: Builder, agent: str, raw: Raw, item: dict[str, Any], messages: _Pairs) -> None:
    said = messages[0][1] if messages and isinstance(messages[0][1], dict) else {}
    content = read_content(item.get("response") or item.get("thought") or said.get("content"))
    tools = _tools(item, said, messages)
    extra = rest(item, "response", "observation", "action", "query", "messages")
    if extra.get("thought") == content.text:
        del extra["thought"]
    raws = [raw, *(other for other, _ in messages if other != raw)]
    who = as_text(said.get("agent")) or agent
    build.add(
        who, content.text, raws, kind="tool_call" if tools else None, tools=tools, extra=extra
    )


def _tools(item: dict[str, Any], said: dict[str, Any], messages: _Pairs) -> tuple[ToolCall, ...]:
    """The action of a turn with what it brought; its name is the command or the function."""
    observed = item.get("observation")
    if observed is None:
        observed = next((m["content"] for _, m in messages[1:] if _has(m, "content")), None)
    result = None if observed is None else read_content(observed).text
    action = as_text(item.get("action") or said.get("action"))
    asked = read_calls(said.get("tool_calls"))
    if len(asked) == 1:
        return (msgspec.structs.replace(asked[0], result=result),)
    words = action.split()
    if not words:
        return ()
    return (ToolCall(words[0], arguments=action, result=result),)


def _given(before: _Pairs) -> Inputs | None:
    """What the agent saw before its first turn: prompts and demonstrations are no steps."""
    messages = tuple(
        Message(role=as_text(m["role"]), content=read_content(m.get("content")).text)
        for _, m in before
        if _has(m, "role")
    )
    return Inputs(messages=messages) if messages else None


def _question(before: _Pairs) -> str:
    return next(
        (
            read_content(m.get("content")).text
            for _, m in before
            if _has(m, "role") and m["role"] == "user" and not m.get("is_demo")
        ),
        "",
    )


def _note_agent(build: Builder, agent: str, before: _Pairs) -> None:
    prompts = [m for _, m in before if _has(m, "role") and m["role"] == "system"]
    prompt = read_content(prompts[0].get("content")).text if prompts else ""
    build.agent(agent, system_prompt=prompt)


def _mini(source: OpenSource, run: dict[str, Any], where: str) -> Iterator[Trace | Problem]:
    """The trace of one run of mini-swe-agent."""
    info = _table(run.get("info"))
    version = as_text(info.get("mini_version")) or None
    build = Builder(source, SweAgent.name, framework="mini-swe-agent", version=version)
    for raw, item in source.records(run["messages"], where):
        if not is_message(item):
            yield source.problem(raw, "a message has no role or no content")
            continue
        more = _table(item.get("extra"))
        answer = _table(more.get("response"))
        index = add_message(
            build,
            item,
            raw,
            who="system" if item["role"] == "exit" else None,
            kind="final" if item["role"] == "exit" else None,
            usage=read_usage(answer.get("usage"), answer.get("model"), more.get("cost")),
            time=read_time(more.get("timestamp")),
        )
        _shell(build, index)
    note_prompt(build)
    yield _trace(build, source, run, first_question(build), "")


def _shell(build: Builder, index: int) -> None:
    """Find the shell command in what mini's model says, and its output in what it is told."""
    step = build.steps[index]
    before = build.steps[index - 1] if index else None
    changes: dict[str, Any] = {}
    commands = _BASH.findall(step.content)
    code = _RETURNED.search(step.content)
    if step.agent == "assistant" and len(commands) == 1 and not step.tools:
        changes = {"kind": "tool_call", "tools": (ToolCall("bash", arguments=commands[0]),)}
    elif step.agent == "user" and code and before and before.tool and before.tool.name == "bash":
        failed = f"exit code {code[1]}" if int(code[1]) else None
        answer = ToolCall("bash", result=step.content, error=failed)
        changes = {"kind": "tool_result", "tools": (answer,), "parent": before.index}
    if changes:
        build.steps[index] = msgspec.structs.replace(step, **changes)


def _trace(
    build: Builder, source: OpenSource, run: dict[str, Any], question: str, position: str
) -> Trace:
    info = _table(run.get("info"))
    statement = _table(_table(maybe_json(run.get("replay_config"))).get("problem_statement"))
    task_id = run.get("instance_id") or info.get("instance_id") or statement.get("id")
    return build.trace(
        source.default_id(position=position),
        task=Task(question=question, id=as_text(task_id) or None),
        outcome=_outcome(info),
        extra=rest(run, "trajectory", "history", "messages", "attempts"),
        sha256=source.sha256,
    )


def _outcome(info: dict[str, Any]) -> Outcome:
    """How the run ended; a patch that was handed in may still fail its tests."""
    status = as_text(info.get("exit_status"))
    answer = as_text(info.get("submission")) or None
    if status and answer is None and not status.casefold().startswith("submitted"):
        return Outcome("failure", reason=status, by="info.exit_status")
    return Outcome(answer=answer, reason=status or None)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _has(message: Any, key: str) -> bool:
    return isinstance(message, dict) and message.get(key) is not None
