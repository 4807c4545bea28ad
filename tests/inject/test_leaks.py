"""The leak report finds what is planted, and finds nothing where nothing is."""

import random

import pytest

from tracekit.inject.card import card, write_card
from tracekit.inject.card_parts import counted
from tracekit.inject.dataset import read_manifest, read_rows
from tracekit.inject.leaks import BOUND, FEWEST, SIGHTS, Sample, auc_out_of_fold, report
from tracekit.inject.modes import MODES
from tracekit.inject.rows import COLUMNS
from tracekit.store import encode
from tracekit.trace import Agent, Source, Step, Task, Trace

WORDS = ("plan", "sum", "river", "part", "total", "check", "hour", "price", "row", "stage")


def samples(give_away, n=200):
    """Steps of 40 tasks, half of them struck; `give_away(struck, rng)` says text, role, place."""
    rng = random.Random(1)
    made = []
    for number in range(n):
        struck = number % 2 == 0
        text, role, position = give_away(struck, rng)
        made.append(Sample(struck, f"task {number // 5}", role, text, position, position / 10))
    return made


def chat(rng):
    return " ".join(rng.choices(WORDS, k=8))


def test_a_word_that_gives_it_away_is_found():
    told = samples(lambda struck, rng: (chat(rng) + " oops" * struck, "worker", rng.randrange(10)))
    found = auc_out_of_fold(told, "words")
    assert found.value > 0.95
    assert found.low <= found.value <= found.high
    for blind in ("position", "agent"):
        assert 0.35 < auc_out_of_fold(told, blind).value < 0.65


def test_nothing_is_found_where_nothing_is():
    told = samples(lambda struck, rng: (chat(rng), "worker", rng.randrange(10)))
    for sees in SIGHTS:
        found = auc_out_of_fold(told, sees)
        assert found.low <= 0.5 <= found.high, sees


@pytest.mark.parametrize(
    ("sees", "give_away"),
    [
        ("position", lambda struck, rng: (chat(rng), "worker", 7 if struck else rng.randrange(10))),
        ("agent", lambda struck, rng: (chat(rng), "worker" if struck else "planner", 3)),
        ("length", lambda struck, rng: (chat(rng) * (3 if struck else 1), "worker", 3)),
    ],
)
def test_place_speaker_and_length_are_seen(sees, give_away):
    assert auc_out_of_fold(samples(give_away), sees).value > 0.85


def test_words_of_a_task_alone_do_not_count():
    """What is true of one task only cannot be learned for others."""
    rng = random.Random(0)
    told = [
        Sample(n % 2 == 0, f"task {n // 2}", "w", f"{chat(rng)} id{n}", 0, 0.0) for n in range(100)
    ]
    found = auc_out_of_fold(told, "words")
    assert found.low < 0.5 < found.high


def rows(give_away, strategy="response-corruption", mode="FM-2.6", n=FEWEST + 10):
    """Rows as in a data set: runs of four workers' steps, the third one struck."""
    rng = random.Random(2)
    for number in range(n):
        for kind in ("clean", "failure"):
            struck = kind == "failure"
            texts = [chat(rng) for _ in range(4)]
            texts[2] += give_away if struck else ""
            steps = tuple(Step(i, "w", content=text) for i, text in enumerate(texts))
            id = f"{kind}-{number}"
            trace = Trace(
                id, Source("x"), Task(id=str(number)), (Agent("w", "w", "worker"),), steps
            )
            yield {
                "kind": kind,
                "id": id,
                "clean_id": f"clean-{number}",
                "group": str(number),
                "family": "f",
                "topology": "t",
                "injected_steps": [2] * struck,
                "modes": [mode] * struck,
                "strategies": [strategy] * struck,
                "trace": encode(trace).decode(),
            }


def words(leaks):
    return {leak.mode: leak for leak in leaks if leak.sees == "words"}


def test_a_content_fault_has_a_bound_and_may_break_it():
    clean, dirty = words(report(rows(""))), words(report(rows(" hereby")))
    assert clean["FM-2.6"].passed is True
    assert dirty["FM-2.6"].passed is False
    assert dirty["all"].auc > BOUND
    assert dirty["FM-2.6"].n == FEWEST + 10


def test_a_structural_fault_has_no_bound():
    found = report(rows(" hereby", "message-drop", "FM-2.4"))
    assert {leak.fault for leak in found} == {"structural"}
    assert {leak.passed for leak in found} == {None}
    assert words(found)["FM-2.4"].auc > BOUND, "and is reported all the same"


def test_the_other_sights_are_compared_with_clean_twins():
    found = {leak.sees: leak for leak in report(rows("")) if leak.mode == "FM-2.6"}
    assert found["position"].auc > 0.85, "always the third step"
    assert found["position"].others == 4 * (FEWEST + 10)


def test_too_few_steps_say_nothing():
    assert report(rows("", n=FEWEST - 1)) == []


def test_the_report_is_the_same_every_time():
    assert report(rows(" hereby")) == report(rows(" hereby"))


def test_the_card_tells_all(folder):
    tables = counted(read_rows(folder))
    text = card(read_manifest(folder), tables, report(rows(" hereby")))
    assert text.startswith("---\nlicense: apache-2.0\n")
    assert "path: data/train-*.parquet" in text
    for mode in MODES:
        assert f"| {mode} " in text
    for name in COLUMNS:
        assert f"| `{name}` |" in text
    assert "**broken**" in text
    for family in ("arithmetic", "tables"):
        assert f"| {family} |" in text
    assert f"{tables.kinds['failure']:,} failed runs" in text


def test_the_header_is_what_the_hub_reads(folder):
    from huggingface_hub import DatasetCard, DatasetCardData

    page = DatasetCard(card(read_manifest(folder), counted(read_rows(folder)), None))
    assert isinstance(page.data, DatasetCardData)
    assert page.data.license == "apache-2.0"
    assert page.data.configs[0]["data_files"][0]["split"] == "train"
    assert "Not checked" in page.text


def test_card_and_report_lie_beside_the_shards(folder, tmp_path):
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    found = write_card(copy)
    assert (copy / "README.md").read_text().count("## ") == 7
    assert (copy / "leaks.json").exists()
    assert isinstance(found, list)
