"""What pytest loads in every project where tracekit is installed: options, a marker, and a door.

It imports nothing of tracekit: a suite that does not say `--tracekit` pays for this file alone. With
the option, `tracekit.testing.plugin` comes in and brings the fixtures; without it, tests that are
marked `tracekit` or ask for those fixtures are skipped.
"""

import pytest

WHY = "runs with --tracekit only"
"""The reason of skipped tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, in a group of their own."""
    group = parser.getgroup("tracekit", "failure attribution of agent runs (tracekit)")
    group.addoption("--tracekit", action="store_true", help="run the tests of agent runs")
    group.addoption(
        "--tracekit-logs",
        action="append",
        default=[],
        metavar="DIR",
        help="logs of the runs, instead of those of [tool.tracekit]; repeatable",
    )
    group.addoption(
        "--tracekit-baseline", metavar="FILE", help="known failures, as `tracekit gate` writes them"
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker always, the fixtures on request."""
    config.addinivalue_line(
        "markers", "tracekit(*logs): a test of agent runs, in these logs or the configured ones"
    )
    if config.getoption("tracekit"):
        from tracekit.testing import plugin

        config.pluginmanager.register(plugin, "tracekit.testing.plugin")
    else:
        config.pluginmanager.register(Closed(), "tracekit closed")


class Closed:
    """What stands in for the plugin when nobody asked for it."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Marked tests are skipped, visibly."""
        for item in items:
            if item.get_closest_marker("tracekit"):
                item.add_marker(pytest.mark.skip(reason=WHY))

    @pytest.fixture
    def tracekit_trace(self) -> None:
        """Skips the test."""
        pytest.skip(WHY)

    @pytest.fixture
    def tracekit_runs(self) -> None:
        """Skips the test."""
        pytest.skip(WHY)

    @pytest.fixture
    def attribute(self) -> None:
        """Skips the test."""
        pytest.skip(WHY)
