"""Effects, recorded tools and systems by name, on toys whose truth is known by hand."""

import random

import pytest

from tracekit.errors import BackendError, ContractError, UsageError
from tracekit.protocols import Replayable
from tracekit.replay.effect import checkpoint_at, effect
from tracekit.replay.systems import load_system
from tracekit.replay.tools import RecordedTools, answered
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.testing import check_replayable
from tracekit.trace import Agent, Outcome, Source, Step, Task, ToolCall, Trace


class Coins:
    """Three throwers say heads or tails, then a counter says whether two were heads.

    The first always says tails by itself; the others are heads with chance 1/2.
    """

    def run(self, task, seed):
        return self._play((), None, seed, f"{task.id}/{seed}", task)

    def checkpoints(self, trace):
        task = {"id": trace.task.id, "question": trace.task.question}
        return [
            Checkpoint(trace.id, n, {"said": [s.content for s in trace.steps[:n]], "task": task})
            for n in range(len(trace.steps))
        ]

    def resume(self, checkpoint, intervention, seed):
        task = Task(**checkpoint.state["task"])
        said = tuple(checkpoint.state["said"])
        return self._play(said, intervention, seed, checkpoint.trace_id, task)

    def check(self, trace):
        good = trace.steps[-1].content == "yes"
        return Outcome(status="success" if good else "failure", by="coins")

    def _play(self, said, change, seed, id, task):
        words = list(said)
        while len(words) < 4:
            n = len(words)
            rng = random.Random(f"{seed}/{n}")
            own = "heads" if n and rng.random() < 0.5 else "tails"
            if n == 3:
                own = "yes" if words.count("heads") >= 2 else "no"
            if change is not None and n == change.step:
                own = change.actions[0].content
            words.append(own)
        names = ("a", "b", "c", "counter")
        steps = tuple(Step(n, names[n], content=word) for n, word in enumerate(words))
        agents = tuple(Agent(name, name) for name in names)
        return Trace(id, Source("toy"), task, agents, steps)


TASK = Task(question="Two heads?", id="coins")


def test_the_toy_keeps_the_contract():
    assert isinstance(Coins(), Replayable)
    check_replayable(Coins(), [TASK], seed=3)


def test_an_effect_is_a_difference_of_rates():
    """With heads first, success has chance 3/4, without it 1/4."""
    system = Coins()
    trace = system.run(TASK, 0)
    found = effect(system, trace, 0, Intervention(step=0, actions=(Action("heads"),)), 800)
    assert found.rate_with == pytest.approx(0.75, abs=0.05)
    assert found.rate_without == pytest.approx(0.25, abs=0.05)
    assert found.difference == pytest.approx(found.rate_with - found.rate_without)
    assert found.low < 0.5 < found.high
    assert found.certain
    assert found.n == 800


def test_common_random_numbers_make_intervals_small():
    """Heads never hurts under the same draws: no replay is lost, so the interval is narrow."""
    system = Coins()
    trace = system.run(TASK, 0)
    same = effect(
        system, trace, 0, Intervention(step=0, actions=(Action(trace.steps[0].content),)), 50
    )
    assert (same.difference, same.rate_with) == (0.0, same.rate_without)
    assert not same.certain
    assert same.high - same.low < 0.12


def test_impossible_effects_are_refused():
    system = Coins()
    trace = system.run(TASK, 0)
    with pytest.raises(UsageError, match="at least one"):
        effect(system, trace, 0, Intervention(step=0), 0)
    with pytest.raises(UsageError, match="for step 1"):
        effect(system, trace, 0, Intervention(step=1), 3)
    with pytest.raises(UsageError, match="no checkpoint before step 9"):
        checkpoint_at(system, trace, 9)


def recorded():
    def asked(id, town):
        return ToolCall("weather", {"town": town}, call_id=id)

    def answer(id, result):
        return ToolCall("weather", {}, result=result, call_id=id)

    steps = (
        Step(0, "a", "tool_call", tools=(asked("1", "Ulm"),)),
        Step(1, "t", "tool_result", tools=(answer("1", "rain"),)),
        Step(2, "a", "tool_call", tools=(asked("2", "Ulm"),)),
        Step(3, "t", "tool_result", tools=(answer("2", "sun"),)),
        Step(4, "a", "tool_call", tools=(ToolCall("post", {"b": 1, "a": 2}, error="refused"),)),
    )
    return Trace("r", Source("toy"), agents=(Agent("a", "a"), Agent("t", "t")), steps=steps)


def test_questions_find_their_answers():
    found = [(step, call.name, call.result or call.error) for step, call in answered(recorded())]
    assert found == [(0, "weather", "rain"), (2, "weather", "sun"), (4, "post", "refused")]


def test_what_was_recorded_is_served_again():
    tools = RecordedTools.of(recorded())
    assert [tools.call("weather", {"town": "Ulm"}).result for _ in range(3)] == [
        "rain",
        "sun",
        "sun",
    ]
    assert tools.call("post", {"a": 2, "b": 1}).error == "refused"
    later = RecordedTools.of(recorded(), before=2)
    assert later.call("weather", {"town": "Ulm"}).result == "sun"


def test_other_arguments_need_leave():
    sent = []

    def weather(arguments):
        sent.append(arguments)
        return "snow"

    with pytest.raises(BackendError, match="not in the recording"):
        RecordedTools.of(recorded()).call("weather", {"town": "Bern"})
    tools = RecordedTools.of(recorded(), real={"weather": weather})
    assert tools.call("weather", {"town": "Bern"}).result == "snow"
    assert tools.call("weather", {"town": "Ulm"}).result == "rain"
    assert sent == [{"town": "Bern"}]


def test_systems_come_by_name(monkeypatch, tmp_path):
    (tmp_path / "my_system.py").write_text(
        "def broken():\n    raise ValueError('no key')\ndef empty():\n    return object()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(load_system("tracekit.replay.sandbox.system:Sandbox"), Replayable)
    with pytest.raises(ContractError, match="could not be made: no key"):
        load_system("my_system:broken")
    with pytest.raises(ContractError, match="it has no run, checkpoints, resume, check"):
        load_system("my_system:empty")
    with pytest.raises(ContractError, match="does not load"):
        load_system("my_system:other")
