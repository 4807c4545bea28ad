"""Verdicts as JUnit XML: what every CI server can show. JSON stays the whole truth.

One test case a run: one that failed is a `failure` whose message is the verdict, one of unknown
outcome is `skipped`, one whose judgement broke off is an `error`, and there is at most one of these
in a case, as the readers of this format expect. No clock and no host name: the same verdicts are the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

from tracekit.export.verdicts.judged import Judged, Pair, judged, made_with
from tracekit.report.explain import agent_name, explain, percent, reason
from tracekit.report.facts import pointer, ranges
from tracekit.report.machine import json_bytes
from tracekit.report.visible import one_line

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Junit:
    """JUnit XML, a test case for every run, for the test reports of CI servers."""

    name: ClassVar[str] = "junit"
    suffix: ClassVar[str] = ".xml"

    def encode(self, pairs: Sequence[Pair]) -> bytes:
        """One document with one suite."""
        known = list(judged(pairs))
        return encode(known, made_with(known))


def encode(known: Sequence[Judged], config: Mapping[str, Any] | None = None) -> bytes:
    """The document; `config` is what the verdicts were made with, as properties of the suite."""
    ends = Counter(map(_end, known))
    counts = {
        "tests": str(len(known)),
        "failures": str(ends["failure"]),
        "errors": str(ends["error"]),
        "time": "0",
    }
    root = ET.Element("testsuites", {"name": "tracekit", **counts})
    suite = ET.SubElement(
        root, "testsuite", {"name": "tracekit", **counts, "skipped": str(ends["skipped"])}
    )
    if config:
        holder = ET.SubElement(suite, "properties")
        for name, value in config.items():
            text = value if isinstance(value, str) else json_bytes(value).decode()
            ET.SubElement(holder, "property", {"name": name, "value": clean(text)})
    for one in known:
        _case(suite, one)
    ET.indent(root)
    body: bytes = ET.tostring(root, "utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body + b"\n"


def _end(one: Judged) -> str:
    """The element that says how a test case ended; empty for one that passed."""
    if one.verdict.failed:
        return "error"
    return {True: "failure", None: "skipped", False: ""}[one.trace.failed]


def _case(suite: ET.Element, one: Judged) -> None:
    trace, verdict = one.trace, one.verdict
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": clean(one_line(trace.source.framework or trace.source.format, 100)),
            "name": clean(one_line(trace.id, 200)) + (f" ({one.copy + 1})" if one.copy else ""),
            "time": "0",
        },
    )
    says = clean(explain(trace, verdict))
    end = _end(one)
    if end in ("failure", "error"):
        kind = "decisive-step" if verdict.top else "failure-without-verdict"
        kind = "judgement-failed" if end == "error" else kind
        told = ET.SubElement(case, end, {"message": says, "type": f"tracekit.{kind}"})
        told.text = clean("\n".join(_details(one)))
    elif end == "skipped":
        ET.SubElement(case, end, {"message": f"How the run ended is not known. {says}"})


def _details(one: Judged) -> list[str]:
    """What a reader of the failure wants next: the suspects, and where they lie in the log."""
    trace, verdict = one.trace, one.verdict
    lines = [explain(trace, verdict), ""]
    for suspect in verdict.suspects[:3]:
        raw = trace.steps[suspect.step].raw
        where = f" ({pointer(trace, raw[0])})" if raw else ""
        sure, modes = percent(suspect.probability), ", ".join(suspect.modes)
        lines.append(
            f"step {suspect.step}, {agent_name(trace, suspect.agent)}, {sure}{where}"
            + (f", {one_line(modes)}" if modes else "")
        )
        if words := reason(suspect):
            lines.append(f"    {words}")
    if verdict.suspect_set is not None:
        steps = ranges(verdict.suspect_set.steps)
        lines += [
            "",
            f"steps that hold the cause in {verdict.suspect_set.coverage:.0%} of runs: {steps}",
        ]
    return [*lines, *(f"warning: {one_line(text, 400)}" for text in verdict.warnings)]


def clean(text: str) -> str:
    """Text without what XML 1.0 cannot hold, even escaped.

    >>> clean("a\\x00b\\ud800")
    'a?b?'
    """
    return _NOT_XML.sub("?", text)
