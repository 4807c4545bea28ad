"""Splits that do not leak: by group (question) and by duplicate history."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from tracekit.trace import Trace


def fingerprint(trace: Trace) -> str:
    """Hash of what was said, by whom, in order: 32 hex digits.

    Two copies of a run have the same fingerprint whatever their ids, paths and labels say; a card
    lists the fingerprints of the traces a model was fitted on.
    """
    digest = hashlib.sha256()
    for step in trace.steps:
        for text in (step.agent, step.content):
            data = text.encode("utf-8", "replace")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def question_key(trace: Trace) -> str:
    """The words of the question, whatever its case, blanks and punctuation: one key per task.

    Benchmarks draw on the same tasks and write them down differently; by this key a question has
    one group in all of them. A trace without a question goes by its task's id, or its own.

    >>> from tracekit.trace import Source, Task
    >>> ask = lambda text: Trace(id="t", source=Source(format="x"), task=Task(question=text))
    >>> question_key(ask("How  many?")), question_key(ask("")), question_key(ask("+?"))
    ('how many', 't', '+?')
    """
    text = unicodedata.normalize("NFKC", trace.task.question).casefold()
    words = " ".join(re.findall(r"\w+", text))
    return words or text.strip() or trace.task.id or trace.id


def grouped_folds(
    traces: Sequence[Trace], group: Callable[[Trace], str], k: int, seed: int = 0
) -> np.ndarray:
    """Fold number of each trace, int array of shape (n_traces,), values 0 to k-1.

    Traces of one group, or with one fingerprint, share a fold. Groups are dealt out at random,
    largest first, each to the fold that holds the fewest traces.

    >>> from tracekit.trace import Source, Task
    >>> traces = [Trace(id=i, source=Source(format="x"), task=Task(id=i[0])) for i in ("a1", "a2")]
    >>> folds = grouped_folds(traces, lambda trace: trace.task.id, k=2)
    >>> bool(folds[0] == folds[1])
    True
    """
    members = _components(traces, group)
    rng = np.random.default_rng(seed)
    order = sorted(rng.permutation(len(members)), key=lambda i: -len(members[i]))
    sizes = np.zeros(k, dtype=int)
    folds = np.zeros(len(traces), dtype=int)
    for i in order:
        fold = int(np.argmin(sizes))
        folds[members[i]] = fold
        sizes[fold] += len(members[i])
    return folds


def _components(traces: Sequence[Trace], group: Callable[[Trace], str]) -> list[list[int]]:
    """Positions of traces joined by a common group or a common history."""
    parent = list(range(len(traces)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, trace in enumerate(traces):
        for key in (("group", group(trace)), ("history", fingerprint(trace))):
            parent[root(i)] = root(first.setdefault(key, i))
    joined: dict[int, list[int]] = defaultdict(list)
    for i in range(len(traces)):
        joined[root(i)].append(i)
    return list(joined.values())
