"""Methods for which several runs are cheaper together: one call for all, a verdict for each."""

import contextlib
import threading

import pytest

from tracekit.analyzers.run import attribute, attribute_all, in_order
from tracekit.analyzers.together import together
from tracekit.attribution import Attribution, Method, Suspect
from tracekit.context import Context
from tracekit.errors import MissingExtra, UsageError
from tracekit.registry import get
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome

RUNS = [make_trace("same-id", [("Ada", "one"), ("Ben", "two")][: n % 2 + 1]) for n in range(5)]


class Counting:
    """Blames the last step; counts how often it is asked, and breaks on request."""

    name = "counting"
    needs = frozenset({"trace"})

    def __init__(self, bad=None):
        self.calls = []
        self.bad = bad

    def attribute(self, trace, context):
        return self.attribute_many([trace], context)[0]

    def attribute_many(self, traces, context):
        self.calls.append(len(traces))
        if any(trace is self.bad for trace in traces):
            raise ValueError("it breaks here")
        return [
            Attribution(
                t.id, Method(name=self.name), (Suspect(t.steps[-1].agent, t.steps[-1].index, 1.0),)
            )
            for t in traces
        ]


def test_runs_are_explained_in_one_call_each_by_its_own_verdict():
    method = Counting()
    one = together(method, RUNS)
    said = [attribute(run, one).top.step for run in RUNS]
    assert said == [len(run.steps) - 1 for run in RUNS]  # though all have the same id
    assert method.calls == [5]


def test_a_run_that_is_not_among_them_is_asked_about_by_itself():
    method = Counting()
    one = together(method, RUNS[:2])
    assert [attribute(run, one).top.step for run in RUNS[:3]] == [0, 1, 0]
    assert method.calls == [2, 1]


def test_a_run_on_which_the_method_breaks_costs_no_other_its_verdict():
    method = Counting(bad=RUNS[2])
    one = together(method, RUNS)
    assert attribute(RUNS[0], one).top.step == 0
    with pytest.raises(ValueError, match="it breaks here"):
        one.attribute(RUNS[2], Context())
    assert attribute(RUNS[1], one).top.step == 1


def test_verdicts_say_why_they_were_not_made_together():
    one = together(Counting(bad=RUNS[2]), RUNS)
    (warning,) = attribute(RUNS[0], one).warnings
    assert "5 runs together failed (ValueError: it breaks here)" in warning
    assert attribute(RUNS[0], together(Counting(), RUNS)).warnings == ()


@pytest.mark.parametrize("error", [UsageError("no such model"), MissingExtra("torch", "train")])
def test_what_is_wrong_with_the_request_is_not_tried_again(error):
    class Refusing(Counting):
        def attribute_many(self, traces, context):
            self.calls.append(len(traces))
            raise error

    method = Refusing()
    one = together(method, RUNS)
    for run in RUNS[:2]:
        with pytest.raises(type(error), match=str(error)[:10]):
            attribute(run, one)
    assert method.calls == [5]


def test_threads_share_the_verdicts_of_one_call():
    gate = threading.Barrier(2)

    class Slow(Counting):
        def attribute_many(self, traces, context):
            with contextlib.suppress(threading.BrokenBarrierError):
                gate.wait(timeout=0.3)  # until a second thread is here as well, which must not be
            return super().attribute_many(traces, context)

    method = Slow()
    one = together(method, RUNS)
    said = list(in_order(lambda run: attribute(run, one).top.step, RUNS, 4))
    assert said == [len(run.steps) - 1 for run in RUNS]
    assert method.calls == [5]


def test_what_is_not_cheaper_together_stays_itself():
    method = get("analyzers", "first-error")
    assert together(method, RUNS) is method


def test_many_runs_are_explained_together_from_python_as_well():
    method = Counting()
    runs = [*RUNS, make_trace("fine", [("Ada", "one")], outcome=Outcome("success", by="made up"))]
    said = [verdict for _, verdict in attribute_all(runs, method)]
    assert [one.top.step for one in said[:5]] == [len(run.steps) - 1 for run in RUNS]
    assert said[5].abstained == "the run succeeded"
    assert method.calls == [5]
