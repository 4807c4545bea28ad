"""The pytest plugin behind `pytest --tracekit` (`tracekit_cli.pytest_door` lets it in).

    @pytest.mark.tracekit("runs/")
    def test_the_planner_is_never_to_blame(tracekit_runs):
        tracekit_runs.assert_never_blamed("Planner")

    def test_each_run(tracekit_trace, attribute):      # once for every run
        assert not tracekit_trace.failed, attribute(tracekit_trace)

Logs, method and baseline come from the marker or an option, else from `[tool.tracekit]`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tracekit.config
from tracekit.analyzers.asking import settings_are_for
from tracekit.analyzers.run import attribute as attributed
from tracekit.attribution import Attribution
from tracekit.context import Context
from tracekit.errors import TracekitError
from tracekit.ingest.outcomes import Outcomes, outcomes_from
from tracekit.ingest.pipeline import Ingest, load
from tracekit.ingest.redact import redactor_for
from tracekit.llm.client import Client
from tracekit.llm.terms import Terms, asked_for
from tracekit.replay.systems import load_system
from tracekit.testing.runs import Runs
from tracekit.trace import Trace

Attribute = Callable[..., Attribution]
"""The fixture `attribute`: (run or path of one, method=None, **settings) to a verdict."""


class Project:
    """What one test session knows: the configuration, and each log once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        found = tracekit.config.find(config.rootpath)
        self.said = found.config
        self.logs = tuple(config.getoption("tracekit_logs")) or self.said.logs
        self.baseline = config.getoption("tracekit_baseline") or self.said.gate.baseline
        if self.said.outcome_from is not None or self.said.system is not None:
            sys.path.append(str(config.rootpath))  # they lie there more often than on the path
        self.runs = cache(self._runs)

    @property
    def outcomes(self) -> Outcomes | None:
        """Who knows how runs ended, besides their logs."""
        return None if self.said.outcome_from is None else outcomes_from(self.said.outcome_from)

    def _runs(self, logs: tuple[str, ...]) -> Runs:
        """The runs of some logs; raises `CollectError` when one is lost or there is none."""
        outcomes = self.outcomes
        ingest = Ingest(logs, formats=[self.said.format] if self.said.format else None)
        traces = list(ingest.traces())
        lost = [p for file in ingest.files for p in file.problems if p.severity == "error"]
        if lost:  # what was not read was not tested
            raise pytest.Collector.CollectError("tracekit: " + "\n".join(map(str, lost[:10])))
        if outcomes is not None:
            traces = [outcomes.apply(trace) for trace in traces]
        redactor = redactor_for(
            "personal" if self.said.pii else "secrets" if self.said.redact else "none"
        )
        if redactor is not None:
            traces = [redactor.trace(trace) for trace in traces]
        if not traces:
            where = ", ".join(logs) or "no logs: name them in the marker or in [tool.tracekit]"
            raise pytest.Collector.CollectError(f"tracekit: there is no run to test in {where}")
        return Runs(traces, judge=self.judge, baseline=self.baseline)

    def judge(self, trace: Trace, method: Any = None, **settings: Any) -> Attribution:
        """The verdict of the configured method, or of another one."""
        said = self.said
        model = None
        if settings_are_for(method or said.method, said.method, served=bool(said.llm)):
            model = said.model
            more = {} if said.repeat is None else {"repeat": said.repeat}
            settings = {**said.settings, **more, **settings}
        context = msgspec.structs.replace(self.context, settings=settings)
        return attributed(trace, method or said.method, model=model, context=context)

    @cached_property
    def context(self) -> Context:
        """What methods may use: seed, other runs, the system, and a client that closes in the end."""
        said = self.said
        return Context(
            seed=said.seed or 0,
            with_answer=bool(said.with_answer),
            corpus=list(load(*said.corpus)) if said.corpus else (),
            system=load_system(said.system) if said.system else None,
            llm=self._client() if said.llm else None,
        )

    def _client(self) -> Client:
        said = self.said
        known = {name: getattr(said, name, None) for name in Terms.__struct_fields__}
        terms: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
        if said.cache is not None:
            terms |= {"store": said.cache, "mode": "cache"}
        client = Terms(**terms).client(asked_for(said.settings, said.model))
        self._config.add_cleanup(client.close)
        return client


PROJECT = pytest.StashKey[Project]()


def project(config: pytest.Config) -> Project:
    """The project of the session; raises `UsageError` for a wrong configuration."""
    if PROJECT not in config.stash:
        try:
            config.stash[PROJECT] = Project(config)
        except TracekitError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[PROJECT]


def runs_for(node: pytest.Item | pytest.Function, config: pytest.Config) -> Runs:
    """The runs that a test is about: those of its marker, else the session's."""
    marker = node.get_closest_marker("tracekit")
    named = tuple(os.fspath(log) for log in marker.args) if marker else ()
    rooted = tuple(str(config.rootpath / Path(log)) for log in named)
    return project(config).runs(rooted or project(config).logs)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """A wrong configuration ends the session before anything is tested."""
    project(session.config)


def pytest_report_header(config: pytest.Config) -> str:
    """What is tested, and by which method."""
    known = project(config)
    return f"tracekit: {known.said.method or 'compact'} on {', '.join(known.logs) or 'marked logs'}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `tracekit_trace` runs once for every run in its logs."""
    if "tracekit_trace" in metafunc.fixturenames:
        runs = runs_for(metafunc.definition, metafunc.config)
        metafunc.parametrize("tracekit_trace", runs.traces, ids=[run.id for run in runs.traces])


@pytest.fixture
def tracekit_runs(request: pytest.FixtureRequest) -> Runs:
    """Every run in the test's logs, with assertions (`tracekit.testing.runs.Runs`)."""
    return runs_for(request.node, request.config)


@pytest.fixture
def attribute(request: pytest.FixtureRequest) -> Attribute:
    """Attributes a run, or the one run in a file, as the project is configured."""
    judge = project(request.config).judge

    def attribute(run: Trace | str | os.PathLike[str], method: Any = None, **settings: Any) -> Any:
        if not isinstance(run, Trace):
            found = list(load(run))
            assert len(found) == 1, f"{os.fspath(run)} holds {len(found)} runs, not one"
            run = found[0]
        return judge(run, method, **settings)

    return attribute
