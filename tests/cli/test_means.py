"""What a method is given besides the run: other runs, a system, a client."""

import json
import sys
from types import ModuleType
from typing import ClassVar

import pytest

from tracekit import registry
from tracekit.analyzers.verdict import verdict
from tracekit.attribution import Method
from tracekit.store import write_traces
from tracekit.testing.traces import make_trace

SANDBOX = "tracekit.replay.sandbox.system:Sandbox"


class Curious:
    """Blames the last step, and says in its settings what it was given."""

    name: ClassVar[str] = "curious"
    needs: ClassVar[frozenset[str]] = frozenset({"trace"})

    def attribute(self, trace, context):
        scores = [0.0] * (len(trace.steps) - 1) + [1.0]
        given = {
            "corpus": [run.id for run in context.corpus],
            "system": type(context.system).__name__,
            "llm": context.llm.endpoint.url if context.llm else None,
        }
        return verdict(trace, Method(name=self.name, settings=given), scores)


@pytest.fixture
def curious(monkeypatch):
    """Registers the method with the needs that a test asks for."""

    def register(*needs):
        module = ModuleType("curious_plugin")
        module.Made = type("Made", (Curious,), {"needs": frozenset({"trace", *needs})})
        monkeypatch.setitem(sys.modules, "curious_plugin", module)
        monkeypatch.setitem(registry.BUILT_IN["analyzers"], "curious", "curious_plugin:Made")
        registry.plugins.cache_clear()
        registry.get.cache_clear()

    yield register
    monkeypatch.undo()
    registry.plugins.cache_clear()
    registry.get.cache_clear()


@pytest.fixture
def logs(tmp_path):
    """Two runs in one file, another in a second."""
    said = [("Ada", "two"), ("Ben", "three")]
    write_traces([make_trace("r1", said), make_trace("r2", said)], tmp_path / "runs.jsonl")
    write_traces([make_trace("past", said)], tmp_path / "past.jsonl")
    return tmp_path


@pytest.fixture
def given(run, logs):
    """What the method was given, for each run."""

    def given(*options):
        ran = run("attribute", logs / "runs.jsonl", "--method", "curious", "--json", *options)
        assert ran.code == 0, ran.err
        verdicts = [json.loads(line) for line in ran.out.splitlines()]
        assert len(verdicts) == 2
        return [verdict["method"]["settings"] for verdict in verdicts]

    return given


def test_a_method_that_needs_nothing_gets_nothing(curious, given):
    curious()
    assert given() == [{"corpus": [], "system": "NoneType", "llm": None}] * 2


def test_runs_are_the_corpus_of_one_another(curious, given):
    curious("corpus")
    assert [each["corpus"] for each in given()] == [["r1", "r2"]] * 2


def test_another_corpus_replaces_them(curious, given, logs):
    curious("corpus")
    assert [each["corpus"] for each in given("--corpus", logs / "past.jsonl")] == [["past"]] * 2


def test_a_corpus_is_given_to_those_who_can_do_without(curious, given, logs):
    curious()
    assert [each["corpus"] for each in given("--corpus", logs / "past.jsonl")] == [["past"]] * 2


def test_a_broken_corpus_is_reported(curious, run, logs):
    curious("corpus")
    with (logs / "past.jsonl").open("a") as file:
        file.write("{]\n")
    corpus = ["--corpus", logs / "past.jsonl"]
    ran = run("attribute", logs / "runs.jsonl", "--method", "curious", "--json", *corpus)
    assert "past.jsonl" in ran.err
    assert ran.code == 3


def test_the_system_is_made(curious, given):
    curious("replay")
    assert [each["system"] for each in given("--system", SANDBOX)] == ["Sandbox"] * 2


def test_the_client_asks_nobody_by_itself(curious, given):
    curious("llm")
    address = "http://127.0.0.1:9/v1"
    assert [each["llm"] for each in given("--llm", address)] == [address] * 2


@pytest.mark.parametrize(("need", "option"), [("replay", "--system"), ("llm", "--llm")])
def test_what_is_missing_is_named(curious, run, logs, need, option):
    curious(need)
    ran = run("attribute", logs / "runs.jsonl", "--method", "curious")
    assert ran.code == 2
    assert option in ran.err
    assert not ran.out


def test_a_system_that_is_none_is_an_error(curious, run, logs):
    curious("replay")
    ran = run("attribute", logs / "runs.jsonl", "--method", "curious", "--system", "json:loads")
    assert ran.code != 0
    assert "json:loads" in ran.err
