"""Splits that do not leak: by group (question) and by duplicate history."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

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
    keys = [(("group", group(trace)), ("history", fingerprint(trace))) for trace in traces]
    return filled(joined(keys), k, seed)


def joined(keys: Sequence[Iterable[Hashable]]) -> list[list[int]]:
    """Positions of things that share a key, be it through others; each list, and all, in order.

    >>> joined(["ab", "x", "bc", "c"])
    [[0, 2, 3], [1]]
    """
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, own in enumerate(keys):
        for key in own:
            parent[root(i)] = root(first.setdefault(key, i))
    found: dict[int, list[int]] = defaultdict(list)
    for i in range(len(keys)):
        found[root(i)].append(i)
    return list(found.values())


def filled(members: Sequence[Sequence[int]], k: int, seed: int = 0) -> np.ndarray:
    """Fold, 0 to k-1, of each position: groups at random, largest first, each to the emptiest fold.

    `members` holds the positions of each group, every one from 0 to n-1 once.

    >>> filled([[0, 1, 2], [3], [4]], k=2).tolist()
    [0, 0, 0, 1, 1]
    """
    rng = np.random.default_rng(seed)
    order = sorted(rng.permutation(len(members)), key=lambda i: -len(members[i]))
    sizes = np.zeros(k, dtype=int)
    folds = np.zeros(sum(map(len, members)), dtype=int)
    for i in order:
        fold = int(np.argmin(sizes))
        folds[list(members[i])] = fold
        sizes[fold] += len(members[i])
    return folds


def dealt(groups: Sequence[str], k: int, seed: int = 0) -> np.ndarray:
    """Fold, 0 to k-1, of each case by the name of its group: the groups at random, dealt in turn.

    >>> dealt(["a", "b", "a", "c"], k=3).tolist()
    [1, 2, 1, 0]
    """
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    place = {names[at]: n % k for n, at in enumerate(order.tolist())}
    return np.array([place[name] for name in groups], dtype=int)
