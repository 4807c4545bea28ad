"""A decision in words: lines for a terminal, Markdown for a summary, JSON for programs."""

from __future__ import annotations

import re

import msgspec

from tracekit.gate.decision import Decision, Run
from tracekit.gate.rules import Hit
from tracekit.report.machine import json_bytes

SHOWN = 5
"""Runs that are told of each rule."""


def lines(decision: Decision) -> list[str]:
    """The reason first, then what it rests on."""
    said = [_verdict(decision)]
    for hit in decision.hits:
        said.append(f"  {hit.rule}: {hit.says}")
        runs, more = _concerned(decision, hit)
        for run in runs:
            said.append(f"    - {run.id}: {run.says}")
            if run.where:
                said.append(f"      {run.where}")
        if more:
            said.append(f"    … and {more} more")
    said.append(_counts(decision))
    if decision.fixed:
        said.append(f"fixed since the baseline: {_some(decision.fixed)} (--tighten keeps it so)")
    return [*said, *decision.notes]


def _verdict(decision: Decision) -> str:
    if decision.passed:
        return f"gate passed: {', '.join(decision.rules)}"
    return f"gate FAILED: {', '.join(dict.fromkeys(hit.rule for hit in decision.hits))}"


def _concerned(decision: Decision, hit: Hit) -> tuple[list[Run], int]:
    """The runs of a hit that are shown, and how many are not."""
    ids = set(hit.verdicts)
    runs = [run for run in decision.runs if run.verdict in ids]
    return runs[:SHOWN], len(runs[SHOWN:])


def _counts(decision: Decision) -> str:
    counts = decision.outcomes
    text = (
        f"{sum(counts.values())} runs: {counts['failure']} failed, {counts['success']} succeeded, "
        f"{counts['unknown']} of unknown outcome"
    )
    if decision.baseline is None:
        return text
    return (
        f"{text}; baseline: {decision.baseline['failures']} of {decision.baseline['runs']} failed"
    )


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


_MARKDOWN = re.compile(r"([\\`*_{}\[\]#+!|~$])")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no link, no mention.

    >>> escaped("<b>[x](http://y)</b> | @me")
    '&lt;b&gt;\\\\[x\\\\](http&#58;//y)&lt;/b&gt; \\\\| &#64;me'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _MARKDOWN.sub(r"\\\1", text.replace("\n", " "))
    return text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def markdown(decision: Decision) -> str:
    """A summary for the page of a CI job."""
    said = [f"### tracekit: {escaped(_verdict(decision))}", "", escaped(_counts(decision)), ""]
    if decision.hits:
        said += ["| rule | why | run | verdict | where |", "| --- | --- | --- | --- | --- |"]
    for hit in decision.hits:
        runs, more = _concerned(decision, hit)
        rows = [(run.id, run.says, run.where) for run in runs]
        rows += [(f"… and {more} more", "", "")] if more else []
        for place, row in enumerate(rows or [("", "", "")]):
            head = (hit.rule, hit.says) if place == 0 else ("", "")
            said.append(f"| {' | '.join(map(escaped, (*head, *row)))} |")
    if decision.fixed:
        said += ["", f"Fixed since the baseline: {escaped(_some(decision.fixed))}"]
    said += [f"\n{escaped(note)}" for note in decision.notes]
    return "\n".join(said) + "\n"


def as_json(decision: Decision) -> bytes:
    """The whole decision, indented; the same bytes for the same decision."""
    document = msgspec.to_builtins(decision, order="deterministic")
    return msgspec.json.format(json_bytes(document), indent=2) + b"\n"
