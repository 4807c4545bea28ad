"""Every command and every program in the docs runs, in one folder per page, from top to bottom.

In a block marked `console`, lines that begin with `$ tracekit` are run; a block marked `python` is
run as a program, or saved when its first line is a comment with a file name. Blocks marked `sh`
(installing, make) are for reading only.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "datasets" / "examples"
PAGES = [
    ROOT / "docs" / "tutorial.md",
    ROOT / "docs" / "analyzers.md",
    ROOT / "docs" / "ci.md",
    ROOT / "docs" / "export.md",
    ROOT / "docs" / "hub.md",
    ROOT / "docs" / "labels.md",
    ROOT / "docs" / "sandbox.md",
    ROOT / "docs" / "injection.md",
    ROOT / "docs" / "judges.md",
    ROOT / "docs" / "tutorial-replay.md",
    ROOT / "docs" / "replay-adapters.md",
    ROOT / "docs" / "debug.md",
    ROOT / "docs" / "prm.md",
    EXAMPLES / "README.md",
]

BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")


def blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(text):
    """The commands of a console block, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [
        line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ tracekit")
    ]


def test_the_pages_hold_commands():
    for page in PAGES:
        assert any(commands(text) for kind, text in blocks(page) if kind == "console"), page


def programs(page, folder):
    """What the page asks to run, in order, as arguments of a process."""
    for kind, text in blocks(page):
        if kind == "console":
            for line in commands(text):
                yield ["bash", "-euo", "pipefail", "-c", line]
        elif named := FILE.match(text):
            (folder / named[1]).write_text(text, encoding="utf-8")
        else:
            yield [sys.executable, "-c", text]


@pytest.fixture
def folder(tmp_path):
    """The example logs under the names that the pages use."""
    shutil.copytree(EXAMPLES, tmp_path / "datasets" / "examples")
    shutil.copytree(EXAMPLES / "logs", tmp_path / "logs")
    shutil.copy(EXAMPLES / "outcomes.csv", tmp_path)
    return tmp_path


@pytest.fixture
def execute(folder):
    """Runs one program in the folder, with `tracekit` on the path; it must succeed and speak."""
    script = folder / "bin" / "tracekit"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tracekit_cli "$@"\n')
    script.chmod(0o755)
    env = {**os.environ, "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}

    def call(program):
        done = subprocess.run(
            program, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"{program[-1]}\n{done.stdout}\n{done.stderr}"
        assert done.stdout or ">" in program[-1], f"{program[-1]} printed nothing"

    return call


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_everything_on_the_page_runs(page, folder, execute):
    for program in programs(page, folder):
        if "$TRACEKIT_DATA" not in program[-1]:
            execute(program)


@pytest.mark.data
def test_what_needs_the_data_runs(folder, execute, data):
    wanted = [p for page in PAGES for p in programs(page, folder) if "$TRACEKIT_DATA" in p[-1]]
    assert wanted
    for program in wanted:
        execute(program)


def test_outcomes_in_the_tutorial_are_those_of_the_examples():
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    shown = re.search(r"```csv\n(.*?)```", page, re.DOTALL)[1].splitlines()[1:]
    known = (EXAMPLES / "outcomes.csv").read_text(encoding="utf-8")
    assert shown
    for line in shown:
        assert ",".join(line.split(",")[:2]) in known
