"""The compact analyzer: what it learns, what it says, when it says nothing, and how it is kept."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tracekit import load
from tracekit.analyzers.compact.analyzer import EXPLAINED, FLAT, MODES, Compact, shipped
from tracekit.analyzers.compact.features import NAMES, kept, tables
from tracekit.analyzers.compact.modes import ModeModel
from tracekit.analyzers.compact.weights import (
    Model,
    Weights,
    agent_chances,
    as_json,
    levelled,
    ranking,
)
from tracekit.analyzers.models import load_model, save_model
from tracekit.analyzers.run import attribute
from tracekit.context import Context
from tracekit.errors import ContractError, InputError, UsageError
from tracekit.folds import fingerprint
from tracekit.protocols import Analyzer, Fitted, Storable
from tracekit.store import encode
from tracekit.testing import check_analyzer
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Source, Task

EXAMPLES = Path(__file__).parents[2] / "datasets" / "examples" / "logs"


def with_weights(model, **changes):
    """A model whose weights differ in some fields."""
    return Model(msgspec.structs.replace(model.weights, **changes), model.networks)


def of_system(trace, framework):
    return msgspec.structs.replace(trace, source=Source("made-up", "x.json", framework=framework))


def test_planted_signal_is_found_in_new_runs(fitted, planted):
    fresh = planted(seed=1)
    hits = [fitted.attribute(t, Context()).top.step == t.labels[0].step for t in fresh]
    assert np.mean(hits) > 0.8


def test_fit_leaves_the_analyzer_as_it_was_and_is_deterministic(planted):
    before = Compact()
    one, two = (before.fit(planted(12), Context()).model for _ in range(2))
    assert as_json(one.weights) == as_json(two.weights)
    assert one.networks.id == two.networks.id == one.weights.networks
    assert before.model is shipped()


def test_it_keeps_the_protocols(fitted, planted):
    assert isinstance(fitted, Analyzer)
    assert isinstance(fitted, Fitted)
    assert isinstance(fitted, Storable)
    assert fitted.seen() == {fingerprint(trace) for trace in planted()}


def test_it_keeps_the_contract(fitted, planted):
    check_analyzer(fitted, planted(6, seed=3))


def test_too_few_runs_are_refused(planted):
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="9 traces"):
        Compact().fit(planted(9), Context())


@pytest.mark.parametrize("trace", edge_traces(), ids=lambda trace: trace.id)
def test_verdict_is_whole_and_the_same_every_time(trace):
    verdict = Compact().attribute(trace, Context())
    assert encode(verdict) == encode(Compact().attribute(trace, Context(seed=7)))
    if verdict.abstained:
        assert not verdict.suspects
        return
    chances = [s.probability for s in verdict.suspects]
    assert sorted(s.step for s in verdict.suspects) == list(range(len(trace.steps)))
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(1)
    assert sum(verdict.agents.values()) == pytest.approx(1)
    assert next(iter(verdict.agents)) == verdict.top.agent
    for suspect in verdict.suspects:
        for e in suspect.evidence:
            assert e.quote == trace.steps[e.step].content[e.start : e.end]


def test_people_are_not_blamed():
    trace = make_trace("t", [("user", "Assume that x is 3"), ("A", "So x is 3, and 4 as well.")])
    verdict = Compact().attribute(trace, Context())
    assert {s.step: s.probability for s in verdict.suspects} == {1: 1.0, 0: 0.0}
    assert verdict.suspect_set.steps == (1,)
    assert verdict.agent_set.agents == ("A",)


def test_first_suspect_is_the_best_step_of_the_likeliest_agent():
    chances, owners = np.array([0.3, 0.3, 0.4]), ["a", "a", "b"]
    agents = agent_chances(chances, owners)
    assert next(iter(agents)) == "a"
    assert ranking(chances, owners, agents) == [0, 2, 1]


def test_probabilities_fall_along_the_ranking_and_keep_their_sum():
    rng = np.random.default_rng(0)
    for _ in range(50):
        chances = rng.dirichlet(np.ones(int(rng.integers(1, 9))))
        order = rng.permutation(len(chances)).tolist()
        found = levelled(chances, order)
        assert found.sum() == pytest.approx(1)
        assert (np.diff(found[order]) <= 1e-15).all()
        kept = levelled(chances, np.argsort(-chances).tolist())
        np.testing.assert_array_equal(kept, chances)


def test_sets_hold_the_likeliest_in_the_order_of_suspicion(fitted, planted):
    model = fitted.model
    known = msgspec.structs.replace(model.weights.calibration, steps=0.5, agents=0.5)
    verdict = Compact(with_weights(model, calibration=known)).attribute(
        planted(1, seed=5)[0], Context()
    )
    chances = [s.probability for s in verdict.suspects]
    needed = int(np.searchsorted(np.cumsum(chances), 0.5, side="right")) + 1
    assert verdict.suspect_set.steps == tuple(s.step for s in verdict.suspects[:needed])
    assert verdict.agent_set.agents[0] == verdict.top.agent
    assert verdict.suspect_set.coverage == verdict.agent_set.coverage == 0.9


def test_a_system_never_seen_is_said_and_gets_wider_sets(fitted, planted):
    known = msgspec.structs.replace(
        fitted.model.weights.calibration, steps=0.0, agents=0.0, unseen_steps=1.0, unseen_agents=1.0
    )
    analyzer = Compact(with_weights(fitted.model, calibration=known))
    trace = planted(1, seed=5)[0]
    seen = analyzer.attribute(trace, Context())
    strange = analyzer.attribute(of_system(trace, "never-heard-of"), Context())
    assert (len(seen.suspect_set.steps), len(seen.agent_set.agents), seen.warnings) == (1, 1, ())
    assert sorted(strange.suspect_set.steps) == list(range(len(trace.steps)))
    assert sorted(strange.agent_set.agents) == ["A", "B", "C"]
    assert "no labelled run of never-heard-of" in strange.warnings[0]


def test_below_the_least_probability_nobody_is_named(fitted, planted):
    trace = planted(1, seed=5)[0]
    named = fitted.attribute(trace, Context())
    least = named.top.probability + 0.01
    unsure = fitted.attribute(trace, Context(settings={"least": least}))
    assert unsure.abstained.endswith(f"less than the {least:.0%} asked for")
    assert not unsure.suspects
    enough = fitted.attribute(trace, Context(settings={"least": named.top.probability}))
    assert enough.suspects == named.suspects
    assert enough.method.settings == {"least": named.top.probability}


def test_steps_that_look_alike_get_no_verdict():
    trace = make_trace("flat", [("A", "Say it again."), ("B", "Say it again.")] * 20)
    chances = shipped().chances(tables(trace))
    flat = float(-(chances @ np.log(chances))) / np.log(len(chances)) > FLAT
    assert (Compact().attribute(trace, Context()).abstained is not None) == flat
    weights = shipped().weights
    dull = tuple(msgspec.structs.replace(m, weight=(0.0,) * len(m.weight)) for m in weights.members)
    networks = shipped().networks._replace(
        members=tuple({k: 0.0 * a for k, a in m.items()} for m in shipped().networks.members)
    )
    model = Model(msgspec.structs.replace(weights, members=dull), networks)
    assert "all 40 steps look alike" in Compact(model).attribute(trace, Context()).abstained


def test_the_answer_is_never_read(fitted, planted):
    trace = planted(1, seed=5)[0]
    told = msgspec.structs.replace(trace, task=Task(trace.task.question, "42", trace.task.id))
    blind = fitted.attribute(told, Context())
    asked = fitted.attribute(told, Context(with_answer=True))
    assert asked.suspects == blind.suspects
    assert "never reads the correct answer" in asked.warnings[0]


def test_modes_are_told_of_the_first_suspects_and_with_their_doubt(monkeypatch, planted):
    class Model:
        def stated(self, trace, x, e):
            assert (len(x), e.shape) == (len(trace.steps), (len(trace.steps), 256))
            return {"A": ("FM-1.3", "FM-2.5"), "B": (), "C": ()}

    trace = planted(1, seed=5)[0]
    without = Compact().attribute(trace, Context())
    monkeypatch.setattr(ModeModel, "load", lambda: Model())
    verdict = Compact().attribute(trace, Context())
    for rank, suspect in enumerate(verdict.suspects):
        told = suspect.agent == "A" and rank < EXPLAINED
        assert suspect.modes == (("FM-1.3", "FM-2.5") if told else ())
    assert any(suspect.modes for suspect in verdict.suspects)
    assert verdict.warnings == (*without.warnings, MODES)


def test_no_mode_is_stated_of_runs_unlike_injected_ones():
    """What docs/experiments/modes.md recommends: on real systems modes are no better than chance."""
    for trace in load(EXAMPLES):
        verdict = Compact().attribute(trace, Context())
        assert not any(suspect.modes for suspect in verdict.suspects)
        assert MODES not in verdict.warnings


@pytest.mark.parametrize(
    "settings", [{"typo": 1}, {"least": "high"}, {"least": 1.5}, {"least": float("nan")}]
)
def test_settings_that_make_no_sense_are_refused(planted, settings):
    with pytest.raises(UsageError, match=r"typo|least is"):
        Compact().attribute(planted(1)[0], Context(settings=settings))


def test_a_model_comes_back_from_a_folder_and_is_chosen_by_it(fitted, planted, tmp_path):
    save_model(fitted, tmp_path / "m", definition="decisive", card="---\nlicense: mit\n---\n# M\n")
    trace = planted(1, seed=5)[0]
    verdict = attribute(trace, model=tmp_path / "m")
    assert verdict.method.name == "compact"
    assert verdict.method.model == fitted.model.id
    assert verdict.suspects == fitted.attribute(trace, Context()).suspects
    assert isinstance(load_model(tmp_path / "m"), Compact)


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
def test_weights_that_make_no_sense_are_refused(planted, tmp_path, member, field, value):
    model = shipped()
    members = list(model.weights.members)
    members[member] = msgspec.structs.replace(members[member], **{field: value})
    broken = with_weights(model, members=tuple(members))
    with pytest.raises(ContractError, match="refit"):
        Compact(broken).attribute(planted(1)[0], Context())
    if field != "mean":  # JSON holds no NaN
        (tmp_path / "weights.json").write_bytes(as_json(broken.weights))
        with pytest.raises(ValueError, match="train it anew"):
            Compact.load(tmp_path)


def test_weights_without_members_are_refused(planted):
    nothing = Model(Weights(members=(), seed=0, traces=()), shipped().networks)
    with pytest.raises(ContractError, match="no members"):
        Compact(nothing).attribute(planted(1)[0], Context())


def test_networks_of_other_weights_are_refused(tmp_path):
    Compact().save(tmp_path)
    weights = msgspec.structs.replace(shipped().weights, networks="0123456789ab")
    (tmp_path / "weights.json").write_bytes(as_json(weights))
    with pytest.raises(ValueError, match="does not belong to these weights"):
        Compact.load(tmp_path)
    (tmp_path / "networks.safetensors").unlink()
    with pytest.raises(InputError, match=r"networks\.safetensors"):
        Compact.load(tmp_path)


def test_features_are_finite_and_named():
    for trace in edge_traces():
        seen = tables(trace)
        for name, table in seen.by_member.items():
            assert table.shape == (len(trace.steps), len(NAMES[name]))
            assert np.isfinite(table).all()
        assert np.isfinite(seen.graph.e).all()


def test_tables_are_kept_by_identity_and_no_longer_than_asked_for():
    trace = edge_traces()[1]
    hidden = msgspec.structs.replace(trace, labels=())
    with kept():
        first = tables(trace)
        with kept():
            assert tables(trace) is first
        assert tables(trace) is first
        assert tables(hidden) is not first
    assert tables(trace) is not first


def test_attributing_loads_nothing_heavy():
    code = (
        "import sys, tracekit as tk\n"
        "from tracekit.testing.traces import edge_traces\n"
        "assert tk.attribute(edge_traces()[1]).method.name == 'compact'\n"
        "heavy = ('torch', 'scipy', 'sklearn', 'pandas', 'tracekit_models')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
