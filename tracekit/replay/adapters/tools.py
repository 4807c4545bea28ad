"""LangChain tools whose answers come from the recording while a run is replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from tracekit.optional import require
from tracekit.replay.adapters.recording import ServedTools
from tracekit.trace import ToolCall

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool, ToolException
else:
    _tools = require("langchain_core.tools", extra="langgraph")
    StructuredTool, ToolException = _tools.StructuredTool, _tools.ToolException

_recording: ContextVar[ServedTools | None] = ContextVar("tracekit_recording", default=None)


def recorded(tool: StructuredTool) -> StructuredTool:
    """A tool, as `@tool` makes it, that on replay answers from the recording.

    For tools that buy, send or delete. A call that is not in the recording is not made on replay,
    and the replay raises `BackendError`.
    """
    names = frozenset(tool.get_input_jsonschema().get("properties", {}))

    def served(arguments: dict[str, Any]) -> ToolCall | None:
        recording = _recording.get()
        if recording is None:
            return None
        asked = {name: value for name, value in arguments.items() if name in names}
        answer = recording.call(tool.name, asked)
        if answer.error is not None:
            raise ToolException(answer.error)
        return answer

    changes: dict[str, Any] = {"handle_tool_error": tool.handle_tool_error or True}
    if (func := tool.func) is not None:

        @wraps(func)
        def call(*args: Any, **arguments: Any) -> Any:
            answer = served(arguments)
            return func(*args, **arguments) if answer is None else answer.result

        changes["func"] = call
    if (coroutine := tool.coroutine) is not None:

        @wraps(coroutine)
        async def acall(*args: Any, **arguments: Any) -> Any:
            answer = served(arguments)
            return await coroutine(*args, **arguments) if answer is None else answer.result

        changes["coroutine"] = acall
    return tool.model_copy(update=changes)


@contextmanager
def serving(calls: list[ToolCall], made: int) -> Iterator[None]:
    """Inside, `recorded` tools answer from `calls`, of which the first `made` were made already.

    Raises `BackendError` in the end when one of them could not.
    """
    tools = ServedTools(calls, made)
    token = _recording.set(tools)
    try:
        yield
    finally:
        _recording.reset(token)
    tools.expect_complete()
