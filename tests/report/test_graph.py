"""The causal graph as a page and as GraphML: every edge drawn, hostile names inert, same bytes."""

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from tracekit.analyzers.causal.discover import (
    CausalEffect,
    Discovery,
    Link,
    Node,
    when,
)
from tracekit.analyzers.company import Company
from tracekit.report.graph import graph_page, picture, write_graph
from tracekit.report.graphml import NAMESPACE, graphml, write_graphml
from tracekit.stats import Estimate
from tracekit.testing.traces import HOSTILE

EVIL = HOSTILE + '" onload="alert(1)'
HALF = Estimate(0.4, 0.2, 0.6)


def node(name, tier, seat="", behaviour=""):
    return Node(
        name=name,
        tier=tier,
        says=f"{seat or name} {behaviour}",
        seat=seat,
        behaviour=behaviour,
        share=0.5,
    )


def link(source, target, stability, mark="-->"):
    return Link(
        source=source, target=target, mark=mark, stability=stability, stable=stability >= 0.5
    )


def effect(name, seat, phase):
    return CausalEffect(
        name=name, seat=seat, phase=phase, says=f"{seat} strays", effect=HALF, path=0.9, weight=0.3,
        failing=7, passing=3,
    )  # fmt: skip


@pytest.fixture
def found():
    nodes = (
        node("a", 0, "Planner", "omits"),
        node("b", 1, EVIL, "strays"),
        node("c", 1, "Worker", "passes"),
        node("lonely", 1, "Nobody", "acts"),
        node("failure", 2),
        node("time", -1),
    )
    links = (
        link("a", "b", 1.0),
        link("b", "failure", 0.8),
        link("b", "c", 0.6, "---"),
        link("time", "c", 0.5),
        link("a", "lonely", 0.2),
    )
    company = Company(
        agent=EVIL, action="message", failing_with=5, failing=9, passing_with=1, passing=20, tasks=4,
        difference=HALF, sure=True,
    )  # fmt: skip
    return Discovery(
        runs=29, failures=9, tasks=4, within_tasks=True, algorithm="cd-nod", test="covariance",
        alpha=0.02, seed=0, halves=10, phases=((0, 1), (2, None)), nodes=nodes, links=links,
        effects=(effect("b", EVIL, 1),), seats={EVIL: 0.3}, false_edges=0.01, false_effect=0.05,
        company=(company,), warnings=("mind this",),
    )  # fmt: skip


class Page(HTMLParser):
    """Elements with their attributes, and the words."""

    def __init__(self, document):
        super().__init__(convert_charrefs=True)
        self.elements, self.words = [], []
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_what_is_drawn(found):
    drawn = picture(found)
    assert [box.node.name for box in drawn.boxes] == ["time", "a", "b", "c", "failure"]
    assert [box.kind for box in drawn.boxes] == ["context", "cause", "cause", "", "outcome"]
    assert len(drawn.lines) == 4
    assert [line.arrow for line in drawn.lines] == [True, True, False, True]
    assert [line.blame for line in drawn.lines] == [True, True, False, False]
    assert drawn.lines[0].width > drawn.lines[1].width
    assert [name for _, name in drawn.tiers] == [
        "Context", "Phase 1: steps 0-1", "Phase 2: from step 2", "Outcome",
    ]  # fmt: skip
    places = {(box.x, box.y) for box in drawn.boxes}
    assert len(places) == len(drawn.boxes)
    assert all(box.x + 188 <= drawn.width and box.y + 46 <= drawn.height for box in drawn.boxes)


def test_phases_in_words(found):
    assert (when(found, 0), when(found, 1)) == ("steps 0-1", "from step 2")


def test_the_page_is_inert(found):
    document = graph_page(found)
    page = Page(document)
    assert "script" not in {name for name, _ in page.elements}
    assert not any(key.startswith("on") for _, attrs in page.elements for key in attrs)
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert "\x1b" not in document
    assert "\u202e" not in document
    assert "<script>alert" in "".join(page.words)  # shown as text


def test_the_page_holds_the_numbers(found):
    words = " ".join("".join(Page(graph_page(found)).words).split())
    assert "29 runs of 4 tasks, 9 failed" in words
    assert "+40 (+20 to +60)" in words
    assert "7 of 9" in words
    assert "3 of 20" in words
    assert "mind this" in words


def test_graphml_is_read_back(found):
    root = ET.fromstring(graphml(found))
    name = {"g": NAMESPACE}
    nodes = root.findall("g:graph/g:node", name)
    edges = root.findall("g:graph/g:edge", name)
    assert [one.get("id") for one in nodes] == ["a", "b", "c", "lonely", "failure", "time"]
    assert [(e.get("source"), e.get("target")) for e in edges][:2] == [("a", "b"), ("b", "failure")]
    facts = {d.get("key"): d.text for d in nodes[1].findall("g:data", name)}
    assert (facts["effect"], facts["low"], facts["path"]) == ("0.4", "0.2", "0.9")
    assert "<script>" in facts["seat"]
    declared = {key.get("id") for key in root.findall("g:key", name)}
    used = {d.get("key") for one in [*nodes, *edges] for d in one.findall("g:data", name)}
    assert used <= declared


def test_networkx_reads_it(found, tmp_path):
    networkx = pytest.importorskip("networkx")
    write_graphml(tmp_path / "g.graphml", found)
    graph = networkx.read_graphml(tmp_path / "g.graphml")
    assert graph.is_directed()
    assert graph.edges["a", "b"]["stability"] == 1.0
    assert graph.nodes["b"]["tier"] == 1


def test_the_same_bytes(found, tmp_path):
    for number in (1, 2):
        write_graph(tmp_path / f"{number}.html", found, title="x")
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()
    assert graphml(found) == graphml(found)


@pytest.mark.browser
def test_it_opens_in_a_browser(found, tmp_path, browser):
    write_graph(tmp_path / "g.html", found, title=EVIL)
    browser.get((tmp_path / "g.html").as_uri())
    assert browser.get_log("browser") == []
    boxes = browser.find_elements("css selector", "svg.graph rect")
    assert len(boxes) == 5
    assert all(box.is_displayed() for box in boxes)
    shown = browser.find_element("css selector", "body").text
    assert "alert(1)" in shown
