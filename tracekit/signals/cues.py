"""Words that show what a step does: errors, assumptions, code, a restart, a final answer.

A cue is a regular expression over a text in lower case, matched at most once per step. Every one
is a plain alternation of words: no nested repetition, so that hostile text costs linear time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tracekit.signals.text import HEAD, Span, ends, lowered
from tracekit.trace import Step, ToolCall


class Cue(NamedTuple):
    """Words to look for."""

    needles: tuple[str, ...]
    """One of these stands in every text that matches: most texts are dismissed by them."""
    pattern: re.Pattern[str]

    def find(self, text: str) -> Span | None:
        """The first place in a text in lower case, None when there is none."""
        if not any(needle in text for needle in self.needles):
            return None
        match = self.pattern.search(text)
        return Span(*match.span()) if match else None


CUES: dict[str, Cue] = {
    "exit-code": Cue(
        ("exit", "returned non-zero", "execution failed"),
        re.compile(
            r"exit ?code:? *-?[1-9]\d*|exit status [1-9]\d*|returned non-zero|execution failed"
        ),
    ),
    "exception": Cue(
        (
            "traceback",
            "error: ",
            "exception: ",
            "panic: ",
            "segmentation",
            "core dumped",
            "unhandled",
        ),
        re.compile(
            r"traceback \(most recent|\b\w*(?:error|exception): |\bpanic: |segmentation fault"
            r"|core dumped|unhandled exception"
        ),
    ),
    "not-found": Cue(
        (
            "no such file",
            "not found",
            "404",
            "denied",
            "forbidden",
            "timed out",
            "captcha",
            "refused",
            "results found",
            "result found",
            "unknown language",
        ),
        re.compile(
            r"no such file|(?:file|page|module|command|resource) not found|\b404\b|access denied"
            r"|permission denied|\bforbidden\b|timed out|captcha|connection refused|no results? found"
            r"|unknown language"
        ),
    ),
    "refusal": Cue(
        ("able", "cannot", "can't", "could", "access"),
        re.compile(
            r"\bi(?:'m| am) (?:currently )?(?:unable|not able)|\bi (?:cannot|can't|could not|couldn't)\b"
            r"|\b(?:was|were) not able to|\bunable to\b|do(?:es)? not have access"
        ),
    ),
    "apology": Cue(
        ("apolog", "sorry", "my mistake"),
        re.compile(r"\bapologi[sz]e|\bapologies\b|\bi(?:'m| am) sorry|\bmy mistake"),
    ),
    "assumption": Cue(
        (
            "assum",
            "hypothetical",
            "simulat",
            "mock",
            "placeholder",
            "sample data",
            "dummy",
            "for example purposes",
            "let's say",
            "example data",
        ),
        re.compile(
            r"\bassum(?:e|es|ed|ing|ption|ptions)\b|\bhypothetical|\bsimulat(?:e|ed|ing)\b|\bmock\b"
            r"|\bplaceholder|\bsample data\b|\bdummy\b|\bfor example purposes|let's say\b|\bexample data"
        ),
    ),
    "restart": Cue(
        (
            "stalled",
            "replan",
            "no progress",
            "in circles",
            "stuck in",
            "start over",
            "starting over",
        ),
        re.compile(
            r"\bstalled\b|\breplan|\bno progress\b|\bgoing in circles|\bstuck in\b|\bstart(?:ing)? over\b"
        ),
    ),
    "final-answer": Cue(("final answer",), re.compile(r"\bfinal answer\b[:\s*]*")),
    "code": Cue(("```", "import ", "def "), re.compile(r"```|\bimport \w+\n|\bdef \w+\(")),
    "report": Cue(
        ("exit", "there is no code", "observation", "execution", "tool"),
        re.compile(
            r"^\s*(?:exit ?code:|there is no code from|observation:|execution (?:result|output)"
            r"|\[?tool (?:result|output))"
        ),
    ),
}
"""All cues by name."""

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
    return CUES[cue].find(lowered(text))


def cues(step: Step) -> dict[str, Span]:
    """All cues a step's content shows, with the first place of each.

    >>> sorted(cues(Step(index=0, agent="A", content="I apologize: let us assume x = 3.")))
    ['apology', 'assumption']
    """
    text = lowered(ends(step.content))
    left_out = len(step.content) - len(text)
    found = ((name, cue.find(text)) for name, cue in CUES.items())
    return {name: _placed(span, left_out) for name, span in found if span is not None}


def _placed(span: Span, left_out: int) -> Span:
    """A span of `ends` as one of the whole text."""
    start, end = span
    return Span(start + left_out * (start >= HEAD), end + left_out * (end > HEAD))


def broken(call: ToolCall) -> str | None:
    """Why a tool call went wrong: its error status, or what its result shows; None = it did not.

    >>> broken(ToolCall(name="run", result="Traceback (most recent call last): ..."))
    'tool run: an exception was raised'
    """
    name = f"tool {call.name or 'call'}"
    if call.error:
        return f"{name} reports an error"
    shown = (
        cue for cue in ("exit-code", "exception") if call.result and find(cue, ends(call.result))
    )
    cue = next(shown, None)
    return None if cue is None else f"{name}: {SHOWS[cue]}"
