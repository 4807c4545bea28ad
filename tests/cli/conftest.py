"""Running the command line: in this process for speed, in a process of its own where that counts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tracekit_cli import entry

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "datasets" / "examples"


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd):
    """Calls the command line in this process; returns exit code, stdout and stderr."""

    def call(*args):
        capfd.readouterr()
        code = entry.main([str(arg) for arg in args])
        sys.stdout.flush()
        return Ran(code, *capfd.readouterr())

    return call


@pytest.fixture
def spawn(tmp_path):
    """Calls the command line as a process in an empty folder, with a clean environment."""

    def call(*args, **env):
        command = [
            sys.executable,
            "-c",
            "import sys; from tracekit_cli.entry import main; sys.exit(main())",
        ]
        done = subprocess.run(
            [*command, *map(str, args)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env=clean_env(**env),
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return call


def clean_env(**more):
    """The environment without what colours, completes or debugs."""
    drop = ("NO_COLOR", "FORCE_COLOR", "TRACEKIT_DEBUG", "_TRACEKIT_COMPLETE", "COLUMNS", "TERM")
    return {k: v for k, v in os.environ.items() if k not in drop} | more


@pytest.fixture
def sandbox_runs(run, tmp_path):
    """Runs so many tasks of the sandbox; gives the file."""

    def make(number):
        out = tmp_path / "runs.jsonl"
        done = run("sandbox", "run", "--n", number, "--seed", 5, "-o", out)
        assert done.code == 0, done.err
        return out

    return make


@pytest.fixture
def logs(tmp_path):
    """A copy of the example logs."""
    folder = tmp_path / "logs"
    shutil.copytree(EXAMPLES / "logs", folder)
    return folder


@pytest.fixture
def outcomes():
    return EXAMPLES / "outcomes.csv"
