"""A small benchmark in memory, and methods whose scores are known beforehand."""

import msgspec

from tracekit.attribution import Attribution, Method, Suspect
from tracekit.folds import fingerprint
from tracekit.trace import Agent, Label, Outcome, Source, Step, Task, Trace


def run(name, speakers, blamed, *, question=None, framework="ag2", texts=None, agent=None):
    """A failed run; `blamed` is the labelled step, `agent` its agent unless that is the speaker."""
    texts = texts or [f"{name} says {i}" for i in range(len(speakers))]
    return Trace(
        id=name,
        source=Source(format="toy", path=f"{name}.json", framework=framework),
        task=Task(question=question or f"question of {name}", expected="42"),
        agents=tuple(Agent(a, a) for a in sorted(set(speakers))),
        steps=tuple(
            Step(i, a, content=t) for i, (a, t) in enumerate(zip(speakers, texts, strict=True))
        ),
        outcome=Outcome(status="failure"),
        labels=(Label("decisive", agent or speakers[blamed], blamed, base=0),),
        extra={"mistake_type": f"at {blamed}"},
    )


class Toy:
    """A benchmark that holds what it is given."""

    name = "toy"
    definition = "decisive"
    base = 0

    def __init__(self, *items):
        self.items = items

    def load(self, path):
        return iter(self.items)

    def group(self, trace):
        return trace.task.question

    def subset(self, trace):
        return {"ag2": "left", "magentic-one": "right"}.get(trace.source.framework, "")

    def official(self, trace, attribution):
        top = attribution.top
        return top is not None, top is not None and str(trace.labels[0].step) in str(top.step)


def answer(trace, step, name, **more):
    suspect = Suspect(trace.steps[step].agent, step, 1.0)
    return Attribution(trace_id=trace.id, method=Method(name), suspects=(suspect,), **more)


class Fixed:
    """Names a step by a function of the trace; what it was shown is kept in `shown`."""

    needs = frozenset({"trace"})

    def __init__(self, choose, name="fixed"):
        self.choose = choose
        self.name = name
        self.shown = []

    def attribute(self, trace, context):
        self.shown.append(trace)
        return answer(trace, self.choose(trace), self.name)


class Oracle:
    """Knows every answer by fingerprint, as nobody may: right whatever the folds are."""

    name = "oracle"
    needs = frozenset({"trace"})

    def __init__(self, traces):
        self.known = {fingerprint(trace): trace.labels[0] for trace in traces}

    def attribute(self, trace, context):
        label = self.known[fingerprint(trace)]
        suspect = Suspect(label.agent, label.step, 1.0)
        return Attribution(trace_id=trace.id, method=Method(self.name), suspects=(suspect,))


class Memoriser:
    """Learns its training runs by heart and answers step 0 to everything else."""

    name = "memoriser"
    needs = frozenset({"model"})

    def __init__(self, known=None):
        self.known = known or {}

    def seen(self):
        return frozenset(self.known)

    def fit(self, traces, context):
        return Memoriser({fingerprint(t): t.labels[0].step for t in traces})

    def attribute(self, trace, context):
        return answer(trace, self.known.get(fingerprint(trace), 0), self.name)


class Silent:
    """Abstains."""

    name = "silent"
    needs = frozenset({"trace"})

    def attribute(self, trace, context):
        return Attribution(trace_id=trace.id, method=Method(self.name), abstained="no idea")


class Broken:
    """Breaks on the traces named, in the way named, and is right about step 0 elsewhere."""

    name = "broken"
    needs = frozenset({"trace"})

    def __init__(self, **ways):
        self.ways = ways

    def attribute(self, trace, context):
        way = self.ways.get(trace.id)
        if way == "raises":
            raise ZeroDivisionError("boom")
        found = answer(trace, 0, self.name)
        if way == "beyond":
            return msgspec.structs.replace(
                found, suspects=(Suspect(trace.steps[0].agent, 999, 1.0),)
            )
        if way == "empty":
            return msgspec.structs.replace(found, suspects=())
        return found
