"""A causal graph as GraphML, which Gephi, yEd, Cytoscape and networkx read."""

from __future__ import annotations

import os
from xml.etree import ElementTree

from tracekit.analyzers.causal.discover import Discovery
from tracekit.report.visible import visible
from tracekit.store import atomic

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
NODE_KEYS = {
    "says": "string",
    "seat": "string",
    "behaviour": "string",
    "mode": "string",
    "tier": "int",
    "share": "double",
    "effect": "double",
    "low": "double",
    "high": "double",
    "path": "double",
}
EDGE_KEYS = {"mark": "string", "stability": "double", "stable": "boolean"}


def graphml(found: Discovery) -> bytes:
    """The document, UTF-8; every edge is directed, and `mark` says how far that is known.

    Effects, their intervals (`low`, `high`) and the share of half samples with a path to failure
    stand with the nodes that have one.
    """
    root = ElementTree.Element("graphml", {"xmlns": NAMESPACE})
    for owner, keys in (("node", NODE_KEYS), ("edge", EDGE_KEYS)):
        for name, kind in keys.items():
            attributes = {"id": name, "for": owner, "attr.name": name, "attr.type": kind}
            ElementTree.SubElement(root, "key", attributes)
    graph = ElementTree.SubElement(root, "graph", {"id": "failure", "edgedefault": "directed"})
    effects = {one.name: one for one in found.effects}
    for node in found.nodes:
        element = ElementTree.SubElement(graph, "node", {"id": visible(node.name)})
        for name in ("says", "seat", "behaviour", "mode", "tier", "share"):
            _data(element, name, getattr(node, name))
        if (one := effects.get(node.name)) is not None:
            _data(element, "effect", one.effect.value)
            _data(element, "low", one.effect.low)
            _data(element, "high", one.effect.high)
            _data(element, "path", one.path)
    for number, link in enumerate(found.links):
        ends = {"source": visible(link.source), "target": visible(link.target)}
        element = ElementTree.SubElement(graph, "edge", {"id": f"e{number}", **ends})
        for name in EDGE_KEYS:
            _data(element, name, getattr(link, name))
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def write_graphml(path: str | os.PathLike[str], found: Discovery) -> None:
    """Write the document, whole or not at all."""
    with atomic(path) as stream:
        stream.write(graphml(found))


def _data(element: ElementTree.Element, name: str, value: object) -> None:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    ElementTree.SubElement(element, "data", {"key": name}).text = visible(text)
