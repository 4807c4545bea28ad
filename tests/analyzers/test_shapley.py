"""`shapley`: who is named by replay, by repeats, and of one log; and when it says nothing."""

import msgspec
import numpy as np
import pytest

from tracekit.analyzers.compact.analyzer import Compact
from tracekit.analyzers.linear import Linear
from tracekit.analyzers.run import attribute
from tracekit.analyzers.shapley.analyzer import Shapley, shares
from tracekit.analyzers.shapley.futures import Futures
from tracekit.analyzers.shapley.inversion import inverted, rests_on
from tracekit.analyzers.shapley.readings import without
from tracekit.analyzers.shapley.reference import Known, turns
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.folds import fingerprint
from tracekit.inject.live import inject_live
from tracekit.inject.manipulators.sandbox import SandboxNative
from tracekit.inject.types import Fault
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Action, Intervention
from tracekit.report.facts import run_facts
from tracekit.testing import check_analyzer
from tracekit.testing.traces import make_trace
from tracekit.trace import Inputs, Outcome, Step, Task

WRONG = "The answer is 99999."


class Deaf:
    """The sandbox without its knowledge of what is right."""

    def __init__(self, system):
        self.run, self.checkpoints = system.run, system.checkpoints
        self.resume, self.check = system.resume, system.check


def broken(system, step, seed=0):
    """A run of perfect agents in which one step says something wrong instead."""
    clean = system.run(next(system.tasks(seed)), seed)
    point = next(p for p in system.checkpoints(clean) if p.step == step % len(clean.steps))
    said = Action.of(clean.steps[point.step])
    wrong = Intervention(
        step=point.step, actions=(msgspec.structs.replace(said, content=WRONG),), by="test"
    )
    return clean, system.resume(point, wrong, seed)


@pytest.fixture(scope="module")
def perfect():
    return Sandbox("arithmetic", "chain", skill=1.0)


@pytest.fixture(scope="module")
def usual():
    """A system whose agents err, and failures of it."""
    system = Sandbox("tables", "star")
    runs = (system.run(task, n) for n, task in zip(range(60), system.tasks(4), strict=False))
    failed = [run for run in runs if run.failed]
    assert len(failed) >= 8
    return system, failed[:8]


def test_the_one_who_spoiled_it_is_named_with_certainty(perfect):
    clean, trace = broken(perfect, -1)
    assert (clean.failed, trace.failed) == (False, True)
    found = attribute(trace, "shapley", context=Context(system=perfect))
    last = trace.steps[-1]
    assert (found.top.agent, found.top.step, found.top.probability) == (last.agent, last.index, 1.0)
    (share,) = found.extra["shapley"]["shares"]
    assert (share["share"], share["alone"]) == (1.0, 1.0)
    assert found.cost.calls == 16, "eight corrected, eight as they were"
    assert clean.steps[-1].content[:40] in found.top.evidence[1].shows
    assert any("corrected, 100 of 100 more" in e.shows for e in found.top.evidence)


def test_a_run_with_the_same_draws_is_replayed_once_and_common(usual):
    """A coalition that corrects nothing new costs nothing, and is worth the same to the bit."""
    system, failed = usual
    futures = Futures(system, failed[0], Known(system), 8, 0)
    names = list(dict.fromkeys(turn.agent for turn in futures.mistakes))
    first = futures.between_agents(names).worth(1)
    played = futures.played
    idle = next(a.id for a in failed[0].agents if a.role == "tool")
    again = futures.between_agents([*names, idle]).worth(1 | 1 << len(names))
    assert (first == again).all()
    assert futures.played == played


def test_efficiency_over_a_batch_of_real_games(usual):
    system, failed = usual
    for trace in failed:
        for players in ("agents", "steps"):
            found = attribute(trace, "shapley", context=Context(system=system), players=players)
            if found.abstained:
                continue
            told = found.extra["shapley"]
            total = sum(share["share"] for share in told["shares"])
            assert total == pytest.approx(told["everybody"] - told["nobody"], abs=1e-9)
            assert abs(told["residual"]) < 1e-9
            assert told["nobody"] == 0.0


def test_steps_of_an_agent_are_shared_by_owen(usual):
    """The shares of the steps sum, by agent, to what agents get when steps come together."""
    system, failed = usual

    def repeated(trace):
        turns = Futures(system, trace, Known(system), 1, 0).mistakes
        return len(turns) - len({turn.agent for turn in turns})

    trace = max(failed, key=repeated)
    _, played = shares(trace, Context(system=system, settings={"players": "steps"}))
    assert len(played.players) > len({player.agent for player in played.players})
    assert sum(played.shares.values) == pytest.approx(played.everybody - played.nobody)


