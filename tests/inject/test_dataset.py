"""Data sets of failures: what is in them, that they come out the same, and that they survive."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import msgspec
import pyarrow.parquet as parquet
import pytest

import tracekit
from tracekit.errors import InputError, UsageError
from tracekit.folds import fingerprint
from tracekit.inject import shard
from tracekit.inject.dataset import Job, build, clear, make_shard, read_manifest, read_rows
from tracekit.inject.rows import ABOUT, COLUMNS
from tracekit.inject.shard import Deal
from tracekit.inject.spec import Spec
from tracekit.replay.effect import checkpoint_at, outcome
from tracekit.replay.sandbox.system import Sandbox
from tracekit.store import decode_trace
from tracekit.trace import faults


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


@pytest.fixture(scope="module")
def rows(folder):
    return list(read_rows(folder))


def test_every_failure_wanted_is_there_and_verified(rows, small):
    failures = [row for row in rows if row["kind"] == "failure"]
    verified = [row for row in failures if row["verified"]]
    assert len(verified) == small.n
    for row in failures:
        assert row["outcome"] == "failure"
        assert (row["decisive_step"] is None) == (not row["verified"])
    for row in verified:
        assert row["effect_low"] > 0
        assert row["effect"] == pytest.approx(row["rate_with"] - row["rate_without"])


def test_columns_say_what_the_trace_says(rows):
    for row in rows:
        trace = decode_trace(row["trace"].encode())
        labels = {label.definition: label for label in trace.labels}
        assert faults(trace) == []
        assert (row["id"], row["outcome"]) == (trace.id, trace.outcome.status)
        assert row["steps"] == len(trace.steps)
        assert row["injected_steps"] == [x.step for x in trace.labels if x.definition == "injected"]
        if row["verified"]:
            assert (row["decisive_step"], row["decisive_agent"]) == (
                labels["decisive"].step,
                labels["decisive"].agent,
            )
            assert labels["decisive"].extra["low"] == row["effect_low"]
        step = row["first_unrecoverable_step"]
        assert step == (labels["first-unrecoverable"].step if step is not None else None)


def test_twins_and_hard_negatives_are_kept(rows):
    kinds = {row["kind"] for row in rows}
    assert kinds == {"failure", "hard-negative", "clean"}
    twins = {row["id"] for row in rows if row["kind"] == "clean"}
    assert {row["clean_id"] for row in rows} == twins
    for row in rows:
        assert row["hard_negative"] == (row["kind"] == "hard-negative")
        if row["kind"] != "failure":
            assert row["outcome"] == "success"
        assert bool(row["modes"]) == (row["kind"] != "clean")


def test_the_labelled_step_decides_on_fresh_seeds(rows):
    """An honest look at a few: other seeds than those the label was made with."""
    system = Sandbox()
    raised = []
    for row in [row for row in rows if row["verified"]][:8]:
        trace = decode_trace(row["trace"].encode())
        before = checkpoint_at(system, trace, row["decisive_step"])
        right = system.correct(before)
        seeds = range(10**10, 10**10 + 60)
        rate = sum(outcome(system, before, right, s).status == "success" for s in seeds) / 60
        raised.append(rate - row["rate_without"])
    assert sum(gain > 0.1 for gain in raised) >= 7


def test_ids_are_unique_and_runs_differ(rows):
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    traces = [decode_trace(row["trace"].encode()) for row in rows if row["kind"] == "failure"]
    assert len({fingerprint(trace) for trace in traces}) == len(traces)


def test_the_same_bytes_whatever_the_processes(folder, small, tmp_path):
    build(small, tmp_path, workers=2)
    assert hashes(tmp_path) == hashes(folder)


def test_another_seed_gives_another_set(folder, small, tmp_path):
    build(msgspec.structs.replace(small, seed=4), tmp_path)
    assert read_manifest(tmp_path).files != read_manifest(folder).files


def test_finished_shards_are_kept(folder, small, tmp_path, monkeypatch):
    build(small, tmp_path)
    whole = hashes(tmp_path)
    (lost,) = list((tmp_path / "data").glob("*-00000-*"))[:1]
    lost.unlink()
    (tmp_path / "manifest.json").unlink()
    made = []
    real = shard.make
    monkeypatch.setattr(
        shard, "make", lambda spec, n, runs=(): (made.append(n), real(spec, n, runs))[1]
    )
    seen = []
    build(small, tmp_path, progress=lambda done, wanted: seen.append((done, wanted)))
    assert hashes(tmp_path) == whole
    assert seen[-1] == (small.n, small.n)
    assert made == [0]


def test_a_killed_build_leaves_whole_files_only(tmp_path):
    spec = Spec(n=60, families=("arithmetic",), topologies=("chain",))
    program = (
        "from pathlib import Path; from tracekit.inject.dataset import build;"
        "from tracekit.inject.spec import Spec;"
        f"build(Spec(n=60, families=('arithmetic',), topologies=('chain',)), Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    ends = time.monotonic() + 60
    while not list((tmp_path / "data").glob("*.parquet")) and time.monotonic() < ends:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in (tmp_path / "data").glob("*.parquet"):
        assert parquet.read_metadata(path).num_rows > 0
    (tmp_path / "data" / ".train-00001-of-00003.parquet.abc").write_bytes(b"half")
    build(spec, tmp_path)
    assert [p for p in (tmp_path / "data").iterdir() if p.name.startswith(".")] == []
    fresh = tmp_path / "fresh"
    build(spec, fresh)
    names = [file.name for file in read_manifest(fresh).files]
    assert all((tmp_path / name).read_bytes() == (fresh / name).read_bytes() for name in names)


def test_an_interrupted_build_ends_cleanly_and_goes_on(tmp_path):
    """Ctrl-C on the command line, which every process of the group gets."""
    out = tmp_path / "out"
    asked = ["inject", "--n", "250", "--family", "arithmetic", "--topology", "chain", "--no-leaks"]
    command = [sys.executable, "-m", "tracekit_cli", *asked, "-o", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    ends = time.monotonic() + 60
    while not list((out / "data").glob("*.parquet")) and time.monotonic() < ends:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "data").glob("*.parquet")}
    assert 0 < len(kept) < 10
    subprocess.run(command, check=True, capture_output=True)
    later = {path.name: path.stat().st_mtime_ns for path in (out / "data").glob("*.parquet")}
    assert len(later) == 10
    assert kept.items() <= later.items()


def test_another_set_in_the_folder_is_refused_until_cleared(folder, small, tmp_path):
    build(small, tmp_path)
    other = msgspec.structs.replace(small, seed=9)
    with pytest.raises(UsageError, match="another data set"):
        build(other, tmp_path)
    (tmp_path / "data" / "mine.txt").write_text("keep")
    clear(tmp_path)
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["mine.txt"]


def test_tracekit_reads_the_folder(folder, rows):
    traces = list(tracekit.load(folder))
    assert [trace.id for trace in traces] == [row["id"] for row in rows]
    ingest = tracekit.Ingest([folder])
    problems = [found for found in ingest if isinstance(found, tracekit.Problem)]
    assert {problem.severity for problem in problems} <= {"skip"}


def test_a_row_that_is_damaged_is_a_problem(folder, tmp_path):
    (path, *_) = sorted((folder / "data").glob("*.parquet"))
    table = parquet.read_table(path)
    texts = table["trace"].to_pylist()
    texts[1] = texts[1][:50]
    at = table.column_names.index("trace")
    table = table.set_column(at, "trace", [texts])
    parquet.write_table(table, tmp_path / "damaged.parquet")
    found = list(tracekit.Ingest([tmp_path]))
    assert sum(isinstance(one, tracekit.Trace) for one in found) == len(texts) - 1
    (problem,) = [one for one in found if isinstance(one, tracekit.Problem)]
    assert problem.severity == "error"


def test_the_hugging_face_library_reads_it(folder, rows, tmp_path):
    from datasets import load_dataset

    loaded = load_dataset(
        "parquet",
        data_files=str(folder / "data" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path),
    )
    assert loaded.column_names == list(COLUMNS)
    assert loaded["id"][:] == [row["id"] for row in rows]
    assert decode_trace(loaded[0]["trace"].encode()).id == rows[0]["id"]


def test_columns_that_are_explained_exist():
    assert set(ABOUT) <= set(COLUMNS)


def test_parts_of_a_large_set_share_no_task():
    spec = Spec(n=5000)
    splits = [spec.split(number) for number in range(spec.shards)]
    assert {part: splits.count(part) for part in set(splits)} == {
        "train": 16,
        "validation": 2,
        "test": 2,
    }
    assert sum(spec.quota(number) for number in range(spec.shards)) == 5000
    assert len({spec.file(number) for number in range(spec.shards)}) == 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0},
        {"families": ("cooking",)},
        {"topologies": ("ring",)},
        {"modes": ("FM-9.9",)},
        {"modes": ("FM-2.6",), "strategies": ("message-drop",)},
        {"system": "a:b"},
        {"families": ()},
    ],
)
def test_what_cannot_be_built_is_refused(wrong):
    with pytest.raises(UsageError):
        Spec(**wrong)


def test_the_digest_follows_everything_asked_for():
    assert Spec().digest == Spec().digest
    assert len({Spec().digest, Spec(seed=1).digest, Spec(hard=1.0).digest}) == 3


def test_a_deal_keeps_to_its_weights():
    import random

    deal = Deal({"a": 3.0, "b": 1.0, "never": 1.0}, random.Random(0))
    dealt = []
    for _ in range(400):
        thing = deal.order()[0]
        dealt.append(thing)
        deal.take(thing, made=thing != "never")
    assert dealt.count("a") / dealt.count("b") == pytest.approx(3, rel=0.1)
    assert dealt.count("never") > dealt.count("b"), "what fails is tried more often, but"
    assert dealt.count("never") < 300, "not forever"


def test_a_folder_without_a_manifest_is_no_set(tmp_path):
    with pytest.raises(InputError, match="no manifest"):
        read_manifest(tmp_path)


def test_natural_failures_are_labelled_when_asked_for(small, tmp_path):
    spec = msgspec.structs.replace(small, n=6, natural=True)
    (tmp_path / "data").mkdir()
    make_shard(Job(spec, 0, tmp_path / "data"))
    (path,) = (tmp_path / "data").glob("*.parquet")
    kept = [row for row in parquet.read_table(path).to_pylist() if row["kind"] == "natural"]
    assert kept
    for row in kept:
        assert row["outcome"] == "failure"
        assert row["modes"] == []
