"""Kill -9 at random moments of a batch: is the output ever corrupt, and does resuming end right?

    python benchmarks/kill_resume.py [LOGS] [--kills 50] [--seed 0]

Runs `tracekit ingest LOGS --jobs 2` undisturbed, then again and again with `--resume`, each run and
its workers killed at a random moment. After every kill the output must be absent or whole, and every
finished line of every part must be a trace. At the end one run completes, and must equal the
undisturbed one. LOGS defaults to $TRACEKIT_DATA/samples.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tracekit.store import decode_trace, read_traces

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def command(logs: Path, out: Path) -> list[str]:
    """The batch as a user starts it."""
    tracekit = str(Path(sys.executable).with_name("tracekit"))
    return [tracekit, "ingest", str(logs), "-o", str(out), "--jobs", "2", "--resume", "--quiet"]


def check(folder: Path, out: Path, want: int) -> int:
    """Assert that nothing on disk is corrupt; returns the number of finished lines in parts."""
    if out.exists():
        assert sum(1 for _ in read_traces(out)) == want, "the output exists and is not whole"
    lines = 0
    for part in folder.glob(f".{out.name}.parts/*.jsonl"):
        for line in part.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                decode_trace(line)
                lines += 1
    return lines


def main() -> None:
    """Run it and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="?", default=f"{os.environ.get('TRACEKIT_DATA', '')}/samples")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    logs = Path(options.logs).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        undisturbed, out = folder / "undisturbed.jsonl", folder / "out.jsonl"
        began = time.perf_counter()
        code = subprocess.run(command(logs, undisturbed), **SILENT).returncode
        took = time.perf_counter() - began
        assert code in (0, 3), code
        want = sum(1 for _ in read_traces(undisturbed))
        killed = finished = 0
        most = 0
        while killed < options.kills:
            child = subprocess.Popen(command(logs, out), start_new_session=True, **SILENT)
            try:
                child.wait(timeout=rng.uniform(0.05, 1.05) * took)
                finished += 1  # faster than the kill: start over
                assert out.read_bytes() == undisturbed.read_bytes()
                out.unlink()
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                killed += 1
            most = max(most, check(folder, out, want))
        assert subprocess.run(command(logs, out), **SILENT).returncode == code
        same = out.read_bytes() == undisturbed.read_bytes()
    print(
        f"{killed} kills, {finished} runs that ended first, {want} traces in {took:.1f} s undisturbed"
    )
    print(f"corrupt outputs 0, corrupt lines 0, most finished lines seen after a kill {most}")
    print(f"resumed output equals the undisturbed one: {same}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
