"""The card of `prm` says what ships."""

import re
from pathlib import Path

import pytest

from tracekit.prm.model import COLUMNS, FILE, TEXT, shipped

ROOT = Path(__file__).parents[2]
CARD = ROOT / "models" / "cards" / "prm.md"
SECTIONS = [
    "What it is for",
    "Training data",
    "Recipe",
    "How good it is",
    "Calibration",
    "Drift",
    "Limits",
]


@pytest.fixture(scope="module")
def card():
    return " ".join(CARD.read_text(encoding="utf-8").split())


def test_it_has_every_section():
    found = re.findall(r"^## (.*)$", CARD.read_text(encoding="utf-8"), re.MULTILINE)
    assert found == SECTIONS


def test_it_names_the_weights_that_ship(card):
    model, size = shipped(), (ROOT / "tracekit" / "prm" / "weights" / FILE).stat().st_size
    assert f"id `{model.id}`" in card
    assert f"({size / 1e6:.1f} MB" in card
    assert len(model.members) == 2
    settings, shape = model.settings, model.settings.shape
    assert (settings.slope, settings.shift) == (1.0, 0.0)
    assert f"slope {settings.final.slope:.2f} and shift {settings.final.shift:.2f}" in card
    assert f"{len(COLUMNS)} columns a message, {TEXT} of them" in card
    assert (shape.width, shape.layers, shape.heads, shape.voices) == (32, 1, 4, 4)
    assert (
        f"those of {['', '', '', '', '', '', 'six'][len(settings.systems)]} training systems"
        in card
    )


def test_it_says_that_values_are_conditional_on_the_system(card):
    assert "Values are conditional on the systems that made the runs" in card


@pytest.mark.data
def test_the_runs_of_training_are_named_in_the_weights(data):
    from tracekit.folds import fingerprint
    from tracekit.ingest.pipeline import load

    runs = load(data / "corpora/ag2-gsmplus/runs.tar.xz")
    assert {fingerprint(run) for run in runs} <= set(shipped().settings.traces)
