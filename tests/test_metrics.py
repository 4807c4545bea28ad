"""Strict scoring, by hand."""

import math
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit.attribution import Attribution, Method, Suspect, SuspectSet
from tracekit.metrics import (
    accused,
    blame_in,
    blame_of,
    brier,
    chance,
    gold,
    log_loss,
    ranking,
    score,
)
from tracekit.trace import Agent, Label, Source, Step, Trace

METHOD = Method(name="test")


def said(*steps, agent="A", probability=0.1, **more):
    suspects = tuple(Suspect(agent, step, probability) for step in steps)
    return Attribution(trace_id="t", method=METHOD, suspects=suspects, **more)


def label(step, agent="A"):
    return Label(definition="decisive", agent=agent, step=step)


def test_right():
    found = score(said(4), label(4), steps=9)
    assert (found.step, found.agent, found.joint, found.near) == (1, 1, 1, 1)
    assert (found.top3, found.top5, found.mrr) == (1, 1, 1)


def test_step_and_agent_are_apart():
    wrong_agent = score(said(4, agent="B"), label(4), steps=9)
    assert (wrong_agent.step, wrong_agent.agent, wrong_agent.joint) == (1, 0, 0)
    wrong_step = score(said(5), label(4), steps=9)
    assert (wrong_step.step, wrong_step.agent, wrong_step.joint, wrong_step.near) == (0, 1, 0, 1)


@pytest.mark.parametrize("other", ["web_surfer", "WebSurfer", "Web Surfer", "WebSurfer (thought)"])
def test_agents_by_normalised_name(other):
    assert score(said(1, agent=other), label(1, agent="WebSurfer"), steps=3).agent == 1


@pytest.mark.parametrize("other", ["Web", "Surfer", "WebSurfer2", "FileSurfer", "", "--"])
def test_agents_not_by_substring(other):
    assert score(said(1, agent=other), label(1, agent="WebSurfer"), steps=3).agent == 0


def test_names_without_letters_never_match():
    assert score(said(1, agent="--"), label(1, agent="_"), steps=3).agent == 0


@pytest.mark.parametrize("step", [10, 12, 21, 123456789])
def test_steps_not_by_substring(step):
    assert score(said(step), label(1), steps=30).step == 0


def test_rank_counts_distinct_steps():
    attribution = said(7, 7, 2, 7, 5, 3)
    assert ranking(attribution) == [7, 2, 5, 3]
    found = score(attribution, label(3), steps=9)
    assert (found.top3, found.top5, found.mrr) == (0, 1, 0.25)


def test_abstention_is_wrong():
    silent = said(abstained="cannot tell")
    found = score(silent, label(4), steps=8)
    assert (found.step, found.agent, found.joint, found.near, found.mrr) == (0, 0, 0, 0, 0)
    assert found.log_loss == pytest.approx(math.log(8))
    assert score(said(4, abstained="not sure"), label(4), steps=8).step == 0


def test_label_without_step_or_agent_cannot_be_met():
    found = score(said(0), label(None, agent=None), steps=3)
    assert (found.step, found.agent, found.near, found.mrr, found.log_loss) == (0, 0, 0, 0, None)


def test_suspect_set():
    attribution = said(4, suspect_set=SuspectSet(steps=(4, 5, 5), coverage=0.9))
    assert (score(attribution, label(5), 9).in_set, score(attribution, label(5), 9).set_size) == (
        1,
        2,
    )
    assert score(attribution, label(6), 9).in_set == 0
    assert score(said(4), label(4), 9).in_set is None


def test_log_loss_by_hand():
    # 0.5 on step 1, 0.1 on step 2; the 0.4 left are spread over 4 unnamed steps.
    attribution = Attribution(
        trace_id="t", method=METHOD, suspects=(Suspect("A", 1, 0.5), Suspect("A", 2, 0.1))
    )
    assert score(attribution, label(1), 6).log_loss == pytest.approx(-math.log(0.5))
    assert score(attribution, label(0), 6).log_loss == pytest.approx(-math.log(0.1))
    assert score(said(1, probability=1.0), label(0), 6).log_loss == pytest.approx(-math.log(1e-15))
    assert score(said(1, probability=1.0), label(1), 6).log_loss == 0.0


def test_chance_by_hand():
    # Speakers a b a a; blamed: a at step 2. Ranks 1..4 give MRR (1 + 1/2 + 1/3 + 1/4) / 4.
    trace = run("abaa")
    found = chance(trace, label(2, agent="a"))
    assert (found.step, found.agent, found.joint) == (0.25, 0.75, 0.25)
    assert (found.near, found.top3, found.top5) == (0.75, 0.75, 1.0)
    assert found.mrr == pytest.approx(25 / 48)
    # Blamed agent did not take the blamed step: never both.
    assert chance(trace, label(1, agent="a")).joint == 0.0
    assert chance(trace, label(0, agent="a")).near == 0.5
    assert chance(run(""), label(0)).step == 0.0


