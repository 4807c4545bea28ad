"""In-house formats through a user's mapping file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder, rest
from tracekit.ingest.documents import documents
from tracekit.ingest.mapping import Mapping, Paths, StepFields, first, load_mapping, taken, walk
from tracekit.ingest.meters import as_count, as_number, read_time, read_usage
from tracekit.ingest.parts import as_text, maybe_json, read_content
from tracekit.ingest.peek import peek
from tracekit.ingest.sources import OpenSource
from tracekit.names import by_role
from tracekit.trace import Label, Outcome, Raw, StepKind, Task, ToolCall, Trace

PREFIX = "mapping:"
"""Before the path of a mapping file, where a name of a reader is asked for."""


def mapped_reader(path: str) -> MappedReader:
    """The reader that a mapping file describes; raises as `load_mapping` does."""
    return MappedReader(load_mapping(path))


class MappedReader:
    """Reads JSON and JSON Lines as a mapping says."""

    name: ClassVar[str] = "mapping"
    """Traces carry the name of the format that the mapping file gives."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the paths of the mapping lead to steps with content."""
        value = peek(head)
        steps = [step for _, trace in self._traces(value) for _, step in self._steps(trace)]
        return 0.99 if any(self._speaks(step) for step in steps[:20]) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per trace that the mapping finds, or per group of lines."""
        groups: dict[str, _Run] = {}
        found = False
        for document in documents(source):
            if isinstance(document, Problem):
                yield document
                continue
            line = document.line
            if not self.mapping.records.steps and line is not None:
                key = as_text(first(document.value, self.mapping.records.group))
                run = groups.setdefault(key, _Run(self.mapping, source, document.value))
                yield from run.add(Raw(record=line, line=line), document.value)
                continue
            for where, value in self._traces(document.value):
                found = True
                run = _Run(self.mapping, source, value)
                for index, (pointer, step) in enumerate(self._steps(value)):
                    key = ("" if line is None else f"{line}:") + where + pointer
                    source.see(key)
                    yield from run.add(Raw(record=key, line=line, index=index), step)
                yield run.trace(document.id(source) + where.replace("/", "-"))
        for position, (key, run) in enumerate(groups.items()):
            yield run.trace(key or source.default_id(position=f"-{position}" if position else ""))
        if not found and not groups:
            what = f"the mapping {self.mapping.format!r} finds no trace here"
            yield source.problem(None, what, do="check `records` in the mapping file")

    def _traces(self, value: Any) -> Iterator[tuple[str, Any]]:
        return walk(value, self.mapping.records.traces)

    def _steps(self, trace: Any) -> Iterator[tuple[str, Any]]:
        return walk(trace, self.mapping.records.steps)

    def _speaks(self, step: Any) -> bool:
        told = first(step, self.mapping.step.content) is not None
        asked = any(True for _ in walk(step, self.mapping.tools.calls or "\0"))
        return isinstance(step, dict) and (told or asked)


class _Run:
    """One trace under way."""

    def __init__(self, mapping: Mapping, source: OpenSource, value: Any) -> None:
        self.mapping, self.source, self.value = mapping, source, value
        self.build = Builder(source, mapping.format, framework=mapping.framework)

    def add(self, raw: Raw, step: Any) -> Iterator[Problem]:
        """One step."""
        if not isinstance(step, dict):
            yield self.source.problem(raw, "a step is not an object")
            return
        fields, tools = self.mapping.step, self._tools(step)
        who = as_text(first(step, fields.agent)) or None
        content = read_content(first(step, fields.content))
        usage = {
            "input_tokens": as_count(first(step, fields.input_tokens)),
            "output_tokens": as_count(first(step, fields.output_tokens)),
        }
        self.build.add(
            by_role(who) or who,
            content,
            raw,
            kind=self._kind(first(step, fields.kind)),
            to=as_text(first(step, fields.to)) or None,
            tools=tools,
            usage=read_usage(usage, first(step, fields.model), first(step, fields.cost)),
            time=read_time(first(step, fields.start), first(step, fields.end)),
            extra=rest(step, *self._taken(step)),
        )

    def _taken(self, step: dict[str, Any]) -> list[str]:
        """Members of a step that are modelled whole; nested ones stay in `extra` as well."""
        fields: list[Paths] = [getattr(self.mapping.step, f) for f in StepFields.__struct_fields__]
        return [
            name for paths in (*fields, self.mapping.tools.calls) for name in taken(step, paths)
        ]

    def _kind(self, value: Any) -> StepKind | None:
        return self.mapping.kinds.get(as_text(value)) if value is not None else None

    def _tools(self, step: dict[str, Any]) -> tuple[ToolCall, ...]:
        fields = self.mapping.tools
        if not fields.calls:
            return ()
        found = [call for _, call in walk(step, fields.calls) if call not in (None, [], {})]
        return tuple(
            ToolCall(
                name=as_text(call if isinstance(call, str) else first(call, fields.name)),
                arguments=maybe_json(first(call, fields.arguments)),
                result=_text(first(call, fields.result)),
                error=_text(first(call, fields.error)),
                call_id=_text(first(call, fields.id)),
            )
            for call in found
        )

    def trace(self, fallback: str) -> Trace:
        """The finished trace."""
        value, fields, build = self.value, self.mapping.trace, self.build
        for agent, role in self.mapping.roles.items():
            if any(step.agent == agent for step in build.steps):
                build.agent(agent, role=role)
        asked = next((s.content for s in build.steps if s.agent == "user"), "")
        build.version = _text(first(value, fields.version))
        alone = bool(self.mapping.records.steps) and isinstance(value, dict)
        return build.trace(
            as_text(first(value, fields.id)) or fallback,
            task=Task(
                question=as_text(first(value, fields.question)) or asked,
                expected=_text(first(value, fields.expected)),
                id=_text(first(value, fields.task_id)),
            ),
            outcome=self._outcome(),
            labels=self._labels(),
            extra=rest(value, *taken(value, self.mapping.records.steps)) if alone else {},
            sha256=self.source.sha256,
        )

    def _outcome(self) -> Outcome:
        fields, value = self.mapping.outcome, self.value
        told = first(value, fields.status)
        won = any(told == v and type(told) is type(v) for v in fields.success)
        lost = any(told == v and type(told) is type(v) for v in fields.failure)
        return Outcome(
            status="success" if won else "failure" if lost else "unknown",
            answer=_text(first(value, fields.answer)),
            score=as_number(first(value, fields.score)),
            reason=_text(first(value, fields.reason)),
            by=as_text(fields.status) if won or lost else None,
        )

    def _labels(self) -> list[Label]:
        fields, value = self.mapping.labels, self.value
        number, agent = as_count(first(value, fields.step)), _text(first(value, fields.agent))
        if number is None and agent is None:
            return []
        step = None if number is None else number - fields.base
        modes = first(value, fields.modes)
        return [
            Label(
                definition=fields.definition,
                agent=agent,
                step=step if step is not None and 0 <= step < len(self.build.steps) else None,
                modes=tuple(
                    as_text(m) for m in (modes if isinstance(modes, list) else [modes]) if m
                ),
                reason=_text(first(value, fields.reason)),
                base=fields.base,
            )
        ]


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)