def test_the_injected_agent_is_first_where_nobody_else_errs():
    system = Sandbox("scheduling", "blackboard")
    manipulator, named = SandboxNative(), []
    for number, task in zip(range(40), system.tasks(2), strict=False):
        clean = system.run(task, number)
        if clean.failed:
            continue
        try:
            made = inject_live(
                system,
                clean,
                [Fault(mode="FM-2.6", strategy="response-corruption")],
                manipulator,
                number,
            )
        except UsageError:
            continue
        futures = Futures(system, made.trace, Known(system), 8, 0)
        if made.trace.failed and {t.agent for t in futures.mistakes} == {made.faults[0].agent}:
            found = attribute(made.trace, "shapley", context=Context(system=system))
            named.append(found.top.agent == made.faults[0].agent)
    assert len(named) >= 5
    assert all(named)


def test_what_nothing_can_mend_is_not_blamed_on_anybody(perfect):
    _, trace = broken(perfect, -1)

    class Hopeless(Sandbox):
        def check(self, trace):
            return Outcome("failure", by="test")

    found = attribute(trace, "shapley", context=Context(system=Hopeless(skill=1.0)))
    assert found.suspects == ()
    assert found.abstained.startswith("no correction helps: 0% of the runs succeed as it is")


def test_a_run_of_another_system_is_refused_in_words(perfect):
    stranger = make_trace("t", [("A", "1"), ("B", "2")])
    found = attribute(stranger, "shapley", context=Context(system=perfect))
    assert found.abstained.startswith("the system cannot take up this run")


def test_a_faultless_log_has_no_game(perfect):
    trace = perfect.run(next(perfect.tasks(0)), 0)
    found = attribute(trace, "shapley", context=Context(system=perfect), even_success=True)
    assert "nothing to take out" in found.abstained


def test_a_recorded_success_stands_in_for_a_system_that_does_not_know(perfect):
    """The n-th turn of the run that went well, spoken by whoever has that place now."""
    _, trace = broken(perfect, -1)
    other = perfect.run(trace.task, 5)
    assert {agent.id for agent in other.agents} != {agent.id for agent in trace.agents}
    context = Context(system=Deaf(perfect), corpus=(trace, other, *_castings(perfect, trace.task)))
    found = attribute(trace, "shapley", context=context)
    assert found.top.step == trace.steps[-1].index
    assert f"run {other.id}, which succeeded" in found.warnings[0]
    alone = attribute(trace, "shapley", context=Context(system=Deaf(perfect)))
    assert "no run of this task that succeeded" in alone.abstained


def _castings(system, task):
    """More runs, so that it shows that names are dealt out anew."""
    return tuple(system.run(task, seed) for seed in range(6, 16))


def repeats(n=24, noise=0.0, seed=0):
    """Runs of one task: B's answer decides, A's greeting does not, C echoes B."""
    rng, found = np.random.default_rng(seed), []
    for number in range(n):
        good = number % 2 == 1
        said = 42 if good != (rng.random() < noise) else 17
        steps = [("A", f"hello {rng.integers(10, 99)}"), ("B", f"it is {said}"), ("C", "done 7")]
        outcome = Outcome("success" if good else "failure", by="made up")
        found.append(make_trace(f"r{number}", steps, task=Task("How many?"), outcome=outcome))
    return found


def test_repeats_say_whose_behaviour_goes_with_success():
    runs = repeats(noise=0.1)
    found = attribute(runs[0], "shapley", context=Context(corpus=runs), value="recorded")
    told = found.extra["shapley"]
    assert told["value"] == "recorded"
    assert found.top.agent == "B"
    assert found.top.step == 1
    assert told["shares"][0]["agent"] == "B"
    assert told["shares"][0]["low"] > 0
    assert "acting as in good runs" in found.top.evidence[0].shows
    assert abs(told["residual"]) < 1e-9


def test_repeats_need_both_ends():
    runs = [run for run in repeats() if run.failed]
    found = attribute(runs[0], "shapley", context=Context(corpus=runs), value="recorded")
    assert found.abstained.startswith(
        "recorded repeats: 0 runs of this task succeeded and 12 failed"
    )


def test_steps_of_repeats_have_no_counterparts():
    runs = repeats()
    context = Context(corpus=runs)
    found = attribute(runs[0], "shapley", context=context, value="recorded", players="steps")
    assert "not which step" in found.abstained


def test_of_one_log_it_shares_out_what_compact_holds_likely(planted):
    trace = planted(1)[0]
    compact = attribute(trace, "compact")
    found = attribute(trace, "shapley", score="shapley")
    assert found.extra["shapley"]["value"] == "compact"
    assert max(found.agents, key=found.agents.get) == max(compact.agents, key=compact.agents.get)
    assert "nothing was replayed" in found.warnings[0]


class Hopeful:
    """A value function that dislikes every step of B."""

    name = "prm"

    def values(self, trace):
        bad = np.cumsum([step.agent == "B" for step in trace.steps])
        return (0.9 * 0.5**bad).tolist()

    def begin(self, trace):
        return msgspec.structs.replace(_State(0.9))


class _State(msgspec.Struct):
    value: float