@given(st.integers(1, 12), st.data())
def test_chance_is_the_mean_over_all_answers(count, data):
    speakers = data.draw(st.text("abc", min_size=count, max_size=count))
    trace = run(speakers)
    right = label(data.draw(st.integers(0, count - 1)), agent=data.draw(st.sampled_from("abc")))
    answers = [score(said(s.index, agent=s.agent), right, count) for s in trace.steps]
    expected = chance(trace, right)
    for metric in ("step", "agent", "joint", "near"):
        mean = sum(getattr(answer, metric) for answer in answers) / count
        assert getattr(expected, metric) == pytest.approx(mean)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 9))
def test_metrics_are_ordered(steps, right):
    found = score(said(*steps), label(right), steps=10)
    assert found.joint <= found.step <= found.near
    assert found.step <= found.top3 <= found.top5
    assert found.step <= found.mrr
    assert (found.mrr > 0) == (right in steps)


def test_gold_is_the_first_of_its_definition():
    labels = (Label("span-error", step=1), Label("decisive", step=2), Label("decisive", step=3))
    trace = msgspec.structs.replace(run("ab"), labels=labels)
    assert gold(trace, "decisive").step == 2
    assert gold(trace, "injected") is None


def run(speakers):
    return Trace(
        id="t",
        source=Source(format="test"),
        agents=tuple(Agent(a, a) for a in sorted(set(speakers))),
        steps=tuple(Step(index=i, agent=a) for i, a in enumerate(speakers)),
    )


# --- several labels ---


def test_any_of_several_labels_is_right():
    labels = [label(1), label(4, agent="B"), Label(definition="span-error", agent="C")]
    found = score(said(4, agent="B"), labels, steps=9)
    assert (found.step, found.agent, found.joint, found.near) == (1, 1, 1, 1)
    crossed = score(said(4, agent="A"), labels, steps=9)
    assert (crossed.step, crossed.agent, crossed.joint) == (1, 1, 0)
    assert score(said(5, agent="C"), labels, steps=9).agent == 1
    later = score(said(0, 8, 4), labels, steps=9)
    assert (later.step, later.top3, later.mrr) == (0, 1, pytest.approx(1 / 3))


def test_recall_and_precision_by_hand():
    # Accused are 4 (first) and 1 (above 1/9), not 2.
    suspects = (Suspect("A", 4, 0.6), Suspect("A", 1, 0.3), Suspect("A", 2, 0.1))
    attribution = Attribution(trace_id="t", method=METHOD, suspects=suspects)
    assert accused(attribution, 9) == [4, 1]
    found = score(attribution, [label(1), label(2), label(3)], steps=9)
    assert (found.recall, found.precision) == (pytest.approx(1 / 3), 0.5)
    silent = Attribution(trace_id="t", method=METHOD, abstained="no")
    none = score(silent, [label(1)], steps=9)
    assert (none.recall, none.precision) == (0.0, 0.0)
    assert score(attribution, [Label("outcome-only")], steps=9).recall is None


def test_a_ranking_of_everything_accuses_little():
    attribution = said(*range(8), probability=1 / 8)
    assert accused(attribution, 8) == [0]


def test_brier_and_log_loss_by_hand():
    suspects = (Suspect("A", 0, 0.5), Suspect("A", 1, 0.3))  # step 2 keeps 0.2
    attribution = Attribution(trace_id="t", method=METHOD, suspects=suspects)
    assert brier(attribution, label(1), 3) == pytest.approx(0.25 + 0.49 + 0.04)
    assert brier(attribution, [label(1), label(2)], 3) is None
    assert log_loss(attribution, [label(1), label(2)], 3) == pytest.approx(-math.log(0.5))


@given(st.integers(1, 7), st.integers(1, 7))
def test_chance_of_several_is_the_mean_over_all_orders(count, k):
    """The closed form against every order of the steps, one by one."""
    k = min(k, count)
    steps = tuple(Step(index=i, agent="A") for i in range(count))
    trace = Trace(id="t", source=Source("x"), agents=(Agent("A", "A"),), steps=steps)
    labels = [label(i) for i in range(k)]
    orders = list(permutations(range(count)))[:: max(1, math.factorial(count) // 720)]
    if count < 7:
        worth = [score(said(*order, probability=0.0), labels, count) for order in orders]
        found = chance(trace, labels)
        for metric in ("step", "top3", "top5", "mrr", "near"):
            mean = math.fsum(getattr(w, metric) for w in worth) / len(worth)
            assert getattr(found, metric) == pytest.approx(mean)
        assert found.recall == pytest.approx(1 / count)
        assert found.precision == pytest.approx(k / count)


def test_blame_is_sorted_and_folded():
    labels = [
        Label("span-error", "Web Surfer", 4, modes=("b", "a")),
        Label("span-error", "web_surfer", 1, modes=("a",)),
        Label("span-error", modes=("c",)),
    ]
    found = blame_in(labels)
    assert (found.steps, found.agents, found.modes) == ((1, 4), ("websurfer",), ("a", "b", "c"))
    assert found.pairs == (("websurfer", "a"), ("websurfer", "b"))
    assert found.spots == ((1, "a"), (4, "a"), (4, "b"))
    assert blame_of(said(4, agent="Web Surfer"), 9).agents == ("websurfer",)
