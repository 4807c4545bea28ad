"""Verdicts as SARIF 2.1.0, for code scanning and every viewer of static analysis.

A failed run is a result; what it is located at is the record of the suspected step in the log. The
rule says how sure the outcome is and never changes with the verdict, so that an alert stays one
alert while its case fails: `partialFingerprints` hold what was tried, not the run's id. Failure
modes are taxa of MAST (arXiv 2503.13657).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from tracekit.attribution import Suspect
from tracekit.export.verdicts.judged import Judged, Pair, digest, judged, made_with
from tracekit.inject.modes import MODES
from tracekit.report.explain import agent_name, explain, reason
from tracekit.report.machine import json_bytes
from tracekit.report.visible import one_line
from tracekit.trace import Trace
from tracekit.version import __version__

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
"""Where the format's own schema lies."""

RESULTS = 5_000
"""Results that GitHub shows of one file; what goes beyond is counted in a notification."""

RULES: dict[str, tuple[str, str, str]] = {
    "tracekit/decisive-step": (
        "DecisiveStep",
        "error",
        "A run failed, and this step most likely decided that it would.",
    ),
    "tracekit/decisive-step-if-failed": (
        "DecisiveStepIfFailed",
        "warning",
        "Nobody knows how the run ended; if it failed, this step most likely decided it.",
    ),
    "tracekit/failure-without-verdict": (
        "FailureWithoutVerdict",
        "error",
        "A run failed, and the method would not say which step decided it.",
    ),
    "tracekit/success-attributed": (
        "SuccessAttributed",
        "note",
        "A run succeeded; this is the step that would be to blame had it failed.",
    ),
}
"""Ids of rules, stable across versions: name, level, and what the rule says."""


class Sarif:
    """SARIF 2.1.0 with stable rules and fingerprints, for code scanning."""

    name: ClassVar[str] = "sarif"
    suffix: ClassVar[str] = ".sarif"

    def encode(self, pairs: Sequence[Pair]) -> bytes:
        """One document with one run of the tool."""
        known = list(judged(pairs))
        return encode(known, made_with(known))


def encode(known: Sequence[Judged], config: Mapping[str, Any] | None = None) -> bytes:
    """The document; `config` is what the verdicts were made with, a property of the run."""
    return msgspec.json.format(json_bytes(document(known, config)), indent=2) + b"\n"


