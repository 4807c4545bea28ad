"""The compact analyzer: what it learns, what it says, and that its weights are refitted alike."""

import json
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from tracekit.analyzers.compact.analyzer import Compact, shipped
from tracekit.analyzers.compact.features import NAMES, tables
from tracekit.analyzers.compact.fit import example, examples, fit_weights
from tracekit.analyzers.compact.soft_logit import Run, Stack, fit, loss, newton
from tracekit.analyzers.compact.weights import Weights, agent_chances, as_json, ranking
from tracekit.analyzers.conditional_logit import Choices
from tracekit.analyzers.conditional_logit import fit as hard_fit
from tracekit.context import Context
from tracekit.errors import ContractError, UsageError
from tracekit.folds import fingerprint
from tracekit.protocols import Analyzer, Fitted, Storable
from tracekit.store import encode
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Label, Task

DULL = "The next part of the work was done as it was agreed before, part number"


def planted(n=40, seed=0):
    """Runs of 6 to 12 steps in which the step that assumes something is labelled, 9 times in 10."""
    rng = np.random.default_rng(seed)
    traces = []
    for number in range(n):
        length, words = int(rng.integers(6, 13)), rng.integers(1000, 9999, size=12)
        guilty = int(rng.integers(1, length))
        said = [("ABC"[i % 3], f"{DULL} {words[i]}") for i in range(length)]
        said[guilty] = (said[guilty][0], f"Let us assume {words[guilty]} and go on from there.")
        blamed = guilty if rng.random() < 0.9 else int(rng.integers(length))
        traces.append(
            make_trace(
                f"run-{seed}-{number}",
                said,
                task=Task(f"Question {seed} {number}?", id=f"q{seed}-{number}"),
                labels=(Label("decisive", said[blamed][0], blamed),),
            )
        )
    return traces


@pytest.fixture(scope="module")
def fitted():
    return Compact().fit(planted(), Context())


def test_planted_signal_is_found_in_new_runs(fitted):
    fresh = planted(seed=1)
    hits = [fitted.attribute(t, Context()).top.step == t.labels[0].step for t in fresh]
    assert np.mean(hits) > 0.8


def test_fit_leaves_the_analyzer_as_it_was_and_is_deterministic(fitted):
    before = Compact()
    assert before.fit(planted(), Context()).weights == fitted.weights
    assert before.weights is shipped()


def test_it_keeps_the_protocols(fitted):
    assert isinstance(fitted, Analyzer)
    assert isinstance(fitted, Fitted)
    assert isinstance(fitted, Storable)
    assert fitted.seen() == {fingerprint(trace) for trace in planted()}


def test_too_few_runs_are_refused():
    with pytest.raises(UsageError, match="9 traces"):
        Compact().fit(planted(9), Context())


def test_weights_come_back_from_a_folder(fitted, tmp_path):
    fitted.save(tmp_path)
    assert Compact.load(tmp_path).weights == fitted.weights


@pytest.mark.parametrize(
    ("member", "field", "value"),
    [
        (0, "features", ("made-up",)),
        (0, "weight", (1.0,)),
        (1, "scale", (0.0,) * len(NAMES["short"])),
        (1, "mean", (float("nan"),) * len(NAMES["short"])),
        (1, "name", "longest"),
    ],
)
def test_weights_that_make_no_sense_are_refused(fitted, tmp_path, member, field, value):
    members = list(fitted.weights.members)
    members[member] = msgspec.structs.replace(members[member], **{field: value})
    broken = msgspec.structs.replace(fitted.weights, members=tuple(members))
    with pytest.raises(ContractError, match="refit"):
        Compact(broken).attribute(planted(1)[0], Context())
    if field != "mean":  # JSON holds no NaN
        (tmp_path / "weights.json").write_bytes(as_json(broken))
        with pytest.raises(ValueError, match="train it anew"):
            Compact.load(tmp_path)


def test_weights_without_members_are_refused():
    with pytest.raises(ContractError, match="no members"):
        Compact(Weights(members=(), seed=0, traces=())).attribute(planted(1)[0], Context())


def test_unknown_setting_is_refused():
    with pytest.raises(UsageError, match="'typo'"):
        Compact().attribute(planted(1)[0], Context(settings={"typo": 1}))


@pytest.mark.parametrize("trace", edge_traces(), ids=lambda trace: trace.id)
def test_verdict_is_whole_and_the_same_every_time(trace):
    verdict = Compact().attribute(trace, Context())
    assert sorted(s.step for s in verdict.suspects) == list(range(len(trace.steps)))
    assert sum(s.probability for s in verdict.suspects) == pytest.approx(1)
    assert sum(verdict.agents.values()) == pytest.approx(1)
    assert next(iter(verdict.agents)) == verdict.top.agent
    assert encode(verdict) == encode(Compact().attribute(trace, Context(seed=7)))
    for suspect in verdict.suspects:
        for e in suspect.evidence:
            assert e.quote == trace.steps[e.step].content[e.start : e.end]


