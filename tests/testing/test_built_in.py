"""Every built-in plug-in keeps the promises that third parties are held to."""

import importlib.util
import os
from pathlib import Path

import pytest

from tracekit import registry
from tracekit.ingest.pipeline import Ingest
from tracekit.testing import check_analyzer, check_reader

TESTS = Path(__file__).parents[1]
FIXTURES = TESTS / "fixtures"
EXAMPLES = TESTS.parent / "datasets" / "examples" / "logs"
DATA = Path(os.environ.get("TRACEKIT_DATA", "/nonexistent"))
LARGE = 50_000
"""Bytes; larger real logs are left to the counting tests."""

READERS = sorted(registry.BUILT_IN["readers"])
ANALYZERS = sorted(
    name
    for name in registry.BUILT_IN["analyzers"]
    if not name.startswith("judge:") and name != "tracer"
)
"""Those that need no server and no model; tests/analyzers checks the others."""


def fixtures(format):
    """The hand-written logs of a format."""
    return sorted(path for path in (FIXTURES / format).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def examples():
    """The example logs, by the format each is recognised as."""
    found = {}
    for path in sorted(path for path in EXAMPLES.rglob("*") if path.is_file()):
        ingest = Ingest([path])
        list(ingest)
        found.setdefault(ingest.files[0].format, []).append(path)
    return found


def real_logs():
    """The smallest real log of each format, as the counting scripts name them."""
    for script in sorted((TESTS / "counting").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"counting_{script.stem}", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        paths = {path for pattern in module.FILES for path in DATA.glob(pattern)}
        sizes = sorted((path.stat().st_size, path) for path in paths)
        small = [path for size, path in sizes if size < LARGE][:1]
        yield pytest.param(module.FORMAT, small or [path for _, path in sizes[:1]], id=script.stem)


@pytest.mark.parametrize("name", READERS)
def test_reader_on_logs_written_for_it(name, examples):
    files = fixtures(name) + examples.get(name, [])
    assert files, f"put a small log into tests/fixtures/{name}/"
    check_reader(registry.get("readers", name), files)


@pytest.mark.data
@pytest.mark.parametrize(("name", "files"), list(real_logs()))
def test_reader_on_real_logs(name, files, data):
    check_reader(registry.get("readers", name), files)


@pytest.mark.parametrize("name", ANALYZERS)
def test_analyzer_at_the_edges(name):
    check_analyzer(registry.get("analyzers", name))


@pytest.mark.data
@pytest.mark.parametrize("name", ANALYZERS)
def test_analyzer_on_real_runs(name, data):
    folder = data / "labeled" / "who-and-when" / "Algorithm-Generated"
    paths = sorted(folder.iterdir())[:5]
    check_analyzer(registry.get("analyzers", name), Ingest(paths).traces())


def test_fixture_folders_belong_to_readers():
    assert {path.name for path in FIXTURES.iterdir() if path.is_dir()} <= set(READERS)
