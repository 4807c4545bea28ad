"""Value decomposition: returns of the team as sums over agents, and who falls short."""

import msgspec
import numpy as np
import pytest

from tracekit.analyzers.run import attribute
from tracekit.analyzers.vdn import FEWEST, Rows, Vdn, blame, fit, rows_of, step_values
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.testing.analyzers import check_analyzer
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome, Task

TROUBLE = "Unfortunately this is wrong and the file is missing, it failed, invalid however"


def team_runs(n, seed=0):
    """Runs of three agents of which one has trouble in each that fails."""
    rng = np.random.default_rng(seed)
    runs = []
    for number in range(n):
        failed = number % 2 == 0
        said = [["ABC"[i % 3], f"The part {rng.integers(1000)} was put together"] for i in range(6)]
        guilty = int(rng.integers(6))
        if failed:
            said[guilty][1] = TROUBLE
        trace = make_trace(
            f"run-{seed}-{number}",
            [tuple(one) for one in said],
            task=Task(f"Build number {number}", id=str(number)),
            outcome=Outcome("failure" if failed else "success"),
        )
        runs.append((trace, guilty if failed else None))
    return runs


@pytest.fixture(scope="module")
def runs():
    return team_runs(40)


@pytest.fixture(scope="module")
def corpus(runs):
    return tuple(trace for trace, _ in runs)


def test_the_agent_that_falls_short_is_blamed(corpus):
    context, analyzer = Context(corpus=corpus), Vdn()
    new = [(trace, guilty) for trace, guilty in team_runs(20, seed=1) if guilty is not None]
    verdicts = [attribute(trace, analyzer, context=context) for trace, _ in new]
    right = [v.top.step == guilty for v, (_, guilty) in zip(verdicts, new, strict=True)]
    agents = [
        next(iter(v.agents)) == trace.steps[guilty].agent
        for v, (trace, guilty) in zip(verdicts, new, strict=True)
    ]
    assert np.mean(right) >= 0.9
    assert np.mean(agents) >= 0.9
    assert "takes" in verdicts[0].top.evidence[0].shows
    assert "agents add up" in verdicts[0].warnings[0]


def test_values_of_all_steps_add_up_to_the_value_of_the_run(corpus):
    rows = [rows_of(trace) for trace in corpus]
    fitted = fit(rows)
    for run in rows[:5]:
        z = (run.steps.sum(axis=0) - fitted.mean) / fitted.scale
        assert step_values(run, fitted).sum() == pytest.approx(float(z @ fitted.weight))


def test_the_fit_is_ridge_regression():
    """One column, by hand: z = (-1, 1), returns (0, 1), so that w = 1 / (2 + ridge)."""
    runs = [Rows("a", np.array([[1.0]]), True), Rows("b", np.array([[1.5], [1.5]]), False)]
    fitted = fit(runs, ridge=3.0)
    assert (fitted.mean.tolist(), fitted.scale.tolist(), fitted.base) == ([2.0], [1.0], 0.5)
    assert fitted.weight.tolist() == pytest.approx([1 / 5])
    # the second run is worth 0.2 more than the mean one; its steps share it alike
    assert step_values(runs[1], fitted).ravel().tolist() == pytest.approx([0.1, 0.1])


def test_a_run_is_not_judged_by_itself(runs, corpus):
    trace = next(trace for trace, guilty in runs if guilty is not None)
    copies = tuple(msgspec.structs.replace(trace, id=f"copy-{n}") for n in range(50))
    one = attribute(trace, "vdn", context=Context(corpus=corpus))
    other = attribute(trace, "vdn", context=Context(corpus=(*corpus, *copies)))
    assert one.suspects == other.suspects


@pytest.mark.parametrize("keep", ["failure", "success"])
def test_it_abstains_without_both_outcomes(corpus, keep):
    some = tuple(trace for trace in corpus if trace.outcome.status == keep)
    verdict = attribute(corpus[0], "vdn", context=Context(corpus=some))
    assert f"{FEWEST} of each are needed" in verdict.abstained
    assert "0 " in verdict.abstained


def test_runs_of_unknown_outcome_teach_nothing(corpus):
    lost = tuple(msgspec.structs.replace(trace, outcome=Outcome()) for trace in corpus)
    assert attribute(corpus[0], "vdn", context=Context(corpus=lost)).abstained


def test_blame_is_shared_out():
    chances = blame(np.array([0.2, -0.4, 0.1, 0.1]), ["a", "b", "a", "c"])
    assert chances.sum() == pytest.approx(1)
    assert int(chances.argmax()) == 1
    assert blame(np.zeros(2), ["a", "b"]).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("ridge", [0, -1, "much", float("inf")])
def test_the_penalty_is_checked(corpus, ridge):
    with pytest.raises(UsageError, match="wanted a number above 0"):
        attribute(corpus[0], "vdn", context=Context(corpus=corpus), ridge=ridge)


def test_it_keeps_the_contract_with_a_corpus(corpus):
    check_analyzer(Vdn(), corpus[:3], context=Context(corpus=corpus))
