"""The dialogue of `tracekit label`: a run step by step, and what a person says of it.

Everything is shown on stderr and read line by line, so that a pipe does as well as a keyboard.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from rich.console import RenderableType
from rich.text import Text

from tracekit.labels.book import Book
from tracekit.labels.modes import MODES, mode_codes
from tracekit.labels.table import DEFINITIONS, Row
from tracekit.report import terminal
from tracekit.report.explain import agent_name
from tracekit.report.visible import one_line
from tracekit.trace import Definition, Trace

KEYS = """Enter  the next step          b  the step before
N      go to step N           f  this step in full length
x      blame this step        n  blame an agent, but no single step
s      skip this run          q  leave (what was answered is saved)
?      these keys"""


class Leave(Exception):
    """The person wants to stop, or the input has ended."""


class Blame(NamedTuple):
    """What was picked while reading."""

    agent: str | None
    step: int | None


class Session:
    """One sitting of one annotator; every label is in the file before the next run is shown."""

    def __init__(self, book: Book, annotator: str | None, definition: Definition | None) -> None:
        self.book = book
        self.added = 0
        """Labels written in this sitting."""
        self._console = terminal.console(stderr=True)
        self._definition = definition
        self._keys_shown = False
        self._annotator = annotator

    @property
    def annotator(self) -> str:
        """Who is labelling; asked once when it was not given."""
        if self._annotator is None:
            self._annotator = self._ask("Your name, as annotator (may be empty)")
        return self._annotator

    def labelled(self, trace: str) -> bool:
        """Whether this annotator has labelled the run; False while nobody has said who that is."""
        return self._annotator is not None and self.book.holds(trace, self._annotator)

    def label(self, trace: Trace, place: str) -> None:
        """Show a run and add what is said of it; raises `Leave`."""
        self._say(Text(f"\n── run {place} ──", "bold"), terminal.trace_head(trace, limit=2_000))
        blame = self._read(trace)
        if blame is None:
            return
        row = Row(
            trace=trace.id,
            definition=self._definition or self._choose_definition(),
            agent=blame.agent,
            step=blame.step,
            modes=self._choose_modes(),
            annotator=self.annotator,
            reason=self._ask("Why, in a sentence (may be empty)") or None,
        )
        if self.book.holds(row.trace, row.annotator, row.definition):
            self._say(Text(f"You have labelled this run by {row.definition} already; not saved."))
            return
        self.book.add(row)
        self.added += 1
        self._say(Text(f"saved in {self.book.file}", "dim"))

    def _read(self, trace: Trace) -> Blame | None:
        """Walk through the steps until something is blamed; None = the run is skipped."""
        at = 0
        self._show(trace, at)
        if not self._keys_shown:
            self._say(Text(KEYS, "dim"))
            self._keys_shown = True
        while True:
            key = self._ask(f"step {at} of 0-{len(trace.steps) - 1}  [Enter b N f x n s q ?]")
            if key == "x":
                return Blame(trace.steps[at].agent, at)
            if key == "n":
                return Blame(self._choose_agent(trace), None)
            if key == "s":
                return None
            if key == "q":
                raise Leave
            if key == "f":
                self._show(trace, at, limit=sys.maxsize)
                continue
            aim = _aim(key, at)
            if aim is None:
                self._say(
                    Text(KEYS if key == "?" else f"{one_line(key)!r} is no key\n{KEYS}", "dim")
                )
            elif not 0 <= aim < len(trace.steps):
                self._say(Text("there is no such step: x or n to blame, s to skip", "dim"))
            else:
                at = aim
                self._show(trace, at)

    def _choose_agent(self, trace: Trace) -> str:
        names = [agent_name(trace, agent.id) for agent in trace.agents]
        self._say(Text("\n".join(f"{n:>3}  {name}" for n, name in enumerate(names, 1))))
        answer = self._checked(
            "Which agent, by number", lambda text: text.isdecimal() and 1 <= int(text) <= len(names)
        )
        return trace.agents[int(answer) - 1].id

    def _choose_definition(self) -> Definition:
        known = {name: name for name in DEFINITIONS} | {"": DEFINITIONS[0]}
        hint = f"Meaning of the label: {', '.join(DEFINITIONS)} [{DEFINITIONS[0]}]"
        return known[self._checked(hint, lambda text: text in known)]

    def _choose_modes(self) -> tuple[str, ...]:
        def fine(text: str) -> bool:
            if text == "?":
                self._say(Text("\n".join(f"{code}  {name}" for code, name in MODES.items()), "dim"))
                return False
            try:
                return mode_codes(_parts(text)) is not None
            except ValueError:
                return False

        return mode_codes(_parts(self._checked("Failure modes, as 1.3, 2.6 (? lists them)", fine)))

    def _checked(self, question: str, fine: Callable[[str], bool]) -> str:
        """An answer that is fine; asks again until it is."""
        while not fine(answer := self._ask(question)):
            if answer != "?":
                self._say(Text("that is none of the answers", "dim"))
        return answer

    def _ask(self, question: str) -> str:
        """One line of the input without its blanks; raises `Leave` at its end."""
        sys.stderr.write(f"{question}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            sys.stderr.write("\n")
            raise Leave
        return line.encode("utf-8", "replace").decode("utf-8").strip()

    def _show(self, trace: Trace, at: int, limit: int = 2_000) -> None:
        self._say(terminal.step_view(trace, at, limit=limit))

    def _say(self, *things: RenderableType) -> None:
        for thing in things:
            self._console.print(thing)


def hidden(trace: Trace) -> Trace:
    """The trace without what would give the answer away: others' labels, answer, stated reason."""
    return msgspec.structs.replace(
        trace,
        labels=(),
        task=msgspec.structs.replace(trace.task, expected=None),
        outcome=msgspec.structs.replace(trace.outcome, reason=None),
    )


def _aim(key: str, at: int) -> int | None:
    """The step that a key leads to, None for no such key."""
    if key in ("", "b"):
        return at + (1 if key == "" else -1)
    return int(key) if key.isdecimal() and len(key) < 10 else None


def _parts(text: str) -> Iterator[str]:
    return (part for part in text.replace(";", ",").split(",") if part.strip())