def test_the_value_of_a_log_without_somebody(monkeypatch):
    """Two steps of B halve the chances each: leaving B out gains 0.9 - 0.225, the others nothing."""
    from tracekit import registry

    monkeypatch.setattr(registry, "get", lambda kind, name: Hopeful())
    trace = make_trace("t", [("A", "a"), ("B", "b"), ("C", "c"), ("B", "b"), ("A", "a")])
    _, played = shares(trace, Context(settings={"value": "prm"}))
    by_name = dict(zip((p.agent for p in played.players), played.shares.values, strict=True))
    assert by_name == pytest.approx({"A": 0.0, "B": 0.675, "C": 0.0})
    _, steps = shares(trace, Context(settings={"value": "prm", "players": "steps"}))
    assert [round(value, 4) for value in steps.shares.values] == [0, 0.3375, 0, 0.3375, 0]


def test_leaving_steps_out_renumbers_the_rest():
    steps = [
        Step(0, "A", content="a"),
        Step(0, "B", content="b", inputs=Inputs((0,)), parent=0),
        Step(0, "C", content="c", inputs=Inputs((0, 1)), parent=1),
    ]
    left = without(make_trace("t", steps), [0])
    assert [(s.index, s.agent, s.parent, s.inputs.steps) for s in left.steps] == [
        (0, "B", None, ()),
        (1, "C", 0, (0,)),
    ]


def test_the_end_rests_on_what_it_was_made_from():
    said = [
        ("A", "Mara counted 1250 crates."),
        ("B", "There were 77 boxes in the yard."),
        ("C", "So there are 1250 crates in all, the final answer is 1250."),
    ]
    trace = make_trace("t", said)
    assert [(e.consumer, e.producer) for e in inverted(trace)] == [(2, 0)]
    assert rests_on(trace).tolist() == [1.0, 0.0, 1.0]


def test_among_equal_shares_the_one_the_end_rests_on_is_named(usual):
    """The bottleneck score and the plain shares hold the same game, ranked differently."""
    system, failed = usual
    context = Context(system=system)
    changed = 0
    for trace in failed:
        plain = attribute(trace, "shapley", context=context, score="shapley")
        found = attribute(trace, "shapley", context=context)
        if plain.abstained:
            continue
        values = [
            {k: v for k, v in s.items() if k != "score"} for s in plain.extra["shapley"]["shares"]
        ]
        assert values == [
            {k: v for k, v in s.items() if k != "score"} for s in found.extra["shapley"]["shares"]
        ]
        changed += plain.top.agent != found.top.agent
    assert changed


def test_the_verdict_tells_everybodys_share(usual):
    system, failed = usual
    found = attribute(failed[0], "shapley", context=Context(system=system))
    facts = dict(run_facts(failed[0], found))
    assert "chance of success 0%, with all corrected" in facts["Shapley values (replay)"]
    for share in found.extra["shapley"]["shares"]:
        assert f"{share['share']:+.2f}" in facts["Shapley values (replay)"]


def test_odd_extras_of_a_strangers_verdict_do_no_harm(usual):
    _, failed = usual
    plain = attribute(failed[0], "first-speaker")
    odd = msgspec.structs.replace(plain, extra={"shapley": {"shares": "none"}})
    assert run_facts(failed[0], odd) == run_facts(failed[0], plain)


def test_its_reading_of_a_log_is_refitted_and_what_that_saw_it_has_seen(planted):
    runs = planted(20)
    reading = Linear().fit(runs, Context())
    shared = Shapley(Linear()).fit(runs, Context())
    assert shared.seen() == reading.seen() == {fingerprint(trace) for trace in runs}
    (trace,) = planted(1, seed=3)
    agents = shared.attribute(trace, Context(settings={"score": "shapley"})).agents
    assert agents == pytest.approx(dict(reading.attribute(trace, Context()).agents))
    assert Shapley().seen() == Compact().seen()


@pytest.mark.parametrize(
    "given",
    [{"value": "guess"}, {"players": "tools"}, {"draws": 0}, {"most": "many"}, {"depth": 3}],
)
def test_settings_are_checked(given):
    with pytest.raises(UsageError, match="shapley"):
        attribute(make_trace("t", [("A", "a")]), "shapley", **given)


def test_turns_said_twice_are_one(perfect):
    clean = perfect.run(next(perfect.tasks(0)), 0)
    point = perfect.checkpoints(clean)[1]
    said = Action.of(clean.steps[1])
    twice = perfect.resume(point, Intervention(step=1, actions=(said, said), by="test"), 0)
    found = turns(perfect, twice)
    assert [len(turn.said) for turn in found][:3] == [1, 2, 1]


def test_the_contract_holds_with_a_system(usual):
    """Renamed agents are not the system's: blindness to names is for logs."""

    class Sighted(Shapley):
        name_blind = False

    system, failed = usual
    check_analyzer(
        Sighted(),
        failed[:1],
        context=Context(system=system, settings={"value": "replay", "draws": 2}),
    )
