"""Words that show what a step does: errors, assumptions, doubt, checks, plans, endings.

A cue is a regular expression over a text in lower case, matched at most once per step. Every one
is a plain alternation of words: no nested repetition, so that hostile text costs linear time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tracekit.signals.text import window
from tracekit.trace import Step


class Span(NamedTuple):
    """Characters of a step's content."""

    start: int
    end: int


CUES: dict[str, re.Pattern[str]] = {
    "exit-code": re.compile(
        r"exit ?code:? *-?[1-9]\d*|exit status [1-9]\d*|returned non-zero|execution failed"
    ),
    "exception": re.compile(
        r"traceback \(most recent|\b\w*(?:error|exception): |\bpanic: |segmentation fault"
        r"|core dumped|unhandled exception"
    ),
    "not-found": re.compile(
        r"no such file|(?:file|page|module|command|resource) not found|\b404\b|access denied"
        r"|permission denied|\bforbidden\b|timed out|captcha|connection refused|no results? found"
        r"|unknown language"
    ),
    "refusal": re.compile(
        r"\bi(?:'m| am) (?:currently )?(?:unable|not able)|\bi (?:cannot|can't|could not|couldn't)\b"
        r"|\b(?:was|were) not able to|\bunable to\b|do(?:es)? not have access"
    ),
    "apology": re.compile(r"\bapologi[sz]e|\bapologies\b|\bi(?:'m| am) sorry|\bmy mistake"),
    "assumption": re.compile(
        r"\bassum(?:e|es|ed|ing|ption|ptions)\b|\bhypothetical|\bsimulat(?:e|ed|ing)\b|\bmock\b"
        r"|\bplaceholder|\bsample data\b|\bdummy\b|\bfor example purposes|let's say\b|\bexample data"
    ),
    "hedge": re.compile(
        r"\blikely\b|\bprobably\b|\bapproximately\b|\bestimat(?:e|ed)\b|\bmight be\b"
        r"|\bit seems\b|\bappears? to\b|\bpossibly\b|\bi believe\b"
    ),
    "check": re.compile(
        r"\bverif(?:y|ied|ies|ying|ication)\b|\bvalidat(?:e|ed|ing|ion)\b|\bdouble-check|\bconfirm"
        r"|\bcross-check"
    ),
    "objection": re.compile(
        r"\bhowever\b|\bincorrect|\bwrong\b|\bmistake|\bthere was an error|\bthere (?:is|was) an issue"
        r"|\bissue with\b|\bdiscrepanc|\bdid not (?:work|yield|return|produce)|\bfailed to\b"
        r"|\bnot (?:yet )?(?:been )?(?:fully )?(?:satisfied|complete|available|found)"
    ),
    "stall": re.compile(
        r"\bstalled\b|\breplan|\bstuck\b|\bno progress\b|new plan:|\bgoing in circles"
        r"|\bin a loop\b"
    ),
    "plan": re.compile(r"\bplan\b[^\n]{0,40}:|\bstep 1\b|\bsteps to (?:solve|follow)|updated ledger"),
    "end": re.compile(
        r"\bterminate\b|\bfinal answer\b|\bconclude the task|\bend the (?:task|conversation)"
        r"|request satisfied|max time|\btask is (?:now )?complete"
    ),
    "final-answer": re.compile(r"\bfinal answer\b[:\s*]*"),
    "code": re.compile(r"```|\bimport \w+\n|\bdef \w+\("),
    "report": re.compile(
        r"^\s*(?:exit ?code:|there is no code from|observation:|execution (?:result|output)"
        r"|\[?tool (?:result|output))"
    ),
    "delegated": re.compile(
        r"\bplease (?:share|provide|run|execute|confirm|let me know|check|retrieve)|let me know"
        r"|\bonce (?:you|we) have\b|\bi will wait|\bmanually\b"
    ),
}  # fmt: skip
"""Patterns by name."""

ERRORS = ("exit-code", "exception", "not-found", "refusal", "apology")
"""The cues that are signs of an error."""

SHOWS = {
    "exit-code": "a command ended with an error code",
    "exception": "an exception was raised",
    "not-found": "something needed was missing or out of reach",
    "refusal": "the agent says it cannot do it",
    "apology": "an apology",
    "assumption": "something is assumed or made up",
    "hedge": "a guess or an estimate",
    "check": "a check of earlier work",
    "objection": "an objection to earlier work",
    "stall": "the run stalls or starts over",
    "plan": "a plan or ledger",
    "end": "the run is brought to its end",
    "final-answer": "the final answer",
    "code": "code is written",
    "report": "the output of an executor",
    "delegated": "the work is handed to somebody else",
}
"""What each cue shows, for people."""


def find(cue: str, text: str) -> Span | None:
    """The first place where a text shows the cue, None when it does not.

    >>> find("exit-code", "exitcode: 1 (execution failed)")
    Span(start=0, end=11)
    >>> find("exit-code", "exitcode: 0 (execution succeeded)") is None
    True
    """
    match = CUES[cue].search(lowered(text))
    return Span(*match.span()) if match else None


def cues(step: Step) -> dict[str, Span]:
    """All cues a step's content shows, with the first place of each.

    >>> sorted(cues(Step(index=0, agent="A", content="I apologize: let us assume x = 3.")))
    ['apology', 'assumption']
    """
    text = lowered(window(step.content))
    found = {}
    for name, pattern in CUES.items():
        match = pattern.search(text)
        if match:
            found[name] = Span(*match.span())
    return found


def lowered(text: str) -> str:
    """Lower case of the same length: the few letters that grow are left as they are.

    >>> len(lowered("İx")) == 2
    True
    """
    low = text.lower()
    return (
        low
        if len(low) == len(text)
        else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    )
