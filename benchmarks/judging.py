"""Many judgements before a server that fails: is any lost, asked for twice, or paid beyond the cap?

    python benchmarks/judging.py [--runs 1000] [--faults 0.1] [--kills 3] [--seed 0]

Starts a server on loopback that knows the culprit of every run and answers a share of the calls
wrongly: 429, 500, an answer that comes too late, a body that is no completion, an answer that is
no JSON. Runs `tracekit attribute -m judge:all-at-once --cache FILE --max-tokens-total N` against it
and kills it with SIGKILL again and again; then lets it end, and once more for what had failed. What
the server saw is compared with what the program says. At last, the same with a cap that is too low.
No model is asked: this measures the machinery, not a judge.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tracekit.store import write_traces
from tracekit.testing.chat_server import Call, ChatServer, Reply
from tracekit.testing.judges import Oracle, planted_run
from tracekit.trace import Trace

FAULTS = ("429", "500", "timeout", "no completion", "no JSON")
TIMEOUT = 5.0
"""Seconds that the program waits for an answer."""


class Faulty(Oracle):
    """Tells the truth but for a share of the calls, chosen by a hash; keeps account of both."""

    def __init__(self, traces: list[Trace], share: float, seed: int) -> None:
        super().__init__(traces)
        self.share, self.seed = share, seed
        self.asked: dict[str, Counter[str]] = defaultdict(Counter)
        """By run: how often each kind of reply was given."""
        self.billed = 0
        """Tokens of every reply that a provider would charge for."""
        self._lock = threading.Lock()

    def __call__(self, call: Call) -> Reply:
        """One reply."""
        run = self.run(call).id
        with self._lock:
            nth = self.asked[run].total()
            kind = self._kind(run, nth)
            self.asked[run][kind] += 1
            reply = super().__call__(call)
            assert reply.usage is not None
            self.billed += 0 if kind in ("429", "500") else sum(reply.usage)
        return self._reply(kind, reply)

    def _kind(self, run: str, nth: int) -> str:
        digest = hashlib.sha256(f"{self.seed} {run} {nth}".encode()).digest()
        drawn = int.from_bytes(digest[:4], "big") / 2**32
        return FAULTS[digest[4] % len(FAULTS)] if drawn < self.share else "truth"

    def _reply(self, kind: str, truth: Reply) -> Reply:
        wrong: dict[str, Reply] = {
            "429": Reply(status=429, text="slow down", headers={"Retry-After": "0"}),
            "500": Reply(status=500, text="broken"),
            "timeout": Reply(text=truth.text, usage=truth.usage, delay=3 * TIMEOUT),
            "no completion": Reply(body=b"<html>bad gateway</html>"),
            "no JSON": Reply(text="It was the Coder.", usage=truth.usage),
        }
        return wrong.get(kind, truth)


def command(traces: Path, store: Path, url: str, cap: int) -> list[str]:
    """The judging as a user starts it."""
    code = "import sys; from tracekit_cli.entry import main; sys.exit(main())"
    asked = ["attribute", str(traces), "-m", "judge:all-at-once", "--model", "m", "--llm", url]
    asked += ["--json", "--concurrency", "16", "--timeout", str(TIMEOUT)]
    return [
        sys.executable,
        "-c",
        code,
        *asked,
        "--cache",
        str(store),
        "--max-tokens-total",
        str(cap),
    ]


def killed(arguments: list[str], server: ChatServer, calls: int) -> None:
    """Start it and kill it after so many more calls."""
    wanted = len(server.calls) + calls
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(server.calls) < wanted and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def ended(arguments: list[str], count: int) -> list[dict[str, Any]]:
    """Run it to its end; every run must have exactly one line, in order."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["trace_id"] for line in lines] == [f"run-{number}" for number in range(count)]
    print(" ", done.stderr.strip().splitlines()[-1])
    return lines


def spent(store: Path) -> int:
    """Tokens of the account in the store."""
    with sqlite3.connect(store) as db:
        return int(db.execute("SELECT tokens FROM accounts WHERE name = 'cap'").fetchone()[0])


def told(lines: list[dict[str, Any]], runs: list[Trace]) -> str:
    """How many verdicts are right, wrong and failed; they must be all."""
    failed = [line for line in lines if line.get("failed")]
    named = [line for line in lines if line.get("suspects")]
    gold = {run.id: run.labels[0].step for run in runs}
    right = sum(line["suspects"][0]["step"] == gold[line["trace_id"]] for line in named)
    assert len(failed) + len(named) == len(lines)
    kinds = Counter(line["abstained"].split(": ")[1] for line in failed)
    return f"{right} right, {len(named) - right} wrong, {len(failed)} failed {dict(kinds)}"


def main() -> None:
    """Run it and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--faults", type=float, default=0.1)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    runs = [planted_run(number, number % 7) for number in range(options.runs)]
    rng = random.Random(options.seed)
    truth = Faulty(runs, options.faults, options.seed)
    with tempfile.TemporaryDirectory() as name, ChatServer(truth) as server:
        folder = Path(name)
        traces, store = folder / "runs.jsonl", folder / "calls.db"
        write_traces(runs, traces)
        cap = options.runs * 10_000
        arguments = command(traces, store, server.url, cap)
        began = time.perf_counter()
        for _ in range(options.kills):
            killed(arguments, server, rng.randrange(options.runs // 8, options.runs // 4))
        before = len(server.calls)
        print(f"{options.kills} starts killed after {before} calls in all; started once more:")
        lines = ended(arguments, options.runs)
        print(" ", told(lines, runs))
        print("and again, for what had failed:")
        print(" ", told(ended(arguments, options.runs), runs))
        seconds = time.perf_counter() - began
        kinds = sum(truth.asked.values(), Counter())
        answered = [counts["truth"] for counts in truth.asked.values()]
        print(f"the server: {len(server.calls)} calls, {dict(kinds.most_common())}")
        print(f"runs never asked about: {options.runs - len(truth.asked)}")
        twice = sum(count - 1 for count in answered if count > 1)
        print(f"answers given twice: {twice} (under way when killed: at most {16 * options.kills})")
        print(f"tokens: {truth.billed:,} charged, {spent(store):,} counted, cap {cap:,}")
        assert truth.billed <= spent(store) <= cap
        assert twice <= 16 * options.kills
        print(f"{seconds:.0f} s")
        low = truth.billed // 4
        before, store = truth.billed, folder / "low.db"
        print(f"with a cap of {low:,} tokens, started twice:")
        for _ in range(2):
            print(" ", told(ended(command(traces, store, server.url, low), options.runs), runs))
        print(f"tokens: {truth.billed - before:,} charged, {spent(store):,} counted, cap {low:,}")
        assert truth.billed - before <= spent(store) <= low


if __name__ == "__main__":
    main()
