"""What an evaluation was made of: the same again is the same, and what differs is named."""

import importlib.util
from pathlib import Path

import msgspec
import pytest

from tracekit.errors import InputError
from tracekit.eval.config import EvalConfig
from tracekit.eval.leaderboard import evaluate
from tracekit.eval.manifest import differences, encode, manifest, read

_spec = importlib.util.spec_from_file_location("manifest_toys", Path(__file__).with_name("toys.py"))
toys = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(toys)

RUNS = [toys.run(f"t{i}", "abc", i % 3) for i in range(8)]
CONFIG = EvalConfig(folds=2)


def made(runs=RUNS, config=CONFIG, at=1):
    board = evaluate(toys.Toy(*runs), [toys.Fixed(lambda _: at)], ".", config)
    return manifest("toy", ["fixed"], None, config, [board])


def test_the_same_again_is_the_same_whatever_the_order():
    assert encode(made()) == encode(made())
    assert made().boards["toy"].data == made(RUNS[::-1]).boards["toy"].data
    assert differences(made(), made()) == []


def test_other_runs_are_named():
    (said,) = differences(made(), made(RUNS[:-1]))
    assert said == "toy: other runs or labels (8 then, 7 now)"


def test_another_label_is_other_data():
    label = msgspec.structs.replace(RUNS[0].labels[0], step=2, agent="c")
    changed = [msgspec.structs.replace(RUNS[0], labels=(label,)), *RUNS[1:]]
    assert "other runs or labels (8 then, 8 now)" in differences(made(), made(changed))[0]


def test_other_figures_are_named_with_the_versions_that_differ():
    then = msgspec.structs.replace(made(), versions={"tracekit": "0.0.1", "numpy": "1.0"})
    assert differences(then, made()) == []  # another version that makes no difference
    now = made(at=0)
    found = differences(then, now)
    assert found[0] == "toy: the same data give other figures"
    assert found[1] == f"numpy was 1.0, is {now.versions['numpy']}"
    assert found[2].startswith("tracekit was 0.0.1, is ")


def test_a_benchmark_that_is_missing_or_new_is_named():
    none = msgspec.structs.replace(made(), boards={})
    assert differences(made(), none) == ["toy: not found this time"]
    assert differences(none, made()) == ["toy: was not part of it then"]


def test_it_is_read_back_and_nothing_else_is(tmp_path):
    path = tmp_path / "m.json"
    path.write_bytes(encode(made()))
    assert read(path) == made()
    path.write_text('{"schema": "tracekit/leaderboard/1"}')
    with pytest.raises(InputError, match="no manifest"):
        read(path)
