"""Each benchmark on small files in its layout: labels, base, groups, parts, vocabulary, scorers."""

import importlib.util
import json
from pathlib import Path
from random import Random

import msgspec
import pytest

from tracekit import registry
from tracekit.attribution import Attribution, Method, Suspect
from tracekit.errors import InputError, Problem
from tracekit.eval.benchmarks.aegis import Aegis, AegisReader
from tracekit.eval.benchmarks.agenterrorbench import AgentErrorBench
from tracekit.eval.benchmarks.agentrx import AgentRx
from tracekit.eval.benchmarks.mast import EARLY, Mast
from tracekit.eval.benchmarks.trace_elephant import TraceElephant, TraceElephantReader
from tracekit.eval.benchmarks.tracertraj import TracerTraj
from tracekit.eval.benchmarks.trail import Trail
from tracekit.eval.benchmarks.who_and_when import WhoAndWhen
from tracekit.eval.benchmarks.who_and_when_pro import WhoAndWhenPro
from tracekit.eval.dataset import read
from tracekit.eval.extra import Extra, Noted, Vocabulary
from tracekit.testing import check_reader
from tracekit.testing.mutate import mutate
from tracekit.testing.readers import examine
from tracekit.trace import Trace

_spec = importlib.util.spec_from_file_location(
    "eval_layouts", Path(__file__).with_name("layouts.py")
)
lay = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(lay)

TEAM = ["Orchestrator (thought)", "Orchestrator (-> WebSurfer)", "WebSurfer"]
PUBLIC = [
    AgentRx, AgentErrorBench, TracerTraj, Trail, Mast, Aegis, TraceElephant, WhoAndWhen,
    WhoAndWhenPro,
]  # fmt: skip


def verdict(trace, *steps, modes=(), **more):
    suspects = tuple(
        Suspect(trace.steps[s].agent, s, 1 / len(steps), modes=tuple(modes)) for s in steps
    )
    return Attribution(trace_id=trace.id, method=Method("m"), suspects=suspects, **more)


def test_agentrx(tmp_path):
    lay.agentrx(tmp_path, "r1", "Where is it?", TEAM, 4, "Instruction/Plan Adherence Failure")
    lay.agentrx(tmp_path, "r2", "Why?", TEAM, 2, "Instruction Adherence Failure")
    found = read(AgentRx(), tmp_path)
    assert [(i.label.step, i.label.agent) for i in found.items] == [
        (3, "WebSurfer"),
        (1, "Orchestrator"),
    ]
    assert {i.label.modes for i in found.items} == {("instruction-adherence",)}
    assert {(i.label.definition, i.label.base) for i in found.items} == {("first-unrecoverable", 1)}
    assert found.subsets == ["magentic-one"]
    one = found.items[0].labelled
    assert AgentRx().official(one, verdict(one, 3)) == (True, True)
    assert AgentRx().official(one, verdict(one, 1)) == (False, False)


def test_agentrx_and_who_and_when_have_one_group_and_one_history(tmp_path):
    """The same run in both sets, as the two write it down."""
    from tracekit.folds import fingerprint

    lay.agentrx(tmp_path, "r1", "Where  is it", TEAM, 4)
    lay.who_and_when(tmp_path, "r1", "Where is it?", ["human", *TEAM], 3)
    file = tmp_path / "who-and-when" / "Hand-Crafted" / "r1.json"
    record = json.loads(file.read_text())
    record["history"][0]["content"] = "Where  is it"
    file.write_text(json.dumps(record))
    (one,) = AgentRx().load(tmp_path / "agentrx")
    (two,) = WhoAndWhen().load(tmp_path)
    assert AgentRx().group(one) == WhoAndWhen().group(two) == "where is it"
    assert fingerprint(one) == fingerprint(two)


def test_agenterrorbench(tmp_path):
    lay.agenterrorbench(tmp_path, "run-0a1b2c", "Count the stars.", 4, 3, "reflection")
    (item,) = read(AgentErrorBench(), tmp_path).items
    # The third answer is the sixth message.
    assert (item.label.step, item.label.agent, item.label.base) == (5, "assistant", 1)
    assert item.label.modes == ("reflection",)
    assert item.group == "count the stars"
    assert AgentErrorBench().official(item.labelled, verdict(item.trace, 5)) == (None, True)


