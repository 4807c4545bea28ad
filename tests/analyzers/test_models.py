"""Model folders: what goes in comes out, and a hostile folder gets no further than its config."""

import json
import os
import pickle

import pytest

import tracekit
from tracekit.analyzers.linear import Linear, shipped
from tracekit.analyzers.models import ModelConfig, load_model, read_config, save_model
from tracekit.analyzers.run import choose
from tracekit.errors import InputError, UnknownName, UsageError
from tracekit.trace import Agent, Source, Step, Trace

TRACE = Trace(
    id="t",
    source=Source(format="toy"),
    agents=(Agent("a", "a"), Agent("b", "b")),
    steps=tuple(Step(i, "ab"[i % 2], content=f"step {i} of a run, error: none") for i in range(6)),
)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "model"
    save_model(Linear(shipped()), place, definition="decisive", card="---\nlicense: mit\n---\n")
    return place


def rewrite(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_what_goes_in_comes_out(folder):
    loaded = load_model(folder)
    assert isinstance(loaded, Linear)
    assert loaded.seen() == frozenset(shipped().traces)
    mine = tracekit.attribute(TRACE, model=folder)
    theirs = tracekit.attribute(TRACE, "linear")
    assert mine.suspects == theirs.suspects
    assert mine.method.model == shipped().id
    config = read_config(folder)
    assert isinstance(config, ModelConfig)
    assert (config.kind, config.definition, config.traces) == ("linear", "decisive", 91)
    assert set(config.files) == {"weights.json", "fingerprints.txt"}


def test_the_same_model_is_the_same_bytes(folder, tmp_path):
    save_model(
        Linear(shipped()),
        tmp_path / "again",
        definition="decisive",
        card="---\nlicense: mit\n---\n",
    )
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_method_named_must_be_the_models(folder):
    assert choose("linear", folder)[0].name == "linear"
    with pytest.raises(UsageError, match="no weights"):
        save_model(
            tracekit.registry.get("analyzers", "random"), folder, definition="decisive", card=""
        )


def test_for_other_methods_the_model_is_a_setting(folder):
    analyzer, settings = choose("first-error", "gpt")
    assert (analyzer.name, settings) == ("first-error", {"model": "gpt"})
    with pytest.raises(UsageError, match="no setting 'model'"):
        tracekit.attribute(TRACE, "first-error", model="gpt")


def test_an_older_model_is_replaced_and_nothing_else(folder, tmp_path):
    save_model(Linear(shipped()), folder, definition="injected", card="new")
    assert read_config(folder).definition == "injected"
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        save_model(Linear(shipped()), folder, definition="decisive", card="")
    assert (folder / "thesis.tex").read_text() == "years of work"
    assert read_config(folder).definition == "injected"


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    def fail(self, folder):
        raise OSError("disk full")

    monkeypatch.setattr(Linear, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(Linear(shipped()), tmp_path / "model", definition="decisive", card="")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "../weights.json",
        "/etc/passwd",
        "a/b.json",
        ".hidden.json",
        "..",
        "config.json",
        "weights.json\n",
    ],
)
def test_names_that_leave_the_folder_are_refused(folder, name):
    rewrite(folder, lambda config: config["files"].update({name: config["files"]["weights.json"]}))
    with pytest.raises(InputError, match="no plain name"):
        load_model(folder)


@pytest.mark.parametrize(
    "name", ["weights.pkl", "model.pt", "model.bin", "hook.py", "x.npz.pickle"]
)
def test_files_that_may_hold_code_are_refused(folder, name):
    (folder / name).write_bytes(pickle.dumps({"a": 1}))
    rewrite(folder, lambda config: config["files"].update({name: {"size": 1, "sha256": "0" * 64}}))
    with pytest.raises(InputError, match="no plain name"):
        load_model(folder)


CHANGES = {
    "another schema": lambda config: config.update(schema="tracekit/model/9"),
    "no kind": lambda config: config.pop("kind"),
    "a kind that is a list": lambda config: config.update(kind=["linear"]),
    "a hash that is none": lambda config: config.update(fingerprints="0"),
    "a negative count": lambda config: config.update(traces=-1),
    "a huge file": lambda config: config["files"]["weights.json"].update(size=10**12),
    "too many files": lambda config: config["files"].update(
        {f"f{n}.json": {"size": 0, "sha256": "0" * 64} for n in range(99)}
    ),
    "an unknown meaning": lambda config: config.update(definition="guess"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_config_that_lies_is_refused(folder, change):
    rewrite(folder, CHANGES[change])
    with pytest.raises(InputError, match="not a tracekit/model/1 document"):
        load_model(folder)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"' + b"x" * 2**20])
def test_a_config_that_is_none_is_refused(folder, text):
    (folder / "config.json").write_bytes(text)
    with pytest.raises(InputError, match="config"):
        load_model(folder)


def test_changed_bytes_are_noticed(folder):
    weights = (folder / "weights.json").read_bytes()
    (folder / "weights.json").write_bytes(weights.replace(b"1", b"2", 1))
    with pytest.raises(InputError, match="not the bytes"):
        load_model(folder)
    (folder / "weights.json").write_bytes(weights[:-1])
    with pytest.raises(InputError, match="not the bytes"):
        load_model(folder)
    (folder / "weights.json").unlink()
    with pytest.raises(InputError, match="missing"):
        load_model(folder)
    os.mkfifo(folder / "weights.json")
    with pytest.raises(InputError, match="not a plain file"):
        load_model(folder)


def reseal(folder):
    """Make the checksums of changed weights right again, as an attacker would."""
    import hashlib

    data = (folder / "weights.json").read_bytes()
    made = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    rewrite(folder, lambda config: config["files"].update({"weights.json": made}))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda w: w["mean"].pop(), "other features"),
        (lambda w: w["features"].reverse(), "other features"),
        (lambda w: w["scale"].__setitem__(0, 0), "not positive"),
        (lambda w: w.update(weight="x"), "do not load"),
        (lambda w: w["traces"].pop(), "not those of the fingerprints"),
    ],
)
def test_weights_that_make_no_sense_are_refused(folder, change, what):
    weights = json.loads((folder / "weights.json").read_text())
    change(weights)
    (folder / "weights.json").write_text(json.dumps(weights))
    reseal(folder)
    with pytest.raises(InputError, match=what):
        load_model(folder)


def test_infinite_weights_are_refused(folder):
    weights = (folder / "weights.json").read_text()
    first = json.loads(weights)["weight"][0]
    (folder / "weights.json").write_text(weights.replace(str(first), "1e999", 1))
    reseal(folder)
    with pytest.raises(InputError, match="do not load"):
        load_model(folder)


@pytest.mark.parametrize(
    ("kind", "error"), [("no-such", UnknownName), ("random", UsageError), ("../x", UnknownName)]
)
def test_kinds_that_cannot_be_loaded(folder, kind, error):
    rewrite(folder, lambda config: config.update(kind=kind))
    with pytest.raises(error):
        load_model(folder)


def test_another_version_of_the_weights_is_not_read(folder):
    rewrite(folder, lambda config: config.update(version="0"))
    with pytest.raises(InputError, match="version 0 of linear"):
        load_model(folder)


@pytest.mark.parametrize(
    "model", ["nowhere", "./a/b", "/a/b", "a/b/c", "a/../b", "https://x/y", "a/b@"]
)
def test_what_is_neither_folder_nor_repository(model):
    with pytest.raises(UsageError, match="no such folder"):
        load_model(model)


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(InputError, match=r"config\.json is missing"):
        load_model(tmp_path)
