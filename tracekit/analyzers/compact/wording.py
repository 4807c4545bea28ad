"""What the columns of `compact` mean in words, and which words of the log to quote for them.

Columns that say the same thing share a statement. Those without one (most of the wide table) move
the verdict, too, but would tell a person nothing.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tracekit.signals.cues import SHOWS
from tracekit.signals.features import FEATURES


class Statement(NamedTuple):
    """Something that can be said about a step."""

    shows: str
    """For people."""
    look: str = ""
    """What to quote: a cue; `error` = any sign of one; `answer` = words of the final answer; `fact`
    = a fact that nobody said before; `phrase.` and a family; empty = how the step begins."""
    where: Literal["here", "after", "reaction"] = "here"
    """In the step, in the one after it, or in the next that is no mere output."""


SHORT = {f.name: Statement(f.shows, f.cue, "after" if f.ahead else "here") for f in FEATURES}
SHORT_LOW = {f.name: Statement(f.lacks) for f in FEATURES if f.lacks}

_ANSWER, _ERROR, _ASSUMES = SHORT["introduces"], SHORT["error"], SHORT["assumption"]
_QUESTION, _RESTART, _LAST = SHORT["question"], SHORT["restart"], SHORT["last_deed"]
_TAKEN_UP = Statement("later steps take up what it brings in")
_NEW = Statement("brings in a name or a number that nobody gave it", "fact")
_WORDS = Statement("goes on in words: nothing is run or looked up")
_AFTER_FAILURE = Statement("goes on in words after an action failed")
_NOTHING = Statement("its action brings nothing back", "phrase.soft_failure", "after")
_TROUBLE = Statement("trouble is spoken of right after", "phrase.trouble", "reaction")
_UNLIKE = Statement("unlike the other steps of the run")
_STALLED = Statement("the orchestrator sees no progress after it")

WIDE = {
    "position.last_deed": _LAST,
    "position.closes": SHORT["closes"],
    "position.worker": SHORT["worker"],
    "position.task_dropped": SHORT["task_dropped"],
    "position.acts_at_once": Statement("acts at once, without a plan"),
    "position.repeats": Statement("does again what was done before"),
    "position.talk": _WORDS,
    "outcome.first_talk": _WORDS,
    "outcome.no_action_yet": Statement("nothing was run or looked up before it"),
    "outcome.first_failed": SHORT["first_failure"],
    "outcome.failed": Statement(
        "an action that ends in an error or in hardly any output", "error", "after"
    ),
    "outcome.never_fixed": Statement("a failure that nobody repairs", "error", "after"),
    "outcome.soft_failed": _NOTHING,
    "outcome.first_soft_failed": _NOTHING,
    "outcome.not_run": Statement("asks for an action whose result never comes"),
    "outcome.good": Statement("an action that ran without an error"),
    "outcome.last_action": Statement("the last action of the run"),
    "outcome.talks_after_failure": _AFTER_FAILURE,
    "outcome.first_talk_after_failure": _AFTER_FAILURE,
    "phrase.concludes": Statement("draws a conclusion", "phrase.concludes"),
    "phrase.claims": Statement("takes something as known", "phrase.claims"),
    "phrase.by_hand": Statement("works by hand, or only suggests", "phrase.by_hand"),
    "phrase.hedges": Statement("is not sure of it", "phrase.hedges"),
    "phrase.asks": Statement("asks others to do it", "phrase.asks"),
    "phrase.soft_failure": Statement("has no result to show", "phrase.soft_failure"),
    "phrase.next_concludes": Statement(
        "a conclusion is drawn from it at once", "phrase.concludes", "reaction"
    ),
    "phrase.next_checks": Statement(
        "the next to act speaks of checking", "phrase.checks", "reaction"
    ),
    "phrase.next_agrees": Statement("the next to act agrees", "phrase.agrees", "reaction"),
    "phrase.next_hedges": Statement("the next to act is not sure", "phrase.hedges", "reaction"),
    "phrase.next_trouble": _TROUBLE,
    "cue.exit_code": Statement(SHOWS["exit-code"], "exit-code"),
    "cue.exception": Statement(SHOWS["exception"], "exception"),
    "cue.not_found": Statement(SHOWS["not-found"], "not-found"),
    "cue.refusal": Statement(SHOWS["refusal"], "refusal"),
    "cue.apology": Statement(SHOWS["apology"], "apology"),
    "cue.error": _ERROR,
    "cue.assumption": _ASSUMES,
    "cue.first_assumption": _ASSUMES,
    "cue.restart": _RESTART,
    "cue.first_restart": _RESTART,
    "cue.question": _QUESTION,
    "cue.question_of_order": _QUESTION,
    "influence.echo": _TAKEN_UP,
    "influence.followers": _TAKEN_UP,
    "influence.taken_up": _TAKEN_UP,
    "influence.new_keys": _NEW,
    "influence.introduces": _ANSWER,
    "influence.introduces_key": _ANSWER,
    "influence.top_introducer": _ANSWER,
    "influence.top_key_introducer": _ANSWER,
    "influence.obtains": Statement("its action brings in what the final answer repeats"),
    "influence.is_final": Statement("gives the final answer"),
    "progress.judged_stalled": _STALLED,
    "progress.first_stalled": _STALLED,
    "progress.judged_loop": Statement("the orchestrator sees a loop after it"),
    "progress.asked_again": Statement("the same is asked again after it"),
    "deviation.log": _UNLIKE,
    "deviation.others": _UNLIKE,
}
"""What more than the run's average step has of a column shows, by column of the wide table."""

STATEMENTS: dict[str, dict[str, Statement]] = {"short": SHORT, "wide": WIDE}
"""By member and column, for more than the average."""
LOW: dict[str, dict[str, Statement]] = {
    "short": SHORT_LOW,
    "wide": {"position.log_deeds_before": SHORT_LOW["log_deeds_before"]},
}
"""The same for less than the average."""
