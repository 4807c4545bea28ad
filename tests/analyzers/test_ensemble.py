"""Pooled methods: weights from held-out runs, who contributed what, and nothing learned twice."""

import msgspec
import numpy as np
import pytest

from tracekit.analyzers import ensemble as ensemble_module
from tracekit.analyzers.compact import features
from tracekit.analyzers.ensemble import MEMBERS, Ensemble, Weights, asked
from tracekit.analyzers.models import load_model, save_model
from tracekit.analyzers.run import attribute
from tracekit.analyzers.stacking import MIXED, opinions, pooled, stacked
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.eval.training import train
from tracekit.folds import fingerprint
from tracekit.testing.analyzers import check_analyzer
from tracekit.testing.traces import make_trace

LIGHT = ("linear", "first-error", "influence")
"""Members that need nothing heavy and are fitted in a moment."""


@pytest.fixture(scope="module")
def light(planted):
    return Ensemble(names=LIGHT).fit(planted(30), Context())


def test_an_opinion_is_log_odds_with_a_part_dealt_out():
    told = opinions([np.array([0.6, 0.2, 0.2])])
    given = (1 - MIXED) * np.array([0.6, 0.2, 0.2]) + MIXED / 3
    assert told.logs[:, 0] == pytest.approx(np.log(given) - np.log(given).mean())


def test_the_pool_is_a_weighted_product():
    told = opinions([np.array([0.7, 0.3]), np.array([0.1, 0.9])])
    first, second = (0.9 * np.array(x) + 0.05 for x in ([0.7, 0.3], [0.1, 0.9]))
    product = first**2 * second**0.5
    assert pooled(told, np.array([2.0, 0.5])) == pytest.approx(product / product.sum())


def test_whoever_is_right_counts_and_whoever_is_wrong_does_not():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        right = int(rng.integers(4))
        good, bad = np.full(4, 0.1), np.full(4, 0.3)
        good[right if rng.random() < 0.8 else (right + 1) % 4] = 0.7
        bad[right] = 0.1
        found.append(opinions([good, bad, np.zeros(4)], right))
    weights = stacked(found)
    assert weights[0] > 1
    assert weights[1] == 0
    assert weights[2] == pytest.approx(1 / 3)  # without opinion, nothing moves it off its prior


def test_without_anything_to_choose_weights_are_equal():
    assert stacked([opinions([np.ones(1), np.ones(1)], 0)]).tolist() == [0.5, 0.5]


def test_what_ships_says_that_it_is_not_fitted(planted):
    (trace,) = planted(1)
    verdict = attribute(trace, "ensemble")
    assert "not fitted" in verdict.warnings[0]
    assert verdict.suspect_set is None
    assert [row["method"] for row in verdict.extra["members"]] == list(MEMBERS)
    assert {row["weight"] for row in verdict.extra["members"]} == {0.25}


def test_it_learns_whom_to_trust(light, planted):
    weights = dict(zip(LIGHT, light.weights.steps, strict=True))
    assert max(weights, key=weights.get) == "linear"
    new = planted(40, seed=7)
    verdicts = [light.attribute(trace, Context()) for trace in new]
    hits = [v.top.step == t.labels[0].step for v, t in zip(verdicts, new, strict=True)]
    assert np.mean(hits) > 0.8
    inside = [t.labels[0].step in v.suspect_set.steps for v, t in zip(verdicts, new, strict=True)]
    assert np.mean(inside) >= 0.75  # 90 % promised, of 40


def test_members_are_asked_about_runs_that_they_have_not_seen(planted, monkeypatch):
    """Every held-out question goes to a member fitted without that run."""
    runs, leaks, tried = planted(20), [], []
    real = asked

    def watching(trace, members, context):
        for member in members:
            if hasattr(member, "seen"):
                tried.append(member)
                leaks.append(fingerprint(trace) in member.seen())
        return real(trace, members, context)

    monkeypatch.setattr(ensemble_module, "asked", watching)
    Ensemble(names=LIGHT).fit(runs, Context())
    assert len(leaks) == len(runs)
    assert not any(leaks)
    assert len({id(member) for member in tried}) == 5


class Reads:
    """A fitted member that makes tables of every run it is given."""

    name = "reads"
    needs = frozenset({"trace"})

    def attribute(self, trace, context):
        features.tables(trace)
        return attribute(trace, "last-speaker")

    def fit(self, traces, context):
        for trace in traces:
            features.tables(trace)
        return self

    def seen(self):
        return frozenset()


