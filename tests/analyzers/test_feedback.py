"""Rounds of feedback: who is told what, when rounds end, and what a system that reads is given."""

from itertools import islice

import msgspec
import pytest

from tracekit import registry
from tracekit.analyzers.intervene.feedback import (
    ByMethod,
    Rules,
    advice_of,
    again,
    in_rounds,
    silent,
    words,
)
from tracekit.attribution import Attribution, Evidence, Method, Suspect
from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.types import Advice, Attempt
from tracekit.testing.traces import make_trace
from tracekit.trace import Agent, Outcome


@pytest.fixture(scope="module")
def team():
    return Sandbox("arithmetic", "star", difficulty=3, skill=0.8)


@pytest.fixture(scope="module")
def runs(team):
    made = (team.run(task, number) for number, task in enumerate(team.tasks(4)))
    return list(islice((run for run in made if run.failed), 12))


class Plain:
    """A system that only replays: it takes no advice, and remembers what it was told."""

    def __init__(self, system):
        self.checkpoints, self.check, self.run = system.checkpoints, system.check, system.run
        self._resume, self.changes = system.resume, []

    def resume(self, checkpoint, change, seed):
        self.changes.append((checkpoint.step, change))
        return self._resume(checkpoint, change, seed)


def named(step):
    def advise(tasks):
        latest = [attempts[-1].trace for attempts in tasks]
        return [Advice(agent=t.steps[step].agent, step=step) for t in latest]

    return advise


def alone(runs):
    """Tasks of which nothing is known but their first run."""
    return [(Attempt(run),) for run in runs]


def test_rounds_end_with_a_success_and_what_is_solved_stays_solved(team, runs):
    found = in_rounds(team, runs, silent, Rules(rounds=3))
    for history in found:
        solved = [history.solved(number) for number in range(4)]
        assert solved == sorted(solved)
        assert not solved[0]
        assert len(history.attempts) == 1 + (solved.index(True) if solved[3] else 3)
        assert history.attempts[-1].advice is None
    assert sum(one.solved(3) for one in found) > 0
    assert found == in_rounds(team, runs, silent, Rules(rounds=3))


def test_who_is_not_told_how_it_ended_tries_to_the_end(team, runs):
    seen = []

    def adviser(tasks):
        seen.extend(one.trace for attempts in tasks for one in attempts)
        return named(0)(tasks)

    found = in_rounds(team, runs, adviser, Rules(rounds=2, told=False))
    assert {len(one.attempts) for one in found} == {3}
    assert {trace.outcome.status for trace in seen} == {"unknown"}
    assert all(trace.outcome.reason is None for trace in seen)
    assert len({one.trace.id for history in found for one in history.attempts}) == 3 * len(runs)


def test_from_the_step_what_came_before_is_kept(team, runs):
    for history in in_rounds(team, runs, named(2), Rules(rounds=1, start="step")):
        before, after = (one.trace.steps for one in history.attempts)
        assert before[:2] == after[:2]
        assert before[2:] != after[2:]


def test_a_system_that_takes_no_advice_is_told_in_words(team, runs):
    plain = Plain(team)
    advice = Advice(agent=runs[0].steps[1].agent, step=1, why=f"not {runs[0].task.expected}")
    again(plain, [Attempt(runs[0], advice)], "step", 3)
    again(plain, [Attempt(runs[0], advice)], "beginning", 3)
    again(plain, [Attempt(runs[0])], "beginning", 3)
    (late, told), (first, start), (_, nothing) = plain.changes
    assert (late, first, nothing) == (1, 0, None)
    assert told.inputs[-1].name == "feedback"
    assert told.inputs[-1].content.endswith(f"by {advice.agent}: not (not told).")
    assert start.inputs[0].content == runs[0].task.question
    assert start.inputs[-1] == told.inputs[-1]


def test_a_system_knows_its_runs_by_their_ids(team, runs):
    class Filing(Plain):
        """Keeps its runs under their ids, and can go on from those alone."""

        def __init__(self, system, known):
            super().__init__(system)
            self.known = {run.id for run in known}
            self.checkpoints = self.filed

        def filed(self, trace):
            assert trace.id in self.known
            return team.checkpoints(trace)

        def resume(self, checkpoint, change, seed):
            made = super().resume(checkpoint, change, seed)
            self.known.add(made.id)
            return made

    found = in_rounds(Filing(team, runs), runs, named(1), Rules(rounds=2, told=False))
    assert {len(one.attempts) for one in found} == {3}


