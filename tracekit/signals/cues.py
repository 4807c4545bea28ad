"""Words that show what a step does: errors, assumptions, code, a restart, a final answer.

A cue is a regular expression over a text in lower case, matched at most once per step. Every one
is a plain alternation of words: no nested repetition, so that hostile text costs linear time.
"""

from __future__ import annotations

import re

from tracekit.signals.text import Span, lowered, window
from tracekit.trace import Step

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
    "restart": re.compile(
        r"\bstalled\b|\breplan|\bno progress\b|\bgoing in circles|\bstuck in\b|\bstart(?:ing)? over\b"
    ),
    "final-answer": re.compile(r"\bfinal answer\b[:\s*]*"),
    "code": re.compile(r"```|\bimport \w+\n|\bdef \w+\("),
    "report": re.compile(
        r"^\s*(?:exit ?code:|there is no code from|observation:|execution (?:result|output)"
        r"|\[?tool (?:result|output))"
    ),
}
"""Patterns by name."""

ERRORS = ("exit-code", "exception", "not-found", "refusal", "apology")
"""The cues that are signs of an error."""

SHOWS = {
    "exit-code": "a command ended with an error code",
    "exception": "an exception was raised",
    "not-found": "something needed was missing or out of reach",
    "refusal": "the agent says it cannot do it",
    "apology": "an apology",
}
"""What each sign of an error shows, for people."""


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
