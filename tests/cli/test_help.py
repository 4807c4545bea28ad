"""Help: quick, current, with an example, and the same in the docs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tracekit_cli import entry, reference
from tracekit_cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
REFRESH = "run `python -m tracekit_cli.reference`"

WATCH = """
import json, sys
class Watch:
    tried = set()
    def find_spec(self, name, path=None, target=None):
        self.tried.add(name.partition(".")[0])
sys.meta_path.insert(0, Watch())
from tracekit_cli.entry import main
code = main(sys.argv[1:])
json.dump([code, sorted(Watch.tried)], sys.stderr)
"""


@pytest.fixture
def imported():
    """Top-level modules that a command line tries to import, whether they are installed or not."""

    def call(*args):
        done = subprocess.run(
            [sys.executable, "-c", WATCH, *map(str, args)],
            capture_output=True,
            text=True,
            check=True,
        )
        code, tried = json.loads(done.stderr.splitlines()[-1])
        return code, set(tried)

    return call


def test_the_shipped_help_is_what_the_app_renders():
    assert entry.shipped_help() == reference.help_text(), REFRESH


def test_the_shipped_help_fits_eighty_columns():
    assert max(map(len, entry.shipped_help().splitlines())) <= 80


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",)])
def test_bare_calls_and_help_print_the_shipped_help(run, args):
    assert run(*args) == (0, entry.shipped_help(), "")


@pytest.mark.parametrize("args", [("--help",), (), ("--version",)])
def test_a_first_call_imports_nothing_heavy(imported, args):
    code, tried = imported(*args)
    assert code == 0
    assert not tried & {"typer", "rich", "msgspec", "numpy", "jinja2", "tracekit"}


def test_the_watch_sees_imports(imported):
    assert {"typer", "msgspec"} <= imported("formats", "--help")[1]


def test_help_of_a_list_imports_no_numpy(imported):
    assert "numpy" not in imported("formats", "--help")[1]


def test_default_attribution_tries_no_heavy_library(imported, logs):
    code, tried = imported("attribute", logs, "-q")
    assert code == 0
    assert not tried & {"torch", "scipy", "sklearn", "pandas", "transformers", "datasets"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(run, name):
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"Examples?:\n    tracekit {name}\b", out)


def test_first_lines_are_not_cut():
    assert "..." not in entry.shipped_help().partition("Commands:")[2]


def test_the_reference_in_the_docs_is_current():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page.partition(reference.MARK)[2] == "\n" + reference.reference(), REFRESH


def test_version(run):
    import tracekit

    assert run("--version") == (0, f"tracekit {tracekit.__version__}\n", "")
    assert run("--debug", "--version").out == f"tracekit {tracekit.__version__}\n"


def test_completion_script_prints(spawn):
    code, out, _ = spawn(_TRACEKIT_COMPLETE="source_bash")
    assert code == 0
    assert "complete -o default -F _tracekit_completion tracekit" in out


def test_command_names_complete(spawn):
    ran = spawn(_TRACEKIT_COMPLETE="complete_bash", COMP_WORDS="tracekit att", COMP_CWORD="1")
    assert (ran.code, ran.out.split()) == (0, ["attribute"])