def test_a_run_without_a_checkpoint_is_refused(team, runs):
    plain = Plain(team)
    plain.checkpoints = lambda _: []
    with pytest.raises(UsageError, match="no checkpoint"):
        in_rounds(plain, runs[:1], silent, Rules())


def test_a_method_advises_and_an_abstention_is_silence(team, runs):
    advised = ByMethod(registry.get("analyzers", "compact"), Context())(alone(runs))
    assert all(each.by == "compact" and each.why for each in advised)
    for run, each in zip(runs, advised, strict=True):
        assert run.steps[each.step].agent == each.agent
    nobody = Attribution(trace_id="t", method=Method("m"), abstained="no idea")
    assert advice_of((Attempt(runs[0]),), nobody) is None
    with pytest.raises(UsageError, match="one log"):
        ByMethod(registry.get("analyzers", "intervene"), Context())


def test_a_failed_judgement_is_told_apart_from_an_abstention(team, runs):
    class Failing:
        name, needs = "failing", frozenset({"trace"})

        def attribute(self, trace, context):
            silent = Attribution(trace.id, Method("failing"), abstained="no answer")
            return msgspec.structs.replace(silent, failed=trace.id != runs[0].id)

    said = ByMethod(Failing(), Context())(alone(runs[:2]))
    assert said[0] is None
    assert said[1].what == f"failing, {runs[1].id}: no answer"
    first, second = in_rounds(team, runs[:2], ByMethod(Failing(), Context()), Rules(rounds=1))
    assert (first.failed, second.failed) == ((None,), (said[1],))
    assert second.attempts[0].advice is None


def test_runs_are_judged_together_where_that_is_cheaper(runs):
    class Together:
        name, needs = "together", frozenset({"trace"})
        calls = 0

        def attribute(self, trace, context):
            raise AssertionError("one by one")

        def attribute_many(self, traces, context):
            self.calls += 1
            method = Method("together")
            return [
                Attribution(
                    trace_id=t.id, method=method, suspects=(Suspect(t.steps[0].agent, 0, 1.0),)
                )
                for t in traces
            ]

    judge = Together()
    assert [each.step for each in ByMethod(judge, Context())(alone(runs))] == [0] * len(runs)
    assert judge.calls == 1


def test_output_of_a_tool_is_held_against_who_asked_for_it():
    trace = make_trace("t", [("Ada", "look it up"), ("search", "no rows")])
    steps = (trace.steps[0], msgspec.structs.replace(trace.steps[1], kind="tool_result"))
    agents = (Agent("Ada", "Ada"), Agent("search", "search", role="tool"))
    trace = msgspec.structs.replace(trace, steps=steps, agents=agents)
    shown = (Evidence(step=1, weight=1.0, shows="it is empty"),)
    suspect = Suspect("search", 1, 1.0, evidence=shown)
    verdict = Attribution(trace_id="t", method=Method("m"), suspects=(suspect,))
    assert advice_of((Attempt(trace),), verdict) == Advice(
        agent="Ada", step=0, why="it is empty", by="m"
    )


def test_a_step_is_not_blamed_again_while_there_is_another_suspect():
    trace = make_trace("t", [("Ada", "one"), ("Ben", "two")])
    suspects = (Suspect("Ada", 0, 0.9), Suspect("Ben", 1, 0.1))
    verdict = Attribution(trace_id="t", method=Method("m"), suspects=suspects)
    first = advice_of((Attempt(trace),), verdict)
    second = advice_of((Attempt(trace, first), Attempt(trace)), verdict)
    third = advice_of((Attempt(trace, first), Attempt(trace, second), Attempt(trace)), verdict)
    assert [each.step for each in (first, second, third)] == [0, 1, 0]


def test_long_reasons_are_cut_and_answers_blanked():
    trace = make_trace("t", [("Ada", "5")])
    task = msgspec.structs.replace(trace.task, expected="42")
    trace = msgspec.structs.replace(trace, task=task, outcome=Outcome(status="failure"))
    said = words(Attempt(trace, Advice(agent="Ada", step=0, why="42 it is " + "x" * 10_000)))
    assert "42" not in said
    assert len(said) < 800


def test_rules_need_a_round():
    with pytest.raises(ValueError, match="at least one round"):
        Rules(rounds=0)
