"""A distribution of somebody else, installed and used through every door a plug-in has."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("sample_plugin")

LETTERS = """\
PIGEON Mill > Tower: The flour is ready.
PIGEON Tower > Mill: SEND IT!!!
a feather
"""

CONTRACTS = """
import sys
from tracekit import registry
from tracekit.testing import check_analyzer, check_reader

check_reader(registry.get("readers", "carrier-pigeon"), [sys.argv[1]])
check_analyzer(registry.get("analyzers", "loudest"))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that the plug-in is installed into; the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("plugin")
    copy = shutil.copytree(SOURCE, folder / "source")
    target = folder / "site-packages"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(target), str(copy)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def python(installed):
    """Runs a Python command line in which the plug-in is installed."""

    def python(*arguments):
        environment = os.environ | {"PYTHONPATH": str(installed)}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return python


@pytest.fixture
def tracekit(python):
    """Runs the command."""
    main = "import sys; from tracekit_cli.entry import main; sys.exit(main())"
    return lambda *arguments: python("-c", main, *arguments)


@pytest.fixture
def letters(tmp_path):
    path = tmp_path / "letters.txt"
    path.write_text(LETTERS)
    return path


def test_it_is_read_and_attributed(tracekit, letters):
    done = tracekit("attribute", letters, "--method", "loudest", "--json")
    assert done.returncode == 3, done.stderr  # one line is no letter
    (verdict,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert verdict["method"]["name"] == "loudest"
    assert (verdict["suspects"][0]["agent"], verdict["suspects"][0]["step"]) == ("Tower", 1)
    assert "letters.txt:3" in done.stderr


def test_it_is_listed_and_a_broken_one_breaks_nothing(tracekit):
    done = tracekit("plugins", "--json")
    rows = {(row["kind"], row["name"]): row for row in json.loads(done.stdout)}
    pigeon = rows["readers", "carrier-pigeon"]
    assert (pigeon["distribution"], pigeon["version"], pigeon["error"]) == (
        "tracekit-sample",
        "2.3",
        None,
    )
    assert rows["analyzers", "loudest"]["target"] == "tracekit_sample.analyzer:Loudest"
    assert "tracekit_sample.missing" in rows["readers", "broken-wing"]["error"]
    assert done.returncode == 4
    assert "broken-wing" in done.stderr


def test_a_built_in_cannot_be_replaced(python):
    done = python(
        "-c", "from tracekit import registry; print(registry.plugins('readers')['who-and-when'])"
    )
    assert "mas-tracekit" in done.stdout


def test_a_broken_plug_in_does_not_stop_reading(python, letters):
    done = python("-c", f"import tracekit as tk; print(len(list(tk.load({str(letters)!r}))))")
    assert done.stdout == "1\n", done.stderr


def test_it_keeps_the_contracts(python, letters):
    done = python("-c", CONTRACTS, letters)
    assert done.returncode == 0, done.stderr
