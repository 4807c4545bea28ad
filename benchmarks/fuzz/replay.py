"""Run the cases that a fuzzer kept once more, and print which lines of the readers they execute.

    python benchmarks/fuzz/replay.py camel out/fuzz/camel/corpus

Prints JSON: by file of tracekit/ingest, [executed, all] executable lines.
"""

import json
import sys
from pathlib import Path

import coverage

INGEST = Path(__file__).parents[2] / "tracekit" / "ingest"


def main() -> None:
    """Measure; coverage has to watch from before the first import."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    watch = coverage.Coverage(data_file=None, include=[f"{INGEST}/*"], config_file=False)
    watch.start()
    from tracekit import registry
    from tracekit.errors import ContractError
    from tracekit.testing.readers import examine

    reader = registry.get("readers", name)
    for path in sorted(folder.iterdir()):
        try:
            examine(reader, path.read_bytes()[2:], "log.json")
        except ContractError:
            continue  # already among the findings
    watch.stop()
    found = {}
    for file in watch.get_data().measured_files():
        _, lines, _, missing, _ = watch.analysis2(file)
        found[Path(file).name] = [len(lines) - len(missing), len(lines)]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
