"""The sample in the repository is whole, small, and what its manifest says."""

import hashlib
from pathlib import Path

import tracekit
from tracekit.inject.dataset import read_manifest, read_rows
from tracekit.inject.modes import MODES
from tracekit.trace import faults
from tracekit_models.publishable import check_folder, licence_of

SAMPLE = Path(__file__).parents[2] / "datasets" / "injected-sample"


def test_files_are_those_of_the_manifest():
    for file in read_manifest(SAMPLE).files:
        assert hashlib.sha256((SAMPLE / file.name).read_bytes()).hexdigest() == file.sha256
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 300_000


def test_rows_are_those_of_the_manifest():
    manifest, rows = read_manifest(SAMPLE), list(read_rows(SAMPLE))
    assert len(rows) == sum(file.rows for file in manifest.files)
    assert sum(row["verified"] for row in rows) == manifest.spec.n == 40
    assert len({mode for row in rows for mode in row["modes"]}) >= len(MODES) - 4


def test_it_could_be_pushed():
    names = check_folder("dataset", SAMPLE)
    assert {"README.md", "manifest.json", "leaks.json"} < set(names)
    assert licence_of(SAMPLE) == "apache-2.0"


def test_it_is_read_without_a_fault():
    traces = list(tracekit.load(SAMPLE))
    assert traces
    assert {len(faults(trace)) for trace in traces} == {0}
