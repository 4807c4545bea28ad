"""The long run of the fuzzer: every reader by itself, then the table of docs/robustness.md.

    python benchmarks/fuzz/campaign.py --cases 22000 --page docs/robustness.md   # or: make fuzz

Goes on where it stopped: a reader whose result lies in the folder is not run again, unless its
code has changed since. Line coverage is measured by coverage.py on the cases that atheris kept.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET = HERE / "fuzz_readers.py"
BLOCK = re.compile(r"(<!-- fuzz -->\n).*?(<!-- end -->)", re.DOTALL)


def names() -> list[str]:
    """Every built-in reader."""
    from tracekit import registry

    return list(registry.BUILT_IN["readers"])


def module(name: str) -> Path:
    """The file of a reader."""
    from tracekit import registry

    target = registry.BUILT_IN["readers"][name].partition(":")[0]
    return Path(str(importlib.import_module(target).__file__))


def run(name: str, cases: int, folder: Path, seed: int) -> dict[str, Any]:
    """Fuzz one reader in a process of its own and measure what its cases cover."""
    command = [sys.executable, str(TARGET), "--reader", name, "--cases", str(cases)]
    command += ["--out", str(folder), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:  # libFuzzer ended the process: a hang, too much memory, a crash of C code
        report = {"cases": {name: 0}, "died": done.stderr[-1500:], "code": done.returncode}
    report["code"] = done.returncode
    report["coverage"] = covered(name, folder / "corpus")
    report["source"] = hashlib.sha256(module(name).read_bytes()).hexdigest()[:12]
    return report


def covered(name: str, corpus: Path) -> dict[str, list[int]]:
    """Lines of the ingestion code that the cases execute, as [executed, all] by file."""
    command = [sys.executable, str(HERE / "replay.py"), name, str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, list[int]] = json.loads(done.stdout)
    return found


def table(reports: dict[str, dict[str, Any]]) -> str:
    """The result in Markdown."""
    lines = [
        "| reader | cases | per second | slowest, ms | lines of the reader covered | findings |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    total = 0
    for name, report in sorted(reports.items()):
        cases = report["cases"].get(name, 0)
        total += cases
        hit, of = report["coverage"].get(module(name).name, [0, 1])
        rate = cases / report["seconds"] if report.get("seconds") else 0
        findings = len(report.get("findings", {})) + ("died" in report)
        lines.append(
            f"| `{name}` | {cases:,} | {rate:,.0f} | {report.get('slowest_ms', 0):,.0f} "
            f"| {hit}/{of} ({hit / of:.0%}) | {findings} |"
        )
    lines.append(f"| {len(reports)} readers | {total:,} | | | | |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=22_000, help="cases of every reader")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", action="append", help="only these; repeatable")
    parser.add_argument("--table", action="store_true", help="run nothing, report what lies there")
    parser.add_argument("--page", type=Path, help="also write the table into docs/robustness.md")
    args = parser.parse_args()
    os.nice(10)
    for name in [] if args.table else args.reader or names():
        place = args.out / name / "report.json"
        if place.exists() and current(place, name, args.cases):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        report = run(name, args.cases, place.parent, args.seed)
        place.write_text(json.dumps(report, indent=1) + "\n")
        print(f"{name}: {report['cases']} exit {report['code']}", file=sys.stderr, flush=True)
    known = {name: args.out / name / "report.json" for name in names()}
    reports = {name: json.loads(p.read_text()) for name, p in known.items() if p.exists()}
    found = table(reports)
    print(found)
    if args.page:
        text = args.page.read_text(encoding="utf-8")
        args.page.write_text(BLOCK.sub(rf"\1{found}\n\2", text), encoding="utf-8")
    sys.exit(any(report["code"] for report in reports.values()))


def current(place: Path, name: str, cases: int) -> bool:
    """Whether a result has enough cases of the reader as it is now, and no finding."""
    report = json.loads(place.read_text())
    same = report.get("source") == hashlib.sha256(module(name).read_bytes()).hexdigest()[:12]
    return same and report["code"] == 0 and report["cases"].get(name, 0) >= cases


if __name__ == "__main__":
    main()
