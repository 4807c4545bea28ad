"""Tools on replay: what was recorded is served again, so that nothing is bought or sent twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tracekit.errors import BackendError
from tracekit.trace import ToolCall, Trace

Tool = Callable[[Any], str]
"""A real tool: arguments in, result as text out."""


class RecordedTools:
    """Answers calls from a recorded run as long as name and arguments are the same.

    The first call of a kind gets the first recorded answer, the second the second, and further
    ones the last. Other calls go to `real`, if the tool is there; otherwise `BackendError`.

    >>> tools = RecordedTools([ToolCall("weather", {"town": "Ulm"}, result="rain")])
    >>> tools.call("weather", {"town": "Ulm"}).result
    'rain'
    >>> tools.call("weather", {"town": "Bern"})
    Traceback (most recent call last):
        ...
    tracekit.errors.BackendError: weather({"town":"Bern"}) is not in the recording and ...
    """

    def __init__(self, calls: list[ToolCall], real: Mapping[str, Tool] | None = None) -> None:
        self.real = dict(real or {})
        self._answers: dict[str, list[ToolCall]] = defaultdict(list)
        self._served: dict[str, int] = defaultdict(int)
        for call in calls:
            self._answers[_key(call.name, call.arguments)].append(call)

    @classmethod
    def of(cls, trace: Trace, before: int = 0, real: Mapping[str, Tool] | None = None) -> Any:
        """The answers in a trace; calls of the first `before` steps count as made already."""
        calls = answered(trace)
        tools = cls([call for _, call in calls], real)
        for step, call in calls:
            if step < before:
                tools._served[_key(call.name, call.arguments)] += 1
        return tools

    def call(self, name: str, arguments: Any) -> ToolCall:
        """The call with its result or its error; raises `BackendError` when nobody may answer."""
        key = _key(name, arguments)
        known = self._answers.get(key)
        if known:
            at = min(self._served[key], len(known) - 1)
            self._served[key] += 1
            return known[at]
        if name not in self.real:
            raise BackendError(
                f"{key} is not in the recording and there is no real tool {name!r} to ask: "
                "allow it with real={...}, or keep the arguments"
            )
        return ToolCall(name, arguments, result=self.real[name](arguments))


def answered(trace: Trace) -> list[tuple[int, ToolCall]]:
    """Every call with its answer, and the index of the step that asked.

    Logs write question and answer in one step or in two; two are joined by their call id, and
    where there is none by their order.
    """
    asked: list[tuple[int, ToolCall]] = []
    found: list[tuple[int, ToolCall]] = []
    for step in trace.steps:
        for call in step.tools:
            if call.result is None and call.error is None:
                asked.append((step.index, call))
                continue
            match = next((a for a in asked if _joins(a[1], call)), None)
            if match is None:
                found.append((step.index, call))
                continue
            asked.remove(match)
            whole = msgspec.structs.replace(match[1], result=call.result, error=call.error)
            found.append((match[0], whole))
    return found


def _joins(asked: ToolCall, answer: ToolCall) -> bool:
    if asked.call_id or answer.call_id:
        return asked.call_id == answer.call_id
    return answer.name in ("", asked.name)


def _key(name: str, arguments: Any) -> str:
    """Name and arguments in one canonical form."""
    return f"{name}({msgspec.json.encode(arguments, order='sorted').decode()})"
