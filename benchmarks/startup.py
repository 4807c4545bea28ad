"""How long `tracekit --help` takes beside an interpreter that does nothing.

    python benchmarks/startup.py

Ten warm starts of each, taken in turns so that both see the same machine; medians in milliseconds.
The ratio must be at most 4. The other rows say what starting a real command costs.
"""

import json
import os
import statistics
import subprocess
import sys
import time

STARTS = 10
LIMIT = 4.0
ENTRY = "import sys; from tracekit_cli.entry import main; sys.exit(main(sys.argv[1:]))"

CASES = {
    "python -c pass": ["-c", "pass"],
    "tracekit --help": ["-c", ENTRY, "--help"],
    "tracekit --version": ["-c", ENTRY, "--version"],
    "tracekit attribute --help": ["-c", ENTRY, "attribute", "--help"],
    "tracekit formats": ["-c", ENTRY, "formats"],
    "import tracekit": ["-c", "import tracekit"],
}


def once(arguments: list[str]) -> float:
    """Wall time of one start in milliseconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - began)


def measure() -> dict[str, float]:
    """Median of `STARTS` warm starts of every case."""
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for round in range(STARTS + 1):
        for name, arguments in CASES.items():
            taken = once(arguments)
            if round:  # the first round warms the disk cache and writes .pyc files
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> int:
    """Print the table; 1 when the limit is exceeded."""
    medians = measure()
    bare = medians["python -c pass"]
    if "--json" in sys.argv:
        print(json.dumps(medians))
    else:
        print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, {STARTS} starts each")
        for name, median in medians.items():
            print(f"{name:28} {median:7.1f} ms  {median / bare:5.2f} x")
    return int(medians["tracekit --help"] > LIMIT * bare)


if __name__ == "__main__":
    sys.exit(main())
