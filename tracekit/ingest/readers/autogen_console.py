"""What AutoGen prints on a console, in a log of its own or kept by a harness as `output.stdout`.

0.4 and later put a banner `---------- name ----------` before every message (`TextMessage (name)`
since 0.5). 0.2 writes `name (to other):`, the message, and a line of 80 dashes; what stands
between the dashes and the next header was printed while the next reply was made, and is kept
with it. AutoGenBench adds markers that say whether the script ran to its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.decode import decode_text
from tracekit.ingest.documents import listed
from tracekit.ingest.meters import read_usage
from tracekit.ingest.parts import as_text
from tracekit.ingest.peek import peek, peek_items
from tracekit.ingest.readers.agentchat_04 import KINDS
from tracekit.ingest.reprs import read_calls_repr
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.textlog import entries, head_lines, log_lines, strip_ansi
from tracekit.trace import Outcome, Raw, Task, ToolCall, Trace

# A prompt ends without a newline where what the user types is not echoed into the log.
_BANNER = re.compile(
    r"^(?:Enter your response: ?)?-{10} (?:(?P<type>\w+(?:Message|Event)(?:\[[^\n]{1,120}\])?)"
    r" \((?P<source>[^()\n]{1,80})\)|(?P<name>\w{1,80})) -{10}$"
)
_HEADER = re.compile(
    r"^(?:(?:Replying as [^\n]{1,80}\. )?(?:Provide feedback to|Please give feedback to) [^\n]{1,200}: )?"
    r"(?P<who>[^\s()-][^()\n]{0,80}?) \(to (?P<to>[^()\n]{1,80})\): *$"
)
_DASHES = "-" * 80
_TOKENS = re.compile(r"\n?\[Prompt tokens: (\d+), Completion tokens: (\d+)\]\s*$")
_ASKED = re.compile(
    r"^\*{5} Suggested (?:tool call|function [Cc]all)(?: \((?P<id>[^)\n]*)\))?: (?P<name>\S+) \*{5}$"
)
_ANSWERED = re.compile(
    r"^\*{5} Response from calling (?:tool \((?P<id>[^)\n]*)\)"
    r"|(?:tool|function) [\"(]?(?P<name>[^\n\"()]*?)[\")]?) \*{5}$"
)
_STARS = re.compile(r"^\*{5,}$")
_EXIT = re.compile(r"^SCENARIO\.PY EXITED WITH CODE: (?P<code>-?\d+) !#!#", re.MULTILINE)
_PASSED = "ALL TESTS PASSED !#!#"
_STARTED = re.compile(r"SCENARIO\.PY STARTING !#!#$")


class AutoGenConsole:
    """Reads console transcripts of both generations of AutoGen."""

    name: ClassVar[str] = "autogen-console"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of AutoGenBench's markers and of a harness; headers alone may be quoted."""
        if peek(head) is not None:
            told = any(_stdout(item) is not None for item in peek_items(head)[:1])
            return 0.85 if told else 0.0
        lines = head_lines(head)
        if lines[0].startswith("RUN.SH STARTING !#!#") or any(map(_STARTED.match, lines)):
            return 0.95
        if _DASHES in lines and any(map(_HEADER.match, lines)):
            return 0.85
        return 0.8 if any(map(_BANNER.match, lines)) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per transcript; a harness may list several."""
        opens_json = source.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
        if not opens_json and peek(source.head) is None:
            yield _transcript(source, self.name, list(log_lines(source)), source.default_id(), {})
            return
        for entry in listed(source):
            if isinstance(entry, Problem):
                yield entry
                continue
            document, record, where = entry
            stdout = _stdout(record)
            if stdout is None:
                yield source.problem(None, "no output", line=document.line)
                continue
            place = where if document.line is None else f"{document.line}:{where}"
            lines = [
                (
                    Raw(record=f"{place}/output/stdout#{number}", line=document.line),
                    strip_ansi(line).rstrip("\r"),
                )
                for number, line in enumerate(stdout.split("\n"), 1)
            ]
            id = document.id(source) + where.replace("/", "-")
            yield _transcript(source, self.name, lines, id, record)


def _stdout(value: Any) -> str | None:
    output = value.get("output") if isinstance(value, dict) and "execution" in value else None
    stdout = output.get("stdout") if isinstance(output, dict) else None
    return stdout if isinstance(stdout, str) else None


class _Message(msgspec.Struct):
    """A message of the transcript."""

    raw: Raw
    who: str | None
    body: list[str]
    to: str | None = None
    type: str | None = None
    before: str = ""
    """What was printed while it was made."""


def _transcript(
    source: OpenSource,
    format: str,
    lines: list[tuple[Raw, str]],
    id: str,
    record: dict[str, Any],
) -> Trace:
    text = "\n".join(line for _, line in lines)
    banners = any(_BANNER.match(line) for _, line in lines)
    found, before, after = _with_banners(lines) if banners else _with_headers(lines)
    if not found and text.strip():
        found = [_Message(lines[0][0], None, [line for _, line in lines])]
        before = after = ""
    named = bool(found and found[0].who)
    build = Builder(source, format, framework="autogen" if named else None)
    extra = _harness(record)
    for message in found:
        if message.who == "Summary" and message.type is None:
            extra["summary"] = "\n".join(message.body).strip()
        else:
            source.see(message.raw.record)
            _add(build, message)
    for name in ("user", "user_proxy"):
        if any(step.agent == name for step in build.steps):
            build.agent(name, role="user")
    extra |= {key: value for key, value in (("before", before), ("after", after)) if value}
    first = build.steps[0] if build.steps and build.steps[0].agent != "unknown" else None
    expected = source.sibling("expected_answer.txt")
    return build.trace(
        id,
        task=Task(
            question=first.content if first else "",
            expected=decode_text(expected).strip() or None if expected else None,
        ),
        outcome=_outcome(text, record),
        extra=extra,
        sha256=source.sha256,
    )


def _with_banners(lines: list[tuple[Raw, str]]) -> tuple[list[_Message], str, str]:
    """0.4: a message runs from its banner to the next one."""
    found: list[_Message] = []
    before = ""
    for entry in entries(lines, _BANNER):
        if entry.header is None:
            before = entry.text.strip()
            continue
        body = entry.text.removeprefix("\n").split("\n")
        who = entry["source"] or entry["name"]
        found.append(_Message(entry.raw, who, body, type=entry["type"] or None))
    return found, before, ""


def _with_headers(lines: list[tuple[Raw, str]]) -> tuple[list[_Message], str, str]:
    """0.2: a message runs from its header to a line of dashes; inside, headers are quotes.

    Answers of several tools come under one header, each with a header of its own.
    """
    found: list[_Message] = []
    is_open = False
    printed: list[str] = []
    preamble = ""
    for raw, line in lines:
        header = _HEADER.match(line) if not is_open or _is_blank(found[-1]) else None
        if header is not None and is_open:
            if (header["who"], header["to"]) == (found[-1].who, found[-1].to):
                continue
            header = None
        if header is not None:
            between = _unframed(printed)
            if not found:
                preamble, between = between, ""
            found.append(_Message(raw, header["who"], [], header["to"], before=between))
            is_open, printed = True, []
        elif is_open and line == _DASHES:
            is_open = False
        elif is_open:
            found[-1].body.append(line)
        else:
            printed.append(line)
    return found, preamble, _unframed(printed)


def _is_blank(message: _Message) -> bool:
    return not any(map(str.strip, message.body))


def _unframed(printed: list[str]) -> str:
    return "\n".join(line for line in printed if line != _DASHES).strip()


def _add(build: Builder, message: _Message) -> None:
    text = "\n".join(message.body).strip("\n")
    usage = None
    counted = _TOKENS.search(text)
    if counted is not None:
        usage = read_usage({"prompt_tokens": counted[1], "completion_tokens": counted[2]})
        text = text[: counted.start()]
    tools = read_calls_repr(text) or _starred(text)
    named = tuple(_named(build, call) for call in tools)
    nameless = [c.name for c in named if c.result is not None and not c.call_id]
    extra = {"printed_before": message.before} if message.before else {}
    if message.type:
        extra["type"] = message.type
    build.add(
        message.who,
        text,
        message.raw,
        kind=KINDS.get(message.type or ""),
        to=message.to,
        tools=named,
        usage=usage,
        parent=_asker(build, nameless[0]) if nameless else None,
        extra=extra,
    )


def _asker(build: Builder, function: str) -> int | None:
    """The last step that called a function, for answers of before tools had ids."""
    for step in reversed(build.steps):
        if any(call.name == function and call.result is None for call in step.tools):
            return step.index
    return None


def _starred(text: str) -> tuple[ToolCall, ...]:
    """Requests and answers as 0.2 prints them, between lines of stars."""
    calls: list[ToolCall] = []
    opened: tuple[re.Match[str], bool] | None = None
    body: list[str] = []
    for line in text.split("\n") if "*****" in text else ():
        asked, answered = _ASKED.match(line), _ANSWERED.match(line)
        header = asked or answered
        if header is not None:
            opened, body = (header, asked is not None), []
        elif opened is not None and _STARS.match(line):
            found, is_request = opened
            name, call_id, told = found["name"] or "", found["id"] or None, "\n".join(body)
            if is_request:
                given = told.removeprefix("Arguments:").strip()
                calls.append(ToolCall(name, given, call_id=call_id))
            else:
                calls.append(ToolCall(name, result=told, call_id=call_id))
            opened = None
        else:
            body.append(line)
    return tuple(calls)


def _named(build: Builder, call: ToolCall) -> ToolCall:
    request = build.asked(call.call_id)
    if call.name or request is None:
        return call
    return msgspec.structs.replace(call, name=request.name)


def _harness(record: dict[str, Any]) -> dict[str, Any]:
    """What a harness says about the script, without the output that became steps."""
    kept = rest(record, "output")
    output = rest(record["output"], "stdout") if record else {}
    return kept | ({"output": output} if output else {})


def _outcome(text: str, record: dict[str, Any]) -> Outcome:
    """Only a script that did not finish says something about the run: it failed."""
    if _PASSED in text:
        return Outcome("success", by=_PASSED)
    exited = _EXIT.search(text)
    if exited is not None and exited["code"] != "0":
        told = [line for line in text[: exited.start()].rstrip().split("\n") if line.strip()]
        return Outcome("failure", reason=told[-1] if told else None, by=exited[0])
    execution = record.get("execution")
    if isinstance(execution, dict) and execution.get("success") is False:
        reason = as_text(execution.get("error")) or None
        return Outcome("failure", reason=reason, by="execution.success")
    return Outcome()
