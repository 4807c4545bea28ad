"""A system whose chances are known by hand: throwers of coins, and a counter."""

import random

from tracekit.inject.types import Fault, Injected
from tracekit.replay.types import Action, Checkpoint, Intervention
from tracekit.trace import Agent, Outcome, Source, Step, Task, Trace

NAMES = ("a", "b", "c", "counter")
TASK = Task(question="Two heads?", expected="yes", id="coins")


class Coins:
    """Three throwers, then a counter who says whether two were heads.

    By themselves, throwers show heads with chance `fair`; the counter never errs.
    """

    def __init__(self, fair=0.5):
        self.fair = fair

    def run(self, task, seed):
        return self._play((), None, seed, f"{task.id}/{seed}", task)

    def checkpoints(self, trace):
        task = {"id": trace.task.id, "question": trace.task.question, "expected": "yes"}
        said = [step.content for step in trace.steps]
        return [Checkpoint(trace.id, n, {"said": said[:n], "task": task}) for n in range(4)]

    def resume(self, checkpoint, intervention, seed):
        task = Task(**checkpoint.state["task"])
        name = f"{task.id}/{seed}"
        if intervention is not None or name != checkpoint.trace_id:
            name = f"{checkpoint.trace_id}~{checkpoint.step}/{seed}/{intervention is not None}"
        return self._play(tuple(checkpoint.state["said"]), intervention, seed, name, task)

    def check(self, trace):
        good = trace.steps[-1].content == "yes"
        return Outcome(status="success" if good else "failure", by="coins")

    def verdict(self, words):
        return "yes" if words.count("heads") >= 2 else "no"

    def _play(self, said, change, seed, id, task):
        words = list(said)
        while len(words) < 4:
            n = len(words)
            own = "heads" if random.Random(f"{seed}/{n}").random() < self.fair else "tails"
            if n == 3:
                own = self.verdict(words)
            if change is not None and n == change.step:
                own = change.actions[0].content
            words.append(own)
        steps = tuple(Step(n, NAMES[n], content=word) for n, word in enumerate(words))
        trace = Trace(
            id, Source("toy", framework="toy"), task, tuple(map(Agent, NAMES, NAMES)), steps
        )
        return Trace(
            id, trace.source, task, trace.agents, steps, self.check(trace), extra={"toy": True}
        )


class Knowing(Coins):
    """The same, and it knows what would have been right."""

    def correct(self, checkpoint):
        said = checkpoint.state["said"]
        right = self.verdict(said) if len(said) == 3 else "heads"
        return Intervention(step=checkpoint.step, actions=(Action(right),), by="coins:correct")

    def is_correct(self, checkpoint, action):
        return action.content == self.correct(checkpoint).actions[0].content


def say(system, words, id="run"):
    """A run in which exactly this is said."""
    trace = system.run(TASK, 0)
    steps = tuple(Step(n, NAMES[n], content=word) for n, word in enumerate(words.split()))
    made = Trace(id, trace.source, TASK, trace.agents, steps)
    return Trace(id, trace.source, TASK, trace.agents, steps, system.check(made))


def struck(clean, trace, step, word):
    """The run as if its step had been injected."""
    fault = Fault(mode="FM-2.6", strategy="response-corruption", agent=NAMES[step], step=step)
    change = Intervention(step=step, actions=(Action(word),), by="test")
    return Injected(
        clean=clean,
        trace=trace,
        faults=(fault,),
        interventions=(change,),
        manipulator="test",
        seed=0,
    )
