"""The rule against unnoticed skips, tried on a small suite of its own, alone and under xdist."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

SUITE = """
import pytest

@pytest.mark.data
def test_needs_data():
    pass

@pytest.mark.data
def test_skips_with_data(data):
    pytest.skip("not today")

def test_skips():
    pytest.skip("not today")

@pytest.mark.skipif(True, reason="known and accepted")
def test_allowed():
    pass

def test_passes():
    pass
"""


@pytest.fixture
def suite(tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(CONFTEST, tests)
    (tests / "test_suite.py").write_text(SUITE)
    (tests / "test_module.py").write_text(
        "import pytest\npytest.skip('whole', allow_module_level=True)"
    )
    (tests / "skips.txt").write_text(
        "# comment\n"
        "tests/* | TRACEKIT_DATA is not set | no data\n"
        "tests/test_suite.py::test_allowed | known | accepted\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = data: real logs\n")

    def run(*arguments, data=None):
        environment = {"PATH": "/usr/bin:/bin"} | ({"TRACEKIT_DATA": str(data)} if data else {})
        command = [sys.executable, "-m", "pytest", "-rfE", "-p", "no:cacheprovider", *arguments]
        return subprocess.run(
            [*command, "tests"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_only_listed_skips_pass(suite, workers):
    done = suite("--ignore=tests/test_module.py", *workers)
    assert done.returncode == 1
    assert "FAILED tests/test_suite.py::test_skips - skipped (not today)" in done.stdout
    assert "1 failed, 1 passed, 3 skipped" in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_module_may_not_skip_as_a_whole(suite, workers):
    done = suite("-k", "passes", *workers)
    assert done.returncode != 0
    assert "ERROR tests/test_module.py" in done.stdout


def test_with_data_no_data_test_may_skip(suite, tmp_path):
    done = suite("--ignore=tests/test_module.py", data=tmp_path)
    assert "FAILED tests/test_suite.py::test_skips_with_data" in done.stdout
    assert "2 failed, 2 passed, 1 skipped" in done.stdout


def test_listed_skips_alone_leave_the_run_green(suite):
    done = suite("--ignore=tests/test_module.py", "-k", "allowed or needs_data or passes")
    assert done.returncode == 0, done.stdout
    assert "1 passed, 2 skipped" in done.stdout
