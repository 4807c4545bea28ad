"""JSONL to typed traces: tracekit's reader against pydantic models of the same schema.

    python benchmarks/decode.py [--traces FILE] [--repeats 7]

Both read the same lines in the same process, in turns; the best time of each counts. Without a
file, traces are made up: 400 runs of 30 steps with tool calls, inputs and pointers. Both must give
the same values, or the comparison says nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from tracekit.store import decode_trace, encode
from tracekit.trace import (
    Agent,
    Definition,
    Inputs,
    Outcome,
    Raw,
    Source,
    Status,
    Step,
    StepKind,
    Task,
    Time,
    ToolCall,
    Trace,
    Usage,
)


class Model(BaseModel):
    """What the structs are: frozen, unknown members ignored."""

    model_config = ConfigDict(frozen=True)


class RawModel(Model):
    record: str | int
    line: int | None = None
    start: int | None = None
    end: int | None = None
    span: str | None = None
    index: int | None = None
    path: str | None = None


class TimeModel(Model):
    start: float | None = None
    end: float | None = None


class UsageModel(Model):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    model: str | None = None


class ToolCallModel(Model):
    name: str
    arguments: Any = None
    result: str | None = None
    error: str | None = None
    call_id: str | None = None


class MediaModel(Model):
    at: int
    type: str
    uri: str | None = None
    sha256: str | None = None
    size: int | None = None


class MessageModel(Model):
    role: str
    content: str
    name: str | None = None


class InputsModel(Model):
    steps: tuple[int, ...] = ()
    messages: tuple[MessageModel, ...] = ()


class AgentModel(Model):
    id: str
    name: str
    role: str | None = None
    system_prompt: str | None = None
    tools: tuple[str, ...] = ()
    parent: str | None = None


class StepModel(Model):
    index: int
    agent: str
    kind: StepKind = "message"
    content: str = ""
    inputs: InputsModel | None = None
    to: str | None = None
    parent: int | None = None
    tools: tuple[ToolCallModel, ...] = ()
    media: tuple[MediaModel, ...] = ()
    time: TimeModel | None = None
    usage: UsageModel | None = None
    raw: tuple[RawModel, ...] = ()
    speaker: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class OutcomeModel(Model):
    status: Status = "unknown"
    answer: str | None = None
    score: float | None = None
    reason: str | None = None
    by: str | None = None


class LabelModel(Model):
    definition: Definition
    agent: str | None = None
    step: int | None = None
    modes: tuple[str, ...] = ()
    reason: str | None = None
    base: int | None = None
    annotator: str | None = None
    span: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class SourceModel(Model):
    format: str
    path: str = ""
    framework: str | None = None
    version: str | None = None
    sha256: str | None = None


class TaskModel(Model):
    question: str = ""
    expected: str | None = None
    id: str | None = None


class TraceModel(Model):
    schema_: Literal["tracekit/trace/1"] = Field(alias="schema")
    id: str
    source: SourceModel
    task: TaskModel = TaskModel()
    agents: tuple[AgentModel, ...] = ()
    steps: tuple[StepModel, ...] = ()
    outcome: OutcomeModel = OutcomeModel()
    labels: tuple[LabelModel, ...] = ()
    extra: dict[str, Any] = Field(default_factory=dict)


def made_up(runs: int = 400, steps: int = 30) -> list[bytes]:
    """Lines of traces that use most of the schema; about 13 KB each."""
    return [encode(_run(number, steps)) for number in range(runs)]


def _run(number: int, steps: int) -> Trace:
    agents = tuple(Agent(name, name, "worker", f"You are {name}.") for name in ("Ada", "Bob"))
    return Trace(
        id=f"run-{number}",
        source=Source("made-up", f"logs/{number}.json", "demo", "1.0"),
        task=Task(f"Question {number}?", str(number), f"q{number}"),
        agents=agents,
        steps=tuple(_step(index) for index in range(steps)),
        outcome=Outcome("failure", "7", 0.0, by="checked"),
        extra={"seed": number},
    )


def _step(index: int) -> Step:
    calls = index % 3 == 0
    return Step(
        index=index,
        agent="Ada" if index % 2 else "Bob",
        kind="tool_call" if calls else "message",
        content=f'Step {index}: she said "no",\n' + "and so the count goes on. " * 6,
        inputs=Inputs(steps=tuple(range(max(0, index - 4), index))),
        to="Bob" if index % 2 else "Ada",
        tools=(ToolCall("run", {"code": "1 + 1", "n": index}, call_id=f"c{index}"),) * calls,
        time=Time(index + 0.25, index + 0.75),
        usage=Usage(100 + index, 20, 0.001, "model"),
        raw=(Raw(f"/history/{index}", index + 1, 100 * index, 100 * index + 99, index=index),),
        extra={"finish": "stop"},
    )


def best(read: Callable[[bytes], object], lines: list[bytes]) -> float:
    """Seconds to read all lines once."""
    started = time.perf_counter()
    for line in lines:
        read(line)
    return time.perf_counter() - started


def compare(lines: list[bytes], repeats: int) -> tuple[float, float]:
    """Best seconds of tracekit and of pydantic, measured in turns."""
    for line in lines[:: max(1, len(lines) // 20)]:
        ours = msgspec.to_builtins(decode_trace(line))
        theirs = TraceModel.model_validate_json(line).model_dump(
            by_alias=True, exclude_unset=True, mode="json"
        )
        assert msgspec.json.encode(ours, order="sorted") == msgspec.json.encode(
            theirs, order="sorted"
        ), "the two do not read the same values"
    pairs = [
        (best(decode_trace, lines), best(TraceModel.model_validate_json, lines))
        for _ in range(repeats)
    ]
    return min(first for first, _ in pairs), min(second for _, second in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--traces", type=Path, help="JSONL of `tracekit ingest`")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    lines = given.traces.read_bytes().splitlines() if given.traces else made_up()
    megabytes = sum(map(len, lines)) / 1e6
    ours, theirs = compare(lines, given.repeats)
    print(f"{len(lines)} traces, {megabytes:.1f} MB, best of {given.repeats}")
    print(f"tracekit  {megabytes / ours:8.1f} MB/s")
    print(f"pydantic  {megabytes / theirs:8.1f} MB/s")
    print(f"ratio     {theirs / ours:8.1f}")


if __name__ == "__main__":
    main()
