"""What methods that compare runs need of a corpus: its runs by task, made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from tracekit.folds import question_key
from tracekit.trace import Trace

T = TypeVar("T")


class Latest(Generic[T]):
    """Remembers what was made of the corpus that was asked about last.

    Verdicts on many runs share one corpus, and what is learned from it is learned once. The corpus
    itself is held, so that no other one can take its place unnoticed.

    >>> made = []
    >>> latest = Latest(lambda corpus, key: made.append(len(corpus)))
    >>> corpus = ()
    >>> latest.of(corpus, "a"), latest.of(corpus, "a"), made
    (None, None, [0])
    """

    def __init__(self, make: Callable[[Sequence[Trace], Hashable], T]) -> None:
        self._make = make
        self._kept: tuple[Sequence[Trace], int, Hashable, T] | None = None

    def of(self, corpus: Sequence[Trace], key: Hashable = None) -> T:
        """What `make` makes of the corpus and the key."""
        kept = self._kept
        if kept is None or kept[0] is not corpus or kept[1:3] != (len(corpus), key):
            kept = self._kept = (corpus, len(corpus), key, self._make(corpus, key))
        return kept[3]


def by_task(corpus: Sequence[Trace]) -> dict[str, list[Trace]]:
    """Runs of the same question together, in order of appearance (`folds.question_key`)."""
    found: dict[str, list[Trace]] = {}
    for trace in corpus:
        found.setdefault(question_key(trace), []).append(trace)
    return found
