"""Values in the report and on the terminal: every step has its point, and words stay words."""

import json
import re

import pytest
from selenium.webdriver.common.by import By

from tracekit.prm.meter import Meter
from tracekit.prm.rank import Candidate, ranking
from tracekit.prm.score import score
from tracekit.prm.search import Found
from tracekit.report import html
from tracekit.report.terminal import console
from tracekit.report.values import (
    found_table,
    ranking_view,
    score_detail,
    score_table,
    sparkline,
)

VALUES = [0.7, 0.65, 0.2, 0.1]


class Given:
    name = "given"
    value = 0.6

    def values(self, trace):
        return VALUES[: len(trace.steps)]

    def begin(self, trace):
        return self

    def doubts(self, trace):
        return ("nobody \x1b[31m knows",)


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    """Tables depend on the width, which other terminals may have otherwise."""
    monkeypatch.setenv("COLUMNS", "80")


def told(capsys, *renderables):
    for each in renderables:
        console().print(each)
    return capsys.readouterr().out


def test_long_runs_show_the_lowest_of_each_stretch():
    assert sparkline([0.99] * 100) == "█" * 28
    assert sparkline([0.99] * 50 + [0.01] + [0.99] * 49).count("▁") == 1
    assert sparkline([]) == ""


def test_the_report_holds_every_value(failed, succeeded):
    pairs = [failed, succeeded]
    page = html.render(pairs, scores=[score(trace, Given()) for trace, _ in pairs])
    block = re.search(r'class="data">(.*?)</script>', page)[1]
    assert [step["value"] for step in json.loads(block)["steps"]] == VALUES
    assert "nobody ␛[31m knows" in page
    assert "chance of success after each step" in page
    assert html.render(pairs) == html.render(pairs, scores=None)
    assert '"value":' not in html.render(pairs)


@pytest.mark.browser
def test_the_line_is_drawn(browser, failed, unknown, tmp_path):
    path = tmp_path / "values.html"
    scores = [score(trace, Given()) for trace, _ in (failed, unknown)]
    html.write_html(path, [failed, unknown], scores=scores)
    browser.get(path.as_uri() + "#run-1")
    points = browser.find_elements(By.CSS_SELECTOR, ".run.current circle.value")
    heights = [float(point.get_attribute("cy")) for point in points]
    assert len(heights) == len(VALUES)
    assert heights == sorted(heights)  # falling values go down the page
    assert len(browser.find_elements(By.CSS_SELECTOR, ".run.current line.value")) == 3
    slider = browser.find_element(By.CSS_SELECTOR, ".run.current .slider")
    slider.send_keys("\ue014")  # to the right
    assert "success" in slider.get_attribute("aria-valuetext")
    assert browser.get_log("browser") == []


def test_scores_on_the_terminal(capsys, failed, hostile):
    trace, _ = failed
    out = told(capsys, score_table([(trace, score(trace, Given()))]))
    assert "▆▆▂▁" in out
    assert "step 2, Searcher: 65 % to 20 %" in out
    assert "1 run: nobody ␛[31m knows" in out
    detail = told(capsys, score_detail(trace, score(trace, Given())))
    assert detail.count("%") == 5
    assert "-2.01" in detail
    nasty, _ = hostile
    both = (
        score_table([(nasty, score(nasty, Given()))]),
        score_detail(nasty, score(nasty, Given())),
    )
    assert "\x1b" not in told(capsys, *both)


def test_rankings_and_searches_on_the_terminal(capsys, failed):
    ranked = ranking(
        [Candidate("a", "7\x1b", 0.2), Candidate("b", "8", 0.9), Candidate("c", None, 0.4)]
    )
    out = told(capsys, ranking_view("how \x1bmany?", ranked))
    rows = re.findall(r"^([123]) +([abc]) ", out, re.MULTILINE)
    assert rows == [("1", "b"), ("2", "c"), ("3", "a")]
    assert "97 %  8  1 of 3 runs" in out
    trace, _ = failed
    found = Found(
        method="beam", trace=trace, answer="1937", value=0.3, candidates=ranked.runs,
        meter=Meter(1234, 9876, 20), stopped=True,
    )  # fmt: skip
    table = told(capsys, found_table([found]))
    assert "1,234 !" in table
    assert "failed" in table
    assert "\x1b" not in out + table
