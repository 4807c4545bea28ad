"""Inspect AI logs: the JSON form and the `.eval` archive; every sample is a trace.

An archive holds `header.json` (or only `_journal/start.json`, when the run was not finished) and
one member per sample, compressed with deflate or zstd. Long texts stand once in `attachments` and
are put back where they belong. Roles name the speakers; where events show agents at work (spans of
type `agent`, hand-offs), the agent whose span holds the model call speaks its answer.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from tracekit.errors import Problem
from tracekit.ingest.archives import container
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.chat import add_message, is_message, note_prompt
from tracekit.ingest.decode import decode_json
from tracekit.ingest.meters import as_number, read_time, read_usage
from tracekit.ingest.parts import as_text, read_content
from tracekit.ingest.sources import OpenSource
from tracekit.ingest.zips import open_zip, read_member
from tracekit.names import handoff_target
from tracekit.trace import Outcome, Raw, Task, Time, Trace, Usage

_SAMPLE = re.compile(r"samples/.+_epoch_\d+\.json$")
_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}


class InspectLog:
    """Reads logs of Inspect evaluations."""

    name: ClassVar[str] = "inspect-log"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure of an archive with Inspect's members, or of the log's own header."""
        if container(head) == "zip":
            inner = (b"_journal/start.json", b"header.json", b"_epoch_")
            return 0.95 if any(part in head for part in inner) else 0.0
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if text[:1] != b"{":
            return 0.0
        opening = b'"version"' in text[:400] and b'"status"' in text[:400] and b'"eval"' in text
        marks = (b'"run_id"', b'"task_id"', b'"eval_id"', b'"solver"', b'"packages"')
        return 0.95 if opening and sum(mark in head for mark in marks) >= 2 else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per sample and epoch."""
        if container(source.head) == "zip":
            yield from _archive(source)
            return
        log = source.json()
        if isinstance(log, Problem):
            yield log
            return
        samples = log.get("samples") if isinstance(log, dict) else None
        if not isinstance(samples, list):
            yield source.problem(None, "the log holds no samples", severity="warning")
            return
        for index, sample in enumerate(samples):
            yield from _sample(source, log, sample, f"/samples/{index}")


def _archive(source: OpenSource) -> Iterator[Trace | Problem]:
    """The samples of an `.eval` file."""
    with source.on_disk() as file:
        try:
            archive = open_zip(file)
        except ValueError as error:
            yield source.problem(None, f"not a readable archive: {error}", do="fetch it again")
            return
        with archive:
            yield from _members(source, archive)


def _members(source: OpenSource, archive: zipfile.ZipFile) -> Iterator[Trace | Problem]:
    names = archive.namelist()[: source.limits.members]
    header: Any = {}
    for name in ("header.json", "_journal/start.json"):
        if name in names:
            header = _load(source, archive, name)
            break
    if "header.json" not in names:
        what = "the run was not finished: the archive has a journal only"
        yield source.problem(None, what, severity="warning")
    if isinstance(header, Problem):
        yield header
    header = header if isinstance(header, dict) else {}
    written = dict.fromkeys(name for name in names if _SAMPLE.search(name))
    for name in written:
        sample = _load(source, archive, name)
        if isinstance(sample, Problem):
            yield sample
        else:
            yield from _sample(source, header, sample, f"{name}:")
    if not written:
        yield source.problem(None, "the archive holds no samples", severity="warning")


def _load(source: OpenSource, archive: zipfile.ZipFile, name: str) -> Any:
    try:
        data = read_member(archive, name, source.limits.file_bytes)
        return decode_json(data, source.limits.depth)
    except ValueError as error:
        return source.problem(None, f"member {name[:200]!r} cannot be read: {error}")


def _sample(
    source: OpenSource, log: dict[str, Any], sample: Any, where: str
) -> Iterator[Trace | Problem]:
    """The trace of one sample."""
    if not isinstance(sample, dict):
        raw = Raw(record=where)
        source.see(where)
        yield source.problem(raw, "a sample is not an object")
        return
    attached = sample.get("attachments")
    stored = attached if isinstance(attached, dict) else {}
    run = _table(log.get("eval"))
    version = as_text(_table(run.get("packages")).get("inspect_ai")) or None
    build = Builder(source, InspectLog.name, framework="inspect", version=version)
    calls = _model_calls(sample.get("events"))
    messages = sample.get("messages")
    messages = messages if isinstance(messages, list) else []
    for raw, item in source.records(messages, f"{where}/messages"):
        if not is_message(item):
            yield source.problem(raw, "a message has no role or no content")
            continue
        _add(build, _attach(item, stored), raw, calls)
    note_prompt(build, next((call.agent for call in calls.values() if call.agent), "assistant"))
    yield _trace(build, source, sample, run, stored)


_SAID = ("role", "content", "tool_calls", "tool_call_id")


def _add(build: Builder, item: dict[str, Any], raw: Raw, calls: dict[str, _Call]) -> None:
    call = calls.get(_key(item), _Call())
    error = item.get("error")
    function = item.get("function")
    said = {key: value for key, value in item.items() if key in _SAID}
    if function:
        said["name"] = function
    usage = call.usage
    if usage is None and item.get("model"):
        usage = read_usage({}, item["model"])
    index = add_message(
        build,
        said,
        raw,
        who=call.agent if item["role"] == "assistant" else None,
        usage=usage,
        time=call.time,
        extra=rest(item, *_SAID, "model"),
    )
    step = build.steps[index]
    target = next((t for c in step.tools if (t := handoff_target(c.name))), None)
    if target and item["role"] == "assistant":
        build.steps[index] = msgspec.structs.replace(step, kind="handoff", to=build.agent(target))
    elif error and step.tools:
        told = as_text(error.get("message") if isinstance(error, dict) else error) or "error"
        answer = msgspec.structs.replace(step.tools[0], error=told)
        build.steps[index] = msgspec.structs.replace(step, tools=(answer, *step.tools[1:]))


class _Call(msgspec.Struct, frozen=True):
    """What the events say about the model call behind a message."""

    agent: str | None = None
    usage: Usage | None = None
    time: Time | None = None


def _model_calls(events: Any) -> dict[str, _Call]:
    """Model calls by the key of the message that they gave."""
    spans: dict[str, dict[str, Any]] = {}
    calls: dict[str, _Call] = {}
    for event in events if isinstance(events, list) else ():
        if not isinstance(event, dict):
            continue
        if event.get("event") == "span_begin" and isinstance(event.get("id"), str):
            spans[event["id"]] = event
        elif event.get("event") == "model":
            output = _table(event.get("output"))
            choices = output.get("choices")
            first = _table(choices[0]) if isinstance(choices, list) and choices else {}
            said = _table(first.get("message"))
            if said and _key(said) not in calls:
                calls[_key(said)] = _Call(
                    _agent(spans, event.get("span_id")),
                    read_usage(output.get("usage"), output.get("model")),
                    read_time(event.get("timestamp"), event.get("completed")),
                )
    return calls


def _key(message: dict[str, Any]) -> str:
    """The id of a message; before messages had one, what it says and calls."""
    told = [message.get("content"), message.get("tool_calls") or None]
    return as_text(message.get("id")) or as_text([message.get("role"), *told])


def _agent(spans: dict[str, dict[str, Any]], id: Any) -> str | None:
    """The nearest agent above a span."""
    seen: set[str] = set()
    while isinstance(id, str) and id in spans and id not in seen:
        seen.add(id)
        if spans[id].get("type") == "agent":
            return as_text(spans[id].get("name")) or None
        id = spans[id].get("parent_id")
    return None


_ATTACHMENT = "attachment://"


def _attach(value: Any, stored: dict[str, Any]) -> Any:
    """The value with references to attachments replaced by what they stand for."""
    if isinstance(value, str):
        if value.startswith(_ATTACHMENT):
            return stored.get(value.removeprefix(_ATTACHMENT), value)
        return value
    if isinstance(value, list):
        return [_attach(item, stored) for item in value]
    if isinstance(value, dict):
        return {key: _attach(item, stored) for key, item in value.items()}
    return value


def _trace(
    build: Builder,
    source: OpenSource,
    sample: dict[str, Any],
    run: dict[str, Any],
    stored: dict[str, Any],
) -> Trace:
    name, epoch = as_text(sample.get("id")), as_text(sample.get("epoch"))
    base = as_text(run.get("eval_id") or run.get("run_id")) or source.default_id()
    target = sample.get("target")
    targets = [as_text(t).strip() for t in (target if isinstance(target, list) else [target])]
    known = ("messages", "events", "attachments", "input", "target", "id", "scores")
    extra = _attach(rest(sample, *known, "output"), stored)
    extra |= {"scores": _attach(sample.get("scores"), stored), "task": run.get("task")}
    return build.trace(
        as_text(sample.get("uuid")) or f"{base}-{name}-{epoch}",
        task=Task(
            question=_question(_attach(sample.get("input"), stored)),
            expected=" | ".join(t for t in targets if t) or None,
            id=name or None,
        ),
        outcome=_outcome(_attach(sample.get("scores"), stored), sample, stored),
        extra={key: value for key, value in extra.items() if value not in (None, {}, [])},
        sha256=source.sha256,
    )


def _question(given: Any) -> str:
    """The input of a sample: a text, or what the user says in a list of messages."""
    if not isinstance(given, list):
        return as_text(given)
    asked = [_table(item) for item in given]
    said = [item for item in asked if item.get("role") == "user"] or asked
    return "\n".join(read_content(item.get("content")).text for item in said)


def _outcome(scores: Any, sample: dict[str, Any], stored: dict[str, Any]) -> Outcome:
    """What the first scorer that gave a grade says; an error of the sample is a failure."""
    answer = _answer(_attach(_table(sample.get("output")), stored))
    for scorer, score in scores.items() if isinstance(scores, dict) else ():
        grade = _grade(_table(score).get("value") if isinstance(score, dict) else score)
        if grade is None:
            continue
        status = "success" if grade == 1 else "failure" if grade in (0, 0.5) else "unknown"
        reason = as_text(_table(score).get("explanation")) or None
        return Outcome(status, answer, grade, reason, by=f"scores.{scorer}")  # type: ignore[arg-type]
    error = sample.get("error")
    if error:
        told = _table(error).get("message") or error
        return Outcome("failure", answer, reason=as_text(told), by="error")
    limit = as_text(_table(sample.get("limit")).get("type")) or None
    return Outcome(answer=answer, reason=f"{limit} limit" if limit else None)


def _answer(output: dict[str, Any]) -> str | None:
    choices = output.get("choices")
    first = _table(choices[0]) if isinstance(choices, list) and choices else {}
    said = output.get("completion") or _table(first.get("message")).get("content")
    return read_content(said).text or None


def _grade(value: Any) -> float | None:
    """A score as a number: correct 1, partly 0.5, incorrect and no answer 0."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value in _GRADES:
        return _GRADES[value]
    return as_number(value)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
