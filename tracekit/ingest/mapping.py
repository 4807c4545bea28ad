"""User mappings: a TOML file says where an in-house format keeps what a trace needs.

A path is member names with dots between (`run.result.ok`); `[]` goes through every item of a list
(`runs[].turns[]`), a number picks one (`choices.0.text`). Where a field takes a list of paths, the
first that leads to something counts. See docs/mapping.md for an example of every table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from tracekit.errors import InputError, UsageError
from tracekit.trace import Definition, StepKind

Paths = str | list[str]


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where traces and their steps are."""

    steps: str = ""
    """Path of the steps within a trace, ending in `[]`; empty = every line is a step."""
    traces: str = ""
    """Path of the traces within a document, ending in `[]`; empty = a document is a trace."""
    group: str = ""
    """For lines that are steps: the field whose value tells traces apart; empty = one trace."""


class TraceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a whole run; paths within the trace."""

    id: Paths = ""
    question: Paths = ""
    expected: Paths = ""
    task_id: Paths = ""
    version: Paths = ""


class StepFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a step; paths within the step."""

    agent: Paths = ""
    content: Paths = ""
    to: Paths = ""
    kind: Paths = ""
    start: Paths = ""
    end: Paths = ""
    model: Paths = ""
    input_tokens: Paths = ""
    output_tokens: Paths = ""
    cost: Paths = ""


class ToolFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tool calls of a step; the other paths lie within a call."""

    calls: str = ""
    """Path of the calls within a step: `call`, or `calls[]`; empty = the step has none."""
    name: Paths = "name"
    arguments: Paths = "arguments"
    result: Paths = ""
    error: Paths = ""
    id: Paths = ""


class OutcomeFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the run ended; paths within the trace."""

    status: Paths = ""
    success: list[Any] = msgspec.field(default_factory=lambda: [True, "success", "passed"])
    """Values of `status` that mean success."""
    failure: list[Any] = msgspec.field(default_factory=lambda: [False, "failure", "failed"])
    """Values of `status` that mean failure; any other is unknown."""
    answer: Paths = ""
    score: Paths = ""
    reason: Paths = ""


class LabelFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people said went wrong; paths within the trace."""

    step: Paths = ""
    agent: Paths = ""
    modes: Paths = ""
    reason: Paths = ""
    definition: Definition = "decisive"
    base: int = 0
    """What the labels count the first step as."""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping file."""

    format: str
    """Name of the format; becomes `Trace.source.format`."""
    framework: str | None = None
    records: Records = Records()
    trace: TraceFields = TraceFields()
    step: StepFields = StepFields()
    tools: ToolFields = ToolFields()
    outcome: OutcomeFields = msgspec.field(default_factory=OutcomeFields)
    labels: LabelFields = LabelFields()
    kinds: dict[str, StepKind] = msgspec.field(default_factory=dict)
    """Values of `step.kind` and the kinds of steps that they stand for."""
    roles: dict[str, str] = msgspec.field(default_factory=dict)
    """Agents and their roles (`user`, `tool`, …)."""


@lru_cache(maxsize=16)
def load_mapping(path: str) -> Mapping:
    """Read a mapping file.

    Raises `InputError` when it cannot be read and `UsageError` when it is no valid mapping; both
    say what is wrong and where.
    """
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a TOML file: {error}") from error
    try:
        mapping = msgspec.convert(table, Mapping)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {error}; see docs/mapping.md") from error
    for name, where in (("steps", mapping.records.steps), ("traces", mapping.records.traces)):
        if where and not where.endswith("[]"):
            raise UsageError(f"{path}: records.{name} must end in [], it names a list: {where!r}")
    if not mapping.step.content and not mapping.tools.calls:
        raise UsageError(f"{path}: neither step.content nor tools.calls says what a step holds")
    return mapping


def walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Everything a path leads to, with JSON pointers; nothing where it leads nowhere.

    >>> list(walk({"runs": [{"n": 1}, {"n": 2}]}, "runs[].n"))
    [('/runs/0/n', 1), ('/runs/1/n', 2)]
    """
    found: list[tuple[str, Any]] = [("", value)]
    for part in path.split(".") if path else ():
        name = part.rstrip("[]")
        if name:
            found = [step for where, node in found for step in _member(where, node, name)]
        for _ in range(part.count("[]")):
            found = [
                (f"{where}/{index}", item)
                for where, node in found
                if isinstance(node, list)
                for index, item in enumerate(node)
            ]
    yield from found


def first(value: Any, paths: Paths) -> Any:
    """The first value, not null, that a path or one of several leads to; None when none does.

    >>> first({"a": None, "b": {"c": 3}}, ["a", "b.c"])
    3
    """
    for path in [paths] if isinstance(paths, str) else paths:
        if path:
            for _, found in walk(value, path):
                if found is not None:
                    return found
    return None


def taken(value: Any, paths: Paths) -> tuple[str, ...]:
    """The member that `first` takes whole, as a tuple; empty when it takes none or a part of one.

    >>> taken({"b": 1, "c": 2}, ["a", "b", "c"]), taken({"a": {"b": 1}}, "a.b")
    (('b',), ())
    """
    for path in [paths] if isinstance(paths, str) else paths:
        if path and first(value, path) is not None:
            return () if "." in path else (path.removesuffix("[]"),)
    return ()


def _member(where: str, node: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and name in node:
        escaped = name.replace("~", "~0").replace("/", "~1")
        yield f"{where}/{escaped}", node[name]
    elif isinstance(node, list) and name.isdigit() and int(name) < len(node):
        yield f"{where}/{name}", node[int(name)]