def test_tracertraj_forgives_the_scaffold_in_a_column_of_its_own(tmp_path):
    lay.tracertraj(tmp_path, "t1", "Write it.", ["plan", lay.SCAFFOLD, "wrong code", "end"], 1)
    lay.tracertraj(tmp_path, "t2", "Write more.", ["plan", "wrong code", "more", "end"], 1)
    bench = TracerTraj()
    scaffold, plain = (item.labelled for item in read(bench, tmp_path).items)
    also = [bench.also(scaffold, verdict(scaffold, step))["content"] for step in range(4)]
    assert also == [0.0, 1.0, 1.0, 0.0]
    assert [bench.also(plain, verdict(plain, step))["content"] for step in range(4)] == [0, 1, 0, 0]
    assert bench.also(scaffold, verdict(scaffold, 1))["scaffold"] == 1.0
    assert bench.also(scaffold, verdict(scaffold, 2))["scaffold"] == 0.0
    silent = Attribution(trace_id="t1", method=Method("m"), abstained="no")
    assert bench.also(scaffold, silent) == {"content": 0.0, "scaffold": 0.0}
    assert bench.official(scaffold, verdict(scaffold, 2)) == (True, False)


def test_trail_and_its_recall(tmp_path):
    errors = [(1, "Formatting Errors"), (1, "Goal Deviation"), (3, "Tool-related")]
    lay.trail(tmp_path, "t1", "Which door?", ["a", "b", "c", "d", "e"], errors)
    lay.trail(tmp_path, "t2", "Which patch?", ["a", "b"], [(0, "Timeout Issues")], "SWE_Bench")
    found = read(Trail(), tmp_path)
    assert found.subsets == ["gaia", "swe-bench"]
    item = next(item for item in found.items if item.subset == "gaia")
    assert sorted(mode for label in item.labels for mode in label.modes) == [
        "formatting",
        "goal-deviation",
        "tool-related",
    ]
    steps = sorted({label.step for label in item.labels})
    assert len(steps) == 2
    every = verdict(item.trace, *range(len(item.trace.steps)))
    assert Trail().official(item.labelled, every) == (None, 1.0)  # the flaw: recall alone
    assert Trail().official(item.labelled, verdict(item.trace, steps[0])) == (None, 0.5)
    silent = Attribution(trace_id="t1", method=Method("m"), abstained="no")
    assert Trail().official(item.labelled, silent) == (None, 0.0)


def test_mast_reads_early_names_as_published_codes(tmp_path):
    yes = ["Trajectory restart", "No attempt to verify outcome", "Invented content"]
    lay.mast(tmp_path, "p1", "How many?", yes, ["Step repetition"])
    lay.mast(tmp_path, "p2", "How much?", [], ["Step repetition"])
    one, two = read(Mast(), tmp_path).items
    assert one.label.modes == ("FM-2.1", "FM-3.2")
    assert (two.label.modes, two.label.step, two.label.agent) == ((), None, None)
    assert Mast().official(one.labelled, verdict(one.trace, 0)) == (None, None)
    assert all(Mast().mode(name) == code for code, names in EARLY.items() for name in names)
    assert set(EARLY) == set(Mast.modes)


def test_aegis(tmp_path):
    record = lay.aegis("a1", "What is x?", "ABAB", [("A", "FM-1.1"), ("B", "FM-3.2")])
    clean = lay.aegis("a2", "what is X", "AB", [])
    file = tmp_path / "aegis" / "test.jsonl"
    file.parent.mkdir()
    file.write_text(json.dumps(record) + "\n" + json.dumps(clean) + "\n")
    found = read(Aegis(), tmp_path)
    (item,) = found.items
    assert found.unlabelled == 1
    assert [(x.agent, x.modes, x.step) for x in item.labels] == [
        ("A", ("FM-1.1",), None),
        ("B", ("FM-3.2",), None),
    ]
    assert (item.subset, item.group, item.trace.task.expected) == ("debate", "what is x", None)
    assert [step.content for step in item.trace.steps] == ["a1 0", "a1 1", "a1 2", "a1 3"]
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps([record, {"input": 3, "faulty_agents": 0}]))
    traces = [t for t in Aegis().load(listed) if isinstance(t, Trace)]
    problems = [p for p in Aegis().load(listed) if isinstance(p, Problem)]
    assert [len(t.steps) for t in traces] == [4]
    assert [p.what for p in problems] == ["there is no list under `input.conversation_history`"]


