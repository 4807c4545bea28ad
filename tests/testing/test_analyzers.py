"""check_analyzer: a sound analyzer passes, and for every rule one that breaks it is refused."""

import pathlib
import random
import socket
import subprocess
import sys

import msgspec
import pytest

from tracekit.attribution import AgentSet, Attribution, Cost, Evidence, Method, Suspect, SuspectSet
from tracekit.context import Context
from tracekit.errors import ContractError
from tracekit.testing import check_analyzer
from tracekit.testing.rules import ANALYZER
from tracekit.testing.traces import edge_traces, make_trace, renamed
from tracekit.trace import faults


class Sound:
    """Blames the longest step, by chance among equals; a decoy for the rules below."""

    name = "longest"
    needs = frozenset({"trace"})
    name_blind = False

    def attribute(self, trace, context):
        longest = max(len(step.content) for step in trace.steps)
        best = [step for step in trace.steps if len(step.content) == longest]
        step = best[int(context.rng(trace.id).integers(len(best)))]
        evidence = Evidence(step.index, step.content[:9], 0, len(step.content[:9]), 1.0, "length")
        return self.verdict(trace, step, Suspect(step.agent, step.index, 0.5, evidence=(evidence,)))

    def verdict(self, trace, step, suspect, **fields):
        fields = {"suspects": (suspect,), "agents": {step.agent: 0.5}, "cost": Cost()} | fields
        return Attribution(trace_id=trace.id, method=Method(self.name), **fields)


def changed(**fields):
    """An analyzer whose verdicts differ from the sound ones in the given fields."""

    class Changed(Sound):
        def attribute(self, trace, context):
            sound = super().attribute(trace, context)
            made = {k: f(sound, trace) if callable(f) else f for k, f in fields.items()}
            return msgspec.structs.replace(sound, **made)

    return Changed


def suspects(*made):
    return lambda sound, trace: tuple(
        msgspec.structs.replace(sound.suspects[0], **fields) for fields in made
    )


def quoting(**fields):
    def made(sound, trace):
        evidence = msgspec.structs.replace(sound.suspects[0].evidence[0], **fields)
        return (msgspec.structs.replace(sound.suspects[0], evidence=(evidence,)),)

    return made


class BadName(Sound):
    name = ""


class NeedsTuple(Sound):
    needs = ("trace",)


class NeedsMagic(Sound):
    needs = frozenset({"trace", "magic"})


class Raises(Sound):
    def attribute(self, trace, context):
        return super().attribute(trace, context) if trace.steps[1] else None


class ReturnsIndex(Sound):
    def attribute(self, trace, context):
        return 0


class GlobalRandom(Sound):
    def attribute(self, trace, context):
        step = random.choice(trace.steps)
        return self.verdict(trace, step, Suspect(step.agent, step.index, 0.5))


class Remembers(Sound):
    calls = 0

    def attribute(self, trace, context):
        self.calls += 1
        return msgspec.structs.replace(
            super().attribute(trace, context), warnings=(f"call {self.calls}",)
        )


class Scribbles(Sound):
    def attribute(self, trace, context):
        trace.extra["seen"] = True
        return super().attribute(trace, context)


class ChangesSettings(Sound):
    def attribute(self, trace, context):
        context.settings.setdefault("k", 1)
        return super().attribute(trace, context)


class ReadsLabels(Sound):
    def attribute(self, trace, context):
        if trace.labels:
            step = trace.steps[trace.labels[0].step]
            return self.verdict(trace, step, Suspect(step.agent, step.index, 1.0))
        return super().attribute(trace, context)


class ReadsAnswer(Sound):
    def attribute(self, trace, context):
        known = f"expected {trace.task.expected}"
        return msgspec.structs.replace(super().attribute(trace, context), warnings=(known,))


class ReadsNames(Sound):
    name_blind = True

    def attribute(self, trace, context):
        step = min(trace.steps, key=lambda step: (step.agent, step.index))
        return self.verdict(trace, step, Suspect(step.agent, step.index, 0.5))


class BlindToNames(Sound):
    """Breaks nothing: blames the first step, whatever its agent is called."""

    name_blind = True

    def attribute(self, trace, context):
        return self.verdict(trace, trace.steps[0], Suspect(trace.steps[0].agent, 0, 0.5))


class CallsHome(Sound):
    def attribute(self, trace, context):
        socket.getaddrinfo("127.0.0.1", 9)
        return super().attribute(trace, context)


class NeedsServer(CallsHome):
    """Breaks nothing: says that it needs a server."""

    needs = frozenset({"trace", "llm"})


class RunsCode(Sound):
    def attribute(self, trace, context):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        return super().attribute(trace, context)


class Writes(Sound):
    def attribute(self, trace, context):
        pathlib.Path("verdicts.log").write_text("x")
        return super().attribute(trace, context)


