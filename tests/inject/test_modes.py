"""The table of modes and strategies, and what the sandbox makes of every pair it promises."""

import re
from itertools import islice
from typing import get_args

import pytest

from tracekit import registry
from tracekit.errors import InjectionError, UnknownName, UsageError
from tracekit.inject.live import inject_live, strikes
from tracekit.inject.manipulators.sandbox import SandboxNative
from tracekit.inject.modes import ATTACKS, MODES, PAIRS, mode, place
from tracekit.inject.types import Fault, Strategy
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.store import encode
from tracekit.trace import Step, faults

QUIET = frozenset({"message-duplicate"})
"""Strategies that change the run and seldom its end."""


def clean_runs(family, topology, n, seed=3):
    """Successful runs with the seeds of what was drawn in them."""
    sandbox = Sandbox(family, topology)
    runs = (sandbox.run(task, number) for number, task in enumerate(sandbox.tasks(seed)))
    return sandbox, list(islice((trace for trace in runs if not trace.failed), n))


def injected(family, topology, n, **fault):
    sandbox, runs = clean_runs(family, topology, n)
    for trace in runs:
        try:
            seed = trace.extra["sandbox"]["draws"]
            yield trace, inject_live(sandbox, trace, [Fault(**fault)], SandboxNative(), seed)
        except InjectionError:
            continue


def test_the_table_is_whole():
    mast = [f"FM-{a}.{b}" for a, most in ((1, 5), (2, 6), (3, 3)) for b in range(1, most + 1)]
    assert [code for code in MODES if code not in ATTACKS] == mast
    assert len(ATTACKS) == 3
    assert {strategy for _, strategy in PAIRS} == set(get_args(Strategy))
    for code, known in MODES.items():
        assert known.code == code
        assert known.strategies
        assert known.strikes
        assert known.looks.endswith(".")
        assert known.name


def test_unknown_codes_are_refused():
    with pytest.raises(UnknownName, match=re.escape("FM-9.9")):
        mode("FM-9.9")
    sandbox, (trace,) = clean_runs("arithmetic", "chain", 1)
    with pytest.raises(UsageError, match="cannot be brought about by tool-fault"):
        strikes(sandbox, trace, "FM-1.1", "tool-fault", SandboxNative())


@pytest.mark.parametrize(
    ("kind", "where"),
    [("plan", "speech"), ("thought", "speech"), ("final", "final"), ("tool_call", "tool_call")],
)
def test_places(kind, where):
    assert place(Step(index=0, agent="a", kind=kind)) == where


@pytest.mark.parametrize(("code", "strategy"), PAIRS)
def test_every_pair_can_be_brought_about(code, strategy):
    """In most topologies, with an untouched prefix, a real change, and failures among the runs."""
    made = failures = 0
    reached = set()
    runs = 16 if code == "FM-3.2" else 4  # most checks find nothing, and so can be left undone
    for topology in TOPOLOGIES:
        for clean, found in injected("tables", topology, runs, mode=code, strategy=strategy):
            (fault, *_) = found.faults
            made += 1
            reached.add(topology)
            failures += found.trace.failed
            assert faults(found.trace) == []
            assert found.trace.steps[: fault.step] == clean.steps[: fault.step]
            assert found.trace.steps != clean.steps
            change = found.interventions[0]
            assert fault.agent == clean.steps[change.step].agent
            assert place(clean.steps[change.step]) in mode(code).strikes
            assert fault.step - change.step in (0, 1)
            if fault.step > change.step:  # on top of what was right: the one that came on top
                assert found.trace.steps[change.step].content == clean.steps[change.step].content
                assert found.trace.steps[fault.step].agent == fault.agent
    assert len(reached) >= 3
    if strategy not in QUIET:
        assert failures / made >= 0.1


def test_wording_is_the_agents_own():
    """A corrupted step has no word that its agent would not use: only labels and values differ."""
    said, usual = [], []
    for topology in TOPOLOGIES:
        for clean, found in injected(
            "arithmetic", topology, 4, mode="FM-2.6", strategy="response-corruption"
        ):
            at = found.faults[0].step
            said.append(re.sub(r"\d+", "#", found.trace.steps[at].content))
            usual.append(re.sub(r"\d+", "#", clean.steps[at].content))
    same = sum(a == b for a, b in zip(said, usual, strict=True))
    assert len(said) >= 15
    assert same / len(said) > 0.9


def test_the_same_seed_gives_the_same_bytes():
    sandbox, (trace,) = clean_runs("retrieval", "hierarchy", 1)
    for code, strategy in PAIRS:
        fault = Fault(mode=code, strategy=strategy)
        made = []
        for _ in range(2):
            try:
                made.append(inject_live(sandbox, trace, [fault], SandboxNative(), 11))
            except InjectionError as error:
                made.append(str(error))
        first, second = (one if isinstance(one, str) else encode(one.trace) for one in made)
        assert first == second


def test_manipulators_are_plug_ins():
    assert {"llm", "rules", "sandbox"} <= registry.plugins("manipulators").keys()
    for name in ("llm", "rules", "sandbox"):
        assert registry.get("manipulators", name).name == name
