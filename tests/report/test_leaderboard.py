"""The page of a leaderboard: what it draws, and that names in it are words and nothing else."""

import re

import msgspec
import pytest

from tracekit.eval.board import Cell, Leaderboard, Pair, Row
from tracekit.eval.suite import Suite
from tracekit.report.leaderboard import kind, panel, render, view, write

ATTACK = "<script>window.__pwned=1</script>\"'{{ 7 * 7 }}"


def cell(value):
    low, high = max(0, value - 0.1), min(1, value + 0.1)
    return Cell(
        value=value, low=low, high=high, group_low=low, group_high=high, least=value, most=value
    )


def row(method, step, *, subset="all", fit="none", agent=None):
    cells = {"step": cell(step)} if agent is None else {"step": cell(step), "agent": cell(agent)}
    return Row(
        method=method, subset=subset, fit=fit, with_answer=False, n=8, cells=cells,
        abstained=1, failed=0,
    )  # fmt: skip


@pytest.fixture
def board():
    return Leaderboard(
        benchmark="toy",
        definition="decisive",
        base=0,
        data="0" * 64,
        scorer="strict",
        lenient=False,
        with_answer=False,
        refit=True,
        folds=4,
        seeds=(0,),
        n=8,
        groups=6,
        unlabelled=0,
        subsets={"left": 4, "right": 4},
        rows=(
            row("mine", 0.25, agent=0.5),
            row("better", 0.75, agent=0.25),
            row("constant", 0.5, fit="refitted"),
            row("mine", 0.5, subset="left"),
            row("mine", 0.0, subset="right"),
        ),
        pairs=(
            Pair(subset="all", metric="step", first="mine", second="better", only_first=1,
                 only_second=5, exact=0.21875, mid_p=0.125),
        ),
    )  # fmt: skip


def test_a_panel_has_the_best_method_on_top_in_percent(board):
    found = panel("step", board.rows[:3])
    assert [(mark.label, mark.value, mark.kind) for mark in found.marks] == [
        ("better", 75, "method"),
        ("constant", 50, "reference"),
        ("mine", 25, "method"),
    ]
    assert (found.marks[0].low, found.marks[0].high) == pytest.approx((65, 85))
    assert [mark.y for mark in found.marks] == sorted(mark.y for mark in found.marks)


def test_a_method_without_a_figure_is_not_drawn(board):
    assert [mark.label for mark in panel("agent", board.rows[:3]).marks] == ["mine", "better"]
    assert panel("top3", board.rows[:3]).marks == ()


def test_weights_trained_on_these_runs_are_marked():
    assert kind(row("mine", 1.0, fit="seen")) == "seen"
    assert kind(row("random", 0.1)) == kind(row("uniform", 0.1, fit="exact")) == "reference"


def test_the_whole_benchmark_comes_first_and_one_part_is_the_whole(board):
    assert [part.name for part in view(board).parts] == ["all", "left", "right"]
    alone = msgspec.structs.replace(board, subsets={"all": 8}, rows=board.rows[:3])
    assert [part.name for part in view(alone).parts] == ["all"]


def test_every_figure_test_and_caption_is_on_the_page(board):
    page = render(board)
    assert page == render(board)
    assert "75.0 (65.0\N{EN DASH}85.0)" in page
    assert "0.219" in page
    assert "The correct answer is hidden from the methods." in page
    assert page.count("<svg") == 4
    assert "<script" not in page


def test_a_suite_has_every_benchmark_and_a_list_of_them(board):
    other = msgspec.structs.replace(board, benchmark="other", with_answer=True)
    page = render(Suite(boards=(board, other)))
    assert re.findall(r'<h2 id="(board-\d)">(\w+)</h2>', page) == [
        ("board-1", "toy"),
        ("board-2", "other"),
    ]
    assert 'href="#board-2"' in page
    assert "answer shown" in page
    assert "nothing is averaged over them" in page


def test_names_are_words(board):
    rows = tuple(msgspec.structs.replace(one, method=ATTACK) for one in board.rows)
    page = render(msgspec.structs.replace(board, benchmark=ATTACK, rows=rows, pairs=()))
    assert "<script" not in page
    assert "49" not in re.sub(r"[^<>]*\b\d+\.\d+[^<>]*", "", page.split("<main>")[1])
    assert "&lt;script&gt;" in page


def test_it_is_written_whole(board, tmp_path):
    write(tmp_path / "board.html", board)
    assert (tmp_path / "board.html").read_text() == render(board)


@pytest.mark.browser
def test_the_browser_shows_it_in_silence(browser, board, tmp_path):
    rows = (*board.rows, row(ATTACK, 0.9))
    write(tmp_path / "board.html", msgspec.structs.replace(board, rows=rows))
    browser.get((tmp_path / "board.html").as_uri())
    assert browser.execute_script("return document.querySelectorAll('svg circle').length") == 8
    assert browser.execute_script("return window.__pwned ?? null") is None
    assert browser.get_log("browser") == []
