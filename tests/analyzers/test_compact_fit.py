"""Fitting compact: the soft logit, weights of runs, and how sure the model then is."""

import math

import numpy as np
import pytest

from tracekit.analyzers.compact.fit import example, examples, fit_weights
from tracekit.analyzers.compact.sets import above, members, tempered, threshold
from tracekit.analyzers.compact.soft_logit import Run, Stack, fit, loss, newton
from tracekit.analyzers.compact.weights import Model, ranking
from tracekit.analyzers.conditional_logit import Choices
from tracekit.analyzers.conditional_logit import fit as hard_fit


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


def test_a_run_of_weight_two_counts_like_two_runs(planted):
    found = examples(planted(12))
    doubled = [one._replace(weight=2.0) for one in found]
    once, twice = fit_weights([*found, *found]), fit_weights(doubled)
    for one, two in zip(once.members, twice.members, strict=True):
        np.testing.assert_allclose(one.weight, two.weight, atol=2e-6)


def test_a_second_opinion_takes_three_tenths_of_the_label(planted):
    trace = planted(1)[0]
    label = trace.labels[0].step
    other = (label + 1) % len(trace.steps)
    target = example(trace, second=other).target
    assert (target[label], target[other]) == (pytest.approx(0.7), pytest.approx(0.3))
    assert example(trace, second=label).target[label] == pytest.approx(1.0)


def test_conformal_sets_keep_their_coverage_whatever_the_model():
    """Runs drawn alike; the model is sharper than it should be, and wrong besides."""
    rng = np.random.default_rng(0)

    def draw():
        truth = rng.dirichlet(np.full(int(rng.integers(3, 15)), 0.5))
        told = tempered(0.7 * truth + 0.3 * rng.dirichlet(np.ones(len(truth))), 0.4)
        return told, int(rng.choice(len(truth), p=truth))

    inside = []
    for _ in range(200):
        limit = threshold([above(*draw()) for _ in range(60)], 0.9)
        inside += [y in members(told, limit) for told, y in (draw() for _ in range(20))]
    # at least 0.9 by theory, and at most 1 / 61 more apart from the step that crosses the limit
    assert 0.89 <= np.mean(inside) <= 0.95


@pytest.fixture
def trainer(monkeypatch):
    """The trainer with networks that are taken as they are: the rest of it is what is tried."""
    pytest.importorskip("torch")
    from tracekit_models.compact import trainer

    untuned = trainer.pretrained()._replace(members=trainer.pretrained().members[:1])
    monkeypatch.setattr(trainer, "fit_networks", lambda found, seed, bag, start=None: untuned)
    return trainer


def test_limits_come_from_runs_that_were_not_fitted_on(trainer, planted):
    found = examples(planted(50, sure=0.6))
    known = trainer.calibrate(found, seed=0)
    assert known.runs == 50
    assert 0 < known.steps < 1
    model = Model(fit_weights(found), trainer.pretrained())
    fresh = examples(planted(150, seed=1, sure=0.6))
    inside = []
    for one in fresh:
        chances = tempered(model.raw(one.tables), known.temperature)
        inside.append(one.step in members(chances, known.steps))
    spread = 2 * math.sqrt(0.9 * 0.1 * (1 / 150 + 1 / 50))
    assert 0.9 - spread <= np.mean(inside) <= 0.9 + spread
    own = [above(tempered(model.raw(one.tables), known.temperature), one.step) for one in found]
    assert threshold(own, 0.9) < known.steps  # what was fitted on is too easy


def test_unseen_systems_are_measured_by_leaving_each_out(trainer, planted):
    runs = examples(planted(36, sure=0.8))
    found = [one._replace(system="abc"[n % 3]) for n, one in enumerate(runs)]
    known = trainer.calibrate(found, seed=0)
    assert known.systems == ("a", "b", "c")
    assert known.unseen_steps >= known.steps
    assert known.unseen_agents >= known.agents
    assert trainer.calibrate(runs, seed=0).unseen_steps == 1.0  # one system tells nothing


def test_without_enough_questions_nothing_is_claimed(trainer, planted):
    found = [one._replace(group="the same") for one in examples(planted(12))]
    known = trainer.calibrate(found, seed=0)
    assert (known.temperature, known.steps, known.agents, known.runs) == (1.0, 1.0, 1.0, 0)


@pytest.mark.data
def test_shipped_weights_are_what_the_command_makes(data):
    """The linear members, and the runs of everything else; the networks take minutes."""
    pytest.importorskip("torch")
    from tracekit.analyzers.compact.analyzer import shipped
    from tracekit_models.compact.data import read

    rows = [one for rows in read(data / "labeled").values() for one in rows]
    made, there = fit_weights(rows, 0), shipped().weights
    assert made.traces == there.traces
    for one, two in zip(made.members, there.members, strict=True):
        np.testing.assert_allclose(one.weight, two.weight, atol=1e-5)


@pytest.mark.data
def test_out_of_fold_accuracy_stays_up(data):
    """Ten folds by question with one network each; floors lie below what five networks reach."""
    pytest.importorskip("torch")
    from tracekit_models.compact import check, trainer
    from tracekit_models.compact.data import MAIN, read

    rows = [(name == MAIN, one) for name, found in read(data / "labeled").items() for one in found]
    fold = check.deal([one for _, one in rows], 0)
    hits: dict[str, list[tuple[bool, bool]]] = {"ag2": [], "magentic-one": []}
    for k in range(check.FOLDS):
        rest = [one for (_, one), f in zip(rows, fold, strict=True) if f != k]
        model = Model(fit_weights(rest), trainer.fit_networks(rest, 0, 1))
        for (main, one), f in zip(rows, fold, strict=True):
            if main and f == k:
                owners = [str(agent) for agent in one.tables.graph.agent]
                chances = model.raw(one.tables)
                first = ranking(chances, owners, model.agents(one.tables, owners))[0]
                hits[one.system].append((first == one.step, owners[first] == owners[one.step]))
    step, agent = np.mean(hits["ag2"], axis=0)
    assert (step >= 0.42, agent >= 0.62) == (True, True), (step, agent)
    step, agent = np.mean(hits["magentic-one"], axis=0)
    assert (step >= 0.24, agent >= 0.55) == (True, True), (step, agent)


def test_weights_are_tuned_from_the_start_that_is_named(monkeypatch, planted, tmp_path):
    """As `make train-compact COMPACT=DIR` does; with one network and one pass over few runs."""
    pytest.importorskip("torch")
    import msgspec

    from tracekit.analyzers.compact.networks import Networks
    from tracekit_models.compact import train, trainer

    found = {"set": examples(planted(12))}
    monkeypatch.setattr(train, "read", lambda folder: found)
    for name, value in (("BAG", 1), ("INNER_BAG", 1), ("INNER", 2)):
        monkeypatch.setattr(trainer, name, value)
    monkeypatch.setattr(trainer, "RECIPE", msgspec.structs.replace(trainer.RECIPE, epochs=1))
    begin = trainer.pretrained()
    start, out = tmp_path / "start.safetensors", tmp_path / "new" / "weights"
    begin._replace(mean=begin.mean + 1, members=begin.members[:1]).save(start)
    train.main(["--data", "data", "--start", str(start), "--out", str(out)])
    tuned = Networks.load(out / "compact.safetensors")
    np.testing.assert_allclose(tuned.mean, begin.mean + 1, rtol=1e-6)
    assert msgspec.json.decode((out / "compact.json").read_bytes())["networks"] == tuned.id
    assert not np.array_equal(trainer.pretrained().mean, tuned.mean)
