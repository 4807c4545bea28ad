"""The fuzzer runs, picks up every reader, and finds nothing in a bounded number of cases."""

import json
import subprocess
import sys
from pathlib import Path

from tracekit import registry

TARGET = Path(__file__).parents[2] / "benchmarks" / "fuzz" / "fuzz_readers.py"
CASES = 150


def test_every_reader_withstands_a_short_run(tmp_path):
    command = [sys.executable, str(TARGET), "--cases", str(CASES), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] or done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["findings"] == {}
    assert report["cases"].keys() == registry.BUILT_IN["readers"].keys()
    assert min(report["cases"].values()) >= CASES
