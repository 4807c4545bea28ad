"""Speed and memory of reading span JSON Lines: MB/s on one core, beside `json.loads` and pydantic.

    python benchmarks/ingest_speed.py [--megabytes 100] [--memory-megabytes 2000] [--json]

Writes a file of OpenTelemetry SDK spans (1 to 4 KB each, 20 attributes, runs of 40 spans,
interleaved in groups of 8 runs), then reads it in fresh processes: with `json.loads` alone, with a
pydantic model of the same span, and with tracekit to typed traces. Speed is by processor time
(user and system, imports included), so that other work on the machine spoils it less; the readers
take turns and the best turn of each counts. Peak memory is that of the reading process. Scaling
compares the wall time of one worker with that of two, over two equal files.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

WORDS = [
    "the",
    "plan",
    "asks",
    "the",
    "worker",
    "to",
    "read",
    "the",
    "table",
    "and",
    "add",
    "the",
    "totals",
    "before",
    "the",
    "report",
    "is",
    "sent",
    "check",
    "result",
    "value",
    "index",
    "query",
    "answer",
    "number",
    "column",
    "agent",
    "search",
    "page",
    "found",
    "next",
    "step",
]


def span_lines(count: int, seed: int):
    """JSON lines of `count` spans: runs of one root, then agent, model and tool spans."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choice(WORDS) for _ in range(n)) for n in range(20, 220, 5)]
    per_run, together = 40, 8
    for first in range(0, count, per_run * together):
        for position in range(per_run):
            for run in range(first // per_run, first // per_run + together):
                yield json.dumps(_span(rng, texts, run + seed * 10**6, position)) + "\n"


def _span(rng: random.Random, texts: list[str], run: int, position: int) -> dict:
    kind = "AGENT" if position % 10 == 0 else ("LLM", "TOOL")[position % 2]
    parent = None if position == 0 else run * 100 + (0 if kind == "AGENT" else position // 10 * 10)
    start = 1_750_000_000 + run * 60 + position
    said, given = rng.choice(texts), rng.choice(texts)
    attributes = {
        "openinference.span.kind": kind,
        "input.value": given,
        "output.value": said,
        "session.id": f"session-{run}",
        "user.id": "user-7",
        "metadata.retry": 0,
        "metadata.region": "eu-1",
        "metadata.release": "2026.11",
    }
    if kind == "AGENT":
        attributes["agent.name"] = ("planner", "worker", "critic", "writer")[position // 10]
    if kind == "LLM":
        attributes |= {
            "llm.model_name": "small-model-1",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": texts[3],
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": given,
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": said,
            "llm.token_count.prompt": 120 + position,
            "llm.token_count.completion": 30 + position,
        }
    if kind == "TOOL":
        attributes |= {"tool.name": "lookup", "tool.parameters": json.dumps({"query": given[:40]})}
    for number in range(20 - len(attributes)):
        attributes[f"app.label.{number}"] = WORDS[(position + number) % len(WORDS)]
    return {
        "name": kind.lower(),
        "context": {"trace_id": f"0x{run:032x}", "span_id": f"0x{run * 100 + position:016x}"},
        "kind": "SpanKind.INTERNAL",
        "parent_id": None if parent is None else f"0x{parent:016x}",
        "start_time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start)) + ".000000Z",
        "end_time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start + 1)) + ".500000Z",
        "status": {"status_code": "OK"},
        "attributes": attributes,
        "events": [],
        "links": [],
        "resource": {"attributes": {"service.name": "bench", "telemetry.sdk.language": "python"}},
    }


def write(path: Path, megabytes: float, seed: int = 1) -> None:
    """Write about `megabytes` of spans by repeating ids apart."""
    with path.open("w") as stream:
        batch = 0
        while stream.tell() < megabytes * 1e6:
            stream.writelines(span_lines(8_000, seed + batch))
            batch += 1


READERS = {
    "json.loads": """
for line in open(sys.argv[1], "rb"):
    json.loads(line)
""",
    "pydantic": """
from pydantic import BaseModel
class Context(BaseModel):
    trace_id: str
    span_id: str
class Status(BaseModel):
    status_code: str
class Span(BaseModel):
    name: str
    context: Context
    kind: str
    parent_id: str | None
    start_time: str
    end_time: str
    status: Status
    attributes: dict[str, str | int | float | bool]
    events: list[dict]
    links: list[dict]
    resource: dict
for line in open(sys.argv[1], "rb"):
    Span.model_validate_json(line)
""",
    "tracekit": """
from tracekit.ingest.pipeline import load
assert sum(len(trace.steps) for trace in load(sys.argv[1])), "nothing was read"
""",
    "one worker": """
from tracekit.ingest.batch import ingest_to
ingest_to(sys.argv[1:], sys.argv[1] + ".out")
""",
    "two workers": """
from tracekit.ingest.batch import ingest_to
ingest_to(sys.argv[1:], sys.argv[1] + ".out", jobs=2)
""",
}

TIMER = """
import json, resource, sys, time
if __name__ == "__main__":
    began = time.perf_counter()
{code}
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)
"""


class Measured(NamedTuple):
    """One reading, imports included."""

    cpu: float
    """Seconds of processor time of the reading process."""
    wall: float
    """Seconds on the clock."""
    peak: float
    """Largest memory of the reading process in MB."""


def measure(name: str, *files: Path) -> Measured:
    """Read the files in a fresh process."""
    script = files[0].parent / "reader.py"  # a file, because workers import it again
    script.write_text(TIMER.format(code=textwrap.indent(READERS[name], "    ")))
    command = [sys.executable, str(script), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    Path(f"{files[0]}.out").unlink(missing_ok=True)
    return Measured(*map(float, done.stdout.split()[-3:]))


def in_turns(names: tuple[str, ...], *files: Path, rounds: int) -> dict[str, Measured]:
    """The best of several rounds in which every reader has its turn."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(measure(name, *files))
    return {
        name: Measured(*(min(values) for values in zip(*results, strict=True)))
        for name, results in found.items()
    }


def main() -> None:
    """Run the benchmark and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--memory-megabytes", type=float, default=0, help="0 = leave it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        file, other = Path(folder, "spans.jsonl"), Path(folder, "more.jsonl")
        write(file, options.megabytes)
        found |= speed(file, options.rounds)
        write(other, options.megabytes, seed=500)
        workers = in_turns(("one worker", "two workers"), file, other, rounds=options.rounds)
        ratio = workers["one worker"].wall / workers["two workers"].wall
        found["scaling on 2 workers"] = round(ratio, 2)
        if options.memory_megabytes:
            other.unlink()
            write(file, options.memory_megabytes)
            found |= memory(file)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:24} {value}")


def speed(file: Path, rounds: int) -> dict[str, object]:
    """MB a second of processor time by reader, and how tracekit's compares."""
    size = file.stat().st_size / 1e6
    readers = in_turns(("json.loads", "pydantic", "tracekit"), file, rounds=rounds)
    found: dict[str, object] = {
        name: {"MB/s": round(size / each.cpu, 1), "peak MB": round(each.peak)}
        for name, each in readers.items()
    }
    for name in ("json.loads", "pydantic"):
        found[f"tracekit / {name}"] = round(readers[name].cpu / readers["tracekit"].cpu, 2)
    return found


def memory(file: Path) -> dict[str, object]:
    """Speed and peak memory over one large file, read to traces and ingested to a file."""
    size = file.stat().st_size / 1e6
    found: dict[str, object] = {}
    for name in ("tracekit", "one worker"):
        each = measure(name, file)
        found[f"{size:.0f} MB, {name}"] = {
            "MB/s": round(size / each.cpu, 1), "peak MB": round(each.peak),
        }  # fmt: skip
    return found


if __name__ == "__main__":
    main()
