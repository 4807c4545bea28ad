"""The verdict in words: one sentence that terminal, HTML and JSON share."""

from __future__ import annotations

from tracekit.attribution import Attribution, Evidence, Suspect
from tracekit.report.visible import one_line
from tracekit.trace import Trace


def explain(trace: Trace, attribution: Attribution) -> str:
    """Which agent, at which step, how sure, on what evidence, and whether on a condition.

    Plain text on one line; words from the trace are neutralised by `visible.one_line`. Steps are
    0-based. An abstention gives its reason.

    >>> from tracekit.attribution import Method
    >>> from tracekit.trace import Agent, Source, Step
    >>> trace = Trace(id="t", source=Source(format="demo"), agents=(Agent("Ada", "Ada"),),
    ...               steps=(Step(index=0, agent="Ada", content="2 + 2 = 5"),))
    >>> evidence = (Evidence(step=0, quote="= 5", start=6, end=9, weight=1.2, shows="a wrong sum"),)
    >>> suspect = Suspect(agent="Ada", step=0, probability=0.625, evidence=evidence)
    >>> explain(trace, Attribution(trace_id="t", method=Method("linear"), suspects=(suspect,)))
    'Ada at step 0 most likely broke the run (62 %): a wrong sum, “= 5”.'
    """
    top = attribution.top
    if top is None:
        return (
            f"No verdict: {one_line(attribution.abstained or 'the method names no suspect', 200)}."
        )
    who = f"{agent_name(trace, top.agent)} at step {top.step}"
    given = ""
    if trace.failed is False:
        given = "The run succeeded; had it failed: "
    elif attribution.conditional:
        given = "If this run failed: "
    sure = percent(top.probability)
    because = f": {words}" if (words := reason(top)) else ""
    rival = _rival(trace, attribution)
    return f"{given}{who} most likely broke the run ({sure}){because}{rival}."


def percent(probability: float) -> str:
    """A probability as people write it; never 0 % or 100 % for what is not exactly that.

    >>> percent(0.434), percent(0.0434), percent(0.9999), percent(0.0004), percent(0.0)
    ('43 %', '4.3 %', '>99 %', '<0.1 %', '0 %')
    """
    if probability == 0:
        return "0 %"
    if probability < 0.0995:
        return "<0.1 %" if probability < 0.0005 else f"{probability * 100:.1f} %"
    return ">99 %" if 0.995 <= probability < 1 else f"{probability * 100:.0f} %"


def agent_name(trace: Trace, id: str, limit: int = 60) -> str:
    """The agent's name as a log reader knows it, on one line; the id when the roster lacks it."""
    name = next((agent.name for agent in trace.agents if agent.id == id), id)
    return one_line(name or id, limit) or "(no name)"


def reason(suspect: Suspect) -> str:
    """The strongest evidence in words: what it shows, and the quote; empty when there is none."""
    evidence = strongest(suspect)
    if evidence is None:
        return ""
    where = "" if evidence.step == suspect.step else f" at step {evidence.step}"
    shows = one_line(evidence.shows, 120)
    quote = f"“{one_line(evidence.quote)}”" if evidence.quote.strip() else ""
    words = ", ".join(part for part in (shows, quote) if part)
    return f"{words}{where}" if words else ""


def strongest(suspect: Suspect) -> Evidence | None:
    """The piece of evidence that weighs most towards blame, None when there is none.

    Words that can be read in the log come before what has no quote.
    """
    return max(suspect.evidence, key=lambda e: (bool(e.quote.strip()), e.weight), default=None)


def _rival(trace: Trace, attribution: Attribution) -> str:
    """The second suspect, named when it is at least half as probable as the first."""
    if len(attribution.suspects) < 2:
        return ""
    first, second = attribution.suspects[:2]
    if second.probability < first.probability / 2:
        return ""
    who = agent_name(trace, second.agent)
    return f"; next is {who} at step {second.step} ({percent(second.probability)})"