class Stored(Sound):
    """Has a bias that lies in a folder."""

    version = "1"
    file = "bias.json"

    def __init__(self, bias=0.5):
        self.bias = bias

    def verdict(self, trace, step, suspect, **fields):
        suspect = msgspec.structs.replace(suspect, probability=self.bias)
        return super().verdict(trace, step, suspect, **fields)

    def save(self, folder):
        (folder / self.file).write_text(str(self.bias))

    @classmethod
    def load(cls, folder):
        return cls(float((folder / cls.file).read_text()))


class Forgets(Stored):
    @classmethod
    def load(cls, folder):
        return cls(0.25)


class Pickles(Stored):
    file = "bias.pkl"


class SavesNothing(Stored):
    def save(self, folder):
        pass


BROKEN = [
    ("stored", Forgets),
    ("stored", Pickles),
    ("stored", SavesNothing),
    ("name", BadName),
    ("needs", NeedsTuple),
    ("needs", NeedsMagic),
    ("never-raises", Raises),
    ("verdict", ReturnsIndex),
    ("verdict", changed(trace_id="another")),
    ("verdict", changed(method=Method("another"))),
    ("in-range", changed(suspects=suspects({"step": 99_999}))),
    ("in-range", changed(suspects=suspects({"step": -1}))),
    ("in-range", changed(suspects=suspects({"agent": "nobody"}))),
    ("probabilities", changed(suspects=suspects({"probability": 1.5}))),
    ("probabilities", changed(suspects=suspects({"probability": float("nan")}))),
    ("probabilities", changed(suspects=suspects({}, {}, {}))),
    ("ranked", changed(suspects=suspects({"probability": 0.1}, {"probability": 0.2}))),
    ("ranked", changed(suspects=suspects({"probability": 0.2}, {"probability": 0.1}))),
    ("agents", changed(agents={"nobody": 0.5})),
    ("agents", changed(agents=lambda sound, trace: {trace.agents[0].id: 1.1})),
    (
        "agents",
        changed(agents=lambda sound, trace: {a.id: i / 99 for i, a in enumerate(trace.agents[:3])}),
    ),
    ("suspect-set", changed(suspect_set=SuspectSet((-1,), 0.9))),
    ("suspect-set", changed(suspect_set=SuspectSet((0,), 90.0))),
    ("suspect-set", changed(agent_set=AgentSet(("nobody",), 0.9))),
    ("suspect-set", changed(agent_set=AgentSet((), 90.0))),
    ("evidence", changed(suspects=quoting(quote="never said"))),
    ("evidence", changed(suspects=quoting(step=99_999))),
    ("evidence", changed(suspects=quoting(weight=float("inf")))),
    ("abstention", changed(suspects=(), abstained=None)),
    ("abstention", changed(suspects=(), abstained="")),
    ("abstention", changed(abstained="and yet")),
    ("cost", changed(cost=Cost(money=float("nan")))),
    ("cost", changed(cost=Cost(calls=-1))),
    ("seeded", GlobalRandom),
    ("seeded", Remembers),
    ("input-unchanged", Scribbles),
    ("input-unchanged", ChangesSettings),
    ("label-blind", ReadsLabels),
    ("answer-blind", ReadsAnswer),
    ("name-blind", ReadsNames),
    ("no-network", CallsHome),
    ("no-processes", RunsCode),
    ("no-writes", Writes),
]


@pytest.mark.parametrize("analyzer", [Sound, BlindToNames, NeedsServer])
def test_a_sound_analyzer_passes(analyzer):
    check_analyzer(analyzer())


@pytest.mark.parametrize(("rule", "analyzer"), BROKEN)
def test_a_broken_analyzer_is_refused(rule, analyzer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ContractError) as caught:
        check_analyzer(analyzer())
    assert f"breaks [{rule}] {ANALYZER[rule]}: " in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_analyzer_that_can_be_stored_is_accepted():
    check_analyzer(Stored())


def test_every_rule_has_an_analyzer_that_breaks_it():
    assert {rule for rule, _ in BROKEN} == set(ANALYZER)


def test_given_traces_are_tried_too():
    class Picky(Sound):
        def attribute(self, trace, context):
            return super().attribute(trace, context) if trace.id != "mine" else None

    check_analyzer(Picky())
    with pytest.raises(ContractError, match=r"\[verdict\].*trace mine"):
        check_analyzer(Picky(), [make_trace("mine", [("A", "a")])])


def test_an_answer_may_be_read_when_it_is_allowed():
    check_analyzer(ReadsAnswer(), context=Context(with_answer=True))


def test_edge_traces_are_sound():
    traces = edge_traces()
    assert len({trace.id for trace in traces}) == len(traces)
    for trace in traces:
        assert faults(trace) == []


def test_renaming_reaches_every_mention():
    trace = make_trace("t", [("Al", "Al asks Alma"), ("Alma", "Al, no")])
    after = renamed(trace, {"Al": "x1", "Alma": "x2"})
    assert [(step.agent, step.content) for step in after.steps] == [
        ("x1", "x1 asks x2"),
        ("x2", "x1, no"),
    ]
