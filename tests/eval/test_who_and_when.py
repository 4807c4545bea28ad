"""The Who&When benchmark: where it may lie, what its labels mean, its lenient scorer."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from tracekit.attribution import Attribution, Method, Suspect
from tracekit.errors import InputError, Problem
from tracekit.eval import tables
from tracekit.eval.benchmarks.who_and_when import WhoAndWhen, released
from tracekit.eval.dataset import read
from tracekit.eval.leaderboard import evaluate
from tracekit.folds import grouped_folds
from tracekit.metrics import score
from tracekit.trace import Label, Trace

BENCH = WhoAndWhen()


def write(folder, part, number, question, speakers, step, agent=None):
    """An invented run in the public layout."""
    key = "name" if part == "Algorithm-Generated" else "role"
    record = {
        "question": question,
        "question_ID": f"id-{question}",
        "ground_truth": "7",
        "is_correct": False,
        "history": [{"content": f"{number}: words {i}", key: s} for i, s in enumerate(speakers)],
        "mistake_agent": agent or speakers[step].split(" (")[0],
        "mistake_step": str(step),
        "mistake_reason": "invented",
    }
    file = folder / part / f"{number}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record))


@pytest.fixture
def folder(tmp_path):
    part = tmp_path / "Who&When"
    write(part, "Algorithm-Generated", 1, "How many?", ["Counter", "Checker", "Counter"], 1)
    write(part, "Algorithm-Generated", 2, "Which  one?", ["Counter", "Checker"], 0)
    team = ["human", "Orchestrator (thought)", "Orchestrator (-> WebSurfer)", "WebSurfer"]
    write(part, "Hand-Crafted", 1, "how many?", team, 2)
    return tmp_path


def test_load(folder):
    traces = list(BENCH.load(folder))
    assert [t.labels[0].step for t in traces] == [1, 0, 2]
    assert [t.labels[0].agent for t in traces] == ["Checker", "Counter", "Orchestrator"]
    assert [BENCH.subset(t) for t in traces] == ["algorithm-generated"] * 2 + ["hand-crafted"]
    assert {t.labels[0].definition for t in traces} == {BENCH.definition} == {"decisive"}
    assert {t.labels[0].base for t in traces} == {BENCH.base} == {0}


def test_one_question_is_one_group_in_both_parts(folder):
    first, second, third = BENCH.load(folder)
    assert BENCH.group(first) == BENCH.group(third) == "how many"
    assert BENCH.group(second) == "which one"


@pytest.mark.parametrize("place", ["Who&When", "labeled/who-and-when", "who-and-when", "."])
def test_every_layout(folder, tmp_path_factory, place):
    root = tmp_path_factory.mktemp("root")
    target = root / place
    target.parent.mkdir(parents=True, exist_ok=True)
    if place == ".":
        root = folder / "Who&When"
    else:
        (folder / "Who&When").rename(target)
    assert len(list(BENCH.load(root))) == 3


def test_one_part_is_enough(folder):
    assert len(list(BENCH.load(folder / "Who&When" / "Algorithm-Generated"))) == 2
    for file in (folder / "Who&When" / "Hand-Crafted").iterdir():
        file.unlink()
    (folder / "Who&When" / "Hand-Crafted").rmdir()
    assert len(list(BENCH.load(folder))) == 2


def test_nothing_there_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"expected the folders .*Hand-Crafted.*docs/data.md"):
        BENCH.load(tmp_path)


def test_a_broken_file_is_a_problem(folder):
    (folder / "Who&When" / "Hand-Crafted" / "9.json").write_text('{"history": [')
    found = list(BENCH.load(folder))
    assert len([t for t in found if isinstance(t, Trace)]) >= 3
    assert [p.path.rsplit("/", 1)[-1] for p in found if isinstance(p, Problem)] == ["9.json"]


@pytest.mark.parametrize("step", range(10))
def test_the_released_scorer_takes_all_digits_at_once(step):
    label = Label("decisive", "Checker", step)
    assert released("Agent Name: Checker\nStep Number: 0123456789", label) == (True, True)
    guess = (Suspect("Checker", 123456789, 1.0),)
    strict = score(Attribution(trace_id="t", method=Method("x"), suspects=guess), label, steps=10)
    assert strict.step == 0.0


def test_the_released_scorer_by_hand():
    assert released("Agent Name: Checker\nStep Number: 12", Label("decisive", "Check", 1)) == (
        True,
        True,
    )
    assert released("Agent Name: check\nStep Number: 2", Label("decisive", "Check", 12)) == (
        False,
        False,
    )
    # The name ends at a blank or a hyphen; a bold one, or none, is not found at all.
    assert released("Agent Name: Web-Surfer\nStep Number: 1", Label("decisive", "Web", 1))[0]
    assert not released("Agent Name: Web-Surfer\nStep Number: 1", Label("decisive", "Surfer", 1))[0]
    assert released("**Agent Name:** Web\n**Step Number:** 1", Label("decisive", "Web", 1)) == (
        False,
        False,
    )
    assert released("Agent Name: Web", Label("decisive", "Web", 1)) == (False, False)


def test_official_against_strict(folder):
    first, *_ = BENCH.load(folder)
    for step, right in ((1, True), (10, True), (2, False)):
        guess = (Suspect("Checker", step, 1.0),)
        verdict = Attribution(trace_id=first.id, method=Method("x"), suspects=guess)
        assert BENCH.official(first, verdict) == (True, right)
    silent = Attribution(trace_id=first.id, method=Method("x"), abstained="no")
    assert BENCH.official(first, silent) == (False, False)


def test_a_copied_file_is_one_run(folder):
    part = folder / "Who&When" / "Algorithm-Generated"
    (part / "old").mkdir()
    (part / "old" / "1.json").write_bytes((part / "1.json").read_bytes())
    found = read(BENCH, folder)
    assert len(found.items) == 3
    (problem,) = found.problems
    assert (problem.severity, problem.path.endswith("old/1.json")) == ("warning", True)


# --- the real data, counted without tracekit's readers and scorers ---


def count(data: Path, part: str) -> list[dict]:
    runs = []
    for file in sorted((data / "labeled" / "who-and-when" / part).glob("*.json")):
        run = json.loads(file.read_text())
        speakers = [(h.get("name") or h["role"]).split(" (")[0] for h in run["history"]]
        gold = run["mistake_agent"].split(" (")[0]
        runs.append(
            {
                "stem": file.stem,
                "question": " ".join(run["question"].lower().split()),
                "said": [
                    (a, str(h["content"])) for a, h in zip(speakers, run["history"], strict=True)
                ],
                "speakers": [s.lower() for s in speakers],
                "agent": gold.lower(),
                "step": int(run["mistake_step"]),
            }
        )
    return runs


PARTS = {"algorithm-generated": "Algorithm-Generated", "hand-crafted": "Hand-Crafted"}


@pytest.fixture(scope="module")
def measured(data):
    return evaluate("who-and-when", ["random"], data)


@pytest.mark.data
@pytest.mark.parametrize("subset", PARTS)
def test_chance_is_the_hand_count(data, measured, subset):
    runs = count(data, PARTS[subset])
    (row,) = [r for r in measured.rows if (r.method, r.subset) == ("uniform", subset)]
    assert row.n == len(runs)
    step = sum(1 / len(r["speakers"]) for r in runs) / len(runs)
    agent = sum(r["speakers"].count(r["agent"]) / len(r["speakers"]) for r in runs) / len(runs)
    assert row.cells["step"].value == pytest.approx(step, abs=1e-6)
    assert row.cells["agent"].value == pytest.approx(agent, abs=1e-6)


@pytest.mark.data
@pytest.mark.parametrize("subset", PARTS)
def test_the_constant_is_the_hand_count(data, measured, subset):
    runs = count(data, PARTS[subset])
    folds = {
        c.trace_id.rsplit("-", 1)[0]: c.fold
        for c in measured.cases
        if (c.method, c.subset) == ("constant", subset)
    }
    right = agents = 0
    for run in runs:
        others = [r["step"] for r in runs if folds[r["stem"]] != folds[run["stem"]]]
        votes = Counter(others)
        best = min(step for step in votes if votes[step] == max(votes.values()))
        named = min(best, len(run["speakers"]) - 1)
        right += named == run["step"]
        agents += run["speakers"][named] == run["agent"]
    (row,) = [r for r in measured.rows if (r.method, r.subset) == ("constant", subset)]
    assert row.cells["step"].value == pytest.approx(right / len(runs), abs=1e-6)
    assert row.cells["agent"].value == pytest.approx(agents / len(runs), abs=1e-6)


@pytest.mark.data
def test_no_question_and_no_history_lies_in_two_folds(data, measured):
    places: dict[object, set[int]] = {}
    fold = {
        (c.subset, c.trace_id.rsplit("-", 1)[0]): c.fold
        for c in measured.cases
        if c.method == "constant"
    }
    for subset, part in PARTS.items():
        for run in count(data, part):
            here = fold[subset, run["stem"]]
            places.setdefault(run["question"], set()).add(here)
            places.setdefault(tuple(run["said"]), set()).add(here)
    assert len(places) > 100
    assert all(len(found) == 1 for found in places.values())


@pytest.mark.data
def test_all_digits_on_the_real_labels(data):
    labels = [t.labels[0] for t in BENCH.load(data) if BENCH.subset(t) == "algorithm-generated"]
    text = "Agent Name: {}\nStep Number: 0123456789"
    assert all(released(text.format(label.agent), label)[1] for label in labels)


@pytest.mark.data
def test_folds_depend_on_the_seed(data):
    traces = list(BENCH.load(data))
    one, two = (grouped_folds(traces, BENCH.group, 10, seed) for seed in (0, 1))
    assert (one != two).any()
    assert math.isclose(sum(one.tolist()) / len(one), 4.5, abs_tol=0.5)


@pytest.mark.data
def test_the_documented_table_is_what_is_measured(data):
    measured = evaluate("who-and-when", ["random"], data, seeds=tuple(range(10)))
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text().splitlines()
    told = [line for line in page if " | hidden | " in line]
    lines = tables.as_markdown(measured).splitlines()
    now = [line for line in lines if " | hidden | " in line]
    assert len(now) == 3 * 6
    assert [line for line in now if line not in told] == []
