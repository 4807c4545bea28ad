"""The report of the stages, by hand on a handful of answers: same seeds beside each other, pictures."""

import argparse
import re
import xml.etree.ElementTree as ElementTree

import msgspec
import pytest

pytest.importorskip("transformers")

from tracekit.testing.traces import make_trace
from tracekit.trace import Label, Outcome
from tracekit_models.tracer.data import samples
from tracekit_models.tracer.evaluate import Scored


@pytest.fixture(scope="module")
def report(benchmark_script):
    return benchmark_script("tracer_stages_report")


@pytest.fixture
def folder(tmp_path):
    """Three runs of which one succeeded; `sft` of two seeds, `grpo` of the second alone."""
    label = (Label("decisive", "Ben", 1),)
    talk = [("Ann", "Add 8 and 8."), ("Ben", "That is 18."), ("Ann", "So the answer is 18.")]
    found = list(samples([make_trace(name, talk, labels=label) for name in "abc"], 9000, len))
    replace = msgspec.structs.replace
    found[1] = replace(found[1], trace=replace(found[1].trace, outcome=Outcome("success")))
    pages = b"".join(msgspec.json.encode(one) + b"\n" for one in found)
    for name in ("train", "questions", "topology", "family"):
        (tmp_path / f"{name}-pages.jsonl").write_bytes(pages)
        if name != "train":
            said(tmp_path / "seed0" / f"sft-{name}.jsonl", [True, True, True])
            said(tmp_path / "seed1" / f"sft-{name}.jsonl", [False, True, False])
            said(tmp_path / "seed1" / f"grpo-{name}.jsonl", [True, False, False])
    return tmp_path


def said(path, right):
    """Answers that have both right or nothing."""
    path.parent.mkdir(exist_ok=True)
    found = [Scored(question="q", valid=True, agent=one, step=one, tokens=9) for one in right]
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in found))


def test_what_succeeded_all_the_same_is_nothing_to_learn_from():
    talk, label = [("Ann", "8"), ("Ben", "18")], (Label("injected", "Ben", 1),)
    outcomes = {"a": Outcome("failure"), "b": Outcome("success"), "c": Outcome()}
    runs = [make_trace(id, talk, labels=label, outcome=how) for id, how in outcomes.items()]
    assert [sample.trace.id for sample in samples(runs, 9000, len)] == ["a", "c"]


def test_a_difference_is_of_the_seeds_that_both_have(report, folder, capsys):
    report.table(argparse.Namespace(out=folder))
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in capsys.readouterr().out.splitlines()
    ]
    first = {row[1]: row for row in rows if row[0] == "questions"}
    whole, half = "100.0 (100.0 to 100.0)", "50.0 (50.0 to 50.0)"
    # Of the failures only: seed 0 has both right, seed 1 none.
    assert first["`sft`"][2:] == ["0, 1", half, half, half, whole, "+50.0 (+50.0 to +50.0)"]
    assert first["`grpo`"][2:] == ["1", half, half, half, whole, ""]
    assert first["random"][3:6] == [f"{100 / 3:.1f} ({100 / 3:.1f} to {100 / 3:.1f})"] * 3
    assert first["first step"][5:8] == ["0.0 (0.0 to 0.0)", whole, "+50.0 (+50.0 to +50.0)"]
    assert "`continued`" not in first
    assert "`compact`" in first


def test_the_data_are_counted_and_hashed(report, folder, capsys):
    report.data(argparse.Namespace(out=folder))
    train, questions = capsys.readouterr().out.splitlines()[2:4]
    assert train.startswith("| train | 3 | 2 | 1 |  | `")
    assert questions.startswith("| questions | 3 | 2 | 1 | 1 | `")
    assert train.split("|")[-2] == questions.split("|")[-2]  # the same runs


def test_curves_are_drawn_for_every_seed(report, tmp_path):
    for seed in (0, 2):
        for arm in ("sft", "grpo"):
            notes = [
                {"step": 1, "reward": 0.25, "eval_loss": 2.0, "entropy": 0.5},
                {"step": 3, "reward": 0.75, "eval_loss": 1.0, "entropy": 0.5},
            ]
            place = tmp_path / f"seed{seed}" / arm
            place.mkdir(parents=True)
            (place / "curves.json").write_bytes(msgspec.json.encode({"log_history": notes}))
    report.curves(argparse.Namespace(out=tmp_path, images=tmp_path))
    loss = ElementTree.parse(tmp_path / "tracer-loss.svg").getroot()
    told = [text.text for text in loss.iter("{http://www.w3.org/2000/svg}text")]
    assert told[0] == "sft: held-out loss"
    assert {"1", "2", "1.5", "seed 0", "seed 2"} <= set(told)
    lines = (tmp_path / "tracer-grpo.svg").read_text()
    rising, *flat = re.findall(r'<polyline points="([^"]+)" style="stroke:var\(--[02]\)"', lines)[
        1:
    ]
    assert rising == "56.0,192.0 256.0,42.0"  # reward, from the lower left to the upper right
    assert flat == ["884.0,117.0 1084.0,117.0"] * 2  # entropy: the middle