def document(known: Sequence[Judged], config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The verdicts as a SARIF log."""
    told = [one for one in known if rule(one) is not None]
    modes = sorted({m for one in told if one.verdict.top for m in one.verdict.top.modes} & {*MODES})
    driver = {
        "name": "tracekit",
        "version": __version__,
        "rules": [_rule(id) for id in RULES],
        "supportedTaxonomies": [{"name": "MAST"}],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"tracekit/{_methods(known)}/"},
        "taxonomies": [_taxonomy(modes)],
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not any(one.verdict.failed for one in known),
                "toolExecutionNotifications": _notes(known, told),
            }
        ],
        "results": [_result(one, modes) for one in told[:RESULTS]],
    }
    if config:
        run["properties"] = {"config": dict(config)}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def rule(one: Judged) -> str | None:
    """The rule that a run falls under; None when there is nothing to tell of it."""
    top, failed = one.verdict.top, one.trace.failed
    if failed is None:
        return "tracekit/decisive-step-if-failed" if top else None
    if failed:
        return "tracekit/decisive-step" if top else "tracekit/failure-without-verdict"
    return "tracekit/success-attributed" if top else None


def _rule(id: str) -> dict[str, Any]:
    name, level, says = RULES[id]
    return {
        "id": id,
        "name": name,
        "shortDescription": {"text": says},
        "fullDescription": {"text": f"{says} Who is named is a suspect with a probability."},
        "defaultConfiguration": {"level": level},
        "help": {"text": "A verdict is a lead: read the step, and those before it."},
    }


def _taxonomy(modes: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "MAST",
        "organization": "Cemri et al. 2025",
        "shortDescription": {"text": "Failure modes of multi-agent systems, arXiv 2503.13657"},
        "taxa": [
            {
                "id": code,
                "name": MODES[code].name,
                "shortDescription": {"text": MODES[code].looks},
            }
            for code in modes
        ],
    }


def _methods(known: Sequence[Judged]) -> str:
    return "+".join(sorted({one.verdict.method.name for one in known})) or "none"


def _notes(known: Sequence[Judged], told: Sequence[Judged]) -> list[dict[str, Any]]:
    """What could not be analysed, what is not among the results, and why."""
    broken = [
        _note(f"{one.trace.id}: {explain(one.trace, one.verdict)}", "error")
        for one in known
        if one.verdict.failed
    ][:RESULTS]
    silent = [
        _note(f"{one.trace.id}: {explain(one.trace, one.verdict)}", "note")
        for one in known
        if one.trace.failed is None and one.verdict.top is None and not one.verdict.failed
    ][:RESULTS]
    beyond = len(told) - RESULTS
    more = [_note(f"{beyond} more results are left out", "warning")] if beyond > 0 else []
    return broken + silent + more


def _note(text: str, level: str) -> dict[str, Any]:
    return {"message": {"text": one_line(text, 1000)}, "level": level}


def _result(one: Judged, known: Sequence[str]) -> dict[str, Any]:
    trace, verdict, top = one.trace, one.verdict, one.verdict.top
    id = rule(one)
    assert id is not None
    result: dict[str, Any] = {
        "ruleId": id,
        "ruleIndex": list(RULES).index(id),
        "level": RULES[id][1],
        "message": {"text": f"{one_line(trace.id, 100)}: {explain(trace, verdict)}"},
        "locations": [_location(trace, top.step if top else None)],
        "partialFingerprints": {"tracekitCase/v1": one.case},
        "guid": _guid(digest("result", one.id)),
        "properties": _properties(one),
    }
    if top is None:
        return result
    rank = f"{100 * top.probability:.4g}"
    result["rank"] = float(rank)
    if flow := _flow(trace, top):
        result["codeFlows"] = [{"threadFlows": [{"locations": flow}]}]
    if taxa := [mode for mode in top.modes if mode in known]:
        reference = {"name": "MAST", "index": 0}
        result["taxa"] = [{"id": mode, "toolComponent": reference} for mode in taxa]
    return result


def _guid(digits: str) -> str:
    """Digits of a hash in the form of a UUID of version 8 (RFC 9562: of one's own making)."""
    a, b, c, d, e = digits[:8], digits[8:12], digits[13:16], digits[17:20], digits[20:]
    return f"{a}-{b}-8{c}-a{d}-{e}"


def _properties(one: Judged) -> dict[str, Any]:
    verdict, top = one.verdict, one.verdict.top
    found: dict[str, Any] = {
        "verdict": one.id,
        "run": one_line(one.trace.id, 200),
        "method": msgspec.to_builtins(verdict.method),
    }
    if top is not None:
        found |= {"agent": one_line(top.agent, 200), "step": top.step}
        found["probability"] = top.probability
    if verdict.suspect_set is not None:
        found["suspectSet"] = msgspec.to_builtins(verdict.suspect_set)
    return found


def _flow(trace: Trace, top: Suspect) -> list[dict[str, Any]]:
    """The steps that the evidence is quoted from, in the order of the run, to the suspect."""
    quoted = {evidence.step: evidence for evidence in reversed(top.evidence)}
    steps = sorted({*quoted, top.step})
    if len(steps) < 2:
        return []
    found = []
    for step in steps:
        words = (
            reason(Suspect(top.agent, step, 0.0, evidence=(quoted[step],)))
            if step in quoted
            else ""
        )
        place = _location(trace, step)
        place["message"] = {"text": words or "the suspected step"}
        found.append(
            {"location": place, "importance": "essential" if step == top.step else "important"}
        )
    return found


def _location(trace: Trace, index: int | None) -> dict[str, Any]:
    """The record of a step in the log; without one, the log."""
    step = None if index is None else trace.steps[index]
    raw = step.raw[0] if step is not None and step.raw else None
    path = (raw.path if raw and raw.path else None) or trace.source.path
    found: dict[str, Any] = {}
    if path:
        # GitHub wants a line; where a format has none, the first stands for the file
        region = {"startLine": raw.line if raw and raw.line else 1}
        found["physicalLocation"] = {"artifactLocation": {"uri": uri(path)}, "region": region}
    name = one_line(trace.id, 200) if index is None else f"{one_line(trace.id, 200)}/step {index}"
    logical = {"fullyQualifiedName": name, "kind": "run"}
    if step is not None:
        logical = {**logical, "name": agent_name(trace, step.agent), "kind": "step"}
    return {**found, "logicalLocations": [logical]}


def uri(path: str) -> str:
    """A path as a URI reference; members of archives stay behind their `!/`.

    >>> uri("runs/a b.json"), uri("/logs/x.zip!/y.json")
    ('runs/a%20b.json', 'file:///logs/x.zip!/y.json')
    """
    text = quote(path.encode("utf-8", "replace").replace(b"\\", b"/"), safe="/!~@$&'()*+,;=")
    return f"file://{text}" if text.startswith("/") else text