def test_people_are_not_blamed():
    trace = make_trace("t", [("user", "Assume that x is 3"), ("A", "So x is 3, and 4 as well.")])
    chances = {s.step: s.probability for s in Compact().attribute(trace, Context()).suspects}
    assert chances == {1: 1.0, 0: 0.0}


def test_first_suspect_is_the_best_step_of_the_likeliest_agent():
    chances, owners = np.array([0.3, 0.3, 0.4]), ["a", "a", "b"]
    assert next(iter(agent_chances(chances, owners))) == "a"
    assert ranking(chances, owners) == [0, 2, 1]


def test_soft_logit_is_the_hard_one_for_hard_targets():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(int(n), 3)) for n in rng.integers(2, 9, size=30)]
    chosen = [int(rng.integers(len(rows))) for rows in sets]
    runs = [Run(x, np.eye(len(x))[c], 1.0) for x, c in zip(sets, chosen, strict=True)]
    np.testing.assert_allclose(
        fit(runs, 2.0), hard_fit(Choices(sets, chosen), np.full(3, 2.0)), atol=1e-6
    )


def test_gradient_and_hessian_are_those_of_the_loss():
    rng = np.random.default_rng(1)
    targets = [rng.dirichlet(np.ones(4)) for _ in range(5)]
    runs = [Run(rng.normal(size=(4, 3)), t, float(rng.random() + 0.1)) for t in targets]
    stack, at, eps = Stack(runs), rng.normal(size=3), 1e-5
    gradient, hessian = newton(stack, at, 0.7)
    for k, step in enumerate(np.eye(3) * eps):
        rise = loss(stack, at + step, 0.7) - loss(stack, at - step, 0.7)
        assert gradient[k] == pytest.approx(rise / (2 * eps), abs=1e-6)
        turn = newton(stack, at + step, 0.7)[0] - newton(stack, at - step, 0.7)[0]
        np.testing.assert_allclose(hessian[k], turn / (2 * eps), atol=1e-5)


def test_a_run_of_weight_two_counts_like_two_runs():
    found = examples(planted(12))
    doubled = [one._replace(weight=2.0) for one in found]
    once, twice = fit_weights([*found, *found]), fit_weights(doubled)
    for one, two in zip(once.members, twice.members, strict=True):
        np.testing.assert_allclose(one.weight, two.weight, atol=2e-6)


def test_a_second_opinion_takes_three_tenths_of_the_label():
    trace = planted(1)[0]
    label = trace.labels[0].step
    other = (label + 1) % len(trace.steps)
    target = example(trace, second=other).target
    assert (target[label], target[other]) == (pytest.approx(0.7), pytest.approx(0.3))
    assert example(trace, second=label).target[label] == pytest.approx(1.0)


def test_features_are_finite_and_named():
    for trace in edge_traces():
        for name, table in tables(trace).by_member.items():
            assert table.shape == (len(trace.steps), len(NAMES[name]))
            assert np.isfinite(table).all()


def test_import_stays_light():
    code = (
        "import sys, tracekit.analyzers.compact.analyzer;"
        "print([m for m in ('torch', 'scipy', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.data
def test_shipped_weights_are_what_the_command_makes(data, tmp_path):
    from tracekit_models.compact import train

    out = tmp_path / "compact.json"
    train.main(["--data", str(data), "--out", str(out)])
    made, there = json.loads(out.read_bytes()), json.loads(train.SHIPPED.read_bytes())
    assert made["traces"] == there["traces"]
    for one, two in zip(made["members"], there["members"], strict=True):
        np.testing.assert_allclose(one["weight"], two["weight"], atol=1e-5)


@pytest.mark.data
def test_out_of_fold_accuracy_stays_up(data):
    """Question-grouped ten-fold cross-validation; floors lie below the worst of five seeds."""
    from tracekit_models.compact import train

    found = train.read(data / "labeled")
    generated = np.array([trace.source.framework == "ag2" for trace in found.traces])
    scores = train.held_out(found, seed=0)
    step, agent, top3, _ = scores[generated].mean(axis=0)
    assert (step >= 0.43, agent >= 0.62, top3 >= 0.74) == (True, True, True)
    step, agent, top3, _ = scores[~generated].mean(axis=0)
    assert (step >= 0.24, agent >= 0.55, top3 >= 0.40) == (True, True, True)
