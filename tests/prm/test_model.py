"""The value model at run time: one pass, no look-ahead, forks, drift, hostile weights."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import traces
from tracekit import registry
from tracekit.encoder.tensors import read, write
from tracekit.errors import InputError
from tracekit.folds import fingerprint
from tracekit.prm.model import FILE, Prm, of, shipped
from tracekit.protocols import Doubting, Fitted, Storable, ValueFunction
from tracekit.replay.sandbox.system import Sandbox
from tracekit.testing.traces import HOSTILE
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace

PRM = Prm()


@pytest.fixture(scope="module")
def run():
    sandbox = Sandbox("retrieval", "hierarchy", skill=0.7)
    return sandbox.run(next(sandbox.tasks(seed=4)), seed=1)


@pytest.fixture(scope="module")
def long():
    """A run of 300 steps, more than attention reaches back."""
    steps = tuple(
        Step(index=n, agent=f"a{n % 3}", content=f"The total is {n % 7}, so 2 * {n} = {2 * n}.")
        for n in range(300)
    )
    agents = tuple(Agent(f"a{n}", f"a{n}") for n in range(3))
    return Trace("long", Source(format="x"), Task("How many are 3 and 4?"), agents, steps)


def cut(trace, size):
    return msgspec.structs.replace(trace, steps=trace.steps[:size])


def test_it_is_what_analyzers_and_searches_look_for():
    found = registry.get("values", "prm")
    assert isinstance(found, Prm)
    for protocol in (ValueFunction, Fitted, Storable, Doubting):
        assert isinstance(found, protocol)


def test_values_are_probabilities_of_success(run):
    found = PRM.values(run)
    assert len(found) == len(run.steps)
    assert all(0 < value < 1 for value in found)


def test_nothing_that_follows_changes_a_value(run):
    whole = PRM.values(run)
    for size in range(len(run.steps) + 1):
        np.testing.assert_allclose(PRM.values(cut(run, size)), whole[:size], atol=1e-9, rtol=0)


def test_nothing_that_follows_changes_a_value_of_a_long_run(long):
    whole = PRM.values(long)
    for size in (1, 200, 255, 256, 257, 299):
        np.testing.assert_allclose(PRM.values(cut(long, size)), whole[:size], atol=1e-9, rtol=0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(traces(most=5), st.integers(0, 5))
def test_any_trace_has_values_that_look_back_only(trace, size):
    whole = PRM.values(trace)
    assert all(math.isfinite(value) and 0 < value < 1 for value in whole)
    np.testing.assert_allclose(PRM.values(cut(trace, size)), whole[:size], atol=1e-9, rtol=0)


def test_outcome_labels_and_the_correct_answer_are_not_read(run):
    other = msgspec.structs.replace(
        run,
        id="other",
        outcome=Outcome(status="failure", answer="nonsense", score=0.0),
        task=msgspec.structs.replace(run.task, expected="nonsense", id="other"),
        extra={"correct": False},
    )
    assert PRM.values(other) == PRM.values(run)


def test_names_of_agents_do_not_matter(run):
    names = {agent.id: f"nobody-{n}" for n, agent in enumerate(run.agents)}
    renamed = msgspec.structs.replace(
        run,
        agents=tuple(msgspec.structs.replace(a, id=names[a.id], name="x") for a in run.agents),
        steps=tuple(
            msgspec.structs.replace(s, agent=names[s.agent], to=s.to and names.get(s.to, "x"))
            for s in run.steps
        ),
    )
    np.testing.assert_allclose(PRM.values(renamed), PRM.values(run), atol=1e-12)


@pytest.mark.parametrize("which", ["run", "long"])
def test_step_by_step_gives_the_same_values(which, request):
    trace = request.getfixturevalue(which)
    running = PRM.begin(trace)
    pushed = [running.push(step) for step in trace.steps]
    np.testing.assert_allclose(pushed, PRM.values(trace), atol=1e-9, rtol=0)
    assert running.value == pushed[-1]
    assert running.drift().distance == pytest.approx(PRM.drift(trace).distance)


def test_only_final_steps_are_calibrated_by_their_own_curve(run):
    bent = PRM.model.settings.final
    plain = Prm(
        PRM.model._replace(settings=msgspec.structs.replace(PRM.model.settings, final=None))
    )
    assert [step.kind == "final" for step in run.steps] == [False] * (len(run.steps) - 1) + [True]
    ours, theirs = PRM.values(run), plain.values(run)
    assert ours[:-1] == theirs[:-1]
    odds = bent.slope * math.log(theirs[-1] / (1 - theirs[-1])) + bent.shift
    assert ours[-1] == pytest.approx(1 / (1 + math.exp(-odds)))


def test_before_the_first_step_there_is_the_value_of_the_task(run):
    assert PRM.begin(run).value == PRM.begin(cut(run, 0)).value
    assert PRM.values(cut(run, 0)) == []


def test_a_fork_goes_its_own_way(run):
    half = len(run.steps) // 2
    running = PRM.begin(run)
    for step in run.steps[:half]:
        running.push(step)
    before, fork = running.value, running.fork()
    for _ in range(3):
        fork.push(
            Step(index=0, agent="x", content="I made a mistake. The river is Quilola: 3 * 3 = 8.")
        )
    assert running.value == before
    rest = [running.push(step) for step in run.steps[half:]]
    np.testing.assert_allclose(rest, PRM.values(run)[half:], atol=1e-9)


def test_a_run_of_training_is_not_unlike_them_and_a_stranger_is(run):
    assert PRM.doubts(run) == ()
    steps = tuple(
        Step(index=n, agent=f"agent{n}", kind="system", content=HOSTILE[n % len(HOSTILE)] * 50)
        for n in range(30)
    )
    stranger = Trace("s", Source(format="x"), Task("?" * 500), (), steps)
    assert PRM.drift(stranger).drifted
    assert PRM.doubts(Trace("e", Source(format="x"), Task("?"), (), ())) == ()
    (said,) = PRM.doubts(stranger)
    assert "unlike the runs that prm was trained on" in said


def test_saved_and_loaded_it_is_the_same(run, tmp_path):
    PRM.save(tmp_path)
    again = Prm.load(tmp_path)
    assert again.model.id == PRM.model.id
    assert again.values(run) == PRM.values(run)
    assert again.seen() == PRM.seen()
    assert fingerprint(run) not in PRM.seen()
    first = (tmp_path / FILE).read_bytes()
    again.save(tmp_path)
    assert (tmp_path / FILE).read_bytes() == first


def test_it_adds_at_most_six_megabytes(tmp_path):
    PRM.save(tmp_path)
    assert (tmp_path / FILE).stat().st_size <= 6_000_000


def break_kind(arrays, meta):
    meta["kind"] = "compact-networks"


def break_finite(arrays, meta):
    arrays["0.gate.bias"] = np.full_like(arrays["0.gate.bias"], np.nan)


def break_scale(arrays, meta):
    arrays["scale"] = np.zeros_like(arrays["scale"])


def break_missing(arrays, meta):
    del arrays["0.enter.weight"]


def break_shape(arrays, meta):
    arrays["0.enter.weight"] = arrays["0.enter.weight"][:, 1:]


def break_sizes(arrays, meta):
    meta["settings"] = meta["settings"].replace('"window":256', '"window":0')


def break_columns(arrays, meta):
    meta["settings"] = meta["settings"].replace('"opening"', '"closing"')


def break_order(arrays, meta):
    meta["settings"] = meta["settings"].replace('"final":{"slope":', '"final":{"slope":-')


def break_drift(arrays, meta):
    arrays["drift.limits"] = arrays["drift.limits"][:, :1]


@pytest.mark.parametrize(
    "harm",
    [
        break_kind, break_finite, break_scale, break_missing, break_shape, break_sizes,
        break_columns, break_order, break_drift,
    ],
)  # fmt: skip
def test_weights_that_make_no_sense_are_refused(harm, tmp_path):
    PRM.save(tmp_path)
    found = read(tmp_path / FILE)
    arrays, meta = dict(found.arrays), dict(found.metadata)
    harm(arrays, meta)
    write(tmp_path / FILE, arrays, meta)
    with pytest.raises((ValueError, InputError)):
        of(read(tmp_path / FILE))


def test_what_ships_is_read_once():
    assert shipped() is shipped()
