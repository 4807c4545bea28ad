"""From runs to a graph, effects and blame: the worker's slip is found, excuses are not blamed."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tracekit.analyzers.causal.analyzer import Causal
from tracekit.analyzers.causal.behaviour import BEHAVIOURS, NAMES, Usual, observe
from tracekit.analyzers.causal.blame import handed_up
from tracekit.analyzers.causal.discover import by_seat, discover
from tracekit.analyzers.causal.model import centred, half_of, learn
from tracekit.analyzers.causal.search import Settings
from tracekit.analyzers.causal.table import Column, Layout, Table, tabulate
from tracekit.analyzers.run import attribute
from tracekit.context import Context
from tracekit.errors import InputError, UsageError
from tracekit.testing import check_analyzer
from tracekit.testing.traces import make_trace
from tracekit.trace import Outcome, Task

pytest.importorskip("causallearn")


@pytest.fixture(scope="module")
def found(corpus):
    return discover(corpus, halves=8, shuffles=4)


def answers(trace, usual, step):
    return {name for name, yes in zip(NAMES, observe(trace, usual)[step], strict=True) if yes}


def test_behaviour_beside_other_runs(corpus):
    usual = Usual(corpus, by_role=False)
    slipped = next(run for run in corpus if run.extra["slipped"] and run.failed)
    clean = next(run for run in corpus if not run.extra["slipped"])
    assert {"strays", "departs", "omits"} <= answers(slipped, usual, 1)
    assert "passes" in answers(slipped, usual, 2)
    assert answers(clean, usual, 1) <= {"acts", "differs"}


def test_what_is_usual_takes_three_other_runs(corpus):
    few = Usual(corpus[:3], by_role=False)
    assert answers(corpus[0], few, 1) <= {"acts", "differs"}


def test_a_word_at_home_elsewhere_is_odd_where_nobody_says_it():
    def run(number, task, said):
        return make_trace(f"{task}{number}", [("A", said)], task=Task(f"Do {task}"))

    corpus = [run(k, "adding", "I add them all.") for k in range(20)]
    corpus += [run(k, "cutting", "I subtract them all.") for k in range(20)]
    usual = Usual(corpus, by_role=False)
    assert "departs" in answers(run(99, "adding", "I subtract them all."), usual, 0)
    assert "departs" not in answers(run(99, "adding", "I gladly add them all."), usual, 0)


def test_behaviour_looks_back_only(corpus):
    usual = Usual(corpus, by_role=False)
    for run in corpus[:20]:
        whole = observe(run, usual)
        cut = msgspec.structs.replace(run, steps=run.steps[:2])
        assert np.array_equal(observe(cut, usual), whole[:2])


def test_outcomes_and_labels_do_not_reach_the_table(corpus):
    turned = [
        msgspec.structs.replace(
            run, outcome=Outcome("failure" if run.failed is False else "success"), labels=()
        )
        for run in corpus
    ]
    assert np.array_equal(tabulate(corpus).values, tabulate(turned).values)


def test_phases_are_stretches_of_steps(corpus):
    table = tabulate(corpus)
    assert table.layout.edges == (1, 2)
    assert table.layout.phase_of(5).tolist() == [0, 1, 2, 2, 2]
    assert table.repeated
    assert all(
        column.phase == ("Planner", "Worker", "Reporter").index(column.seat)
        for column in table.columns
    )


def test_halves_are_compared_within_tasks_where_the_whole_is(plant):
    """Half of the tasks have no run in a half, and some have one or two."""
    for tasks, repeats in ((20, 5), (8, 4)):
        table = tabulate(plant(tasks=tasks, repeats=repeats))
        halves = [table.rows(half_of(table, np.random.default_rng(k))) for k in range(20)]
        assert table.repeated
        assert all(half.repeated for half in halves)
        for half in halves:
            left = centred(half, half.failed[:, None])
            assert all(abs(left[half.task == task].mean()) < 1e-9 for task in set(half.task))


def test_how_hard_a_task_is_does_not_become_an_effect_in_halves():
    """The behaviour is frequent on hard tasks and does nothing within any."""
    table = uneven(40, 5)
    model = learn(table, halves=20, shuffles=0)
    assert abs(model.effects[0]) < 0.15
    assert abs(model.drawn_effects.mean() - model.effects[0]) < 0.05
    assert model.paths.mean() <= 0.1


def uneven(tasks, repeats):
    """A table of one column: on odd tasks both it and failure are frequent, each for itself."""
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(tasks), repeats)
    often = np.where(task % 2, 0.8, 0.2)
    column = Column("Worker", 0, BEHAVIOURS[0])
    return Table(
        layout=Layout((), False, (column,), Usual((), by_role=False)),
        values=(rng.random(len(task)) < often).astype(float)[:, None],
        failed=(rng.random(len(task)) < often).astype(float),
        task=task,
        order=np.linspace(0, 1, len(task)),
        questions=tuple(map(str, task)),
        variant=np.zeros(len(task), dtype=int),
        variants=("",),
        repeated=True,
    )


def test_what_agents_bring_in_is_what_the_effects_say(corpus):
    """A behaviour with a path in few half samples is neither listed nor charged to anybody."""
    model = learn(tabulate(corpus), halves=10, shuffles=0)
    nowhere = replace(model, paths=np.arange(10)[:, None] < np.full(model.paths.shape[1], 4))
    assert (nowhere.weights > 0).any()
    assert not nowhere.leading.any()
    assert set(by_seat(nowhere).values()) == {0.0}
    often = replace(nowhere, paths=np.arange(10)[:, None] < np.full(model.paths.shape[1], 5))
    assert often.leading.all()
    assert by_seat(often)["Worker"] > 0.05


def test_the_graph_leads_from_the_slip_to_failure(found):
    assert (found.runs, found.tasks, found.within_tasks) == (120, 10, True)
    best = found.effects[0]
    assert best.seat == "Worker"
    assert best.effect.value > 0.7
    assert best.effect.low > 0.5
    assert best.path >= 0.75
    assert max(found.seats, key=found.seats.get) == "Worker"
    assert not any(link.target == "failure" and "Planner" in link.source for link in found.links)
    assert found.false_edges <= 0.05


def test_a_discovery_repeats_itself(corpus, found):
    again = discover(list(corpus), halves=8, shuffles=4)
    assert msgspec.json.encode(again) == msgspec.json.encode(found)
    other = discover(corpus, halves=8, shuffles=4, seed=1)
    assert other.effects[0].name == found.effects[0].name


def test_shuffled_outcomes_lead_nowhere(corpus):
    rng = np.random.default_rng(0)
    ends = [run.outcome for run in corpus]
    for start in range(10):  # within each task
        places = list(range(start, 120, 10))
        for place, other in zip(places, rng.permutation(places), strict=True):
            ends[place] = corpus[other].outcome
    mixed = [
        msgspec.structs.replace(run, outcome=end) for run, end in zip(corpus, ends, strict=True)
    ]
    said = discover(mixed, halves=8, shuffles=0)
    assert all(abs(one.effect.value) < 0.3 for one in said.effects)
    assert not any(one.path >= 0.9 for one in said.effects)


def test_too_little_is_said(corpus):
    with pytest.raises(InputError, match="it takes 30"):
        discover(corpus[:20])
    with pytest.raises(InputError, match="of each"):
        discover([run for run in corpus if not run.failed][:60])


def test_variants_are_context(plant):
    one, other = plant(slip=0.1), plant(slip=0.6, seed=1)
    runs = [*one, *(msgspec.structs.replace(t, id=f"b{t.id}") for t in other)]
    said = discover(
        runs,
        variant=lambda run: "new" if run.id.startswith("b") else "old",
        halves=6,
        shuffles=0,
    )
    assert any(link.source == "variant" and "Worker" in link.target for link in said.links)


def test_classes_for_discrete_tests(corpus):
    said = discover(corpus, Settings("cd-nod", "g-squared"), halves=4, shuffles=0)
    assert {"time", "difficulty"} <= {node.name for node in said.nodes}
    assert said.effects[0].seat in ("Worker", "Reporter")


def test_blame_goes_to_the_slip(corpus):
    analyzer, context = Causal(), Context(corpus=corpus)
    failed = [run for run in corpus if run.failed]
    tops = [attribute(run, analyzer, context=context).top for run in failed]
    assert all(top.agent == "Worker" and top.step == 1 for top in tops)
    assert "of half samples" in tops[0].evidence[0].shows


def test_blame_of_a_run_outside_the_corpus(corpus):
    failed = [run for run in corpus if run.failed]
    rest = [run for run in corpus if run.id != failed[0].id]
    assert attribute(failed[0], "causal", context=Context(corpus=rest)).top.step == 1


def test_blame_climbs_no_higher_than_what_deviates():
    direct = np.zeros((3, 3))
    direct[1, 0] = direct[2, 1] = 0.5
    climbed = handed_up(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.9, 0.9]), direct)
    assert climbed.tolist() == [0.0, 1.0, 0.0]


def test_it_abstains(corpus, plant):
    few = attribute(corpus[0], "causal", context=Context(corpus=corpus[:10]), even_success=True)
    assert "it takes 30" in few.abstained
    odd = next(run for run in corpus if run.failed)
    plain = msgspec.structs.replace(
        odd, id="plain", steps=tuple(msgspec.structs.replace(s, content="Yes.") for s in odd.steps)
    )
    quiet = attribute(plain, "causal", context=Context(corpus=corpus))
    assert quiet.abstained == "no step shows more of what leads to failure than usual"
    with pytest.raises(UsageError, match="no algorithm"):
        attribute(odd, "causal", context=Context(corpus=corpus, settings={"algorithm": "magic"}))
    with pytest.raises(UsageError, match="alpha"):
        attribute(odd, "causal", context=Context(corpus=corpus, settings={"alpha": 7}))


def test_it_keeps_the_contract(corpus):
    check_analyzer(Causal(), corpus[:3], context=Context(corpus=corpus, settings={"halves": 2}))


def test_runs_without_repeats_are_compared_with_all(plant):
    runs = plant(tasks=60, repeats=1)
    model = learn(tabulate(runs), halves=2, shuffles=1)
    assert not model.table.repeated
    said = discover(runs, halves=2, shuffles=0)
    assert any("too few runs" in text for text in said.warnings)
