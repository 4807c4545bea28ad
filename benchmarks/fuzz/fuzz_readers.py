"""Coverage-guided fuzzing of the readers with atheris (libFuzzer).

One case is a log as a reader may meet it: two bytes that choose the reader and the file's name,
then the log. Seeds are tests/fixtures and, with $TRACEKIT_DATA set, the beginnings of real logs;
`tracekit.testing.mutate` changes them in their structure, libFuzzer in their bytes. What a case
must hold is what the contract check of readers says (`tracekit.testing.readers.examine`).

    python benchmarks/fuzz/fuzz_readers.py --cases 300                  # every reader, a minute
    python benchmarks/fuzz/fuzz_readers.py --reader camel --cases 20000 --out out/fuzz/camel

Prints one JSON document; exits with 1 when a promise was broken, and with libFuzzer's own code
when a case hung, ran out of memory or ended the process. `campaign.py` is the long run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["tracekit.ingest"]):
    from tracekit import registry
    from tracekit.ingest.sniff import sniff
    from tracekit.ingest.sources import OpenSource
    from tracekit.testing.mutate import mutate
    from tracekit.testing.readers import examine

    READERS = {name: registry.get("readers", name) for name in registry.BUILT_IN["readers"]}

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
SMALL = 6000
"""Bytes of a real log that become a seed."""
LARGEST = 8192
"""Bytes of a case, unless a seed is larger."""
ROOM = 32768
"""Bytes of the largest seed."""
HANG = 20
"""Seconds of processor time after which a case counts as hung; a busy machine is none of its."""
STUCK = 300
"""Seconds after which libFuzzer ends the process, for a hang that no signal reaches."""

Seeds = dict[str, list[tuple[str, bytes]]]


def seeds(names: list[str]) -> Seeds:
    """Logs to start from, by reader: (file name, bytes)."""
    found: Seeds = {name: [] for name in names}
    for name in names:
        for path in sorted((FIXTURES / name).rglob("*")):
            if path.is_file() and path.stat().st_size <= ROOM:
                found[name].append((path.name, path.read_bytes()))
    folder = os.environ.get("TRACEKIT_DATA")
    paths = sorted(Path(folder).glob("[sl]a*/*/**/*")) if folder else []
    for path in paths:
        if path.is_file() and path.name != "SOURCE.md" and path.stat().st_size:
            _add_real(found, path)
    return {name: logs or [("log.json", b"{}")] for name, logs in found.items()}


def _add_real(found: Seeds, path: Path) -> None:
    """The beginning of a real log, up to eight a reader."""
    source = OpenSource(path, path.name)
    reader, _ = sniff(source)
    if reader is None or len(found.get(reader.name, range(9))) > 8:
        return
    data = path.read_bytes() if path.stat().st_size <= LARGEST else source.head[:SMALL]
    if data[:1] in b"{[" and b"\n{" in data:
        data = data[: data.rfind(b"\n") + 1] or data
    found[reader.name].append((path.name, data))


class Target:
    """What is fuzzed: it counts cases, notes findings and ends the process when it has enough."""

    def __init__(self, names: list[str], cases: int, out: Path) -> None:
        self.names, self.cases, self.out = names, cases, out
        self.seeds = seeds(names)
        self.counts = [0] * len(names)
        self.findings: dict[str, dict[str, str]] = {}
        self.slowest = 0.0
        self.started = time.perf_counter()
        out.mkdir(parents=True, exist_ok=True)

    def corpus(self, folder: Path) -> None:
        """Write the seeds as cases."""
        folder.mkdir(parents=True, exist_ok=True)
        for index, name in enumerate(self.names):
            for at, (_, data) in enumerate(self.seeds[name]):
                (folder / f"seed-{name}-{at}").write_bytes(bytes([index, at]) + data)

    def one(self, case: bytes) -> None:
        """Run one case."""
        index, at = (case[0] % len(self.names), case[1]) if len(case) > 1 else (0, 0)
        name = self.names[index]
        files = self.seeds[name]
        start = time.perf_counter()
        signal.setitimer(signal.ITIMER_PROF, HANG)
        try:
            examine(READERS[name], case[2:], files[at % len(files)][0])
        except Exception as error:
            self.note(name, case, error)
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.slowest = max(self.slowest, time.perf_counter() - start)
        self.counts[index] += 1
        if min(self.counts) >= self.cases:
            self.end()

    def note(self, name: str, case: bytes, error: BaseException) -> None:
        """Keep one case of every kind of finding."""
        root = error
        while root.__cause__ is not None:
            root = root.__cause__
        place = traceback.extract_tb(root.__traceback__)[-1]
        kind = f"{name}: {type(root).__name__} at {Path(place.filename).name}:{place.lineno}"
        if kind not in self.findings:
            digest = hashlib.sha256(case).hexdigest()[:12]
            (self.out / f"finding-{digest}").write_bytes(case)
            self.findings[kind] = {"what": str(error)[:400], "case": f"finding-{digest}"}

    def change(self, case: bytes, size: int, seed: int) -> bytes:
        """The next case from an earlier one; readers take turns."""
        rng = random.Random(seed)
        index = case[0] % len(self.names) if case else 0
        last = min(range(len(self.counts)), key=self.counts.__getitem__)
        logs = self.seeds[self.names[last]]
        at = case[1] if len(case) > 1 else 0
        log = case[2:]
        if self.counts[index] > self.counts[last] or not log:
            index, at = last, rng.randrange(len(logs))
            log = logs[at][1]
        if rng.random() < 0.2:
            log = atheris.Mutate(log, max(LARGEST, len(log)))
        else:
            log = mutate(log, rng, rng.choice(logs)[1], max(LARGEST, len(log)))
        return (bytes([index, at]) + log)[:size]

    def end(self) -> None:
        """Print the report and leave; libFuzzer would go on."""
        report: dict[str, Any] = {
            "cases": dict(zip(self.names, self.counts, strict=True)),
            "seconds": round(time.perf_counter() - self.started, 1),
            "slowest_ms": round(self.slowest * 1000, 1),
            "findings": self.findings,
        }
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
        sys.stdout.flush()
        os._exit(1 if self.findings else 0)


class Hung(Exception):
    """A case that found no end."""


def _hung(*_: object) -> None:
    raise Hung(f"no end after {HANG} seconds of processor time")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reader", choices=sorted(READERS), help="only this one")
    parser.add_argument("--cases", type=int, default=300, help="cases of every reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where cases that add coverage and findings go")
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp(prefix="tracekit-fuzz-"))
    target = Target([args.reader] if args.reader else list(READERS), args.cases, out)
    target.corpus(out / "corpus")
    options = [
        f"-seed={args.seed}", f"-max_len={ROOM}", f"-timeout={STUCK}", "-rss_limit_mb=3000",
        f"-artifact_prefix={out}/", "-verbosity=0", "-len_control=0",
    ]  # fmt: skip
    signal.signal(signal.SIGPROF, _hung)
    atheris.Setup([sys.argv[0], *options, str(out / "corpus")], target.one,
                  custom_mutator=target.change)  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main()
