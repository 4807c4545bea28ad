"""The report alive in Chromium: it says nothing on the console, asks for nothing, obeys nothing."""

import base64
import json

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tracekit.attribution import Attribution, Evidence, Method, Suspect
from tracekit.report.html import write_html
from tracekit.trace import Agent, Outcome, Raw, Source, Step, Trace

pytestmark = pytest.mark.browser

READY_MS = 5_000
"""Far above what a laptop needs (0.4 s), for machines that share their cores."""


class Opened:
    """A report in the browser, with the words tests use."""

    def __init__(self, driver, path):
        self.driver = driver
        self.address = path.as_uri()

    def go(self, hash=""):
        self.driver.get("about:blank")
        self.driver.get(self.address + hash)
        return self

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def shown(self, selector):
        return [element for element in self.all(selector) if element.is_displayed()]

    def press(self, *keys):
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def run(self, script):
        return self.driver.execute_script(script)

    def current(self):
        return self.run(
            "return document.querySelector('.run.current .step[aria-current]')?.step.index ?? null"
        )

    def frames(self, count=5):
        self.driver.execute_async_script(
            "let n = arguments[0]; const done = arguments[1];"
            "const step = () => (n-- ? requestAnimationFrame(step) : done()); step();",
            count,
        )


@pytest.fixture
def open_report(browser, tmp_path):
    """Writes and opens a report; at the end the console must be empty and nothing requested."""
    opened = []

    def write(pairs, **options):
        path = tmp_path / "report.html"
        write_html(path, pairs, **options)
        opened.append(Opened(browser, path))
        return opened[-1].go()

    yield write
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = {
        message["params"]["request"]["url"].split("#")[0]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert requested - {"about:blank"} == {report.address for report in opened}


@pytest.fixture
def report(open_report, failed, hostile, unknown, succeeded):
    return open_report([failed, hostile, unknown, succeeded], counted={"success": 3})


def long_run(count):
    agents = tuple(Agent(f"a{n}", f"Agent {n}") for n in range(14))
    steps = tuple(
        Step(
            n,
            f"a{n % 14}",
            content=f"step number {n} " + "some words of it " * 200,
            raw=(Raw(n + 1, n + 1),),
        )
        for n in range(count)
    )
    trace = Trace(
        "long", Source("demo", "l.jsonl"), agents=agents, steps=steps, outcome=Outcome("failure")
    )
    places = (count // 2, 7, count - 1)
    suspects = tuple(
        Suspect(f"a{n % 14}", n, 0.3, evidence=(Evidence(n, "step number", 0, 11, 1.0),))
        for n in places
    )
    return trace, Attribution("long", Method("m"), suspects)


def test_the_list_answers_and_leads_to_the_suspect(report):
    rows = report.shown("table.runs tbody tr")
    assert len(rows) == 4
    assert "Searcher" in rows[0].text
    assert "61 %" in rows[0].text
    assert not report.shown("article.run")
    rows[0].find_element(By.CSS_SELECTOR, ".c-step a").click()
    report.frames()
    assert report.current() == 2
    (suspect,) = report.shown(".run.current .step[aria-current]")
    assert "suspect 1" in suspect.text
    assert [mark.text for mark in suspect.find_elements(By.TAG_NAME, "mark")] == ["opened in 1937"]
    top = suspect.location["y"] - report.run("return scrollY")
    assert 0 <= top < report.run("return innerHeight") - suspect.size["height"]


def test_suspects_their_evidence_and_their_links_are_visible(report):
    report.go("#run-1")
    suspects = report.shown(".run.current .suspect")
    assert [item.text.split("\n")[0] for item in suspects] == ["1", "2"]
    assert "opened in 1937" in suspects[0].text
    assert "61 %" in suspects[0].text
    suspects[1].find_element(By.LINK_TEXT, "step 1").click()
    report.frames()
    assert report.current() == 1
    bars = report.all(".run.current .chart line.blame")
    assert len(bars) == 2
    assert len(report.all(".run.current .chart .block")) == 4


def test_keys_move_through_runs_steps_and_suspects(report):
    report.press("j", "j", "k", Keys.ENTER)
    assert report.run("return location.hash") == "#run-1"
    seen = []
    for key in "jjkjjjn" + "n" + "n" + "p":
        report.press(key)
        seen.append(report.current())
    assert seen == [0, 1, 0, 1, 2, 3, 2, 1, 2, 1]
    assert report.run("return document.activeElement.id") == "run-1-step-1"
    report.press("]")
    assert report.run("return location.hash") == "#run-2"
    report.press("[")
    report.frames()
    report.press("u")
    report.frames()
    assert report.shown("#overview")
    assert report.run("return document.activeElement.getAttribute('href')") == "#run-1"


def test_the_timeline_is_a_slider(report):
    report.go("#run-1")
    slider = report.shown(".run.current [role=slider]")[0]
    slider.send_keys(Keys.END)
    assert report.current() == 3
    slider.send_keys(Keys.ARROW_LEFT)
    assert slider.get_attribute("aria-valuetext") == "Step 2, Searcher, message, 61 %"
    ActionChains(report.driver).move_to_element_with_offset(
        slider, -slider.size["width"] // 2 + 5, 0
    ).click().perform()
    assert report.current() == 0


def test_help_opens_and_closes(report):
    report.press("?")
    assert "next, previous suspect" in report.shown("#help")[0].text
    report.press(Keys.ESCAPE)
    assert not report.shown("#help")


def test_search_narrows_steps_and_runs(report):
    report.press("/", *"searcher")
    assert [row.text.split("\n")[0] for row in report.shown("table.runs tbody tr")] == ["bridge-1"]
    report.press(Keys.ESCAPE)
    assert len(report.shown("table.runs tbody tr")) == 4
    report.go("#run-1").press("/", *"OPENED in")
    assert [step.get_attribute("id") for step in report.shown(".run.current .step")] == [
        "run-1-step-2"
    ]
    assert report.shown(".run.current .steps .count")[0].text == "1 of 4 shown"
    assert report.run("return [...CSS.highlights.get('hits')].map(String)") == ["opened in"]
    report.press(Keys.ENTER)
    assert report.current() == 2
    report.press(Keys.ESCAPE)
    assert len(report.shown(".run.current .step")) == 4
    report.press("/", *"timeout")
    assert [step.get_attribute("id") for step in report.shown(".run.current .step")] == [
        "run-1-step-1"
    ]
    report.press(Keys.ENTER, "n")  # to a suspect that the search hides
    assert report.current() == 2
    assert report.run("return document.getElementById('search').value") == ""
    assert len(report.shown(".run.current .step")) == 4


def test_the_list_sorts_and_filters(report):
    def order():
        return [
            row.find_element(By.TAG_NAME, "a").get_attribute("href")[-1]
            for row in report.shown("table.runs tbody tr")
        ]

    head = report.shown("th button")[4]
    head.click()
    assert order() == ["2", "1", "3", "4"]
    assert report.all("th")[4].get_attribute("aria-sort") == "descending"
    report.shown("th button")[4].click()
    assert order() == ["4", "3", "1", "2"]
    report.shown(".chips button[data-state=conditional]")[0].click()
    assert order() == ["3"]
    assert report.shown("#run-count")[0].text == "1 of 4 runs"
    report.shown(".chips button[data-state='']")[0].click()
    report.run(
        "const b = document.getElementById('agent-filter'); b.value = 'Searcher'; b.dispatchEvent(new Event('change'))"
    )
    assert order() == ["1"]


def test_dark_mode_follows_the_system_and_toggles(report):
    ground = "return getComputedStyle(document.body).backgroundColor"
    report.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    dark = report.run(ground)
    report.shown("#theme")[0].click()
    light = report.run(ground)
    assert (dark, light) == ("rgb(20, 21, 23)", "rgb(250, 250, 248)")
    report.press("d")
    assert report.run(ground) == dark
    assert report.shown("#theme")[0].get_attribute("aria-pressed") == "true"


def test_hostile_text_does_nothing(report, hostile):
    for hash in ("", "#run-2", "#run-2-step-1", "#<img src=x onerror=window.__pwned=1>", "#run-99"):
        report.go(hash)
        report.frames()
        assert report.run("return window.__pwned === undefined")
    report.go("#run-2").press("n", "n", Keys.ENTER, "/", *"<img")
    for element in report.shown(".run.current .step, .run.current .copy")[:8]:
        element.click()
    assert report.run("return window.__pwned === undefined")
    assert (
        report.run(
            "return document.querySelectorAll('img, iframe, object, [onclick], [onerror]').length"
        )
        == 0
    )
    links = report.run("return [...document.querySelectorAll('a')].map((link) => link.protocol)")
    assert set(links) == {"file:"}
    text = report.run("return document.querySelector('#run-2-step-1 .text').textContent")
    assert "<script>window.__pwned=101</script>" in text
    assert "␛[31mred" in text
    assert "⟨U+202E⟩gnp.exe" in text


def test_the_page_refuses_markup_even_from_its_own_script(report):
    refused = report.run(
        "try { document.body.innerHTML = '<b>no</b>'; return 'taken' } catch (error) { return error.name }"
    )
    assert refused == "TypeError"
    log = report.driver.get_log("browser")
    assert len(log) == 1
    assert "TrustedHTML" in log[0]["message"]


def test_long_texts_fold_and_unfold(open_report):
    report = open_report([long_run(20)])
    report.press("j", "j", "j", "j")
    (step,) = report.shown(".step[aria-current]")
    folded = step.size["height"]
    report.press(Keys.ENTER)
    assert step.size["height"] > folded
    assert step.find_element(By.CSS_SELECTOR, ".unfold").get_attribute("aria-expanded") == "true"
    report.press(Keys.ENTER)
    assert step.find_element(By.CSS_SELECTOR, ".folded")


def test_a_thousand_steps_stay_usable(open_report):
    report = open_report([long_run(1000)])
    ready = report.run("return performance.getEntriesByName('tracekit-ready')[0].startTime")
    assert ready < READY_MS
    assert len(report.all(".step")) == 1000
    for key, index in (("n", 500), ("n", 7), ("n", 999), ("k", 998)):
        report.press(key)
        report.frames(8)
        assert report.current() == index
        top = report.run(
            f"return document.getElementById('run-1-step-{index}').getBoundingClientRect().top"
        )
        assert 0 <= top < 1000
    report.press("/", *"number 777")
    assert [step.get_attribute("id") for step in report.shown(".step")] == ["run-1-step-777"]
    spent = report.run(
        "const start = performance.now(); const box = document.getElementById('search');"
        "box.value = 'words'; box.dispatchEvent(new Event('input')); return performance.now() - start"
    )
    assert spent < READY_MS


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_overflows_the_window(report, width):
    report.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    for hash in ("", "#run-1", "#run-2"):
        report.go(hash)
        report.frames()
        assert report.run("return document.documentElement.scrollWidth") <= width


def test_print_shows_suspects_in_full_and_no_tools(open_report):
    report = open_report([long_run(30)])
    report.run(
        "document.querySelectorAll('.is-suspect .unfold').forEach((button) => button.click())"
    )
    report.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not report.shown(".bar, .unfold, .copy, #theme")
    assert report.run(
        "return [...document.querySelectorAll('.is-suspect .text')].every((text) => text.scrollHeight <= text.clientHeight + 1)"
    )
    document = report.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(document["data"]).startswith(b"%PDF")


def test_the_list_prints_every_verdict(report):
    report.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert len(report.shown("article.run .verdict")) == 4
    assert len(report.shown(".suspect")) == 6
