"""What a reader of a decision should know besides: what was not looked at, or could not be.

No rule rests on a note; each tells of something that a rule that is not followed would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from tracekit.gate import changes
from tracekit.gate.rules import Hit, Runs
from tracekit.labels.modes import MODES
from tracekit.report.visible import one_line


def notes(runs: Runs, names: Sequence[str], hits: Sequence[Hit]) -> Iterator[str]:
    """Notes on some runs, beside the rules followed and what they hit."""
    unknown = sum(one.trace.failed is None for one in runs.known)
    if unknown:
        yield f"left out: {unknown} of unknown outcome (--outcome-from says who knows)"
    yield from _verdictless(runs)
    yield from _idle(runs, names)
    if runs.base is not None:
        yield from _beside(runs, {hit.rule.partition(":")[0] for hit in hits})


def _verdictless(runs: Runs) -> Iterator[str]:
    without = [one for one in runs.failed if one.verdict.top is None]
    broken = sum(one.verdict.failed for one in without)
    if without:
        why = f" ({broken} because the judgement failed)" if broken else ""
        yield f"no verdict on {len(without)} failures{why}: rules on agents and modes pass them over"


def _idle(runs: Runs, names: Sequence[str]) -> Iterator[str]:
    """Rules that can hit on nothing: of an agent or mode that nobody has heard of."""
    people = {
        one_line(n, 200) for one in runs.known for a in one.trace.agents for n in (a.id, a.name)
    }
    people |= {one_line(step.agent, 200) for one in runs.known for step in one.trace.steps}
    shown = {mode for one in runs.failed if one.verdict.top for mode in one.verdict.top.modes}
    for name in names:
        head, _, argument = name.partition(":")
        if head == "agent" and one_line(argument, 200) not in people:
            near = get_close_matches(argument, sorted(people), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{one_line(name)}: nobody in these runs is called so{hint}"
        if head == "mode" and argument not in MODES and argument not in shown:
            yield f"{one_line(name)}: no failure mode of that code is known"
        elif head == "mode" and runs.failed and not shown:
            yield f"{one_line(name)}: no verdict names any failure mode; not every method does"


def _beside(runs: Runs, hit: set[str]) -> Iterator[str]:
    """How the runs differ from the baseline where no rule has said it."""
    known, now, base = runs.known, runs.now, runs.before
    if "missing-runs" not in hit and (few := changes.short(known, now, base)):
        yield f"fewer runs of known outcome than in the baseline: {changes.some(few)}"
    if new := [case for _, case in changes.added(now, base)]:
        failed, whole = sum(c.failures for c in new), sum(c.runs for c in new)
        yield (
            f"not in the baseline: {changes.some([c.name for c in new])}; "
            f"{failed} of {whole} runs failed"
        )
    if silent := changes.silent(known, now, base):
        yield f"neither in the baseline nor of known outcome: {changes.some(silent)}"
    was, made = base.method, now.method
    if was and made and (was.name, was.version, was.model) != (made.name, made.version, made.model):
        yield (
            f"the baseline was attributed by {was.name} {was.version}, this by {made.name} "
            f"{made.version}: agents and modes are not to be compared"
        )
    elif "changed-culprit" not in hit:
        others = [f"{c.name} ({', '.join(new)})" for c, new, _ in changes.changed(known, base)]
        if others:
            yield f"known to fail, but by others than in the baseline: {changes.some(others)}"