def test_a_fit_reads_every_run_once_for_all_its_folds(planted, monkeypatch):
    runs, made, real = planted(20), [], features.columns.matrix

    def counting(trace, reading):
        made.append(trace.id)
        return real(trace, reading)

    monkeypatch.setattr(features.columns, "matrix", counting)
    Ensemble(None, [Reads()], ("reads",)).fit(runs, Context())
    assert sorted(made) == sorted(trace.id for trace in runs)


def test_it_has_seen_what_it_was_fitted_on(light, planted):
    assert light.seen() == {fingerprint(trace) for trace in planted(30)}


def test_leaving_a_member_out_is_what_it_says(light, planted):
    (trace,) = planted(1, seed=9)
    rows = light.attribute(trace, Context()).extra["members"]
    mine = next(row for row in rows if row["method"] == "linear")
    assert mine["weight"] > 0
    zero = [
        0.0 if name == "linear" else w for name, w in zip(LIGHT, light.weights.steps, strict=True)
    ]
    agents = [
        0.0 if name == "linear" else w for name, w in zip(LIGHT, light.weights.agents, strict=True)
    ]
    less = msgspec.structs.replace(light.weights, steps=tuple(zero), agents=tuple(agents))
    other = Ensemble(less, light.members[:1]).attribute(trace, Context())
    assert (mine["without"]["step"], mine["without"]["agent"]) == (other.top.step, other.top.agent)


def test_evidence_names_the_members(light, planted):
    (trace,) = planted(1, seed=9)
    shown = light.attribute(trace, Context()).top.evidence
    assert shown[0].shows.startswith("linear gives it")
    assert [e.weight for e in shown] == sorted((e.weight for e in shown), reverse=True)


def test_fits_are_deterministic(light, planted):
    assert Ensemble(names=LIGHT).fit(planted(30), Context()).weights == light.weights


def test_too_few_labels_are_refused(planted):
    with pytest.raises(UsageError, match="9 traces have a labelled step"):
        Ensemble(names=LIGHT).fit(planted(9), Context())


def test_it_is_stored_with_its_members(light, planted, tmp_path):
    config = save_model(light, tmp_path / "model", definition="decisive", card="# card\n")
    assert {"ensemble.json", "linear.weights.json"} <= set(config.files)
    loaded = load_model(tmp_path / "model")
    for trace in planted(3, seed=4):
        assert loaded.attribute(trace, Context()) == light.attribute(trace, Context())
    check_analyzer(loaded)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"steps": (0.5,)}, "not one finite weight"),
        ({"agents": (0.5, -0.1, 0.2)}, "negative"),
        ({"steps": (float("inf"), 0.1, 0.2)}, "Expected `float`"),
        ({"members": ("linear", "linear", "influence")}, "named twice"),
        ({"members": ("linear", "ensemble", "influence")}, "is an ensemble"),
        ({"members": ("linear", "../linear", "influence")}, "no method that needs one log alone"),
        ({"members": ("linear", "vdn", "influence")}, "no method that needs one log alone"),
    ],
)
def test_weights_of_strangers_are_checked(light, tmp_path, change, why):
    weights = msgspec.structs.replace(light.weights, **change)
    (tmp_path / "ensemble.json").write_bytes(msgspec.json.encode(weights))
    with pytest.raises(ValueError, match=why):
        Ensemble.load(tmp_path)


def test_a_fitted_member_cannot_be_left_out_of_a_folder(light, tmp_path):
    light.save(tmp_path)
    (tmp_path / "linear.weights.json").unlink()
    with pytest.raises(ValueError, match="fitted weights of linear are missing"):
        Ensemble.load(tmp_path)


def test_training_scores_it_out_of_fold(planted, monkeypatch):
    """`tracekit train ensemble` in small: the members that need no torch."""
    monkeypatch.setattr(
        "tracekit.eval.training.registry.get", lambda kind, name: _light(kind, name)
    )
    trained = train("ensemble", planted(24), folds=3)
    row = next(r for r in trained.board.rows if r.method == "ensemble")
    assert row.fit == "refitted"
    assert trained.analyzer.weights.traces


def _light(kind, name):
    from tracekit.registry import load as loaded
    from tracekit.registry import plugins

    if (kind, name) == ("analyzers", "ensemble"):
        return Ensemble(names=LIGHT)
    return loaded(plugins(kind)[name].target)()


def test_all_members_silent_is_an_abstention():
    trace = make_trace("t", [("A", "hello")])
    alone = Ensemble(names=("first-error",))
    assert alone.attribute(trace, Context()).abstained == "none of its members says anything"


def test_weights_without_members_are_refused(tmp_path):
    none = Weights(members=(), steps=(), agents=())
    (tmp_path / "ensemble.json").write_bytes(msgspec.json.encode(none))
    with pytest.raises(ValueError, match="there is none"):
        Ensemble.load(tmp_path)