def test_trace_elephant(tmp_path):
    record = {
        "question": "Fix it",
        "ground_truth": "done",
        "system": "SWE-Agent",
        "steps": [
            {"agent": "planner", "input": [{"role": "user", "content": "Fix it"}], "output": "p"},
            {"agent": "coder", "input": "p", "output": "c", "cost": 3},
            {"agent": "coder", "output": "d"},
        ],
        "mistake_agent": "coder",
        "mistake_step": "2",
        "mistake_reason": "invented",
    }
    lay.dump(tmp_path / "trace-elephant" / "1.json", record)
    found = read(TraceElephant(), tmp_path)
    (item,) = found.items
    assert (found.problems, item.subset) == ((), "swe-agent")
    assert (item.label.step, item.label.agent, item.label.base) == (1, "coder", 1)
    assert item.trace.steps[0].inputs.messages[0].content == "Fix it"
    assert item.trace.steps[1].extra == {"cost": 3}
    assert TraceElephant().official(item.labelled, verdict(item.trace, 1)) == (True, True)
    assert TraceElephant().official(item.labelled, verdict(item.trace, 0)) == (False, False)


def test_trace_elephant_without_a_label_is_counted(tmp_path):
    lay.dump(tmp_path / "1.json", {"question": "q", "history": [{"agent": "a", "input": "i",
             "output": "o"}], "mistake_agent": "a", "mistake_step": 9})  # fmt: skip
    lay.dump(tmp_path / "2.json", {"question": "r", "history": [{"name": "a", "input": "i",
             "output": "p"}]})  # fmt: skip
    lay.dump(tmp_path / "3.json", {"question": "s", "input": 1, "output": 2})
    found = read(TraceElephant(), tmp_path)
    assert (len(found.items), found.unlabelled) == (1, 1)
    assert found.items[0].label.step is None
    assert [p.what for p in found.problems] == ["there is no list under steps, history, calls"]


def test_who_and_when_pro(tmp_path):
    lay.who_and_when(tmp_path, "w1", "Which?", ["A", "B", "A"], 1, "Algorithm-Generated")
    record = json.loads((tmp_path / "who-and-when/Algorithm-Generated/w1.json").read_text())
    record |= {"mistake_mode": "Calculation", "system": "DyLAN"}
    file = tmp_path / "who-and-when-pro" / "rows.jsonl"
    file.parent.mkdir()
    other = record | {"question": "Other?", "mistake_mode": ["PL.2", "unheard of"]}
    file.write_text(json.dumps(record) + "\n" + json.dumps(other) + "\n")
    one, two = read(WhoAndWhenPro(), tmp_path).items
    assert (one.label.definition, one.label.step, one.label.modes) == ("injected", 1, ("R.3",))
    assert two.label.modes == ("PL.2",)
    assert one.subset == "dylan"
    assert len(WhoAndWhenPro.modes) == 18


def elephant(name):
    """One record of the layout assumed for TraceElephant."""
    steps = [
        {
            "agent": "planner",
            "input": [{"role": "user", "content": name}],
            "output": f"plan {name}",
        },
        {"name": "coder", "input": {"content": "plan"}, "output": f"code {name}", "cost": 3},
    ]
    label = {"mistake_agent": "coder", "mistake_step": 2, "mistake_reason": "invented"}
    return {"id": name, "question": f"Fix {name}", "calls": steps} | label


OWN_READERS = {
    "aegis": (AegisReader(), lay.aegis("a1", "What is x?", "AB", [("A", "FM-1.1")])),
    "trace-elephant": (TraceElephantReader(), elephant("e1")),
}


@pytest.mark.parametrize("name", OWN_READERS)
@pytest.mark.parametrize("form", ["object", "list", "lines"])
def test_readers_of_their_own_keep_the_promises_of_all_readers(name, form, tmp_path):
    reader, record = OWN_READERS[name]
    text = json.dumps(record)
    written = {
        "object": text,
        "list": f"[{text}]",
        "lines": f"{text}\n{text.replace('1', '222')}\n",
    }
    file = tmp_path / f"{form}.json"
    file.write_text(written[form])
    check_reader(reader, [file])


@pytest.mark.parametrize("name", OWN_READERS)
def test_readers_of_their_own_on_damaged_records(name, tmp_path):
    reader, record = OWN_READERS[name]
    data = json.dumps([record, record | {"id": "other"}]).encode()
    for seed in range(300):
        changed = mutate(data, Random(seed))
        examine(reader, changed, "run.json")


@pytest.mark.parametrize("bench", PUBLIC, ids=lambda bench: bench.name)
def test_nothing_there_says_where_it_should_be(bench, tmp_path):
    with pytest.raises(InputError, match=r"no .* data here; expected .*docs/data.md"):
        list(bench().load(tmp_path))


