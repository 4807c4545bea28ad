"""The card of `compact` says what ships, everything a card has to say, and how to make it again."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tracekit.analyzers.compact.analyzer import shipped

ROOT = Path(__file__).parents[2]
CARD = ROOT / "models" / "cards" / "compact.md"
WEIGHTS = ROOT / "tracekit" / "analyzers" / "weights"
ENCODER = ROOT / "tracekit" / "encoder" / "weights" / "static.safetensors"
MB = 1_000_000

SECTIONS = [
    "What it is for",
    "Training data",
    "Recipe",
    "Protocol",
    "How good it is",
    "Calibration",
    "Suspect sets",
    "Abstention",
    "Transfer",
    "Ablations",
    "Limits",
]


@pytest.fixture(scope="module")
def card():
    return CARD.read_text(encoding="utf-8")


def rows(card, title):
    """The table of a section, as lists of cells."""
    section = card.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ")
    ]


def test_every_section_is_there_and_says_something(card):
    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == SECTIONS
    for part in card.split("\n## ")[1:]:
        assert len(part.split()) > 30, part[:40]


def test_it_is_about_the_weights_that_ship(card):
    model = shipped()
    assert f"id `{model.id}`, networks `{model.weights.networks}`" in card
    assert f"The temperature is {model.weights.calibration.temperature:.3f}:" in card
    assert "Apache-2.0" in card


def test_runs_are_those_of_the_weights(card):
    counts = [int(row[1]) for row in rows(card, "Training data")[1:]]
    weights = shipped().weights
    assert sum(counts) == len(weights.traces) == weights.calibration.runs
    assert len(set(weights.traces)) == len(weights.traces)
    assert f"{len(weights.traces)} runs with one labelled step each" in card
    assert len(weights.calibration.systems) == len(counts)


def test_what_was_not_fitted_on_is_not_among_the_systems():
    assert not {"metagpt", "mgx", "tracertraj"} & {
        system.lower() for system in shipped().weights.calibration.systems
    }


def test_sizes_are_as_promised(card):
    parts = [WEIGHTS / "compact.json", WEIGHTS / "compact.safetensors", ENCODER]
    whole = sum(path.stat().st_size for path in parts)
    assert whole <= 24 * MB
    assert f"{whole / MB:.1f} MB" in card
    assert f"({parts[0].stat().st_size / 1000:.0f} kB" in card
    assert f"({parts[1].stat().st_size / MB:.2f} MB" in card


def test_all_weights_of_the_repository_are_small():
    rooms = [ROOT / room for room in ("tracekit", "cli", "models")]
    kinds = ("*.safetensors", "*.onnx", "*.npz", "*.pt", "*.bin", "weights/*.json")
    found = {path for room in rooms for kind in kinds for path in room.rglob(kind)}
    assert ENCODER in found
    assert sum(path.stat().st_size for path in found) <= 40 * MB


def test_networks_as_many_as_stated(card):
    model = shipped()
    assert len(model.networks.members) == 5
    assert "five networks" in card
    width, columns = model.networks.members[0]["enter.weight"].shape
    assert f"width {width}" in card
    assert f"`wide`: conditional logit on {columns} columns" in card
    for member in model.weights.members:
        assert f"`{member.name}`: ridge {member.ridge:.0f}" in card


def test_pages_say_the_same(card):
    """The two rows of Who&When in the benchmarks page and the readme are those of the card."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [row for row in rows(card, "How good it is") if row[0] == "**compact**"]
    assert len(found) == 2
    for _, _, *cells in found:
        for cell in cells:
            value = re.match(r"\*\*([\d.]+)\*\*", cell).group(1)
            assert f"| {value} (" in page
            assert f"{value} %" in readme


def test_the_plot_is_there(card):
    target = re.search(r"!\[[^]]+\]\(([^)]+)\)", card).group(1)
    text = (CARD.parent / target).read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert text.count("<polyline ") == 3
    assert len(text) < 20_000


def test_one_command_makes_it_again():
    make = shutil.which("make")
    assert make is not None
    done = subprocess.run(
        [make, "-n", "train-compact"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TRACEKIT_DATA": "data"},
        capture_output=True,
        text=True,
        check=True,
    )
    plain = done.stdout.replace("\\\n", " ")
    order = [
        "inject --n 5000 --seed 1 -o datasets/injected-5000",
        "tracekit_models.compact.pretrain datasets/injected-5000",
        "tracekit_models.compact.train --data",
    ]
    places = [plain.index(command) for command in order]
    assert places == sorted(places)


def test_without_data_nothing_is_made():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = text.partition("\ntrain-compact:")[2].partition("\n\n")[0].splitlines()[1:]
    assert "TRACEKIT_DATA:?is not set" in recipe[0]


def test_fingerprints_on_disk_are_sorted():
    weights = json.loads((WEIGHTS / "compact.json").read_bytes())
    assert weights["traces"] == sorted(weights["traces"])
    assert all(re.fullmatch(r"[0-9a-f]{16,64}", mark) for mark in weights["traces"])
