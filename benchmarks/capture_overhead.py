"""What live capture costs: microseconds a step, beside the same run without it.

    python benchmarks/capture_overhead.py

A LangGraph agent calls a tool again and again, with a scripted model that answers at once, so that
nothing hides the cost of the callback; prompts repeat the whole history, as they do in life. Runs
with and without the callback take turns; the table has medians. `recorder` is what one step
costs without any framework. Times are those of the processor, which a busy machine stretches
less than a clock on the wall; they include the journal, one write for each beginning and end.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from tracekit.capture.langchain import TracekitCallback
from tracekit.capture.recorder import Recorder
from tracekit.ingest.spans.messages import Said

ROUNDS = 7
LENGTHS = (11, 51, 201)
"""Steps in a run: model and tool in turns, and a last word."""
TEXT = "The tide turns at noon and the wind will be against it. " * 8


class Scripted(BaseChatModel):
    """Calls the tool until the run is long enough."""

    steps: int
    said: int = 0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **more: Any) -> Any:
        """The script knows its tool."""
        return self

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any
    ) -> Any:
        self.said += 1
        call = {"name": "tide", "args": {"port": str(self.said)}, "id": f"c{self.said}"}
        more_to_do = 2 * self.said < self.steps
        reply = AIMessage(TEXT, tool_calls=[call] if more_to_do else [])
        return ChatResult(generations=[ChatGeneration(message=reply)])


@tool
def tide(port: str) -> str:
    """Height of the tide."""
    return f"{port}: {TEXT}"


def once(steps: int, callbacks: list[Any]) -> float:
    """Seconds of processor time of one run."""
    agent = create_agent(Scripted(steps=steps), [tide], name="pilot")
    config = {"callbacks": callbacks, "recursion_limit": 10_000}
    began = time.process_time()
    agent.invoke({"messages": [("user", "When can we sail?")]}, config)
    return time.process_time() - began


def graphs(folder: Path) -> dict[str, dict[str, float]]:
    """Microseconds a step without and with the callback, by length of the run."""
    found = {}
    for steps in LENGTHS:
        plain, captured = [], []
        callback = TracekitCallback(folder / f"{steps}.jsonl")
        for round in range(ROUNDS + 1):
            pair = once(steps, []), once(steps, [callback])
            if round:  # the first one warms caches
                plain.append(pair[0])
                captured.append(pair[1])
        callback.recorder.close()
        assert callback.recorder.errors == 0
        without, with_it = statistics.median(plain), statistics.median(captured)
        found[str(steps)] = {
            "without": 1e6 * without / steps,
            "with": 1e6 * with_it / steps,
            "overhead": 1e6 * (with_it - without) / steps,
        }
    return found


def recorder(folder: Path, *, redact: bool) -> float:
    """Microseconds for one step that begins and ends, given four messages."""
    given = [Said("user", f"{n} {TEXT}") for n in range(4)]
    times = []
    with Recorder(folder / f"recorder-{redact}.jsonl", redact=redact) as target:
        for _ in range(ROUNDS):
            run = target.run("When can we sail?")
            began = time.process_time()
            for _ in range(200):
                index = run.step("pilot", open=True, given=given)
                run.finish(index, content=TEXT)
            times.append((time.process_time() - began) / 200)
            run.end()
    return 1e6 * statistics.median(times)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            "graph": graphs(folder),
            "recorder": recorder(folder, redact=False),
            "recorder, redacted": recorder(folder, redact=True),
        }
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, medians of {ROUNDS}")
    print("steps in a run   without      with  overhead   µs a step")
    for steps, row in found["graph"].items():
        print(f"{steps:>14} {row['without']:9.0f} {row['with']:9.0f} {row['overhead']:9.0f}")
    for name in ("recorder", "recorder, redacted"):
        print(f"{name:34} {found[name]:9.0f}")


if __name__ == "__main__":
    main()