@pytest.mark.parametrize("bench", PUBLIC, ids=lambda bench: bench.name)
def test_every_benchmark_is_registered_and_complete(bench):
    found = registry.get("benchmarks", bench.name)
    assert isinstance(found, bench)
    assert isinstance(found, Noted)
    assert found.notes
    assert all(note.endswith(".") for note in found.notes)
    if isinstance(found, Vocabulary):
        assert [found.mode(name) for name in found.modes] == list(found.modes)
        assert found.mode("no such mode") is None
    assert isinstance(found, Extra) == (bench is TracerTraj)


# --- the real halves, counted without tracekit's readers ---


def whole(data, name):
    return data / "labeled" / name


@pytest.mark.data
def test_real_agentrx(data):
    wanted = {}
    for file in sorted((whole(data, "agentrx") / "ground_truth").glob("*.json")):
        for label in json.loads(file.read_text()):
            cause = str(label["root_cause"]["failure_id"])
            (one,) = [f for f in label["failures"] if str(f["failure_id"]) == cause]
            wanted[str(label["trajectory_id"])] = int(one["step_number"]) - 1
    found = read(AgentRx(), data)
    assert {item.labelled.task.id: item.label.step for item in found.items} == wanted
    assert all(len(item.label.modes) == 1 for item in found.items)
    assert (len(found.items), found.unlabelled, found.problems) == (32, 11, ())


@pytest.mark.data
def test_real_agenterrorbench(data):
    (file,) = whole(data, "agenterrorbench-gaia").glob("gaia_labels*.json")
    wanted = {x["trajectory_id"]: x for x in json.loads(file.read_text())}
    found = read(AgentErrorBench(), data)
    assert len(found.items) == len(wanted) == 22
    for item in found.items:
        label = wanted[item.trace.id]
        said = [s for s in item.trace.steps if s.agent == "assistant"]
        assert said[label["critical_failure_step"] - 1].index == item.label.step
        assert item.label.modes == (label["critical_failure_module"],)


@pytest.mark.data
def test_real_tracertraj(data):
    (file,) = whole(data, "tracertraj-code-test").glob("*.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    found = read(TracerTraj(), data)
    assert [i.label.step for i in found.items] == [int(row["mistake_step"]) for row in rows]
    waiting = [
        "thinking: \n# Past Experience" in row["history"][int(row["mistake_step"])]["content"]
        for row in rows
    ]
    first = [verdict(i.trace, i.label.step) for i in found.items]
    bench = TracerTraj()
    also = [bench.also(i.labelled, v) for i, v in zip(found.items, first, strict=True)]
    assert [x["scaffold"] for x in also] == [float(w) for w in waiting]
    assert sum(waiting) > len(rows) / 2
    assert all(x["content"] == 1.0 for x in also)


@pytest.mark.data
def test_real_trail(data):
    wanted = 0
    for folder in ("processed_annotations_gaia", "processed_annotations_swe_bench"):
        for file in (whole(data, "trail") / folder).glob("*.json"):
            wanted += file.read_text().count('"location"')
    found = read(Trail(), data)
    assert sum(len(item.labels) for item in found.items) == wanted
    assert all(label.modes and label.step is not None for i in found.items for label in i.labels)


@pytest.mark.data
def test_real_mast(data):
    found = read(Mast(), data)
    wanted = 0
    for folder in ("AG2", "HyperAgent", "Multi-Agent-Peer-Review"):
        for file in (whole(data, "mast-masft") / folder).glob("*.json"):
            options = json.loads(file.read_text())["note"]["options"]
            yes = {Mast().mode(name) for name, said in options.items() if said == "yes"}
            wanted += len(yes - {None})
    assert sum(len(item.label.modes) for item in found.items) == wanted > 40
    assert len(found.items) == 31


@pytest.mark.data
def test_real_group_is_shared(data):
    """AgentRx runs of Magentic-One are Who&When runs: every one has its group there."""
    groups = {WhoAndWhen().group(t) for t in WhoAndWhen().load(data) if isinstance(t, Trace)}
    traces = [t for t in AgentRx().load(data) if isinstance(t, Trace)]
    ours = [AgentRx().group(t) for t in traces if AgentRx().subset(t) == "magentic-one"]
    assert len(ours) == 29
    assert set(ours) <= groups


def test_labels_are_not_changed_by_a_benchmark_without_vocabulary(tmp_path):
    lay.who_and_when(tmp_path, "w1", "Which?", ["A", "B"], 1, "Algorithm-Generated")
    (item,) = read(WhoAndWhen(), tmp_path).items
    assert msgspec.structs.asdict(item.label)["modes"] == ()
