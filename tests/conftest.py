"""Shared fixtures, and the rule that no test is left out unnoticed.

Tests marked `data` need the real logs under $TRACEKIT_DATA. A test that skips for a reason which
is not on the list in skips.txt fails.
"""

import fnmatch
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

if threading.current_thread() is threading.main_thread():
    # A job in the background of a shell is born deaf to SIGINT, and so would be every program that
    # the tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NO_DATA = "TRACEKIT_DATA is not set"
SKIPS = Path(__file__).with_name("skips.txt")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder $TRACEKIT_DATA with samples/, labeled/ and corpora/; skips without it."""
    folder = os.environ.get("TRACEKIT_DATA")
    if not folder:
        pytest.skip(NO_DATA)
    return Path(folder)


@pytest.fixture(scope="session")
def benchmark_script() -> Iterator[Callable[[str], ModuleType]]:
    """Imports a script of benchmarks/ by name; it finds its siblings there, as when it is run."""
    sys.path.append(str(BENCHMARKS))  # last: `decode` and the like hide nothing
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


def pytest_collection_modifyitems(items):
    """Leave out the tests marked `data`, with one reason, where there is no data."""
    if not os.environ.get("TRACEKIT_DATA"):
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason=NO_DATA), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Turn a skip that nobody allowed into a failure; works in xdist's workers as well."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        refuse_skip(report, bool(item.get_closest_marker("data")))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """The same for modules that skip as a whole."""
    report = yield
    if report.skipped:
        refuse_skip(report, needs_data=False)
    return report


def refuse_skip(report, needs_data):
    """Make the skipped report a failed one unless skips.txt allows it."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not may_skip(report.nodeid, reason, needs_data):
        report.outcome = "failed"
        report.longrepr = f"skipped ({reason}), which tests/skips.txt does not allow"


def may_skip(test, reason, needs_data=False, allowed=SKIPS):
    """Whether a test may skip for a reason."""
    if needs_data and os.environ.get("TRACEKIT_DATA"):
        return False
    for line in allowed.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            pattern, start, why = (part.strip() for part in line.split("|"))
            if why and fnmatch.fnmatchcase(test, pattern) and reason.startswith(start):
                return True
    return False


@pytest.fixture
def browser(tmp_path: Path) -> Iterator["WebDriver"]:
    """A fresh headless Chromium that logs its console and its requests; skips without one."""
    if not (Path(CHROMIUM).exists() and Path(CHROMEDRIVER).exists()):
        pytest.skip(f"{CHROMIUM} or {CHROMEDRIVER} is not installed")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(CHROMEDRIVER))
    driver.get("about:blank")
    driver.get_log("performance")  # the requests of the start page are not the report's
    yield driver
    driver.quit()


@pytest.fixture
def no_proxy(monkeypatch):
    """Servers on loopback are reached directly, whatever stands in the variables of the machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def closing():
    """Closes what is entered here when the test ends."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(closing):
    """Starts a server of chat completions with a script."""
    from tracekit.testing.chat_server import ChatServer

    return lambda *script, **options: closing.enter_context(ChatServer(*script, **options))
