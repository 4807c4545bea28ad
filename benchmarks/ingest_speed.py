"""Speed and memory of reading span JSON Lines: MB/s on one core, beside `json.loads` and pydantic.

    python benchmarks/ingest_speed.py [--megabytes 100] [--memory-megabytes 2000] [--json]

Writes a file of OpenTelemetry SDK spans (1 to 4 KB each, 20 attributes, runs of 40 spans,
interleaved in groups of 8 runs), then reads it in fresh processes: with `json.loads` alone, with a
pydantic model of the same span, and with tracekit to typed traces. Peak memory is that of the
reading process; scaling compares one worker with two over two equal files.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
import json, sys
for line in open(sys.argv[1], "rb"): json.loads(line)
""",
    "pydantic": """
import sys
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
for line in open(sys.argv[1], "rb"): Span.model_validate_json(line)
""",
    "tracekit": """
import sys
from tracekit.ingest.pipeline import load
steps = sum(len(trace.steps) for trace in load(sys.argv[1]))
assert steps, "nothing was read"
""",
    "batch of 1": """
import sys, pathlib
from tracekit.ingest.batch import ingest_to
if __name__ == "__main__": ingest_to(sys.argv[1:], pathlib.Path(sys.argv[1]).parent / "out.jsonl")
""",
    "batch of 2": """
import sys, pathlib
from tracekit.ingest.batch import ingest_to
if __name__ == "__main__":
    ingest_to(sys.argv[1:], pathlib.Path(sys.argv[1]).parent / "out.jsonl", jobs=2)
""",
}

TIMER = """
import resource, sys, time
began = time.perf_counter()
{code}
took = time.perf_counter() - began
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure(name: str, *files: Path, repeats: int = 3) -> tuple[float, float]:
    """(best seconds, peak MB) of a reader in fresh processes, imports included."""
    best, peak = float("inf"), 0.0
    for _ in range(repeats):
        script = files[0].parent / "reader.py"
        script.write_text(
            TIMER.format(code=READERS[name]) if "batch" not in name else _guarded(name)
        )
        done = subprocess.run(
            [sys.executable, str(script), *map(str, files)],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, kilobytes = done.stdout.split()[-2:]
        best, peak = min(best, float(seconds)), max(peak, float(kilobytes) / 1024)
    return best, peak


def _guarded(name: str) -> str:
    body = READERS[name].split("if __name__")[0]
    jobs = ", jobs=2" if name.endswith("2") else ""
    return (
        f"import resource, time\n{body}\nif __name__ == '__main__':\n"
        "    began = time.perf_counter()\n"
        f"    ingest_to(sys.argv[1:], pathlib.Path(sys.argv[1]).parent / 'out.jsonl'{jobs})\n"
        "    print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )


def main() -> None:
    """Run the benchmark and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--memory-megabytes", type=float, default=0, help="0 = leave it out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        file, other = Path(folder, "spans.jsonl"), Path(folder, "more.jsonl")
        write(file, options.megabytes)
        size = file.stat().st_size / 1e6
        for name in ("json.loads", "pydantic", "tracekit"):
            seconds, peak = measure(name, file)
            found[name] = {"MB/s": round(size / seconds, 1), "peak MB": round(peak)}
        write(other, options.megabytes, seed=500)
        one, _ = measure("batch of 1", file, other, repeats=2)
        two, _ = measure("batch of 2", file, other, repeats=2)
        found["scaling on 2 workers"] = round(one / two, 2)
        if options.memory_megabytes:
            write(file, options.memory_megabytes)
            seconds, peak = measure("tracekit", file, repeats=1)
            big = file.stat().st_size / 1e6
            found[f"{big:.0f} MB file"] = {"MB/s": round(big / seconds, 1), "peak MB": round(peak)}
    found["tracekit / json.loads"] = _ratio(found, "json.loads")
    found["tracekit / pydantic"] = _ratio(found, "pydantic")
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:24} {value}")
    print(
        f"parent peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB",
        file=sys.stderr,
    )


def _ratio(found: dict, other: str) -> float:
    return round(found["tracekit"]["MB/s"] / found[other]["MB/s"], 2)


if __name__ == "__main__":
    main()
