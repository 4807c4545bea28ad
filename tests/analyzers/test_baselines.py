"""The methods that a fitted one has to beat."""

from collections import Counter

import pytest

from tracekit.analyzers.baselines import (
    Constant,
    FirstSpeaker,
    LastSpeaker,
    PositionPrior,
    Random,
)
from tracekit.analyzers.first_error import FirstError
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.folds import fingerprint
from tracekit.protocols import Analyzer, Fitted
from tracekit.testing.traces import edge_traces, make_trace
from tracekit.trace import Label

TALK = make_trace(
    "talk", [("user", "please"), ("A", "one"), ("B", "two"), ("A", "three"), ("user", "thanks")]
)
ALL = (Random(), Constant(), PositionPrior(), FirstSpeaker(), LastSpeaker(), FirstError())


def labelled(id, step, steps=6):
    said = [("AB"[i % 2], f"{id} says {i}") for i in range(steps)]
    return make_trace(id, said, labels=(Label("decisive", "A", step),))


@pytest.mark.parametrize(
    ("analyzer", "step", "agent"),
    [(Constant(), 1, "A"), (FirstSpeaker(), 1, "A"), (LastSpeaker(), 3, "A")],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_step_named(analyzer, step, agent):
    verdict = analyzer.attribute(TALK, Context())
    assert (verdict.suspects[0].step, verdict.suspects[0].agent) == (step, agent)


@pytest.mark.parametrize("analyzer", ALL, ids=lambda a: a.name)
def test_chances_add_up_and_every_step_is_ranked_once(analyzer):
    assert isinstance(analyzer, Analyzer)
    for trace in edge_traces():
        verdict = analyzer.attribute(trace, Context())
        if verdict.abstained is None:
            assert sorted(s.step for s in verdict.suspects) == list(range(len(trace.steps)))
            assert sum(s.probability for s in verdict.suspects) == pytest.approx(1)
            assert sum(verdict.agents.values()) == pytest.approx(1)


@pytest.mark.parametrize("analyzer", ALL, ids=lambda a: a.name)
def test_unknown_setting_is_refused(analyzer):
    with pytest.raises(UsageError, match="'typo'"):
        analyzer.attribute(TALK, Context(settings={"typo": 1}))


def test_random_depends_on_seed_and_trace_alone_and_spares_people():
    def tops(seeds):
        return [Random().attribute(TALK, Context(seed=seed)).suspects[0].step for seed in seeds]

    assert tops(range(5)) == tops(range(5))
    counts = Counter(tops(range(300)))
    assert set(counts) == {1, 2, 3}
    assert min(counts.values()) > 60
    chances = {s.step: s.probability for s in Random().attribute(TALK, Context()).suspects}
    assert chances == pytest.approx({0: 0, 1: 1 / 3, 2: 1 / 3, 3: 1 / 3, 4: 0})


def test_constant_takes_a_step_and_stays_within_the_trace():
    at = {n: Constant().attribute(TALK, Context(settings={"step": n})).top.step for n in (0, 3, 99)}
    assert at == {0: 0, 3: 3, 99: 4}


@pytest.mark.parametrize("step", [-1, 1.5, "1", True])
def test_constant_refuses_what_is_no_index(step):
    with pytest.raises(UsageError, match="integer"):
        Constant().attribute(TALK, Context(settings={"step": step}))


def test_constant_is_fitted_to_the_commonest_step_the_earliest_among_equals():
    traces = [labelled("a", 4), labelled("b", 2), labelled("c", 4), labelled("d", 2)]
    fitted = Constant().fit([*traces, make_trace("unlabelled", [("A", "x")])], Context())
    assert isinstance(fitted, Fitted)
    assert fitted.step == 2
    assert fitted.seen() == {fingerprint(trace) for trace in traces}
    assert Constant().seen() == frozenset()


def test_constant_cannot_be_fitted_without_labels():
    with pytest.raises(UsageError, match="label"):
        Constant().fit([TALK], Context())


def test_position_prior_counts_tenths_and_spreads_each_over_its_steps():
    traces = [labelled("a", 19, 20), labelled("b", 18, 20), labelled("c", 9, 10)]
    fitted = PositionPrior().fit([*traces, TALK], Context())
    assert isinstance(fitted, Fitted)
    assert fitted.seen() == {fingerprint(trace) for trace in traces}
    assert fitted.shares == (1 / 13,) * 9 + (4 / 13,)
    chances = fitted.attribute(labelled("new", 0, 20), Context()).suspects
    by_step = {suspect.step: suspect.probability for suspect in chances}
    assert by_step[18] == by_step[19] == pytest.approx(2 / 13)
    assert by_step[0] == by_step[17] == pytest.approx(0.5 / 13)
    assert [suspect.step for suspect in chances[:3]] == [18, 19, 0]


def test_position_prior_spares_people_and_knows_nothing_before_it_is_fitted():
    chances = PositionPrior().attribute(TALK, Context()).suspects
    assert [c.probability for c in chances] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])
    assert PositionPrior().seen() == frozenset()
    with pytest.raises(UsageError, match="label"):
        PositionPrior().fit([TALK], Context())


def test_first_error_blames_whoever_asked_for_it():
    trace = make_trace(
        "t",
        [
            ("A", "all is well"),
            ("B", "```python\n1 / 0\n```"),
            ("T", "exitcode: 1 (execution failed)\nZeroDivisionError: division by zero"),
            ("A", "I'm sorry about that"),
        ],
    )
    verdict = FirstError().attribute(trace, Context())
    assert [s.step for s in verdict.suspects] == [1, 3, 0, 2]
    assert verdict.top.probability == pytest.approx(2 / 3)
    assert [(e.step, e.quote) for e in verdict.top.evidence] == [
        (2, "exitcode: 1"),
        (2, "ZeroDivisionError: "),
    ]


def test_first_error_abstains_without_a_sign():
    verdict = FirstError().attribute(make_trace("t", [("A", "fine"), ("B", "good")]), Context())
    assert verdict.suspects == ()
    assert "sign" in verdict.abstained


def test_evidence_quotes_the_log():
    for trace in edge_traces():
        for suspect in FirstError().attribute(trace, Context()).suspects:
            for e in suspect.evidence:
                assert e.quote == trace.steps[e.step].content[e.start : e.end]
