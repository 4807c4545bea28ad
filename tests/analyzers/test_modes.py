"""The mode model in numpy: what it states, of whom, and what it refuses to load."""

import msgspec
import numpy as np
import pytest

from tracekit.analyzers.compact.modes import FORMAT, ModeModel, Settings, shipped, turns
from tracekit.encoder.encoder import Encoder
from tracekit.encoder.tensors import write
from tracekit.errors import InputError
from tracekit.labels.modes import MAST
from tracekit.signals import columns
from tracekit.signals.reading import read
from tracekit.testing.traces import edge_traces, make_trace

TRACE = make_trace("run", [("Ann", "a"), ("Bob", "b"), ("Ann", "c"), ("Ann", "d"), ("Ann", "e")])
WIDTH, TEXT = 2, 2
SETTINGS = Settings(
    modes=("FM-1.1", "FM-1.3"),
    columns=columns.names()[:1],
    text=TEXT,
    thresholds=(0.5, 2.0),
    familiar=0.5,
)
LOUD = np.array([[0.1, 9.0], [0.2, 9.0], [9.0, 0.1], [8.0, 0.1], [0.1, 7.0]])
"""Embeddings that are states, but for the layer norm: the first number speaks for both modes."""


def arrays():
    """By hand: the state is the normed embedding, and its first number is everything."""
    return {
        "enter.0.weight": np.array([[0, 1, 0], [0, 0, 1]], dtype=np.float32),
        "enter.0.bias": np.zeros(2, dtype=np.float32),
        "enter.1.weight": np.ones(2, dtype=np.float32),
        "enter.1.bias": np.zeros(2, dtype=np.float32),
        "enter.3.weight": np.eye(2, dtype=np.float32),
        "enter.3.bias": np.zeros(2, dtype=np.float32),
        "look.weight": np.array([[20, 0]], dtype=np.float32),
        "look.bias": np.zeros(1, dtype=np.float32),
        "prototypes": np.array([[1, 0], [1, 0]], dtype=np.float32),
        "agent.weight": np.array([[6, 0]], dtype=np.float32),
        "agent.bias": np.array([-3], dtype=np.float32),
        "scale": np.array(6, dtype=np.float32),
        "shift": np.array([-3, -3], dtype=np.float32),
        "gate.weight": np.array([[0.5, 0.5]], dtype=np.float32),
        "gate.bias": np.zeros(1, dtype=np.float32),
        "mean": np.zeros(1, dtype=np.float32),
        "spread": np.ones(1, dtype=np.float32),
        "known": np.array([[1, 0], [0, 1]], dtype=np.float32),
    }


def saved(path, settings=SETTINGS, form=FORMAT, **changed):
    write(
        path,
        arrays() | changed,
        {"format": form, "settings": msgspec.json.encode(settings).decode()},
    )
    return path


@pytest.fixture
def model(tmp_path):
    return ModeModel.load(saved(tmp_path / "modes.safetensors"))


def features(trace):
    return np.zeros((len(trace.steps), len(columns.names())))


def test_verdicts_by_hand(model):
    said = model.verdicts(TRACE, features(TRACE), LOUD)
    assert list(said) == ["Ann", "Bob"]
    assert said["Ann"].evidence == (2, 3, 0)
    # Loudest turns 2 and 3 are the state (1, 0): every logit is 6 - 3 = 3. Bob's is (0, 1): -3.
    assert said["Ann"].failed == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-4)
    assert said["Ann"].modes["FM-1.1"] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-4)
    assert said["Bob"].failed == pytest.approx(1 / (1 + np.exp(3)), abs=1e-4)


def test_only_modes_above_their_thresholds_are_stated(model):
    assert model.stated(TRACE, features(TRACE), LOUD) == {"Ann": ("FM-1.1",), "Bob": ()}


def test_nothing_is_stated_of_a_run_unlike_the_known_ones(model):
    assert model.familiarity(LOUD) > 0.5
    assert model.familiarity(-LOUD) < 0.5
    assert model.probabilities(TRACE, features(TRACE), -LOUD)["Ann"]["FM-1.1"] > 0.5
    assert model.stated(TRACE, features(TRACE), -LOUD) == {"Ann": (), "Bob": ()}


def test_nothing_is_stated_of_a_run_without_steps(model):
    trace = make_trace("empty", [])
    assert model.stated(trace, features(trace), np.zeros((0, TEXT))) == {}


def test_turns_are_those_of_each_agent():
    assert {agent: steps.tolist() for agent, steps in turns(TRACE).items()} == {
        "Ann": [0, 2, 3, 4],
        "Bob": [1],
    }


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"form": "other/1"}, "format"),
        ({"settings": msgspec.structs.replace(SETTINGS, columns=("no.such",))}, "no.such"),
        ({"settings": msgspec.structs.replace(SETTINGS, thresholds=(0.5,))}, "thresholds"),
        ({"settings": msgspec.structs.replace(SETTINGS, modes=("FM-1.1",))}, "prototypes"),
        ({"spread": np.ones(3, dtype=np.float32)}, "not a mode model"),
        ({"known": np.ones((2, 3), dtype=np.float32)}, "not a mode model"),
    ],
)
def test_other_files_are_refused(tmp_path, changed, says):
    with pytest.raises(InputError, match=says):
        ModeModel.load(saved(tmp_path / "bad.safetensors", **changed))


def test_the_shipped_model_is_small_and_knows_the_modes():
    assert shipped().stat().st_size <= 500_000
    settings = ModeModel.load().settings
    assert settings.modes == tuple(MAST)
    assert all(0 < limit <= 2 for limit in settings.thresholds)


@pytest.mark.parametrize("trace", [t for t in edge_traces() if t.steps], ids=lambda t: t.id)
def test_the_shipped_model_says_something_of_every_agent(trace):
    e = Encoder.load().encode([step.content for step in trace.steps])
    x = columns.matrix(trace, read(trace))
    said = ModeModel.load().probabilities(trace, x, e)
    assert list(said) == list(dict.fromkeys(step.agent for step in trace.steps))
    assert all(0 <= p <= 1 for modes in said.values() for p in modes.values())
