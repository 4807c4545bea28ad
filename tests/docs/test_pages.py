"""Pages say what is true: generated parts are current, programs run, links lead somewhere."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tracekit
from tracekit import registry
from tracekit_cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, kind):
    return [text for found, text in FENCE.findall((ROOT / page).read_text()) if found == kind]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_parts_are_current(generate):
    stale = [
        str(path.relative_to(ROOT))
        for path, text in generate.outputs()
        if path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make docs`"


def test_every_marked_part_is_generated(generate):
    for page in PAGES:
        marks = re.findall(r"<!-- generated: ([a-z-]+) -->", page.read_text())
        assert set(marks) <= set(generate.BLOCKS), page
        if marks:
            assert str(page.relative_to(ROOT)) in generate.PAGES, page


def test_the_tree_leaves_nothing_out(generate):
    tree = generate.tree()
    for place in generate.ANNOTATED:
        assert (ROOT / place).exists(), place
    for name in ("trace", "ingest/pipeline", "analyzers/linear", "report/html"):
        assert f"\ntracekit/{name}.py " in tree


def test_readme_names_every_format_and_method():
    text = (ROOT / "README.md").read_text()
    for kind in ("readers", "analyzers"):
        assert [name for name in registry.BUILT_IN[kind] if f"| `{name}` |" not in text] == []


def test_docs_describe_every_command():
    reference = (ROOT / "docs" / "cli.md").read_text()
    tutorial = "".join(page.read_text() for page in PAGES)
    assert [name for name in COMMANDS if f"## tracekit {name}\n" not in reference] == []
    assert [name for name in COMMANDS if f"tracekit {name}" not in tutorial] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name) if name else page
        assert place.exists(), f"{page.name}: {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", place.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", t).lower().replace(" ", "-") for t in titles}
            assert anchor in slugs, f"{page.name}: {target}"


def test_readme_program_runs():
    (program,) = blocks("README.md", "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    failed = [t.id for t in tracekit.load(ROOT / "datasets/examples/logs") if t.failed]
    verdicts = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in verdicts] == failed
    assert failed
    assert len(done.stdout.splitlines()) > len(verdicts), "no evidence was printed"


@pytest.fixture
def kitchen(tmp_path):
    """The files of the worked example, known by an entry point; nothing is installed."""
    (log,) = blocks("CONTRIBUTING.md", "json")
    reader, check = blocks("CONTRIBUTING.md", "python")
    (entry,) = blocks("CONTRIBUTING.md", "toml")
    (tmp_path / "supper.json").write_text(log)
    (tmp_path / "kitchen_log.py").write_text(reader)
    group, key, value = re.fullmatch(
        r'\[project\.entry-points\."(.+)"\]\n(\S+) = "(\S+)"\n', entry
    ).groups()
    info = tmp_path / "kitchen-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kitchen\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{key} = {value}\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def run(program):
        command = [sys.executable, "-W", "error", "-c", program]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run, check


LOOK = """
import tracekit as tk
(trace,) = tk.load("supper.json")
print(trace.source.format, trace.outcome.status, trace.task.question)
print([(step.agent, step.to, step.content, step.extra) for step in trace.steps])
print(trace.extra)
"""


def test_the_reader_of_the_worked_example_works(kitchen):
    run, check = kitchen
    assert run(check) == ""
    assert run(LOOK).splitlines() == [
        "kitchen-log failure Soup for two",
        "[('Ada', None, 'I take salt for sugar.', {}), ('Bob', 'Ada', 'Ready.', {'minutes': 12})]",
        "{'kitchen': 'North', 'served': False}",
    ]


def test_the_version_is_one():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {tracekit.__version__}\n" in citation
    changes = (ROOT / "CHANGELOG.md").read_text()
    first = re.search(r"^## \[(.+?)\]", changes, re.MULTILINE)[1]
    assert first in ("Unreleased", tracekit.__version__)


def test_no_path_of_some_machine_is_committed():
    """Nor a folder beside the checkout: docs say $TRACEKIT_DATA."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    words = re.compile(r"(?<![\w.])/(?:work|root)/|\.\./" + "shared")
    allowed = {".ci/run"}
    for name in filter(None, files.stdout.split("\0")):
        path = ROOT / name
        if name in allowed or not path.is_file() or path.stat().st_size > 1_000_000:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            assert not words.search(line), f"{name}:{number}"
