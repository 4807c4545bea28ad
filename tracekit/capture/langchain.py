"""A LangChain callback that records LangGraph and LangChain runs as they happen.

Needs the extra `langgraph`. Pass it like any callback:

    graph.invoke(state, config={"callbacks": [TracekitCallback("traces.jsonl")]})

Every outermost call becomes one trace. The agent of a step is the LangGraph node around it, or
the agent that LangChain names (`lc_agent_name`); in a subgraph whose nodes have plain names, the
node that holds the subgraph. Model calls and tools are steps in the order in which they begin.
What a node adds to the state without a model is a step as well.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tracekit.capture.langchain_events import Event, Follower
from tracekit.capture.recorder import Check, Recorder
from tracekit.optional import require

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
else:
    BaseCallbackHandler = require("langchain_core.callbacks", extra="langgraph").BaseCallbackHandler

_GRAPHS = ("langgraph", "langchain_create_agent")
"""What LangChain writes into `ls_integration` when a compiled graph runs."""

WHAT = "a LangChain event could not be recorded"


class TracekitCallback(BaseCallbackHandler):
    """Records every run that it is a callback of; shared by threads and overlapping runs.

    `to` is a `Recorder`, or the file of traces, for which a recorder of its own is made with
    `redact` and `check`. Nothing that goes wrong in here reaches the run.
    """

    run_inline = True  # in the event loop's own order, not in some thread's

    def __init__(
        self,
        to: Recorder | str | os.PathLike[str],
        *,
        redact: bool = False,
        check: Check | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(to, Recorder):
            to = Recorder(to, redact=redact, check=check)
        self.recorder = to
        self._events: dict[UUID, Event] = {}
        self._lock = threading.Lock()

    # --- chains, which graphs and their nodes are -----------------------------------------

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **about: Any) -> None:
        """A graph, a node or a chain begins."""
        with self.recorder.guard(WHAT):
            event = self._begin(run_id, serialized, about, inputs, chain=True)
            event.follower.chain_begins(event, inputs)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **about: Any) -> None:
        """A graph, a node or a chain returns."""
        with self.recorder.guard(WHAT):
            event = self._end(run_id)
            if event is not None:
                event.follower.chain_ends(event, outputs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        """A graph, a node or a chain raises."""
        with self.recorder.guard(WHAT):
            event = self._end(run_id)
            if event is not None:
                event.follower.chain_fails(event, error, cancelled=_cancelled(error))

    # --- models ---------------------------------------------------------------------------

    def on_chat_model_start(
        self, serialized: Any, messages: Any, *, run_id: UUID, **about: Any
    ) -> None:
        """A chat model is called."""
        self._model_starts(serialized, messages[0] if messages else [], run_id, about)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: UUID, **about: Any) -> None:
        """A completion model is called."""
        self._model_starts(serialized, prompts[:1], run_id, about)

    def on_llm_end(self, response: Any, *, run_id: UUID, **about: Any) -> None:
        """A model answers."""
        with self.recorder.guard(WHAT):
            event = self._end(run_id)
            if event is not None:
                event.follower.model_ends(event, response)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        """A model's call fails."""
        with self.recorder.guard(WHAT):
            event = self._end(run_id)
            if event is not None:
                event.follower.step_fails(event, error)

    # --- tools and retrievers -------------------------------------------------------------

    def on_tool_start(self, serialized: Any, input_str: str, *, run_id: UUID, **about: Any) -> None:
        """A tool is called."""
        with self.recorder.guard(WHAT):
            given = about.get("inputs")
            event = self._begin(run_id, serialized, about)
            call_id = about.get("tool_call_id")
            event.follower.tool_begins(event, input_str if given is None else given, call_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, **about: Any) -> None:
        """A tool returns."""
        with self.recorder.guard(WHAT):
            event = self._end(run_id)
            if event is not None:
                event.follower.tool_ends(event, output)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        """A tool raises."""
        with self.recorder.guard(WHAT):
            event = self._end(run_id)
            if event is not None:
                event.follower.step_fails(event, error)

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, **about: Any
    ) -> None:
        """A retriever is asked."""
        with self.recorder.guard(WHAT):
            event = self._begin(run_id, serialized, about)
            event.follower.tool_begins(event, {"query": query}, None)

    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **about: Any) -> None:
        """A retriever returns documents."""
        with self.recorder.guard(WHAT):
            event = self._end(run_id)
            if event is not None:
                texts = [str(getattr(document, "page_content", "")) for document in documents]
                event.follower.tool_ends(event, "\n\n".join(texts))

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        """A retriever raises."""
        self.on_tool_error(error, run_id=run_id)

    # --- the tree of events ---------------------------------------------------------------

    def _model_starts(
        self, serialized: Any, messages: list[Any], run_id: UUID, about: dict[str, Any]
    ) -> None:
        with self.recorder.guard(WHAT):
            event = self._begin(run_id, serialized, about, messages)
            event.follower.model_begins(event, messages, about.get("invocation_params"))

    def _begin(
        self,
        run_id: UUID,
        serialized: Any,
        about: dict[str, Any],
        inputs: Any = None,
        *,
        chain: bool = False,
    ) -> Event:
        """Hang an event under its parent; one without a known parent opens a run."""
        parent_id = about.get("parent_run_id")
        with self._lock:
            parent = self._events.get(parent_id) if parent_id is not None else None
        name = about.get("name") or (serialized or {}).get("name") or ""
        metadata = about.get("metadata") or {}
        follower = parent.follower if parent else self._follow(run_id, name, about, inputs)
        event = Event(run_id, name, metadata, parent, follower, chain=chain)
        event.follower.members.append(run_id)
        with self._lock:
            self._events[run_id] = event
        return event

    def _follow(self, run_id: UUID, name: str, about: dict[str, Any], inputs: Any) -> Follower:
        metadata = about.get("metadata") or {}
        graph = metadata.get("ls_integration") in _GRAPHS or "langgraph_node" in metadata
        package = "langgraph" if graph or name == "LangGraph" else "langchain-core"
        run = self.recorder.run(
            id=str(run_id),
            framework="langgraph" if package == "langgraph" else "langchain",
            version=_version(package),
        )
        return Follower(run, metadata, about.get("tags") or [], inputs)

    def _end(self, run_id: UUID) -> Event | None:
        """Take an event out of the tree, and with the outermost one all that did not end."""
        with self._lock:
            event = self._events.pop(run_id, None)
            if event is not None and event.parent is None:
                for member in event.follower.members:
                    self._events.pop(member, None)
        return event


def _cancelled(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit)


@cache
def _version(package: str) -> str | None:
    try:
        return installed(package)
    except PackageNotFoundError:
        return None
