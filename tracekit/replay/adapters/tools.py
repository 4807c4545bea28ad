"""LangChain tools whose answers come from the recording while a run is replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tracekit.optional import require
from tracekit.replay.tools import RecordedTools
from tracekit.trace import ToolCall

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool, StructuredTool, ToolException
else:
    _tools = require("langchain_core.tools", extra="langgraph")
    BaseTool, StructuredTool, ToolException = (
        _tools.BaseTool,
        _tools.StructuredTool,
        _tools.ToolException,
    )

_recording: ContextVar[RecordedTools | None] = ContextVar("tracekit_recording", default=None)


def recorded(tool: BaseTool) -> BaseTool:
    """The tool as it is; on replay its answers are those of the recording.

    For tools that buy, send or delete. A call that is not in the recording raises `BackendError`
    on replay instead of being made.
    """

    def call(**arguments: Any) -> Any:
        recording = _recording.get()
        if recording is None:
            return tool.invoke(arguments)
        answer = recording.call(tool.name, arguments)
        if answer.error is not None:
            raise ToolException(answer.error)
        return answer.result

    return StructuredTool.from_function(
        call,
        name=tool.name,
        description=tool.description,
        args_schema=tool.args_schema,
        handle_tool_error=tool.handle_tool_error or True,
    )


@contextmanager
def serving(calls: list[ToolCall], made: int) -> Iterator[None]:
    """Inside, `recorded` tools answer from `calls`, of which the first `made` were made already."""
    tools = RecordedTools(calls)
    for call in calls[:made]:
        tools.call(call.name, call.arguments)
    token = _recording.set(tools)
    try:
        yield
    finally:
        _recording.reset(token)
