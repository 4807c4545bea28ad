"""Why compact blames a step: parts that add up, statements that hold, words that stand there."""

from pathlib import Path

import numpy as np
import pytest

from tracekit import load
from tracekit.analyzers.compact.analyzer import Compact, shipped
from tracekit.analyzers.compact.features import NAMES, tables
from tracekit.analyzers.compact.why import ALONE, NOTHING, evidence, parts
from tracekit.analyzers.compact.wording import LOW, STATEMENTS
from tracekit.context import Context
from tracekit.report.explain import reason
from tracekit.signals.cues import CUES
from tracekit.signals.phrases import PHRASES
from tracekit.testing.traces import edge_traces, make_trace

EXAMPLES = Path(__file__).parents[2] / "datasets" / "examples" / "logs"
TRIED = [trace for trace in edge_traces() if len(trace.steps) < 100]


@pytest.mark.parametrize("trace", TRIED, ids=lambda trace: trace.id)
def test_parts_add_up_to_the_odds(trace):
    """The parts of two steps differ by the logarithm of the ratio of their chances."""
    model, seen = shipped(), tables(trace)
    kept = seen.blamable
    total, logs = parts(model, seen).total()[kept], np.log(model.chances(seen)[kept])
    np.testing.assert_allclose(total - total[0], logs - logs[0], atol=1e-8)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(NAMES))
def test_feature_parts_are_the_shapley_values_of_the_member(name):
    """Against the run's own steps as background, as `shap` works them out."""
    shap = pytest.importorskip("shap")
    trace = next(trace for trace in TRIED if trace.id == "team")
    model, seen = shipped(), tables(trace)
    member = next(member for member in model.weights.members if member.name == name)
    x = seen.by_member[name][seen.blamable]
    slope = np.array(member.weight) / np.array(member.scale)
    masker = shap.maskers.Independent(x, max_samples=len(x))
    values = shap.LinearExplainer((slope, 0.0), masker).shap_values(x)
    share = 1 / 3 / model.weights.calibration.temperature
    found = parts(model, seen).members[name][seen.blamable]
    np.testing.assert_allclose(found, share * values, atol=1e-8)


def test_statements_are_about_columns_and_cues_that_exist():
    for table in (STATEMENTS, LOW):
        for name, statements in table.items():
            assert set(statements) <= set(NAMES[name])
            for said in statements.values():
                look = said.look.removeprefix("phrase.")
                assert look in {"", "error", "answer", "fact", *CUES, *PHRASES}


def test_why_is_never_empty():
    for trace in [*load(EXAMPLES), *edge_traces()]:
        if not trace.steps:
            continue
        verdict = Compact().attribute(trace, Context())
        if verdict.top is None:
            continue
        assert all(s.evidence for s in verdict.suspects[:5] if s.probability > 0)
        assert reason(verdict.top)


def test_the_words_that_moved_it_are_quoted():
    trace = make_trace(
        "t",
        [
            ("A", "How many legs have three spiders? We count them with a program, all of us."),
            ("B", "Let us assume 9 legs for each.\n```python\nprint(3 * 9)\n```"),
            ("T", "exitcode: 1 (execution failed)\nNameError: name 'legs' is not defined"),
            ("C", "Therefore the conclusion is that there are 27 legs in the summer of 1932."),
        ],
    )
    found = evidence(trace, shipped(), tables(trace), [1, 3])
    said = {e.shows: (e.step, e.quote) for e in found[1]}
    assert said["first action that ends in an error or in hardly any output"] == (2, "exitcode: 1")
    assert said["assumes or makes up what it should find out"] == (1, "assume")
    for pieces in found.values():
        assert all(trace.steps[e.step].content[e.start : e.end] == e.quote for e in pieces)
        weights = [e.weight for e in pieces]
        assert weights == sorted(weights, reverse=True)


def test_columns_of_one_meaning_are_one_statement():
    trace = make_trace("t", [("A", f"Part {i} is done as planned.") for i in range(5)])
    model, seen = shipped(), tables(trace)
    found = evidence(trace, model, seen, [4])[4]
    last = next(e for e in found if e.shows == "the last piece of work of the run")
    columns = parts(model, seen).members
    both = [
        columns["short"][4, NAMES["short"].index("last_deed")],
        columns["wide"][4, NAMES["wide"].index("position.last_deed")],
    ]
    assert last.weight == pytest.approx(sum(both))


def test_where_the_networks_outweigh_the_rest_it_is_said():
    trace = next(trace for trace in TRIED if trace.id == "team")
    model, seen = shipped(), tables(trace)
    found = evidence(trace, model, seen, range(len(trace.steps)))
    part = parts(model, seen)
    said = 0
    for step, pieces in found.items():
        if "the networks" in pieces[0].shows:
            said += 1
            others = sum(float(p[step][p[step] > 0].sum()) for p in part.members.values())
            share = part.networks[step] / (part.networks[step] + others)
            assert f"are {share:.0%} of what speaks for it" in pieces[0].shows
            assert pieces[0].weight == pytest.approx(part.networks[step])
            assert pieces[0].quote == ""
    assert 0 < said < len(found)


def test_without_reasons_that_is_the_reason():
    alone = make_trace("t", [("user", "please"), ("A", "done")])
    assert evidence(alone, shipped(), tables(alone), [0, 1])[1][0].shows == ALONE
    trace = next(trace for trace in TRIED if trace.id == "team")
    found = evidence(trace, shipped(), tables(trace), range(len(trace.steps)))
    shown = {step for step, pieces in found.items() if pieces[0].shows == NOTHING}
    total = parts(shipped(), tables(trace)).total()
    assert all(total[step] < 0 for step in shown)


def test_hostile_words_are_quoted_in_time():
    trace = make_trace(
        "t", [("A", "unfortunately " * 20_000), ("B", "(" * 100_000), ("A", "1" * 9)]
    )
    verdict = Compact().attribute(trace, Context())
    assert all(len(e.quote) <= 250 for s in verdict.suspects for e in s.evidence)
