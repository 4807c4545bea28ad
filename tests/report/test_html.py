"""The document as text: well-formed, sealed, and the same every time. See test_browser for life."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from tracekit.attribution import Attribution, Method, Suspect
from tracekit.report.html import SCRIPTS, STYLES, render, static, totals, write_html
from tracekit.report.view import run_view
from tracekit.trace import Agent, Outcome, Source, Step, Trace

VOID = {"meta", "link", "img", "input", "br", "path", "circle", "rect"}


class Page(HTMLParser):
    """Every element with its attributes, and the text within scripts, styles and the rest."""

    def __init__(self, document):
        super().__init__(convert_charrefs=True)
        self.elements, self.blocks, self.words, self.open = [], [], [], []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "style"):
            self.blocks.append([tag, dict(attrs), ""])

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.blocks[-1][2] += data
        else:
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def pairs(failed, hostile, unknown, succeeded):
    return [failed, hostile, unknown, succeeded]


def policy(page):
    (content,) = [
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    return {name: values for name, *values in (part.split() for part in content.split(";"))}


def test_the_policy_admits_exactly_the_elements_of_the_page(pairs):
    page = Page(render(pairs))
    rules = policy(page)
    assert rules["default-src"] == ["'none'"]
    assert rules["img-src"] == ["data:"]
    assert rules["base-uri"] == rules["form-action"] == rules["trusted-types"] == ["'none'"]
    hashes = {"script": [], "style": []}
    for tag, attributes, text in page.blocks:
        if attributes.get("type") != "application/json":
            digest = hashlib.sha256(text.encode()).digest()
            hashes[tag].append(f"'sha256-{base64.b64encode(digest).decode()}'")
    assert sorted(rules["script-src"]) == sorted(hashes["script"])
    assert rules["style-src"] == hashes["style"]
    assert len(hashes["script"]) == 2


def test_hostile_text_makes_no_element_no_attribute_and_no_link(pairs, failed):
    page = Page(render(pairs, title=pairs[1][0].id))
    assert not page.open
    kinds = {tag for tag, _ in Page(render([failed, failed])).elements}
    assert {tag for tag, _ in page.elements} <= kinds
    assert len(page.blocks) == 3 + len(pairs)
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            assert re.fullmatch(r"#[\w-]*|data:,", attributes.get(name, "#"))
        for name in ("id", "class"):
            assert "pwned" not in attributes.get(name, "")


def test_hostile_text_is_still_readable(hostile):
    words = "".join(Page(render([hostile])).words)
    assert "<img src=x onerror=window.__pwned=204>" in words
    assert "{{ 7 * 7 }} {% raw %}" in words
    assert "49" not in words.split("{{ 7 * 7 }}")[0]


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\x08", "\x1b", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\ufeff"],
)
def test_no_character_that_acts_is_in_the_file(pairs, character):
    assert character not in render(pairs, title="a" + character)


def test_data_blocks_are_the_view_and_cannot_end_themselves(pairs):
    page = Page(render(pairs))
    blocks = [text for _, attributes, text in page.blocks if attributes.get("type")]
    for number, (block, pair) in enumerate(zip(blocks, pairs, strict=True), 1):
        assert not set("<>&\u2028\u2029") & set(block)
        view = run_view(number, *pair)
        assert json.loads(block)["steps"] == json.loads(msgspec.json.encode(view.steps))


def test_the_same_input_gives_the_same_bytes(pairs, tmp_path):
    write_html(tmp_path / "a.html", pairs, counted={"success": 2})
    write_html(tmp_path / "b.html", iter(pairs), counted={"success": 2})
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.html", "b.html"]


def test_a_failing_source_leaves_no_file(failed, tmp_path):
    def broken():
        yield failed
        raise RuntimeError("disk gone")

    with pytest.raises(RuntimeError):
        write_html(tmp_path / "a.html", broken())
    assert not list(tmp_path.iterdir())


def test_the_header_counts_every_run_once(pairs, failed, unknown, succeeded):
    document = render(
        [failed, unknown, succeeded], counted={"success": 10, "unknown": 1, "failure": 0}
    )
    words = re.sub(r"\s+", " ", " ".join(Page(document).words))
    assert "Runs 14" in words
    assert "Failures explained 1" in words
    assert "Unknown outcome, conditional on failure 1" in words
    assert "Successes, not blamed 11" in words
    assert "Not attributed (unknown) 1" in words
    assert "linear 1, model c0ffee" in words
    views = [run_view(n, *pair) for n, pair in enumerate(pairs, 1)]
    assert totals(views, {}).states == {"explained": 2, "conditional": 1, "success": 1}


def test_each_run_has_its_verdict_without_script(failed, unknown):
    words = re.sub(r"\s+", " ", " ".join(Page(render([failed, unknown])).words))
    for part in (
        "Searcher at step 2 most likely broke the run (61 %)",
        "opened in 1937",
        "Everything below is conditional on failure.",
        "Expected answer 1933",
        "It made up the year.",
    ):
        assert part in words


def test_no_run_and_one_run(failed):
    assert "There is no run to show." in "".join(Page(render([])).words)
    assert "All runs" not in "".join(Page(render([failed])).words)


def test_ids_are_unique(pairs):
    ids = [attributes["id"] for _, attributes in Page(render(pairs)).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_reach_for_nothing_outside_and_parse_no_text(name):
    script = static(name)
    for word in (
        *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser"),
        *(
            "eval(",
            "Function(",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "import(",
            "http:",
            "https:",
        ),
    ):
        assert word not in script.replace("http://www.w3.org/2000/svg", "")
    assert "</script" not in script


@pytest.mark.parametrize("name", STYLES)
def test_styles_load_nothing(name):
    assert not re.search(r"url\(|@import|</style", static(name))


def test_huge_texts_are_cut_and_the_file_stays_modest():
    agents = (Agent("a", "Ann"),)
    steps = tuple(Step(n, "a", content="<&>" * 100_000) for n in range(50))
    trace = Trace("big", Source("demo"), agents=agents, steps=steps, outcome=Outcome("failure"))
    document = render([(trace, Attribution("big", Method("m"), (Suspect("a", 3, 0.5),)))])
    assert len(document) < 50 * 8_000 * 6 + 100_000
    small = render(
        [(trace, Attribution("big", Method("m"), (Suspect("a", 3, 0.5),)))], text_limit=90
    )
    assert len(small) < 100_000


def test_one_quote_stands_once_with_all_its_reasons(failed):
    trace, verdict = failed
    suspect = verdict.suspects[0]
    quoted = next(item for item in suspect.evidence if item.quote)
    again = msgspec.structs.replace(quoted, shows="late <b>in</b> the run", weight=0.25)
    suspect = msgspec.structs.replace(suspect, evidence=(quoted, again))
    document = render([(trace, msgspec.structs.replace(verdict, suspects=(suspect,)))])
    assert document.count("<blockquote>") == 1
    assert "a claim without a source <span" in document
    assert "; late &lt;b&gt;in&lt;/b&gt; the run <span" in document


def test_the_page_says_what_its_verdicts_were_made_with(failed, unknown):
    """As text, once, and not where verdicts were made in several ways."""
    config = {"seed": 3, "outcome_from": "</p><script>alert(1)</script>\u202e"}
    made = [
        (trace, msgspec.structs.replace(verdict, config=config))
        for trace, verdict in (failed, unknown)
    ]
    page = render(made)
    assert page.count("Configuration:") == 1
    assert "&#34;seed&#34;:3" in page
    assert "<script>alert" not in page
    other = msgspec.structs.replace(made[1][1], config={"seed": 4})
    assert "Configuration:" not in render([made[0], (made[1][0], other)])
    assert "Configuration:" not in render([failed])
