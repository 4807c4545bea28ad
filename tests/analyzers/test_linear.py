"""The linear analyzer: what it learns, what it says, and how well it does out of fold."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tracekit.analyzers import linear_fit
from tracekit.analyzers.linear import Linear, shipped
from tracekit.analyzers.linear_fit import Weights, fit_weights, question
from tracekit.context import Context
from tracekit.errors import ContractError, UsageError
from tracekit.folds import fingerprint, grouped_folds
from tracekit.ingest.pipeline import load
from tracekit.protocols import Analyzer, Fitted
from tracekit.signals.features import NAMES
from tracekit.store import encode
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Label

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fitted(planted):
    return Linear().fit(planted(), Context())


def right(analyzer, traces):
    verdicts = [(analyzer.attribute(trace, Context()), trace.labels[0]) for trace in traces]
    return np.mean([[v.top.step == x.step, v.top.agent == x.agent] for v, x in verdicts], axis=0)


def test_planted_signal_is_found_in_new_runs(fitted, planted):
    weights = dict(zip(NAMES, fitted.weights.weight, strict=True))
    assert max(weights, key=weights.get) == "assumption"
    assert right(fitted, planted(seed=1))[0] > 0.8


def test_fit_leaves_the_analyzer_as_it_was_and_is_deterministic(fitted, planted):
    before = Linear()
    again = before.fit(planted(), Context())
    assert again.weights == fitted.weights
    assert before.weights is shipped()


def test_seen_are_the_training_traces(fitted, planted):
    assert isinstance(fitted, Fitted)
    assert isinstance(fitted, Analyzer)
    assert fitted.seen() == {fingerprint(trace) for trace in planted()}
    assert not fitted.seen() & {fingerprint(trace) for trace in planted(seed=1)}


def test_runs_without_a_usable_label_are_left_out(planted):
    unlabelled = [make_trace("none", [("A", "x"), ("B", "y")])]
    person = [
        make_trace("person", [("user", "x"), ("B", "y")], labels=(Label("decisive", step=0),))
    ]
    assert len(fit_weights([*planted(12), *unlabelled, *person]).traces) == 12
    with pytest.raises(UsageError, match="9 traces"):
        Linear().fit(planted(9) + person, Context())


def test_weights_of_other_features_are_refused(fitted, planted):
    other = Weights(
        features=("made-up",),
        mean=(0.0,),
        scale=(1.0,),
        weight=(1.0,),
        ridge=1.0,
        seed=0,
        traces=(),
    )
    with pytest.raises(ContractError, match="refit"):
        Linear(other).attribute(planted(1)[0], Context())


def test_unknown_setting_is_refused(planted):
    with pytest.raises(UsageError, match="'typo'"):
        Linear().attribute(planted(1)[0], Context(settings={"typo": 1}))


@pytest.mark.parametrize("trace", edge_traces(), ids=lambda trace: trace.id)
def test_verdict_is_whole_and_the_same_every_time(trace):
    verdict = Linear().attribute(trace, Context())
    assert sorted(s.step for s in verdict.suspects) == list(range(len(trace.steps)))
    assert sum(s.probability for s in verdict.suspects) == pytest.approx(1)
    assert list(verdict.agents.values()) == sorted(verdict.agents.values(), reverse=True)
    assert encode(verdict) == encode(Linear().attribute(trace, Context(seed=7)))
    for suspect in verdict.suspects:
        for e in suspect.evidence:
            assert e.quote == trace.steps[e.step].content[e.start : e.end]
            assert e.weight > 0
            assert e.shows


def test_the_error_after_the_step_is_quoted_as_evidence():
    trace = make_trace(
        "t",
        [
            ("A", "How many legs have three spiders? We count them with a program, all of us."),
            ("B", "Three spiders have legs.\n```python\nprint(legs)\n```"),
            ("T", "exitcode: 1 (execution failed)\nNameError: name 'legs' is not defined"),
            ("A", "It did not run, so we stop here and give up on the whole thing."),
        ],
    )
    verdict = Linear().attribute(trace, Context())
    assert verdict.top.step == 1
    assert (2, "exitcode: 1") in [(e.step, e.quote) for e in verdict.top.evidence]


def test_people_are_not_blamed():
    trace = make_trace("t", [("user", "Assume that x is 3"), ("A", "So x is 3, and 4 as well.")])
    chances = {s.step: s.probability for s in Linear().attribute(trace, Context()).suspects}
    assert chances == {1: 1.0, 0: 0.0}


def test_evidence_adds_up_to_the_odds(fitted, planted):
    """The parts of two steps differ by the logarithm of the ratio of their chances."""
    trace = planted(1)[0]
    from tracekit.signals.features import matrix
    from tracekit.signals.reading import read

    reading = read(trace)
    score = fitted.weights.parts(matrix(reading), reading.blamable).sum(axis=1)
    chances = {s.step: s.probability for s in fitted.attribute(trace, Context()).suspects}
    assert np.log(chances[1] / chances[0]) == pytest.approx(score[1] - score[0])


def test_import_stays_light():
    code = (
        "import sys, tracekit.analyzers.linear;"
        "print([m for m in ('torch', 'scipy', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.data
def test_shipped_weights_are_what_the_command_makes(data, tmp_path):
    out = tmp_path / "linear.json"
    linear_fit.main(["--data", str(data), "--out", str(out)])
    assert json.loads(out.read_bytes()) == json.loads(linear_fit.SHIPPED.read_bytes())


@pytest.mark.data
def test_out_of_fold_accuracy_stays_up(data):
    """Question-grouped ten-fold cross-validation; floors lie below the worst of ten fold seeds."""
    traces = list(load(data / "labeled" / "who-and-when", format="who-and-when"))
    generated = np.array(["Algorithm" in trace.source.path for trace in traces])
    folds = grouped_folds(traces, question, 10, seed=0)
    hits = np.zeros((len(traces), 2))
    for fold in range(10):
        analyzer = Linear().fit(
            [t for t, f in zip(traces, folds, strict=True) if f != fold], Context()
        )
        for i in np.flatnonzero(folds == fold):
            hits[i] = right(analyzer, [traces[i]])
    (step_generated, agent_generated), (step_crafted, agent_crafted) = (
        hits[generated].mean(axis=0),
        hits[~generated].mean(axis=0),
    )
    assert step_generated >= 0.40
    assert agent_generated >= 0.62
    assert step_crafted >= 0.18
    assert agent_crafted >= 0.58


def test_card_describes_the_shipped_weights():
    card = (ROOT / "models" / "cards" / "linear.md").read_text(encoding="utf-8")
    assert f"`{shipped().id}`" in card
    for name, weight, scale in zip(NAMES, shipped().weight, shipped().scale, strict=True):
        row = next(line for line in card.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.endswith(f"| {weight / scale:+.2f} |")
