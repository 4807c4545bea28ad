"""What gives an injected step away that should not: words, place, speaker, length.

A tracer that learns "the odd one out was injected" has learned nothing of failures (AEGIS injects
every call of an agent, and a small network on word statistics then finds the agent). So the
question "is this the injected step?" is put to classifiers that see one trivial thing each. Words
are compared with those of steps that were not struck, of the same role and kind, under the same
family and topology; place, speaker and length with all steps of the clean twins. Classifiers are
fitted and asked on different tasks. Needs the extra `analyze` (scikit-learn).
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from tracekit.inject.modes import MODES
from tracekit.optional import require
from tracekit.stats import Estimate, auroc
from tracekit.store import decode_trace
from tracekit.trace import Step, Trace

Sight = Literal["words", "position", "agent", "length"]
SIGHTS: tuple[Sight, ...] = ("words", "position", "agent", "length")
"""What a classifier sees: the words of a step; where it stands; who speaks; how long it is."""

Fault = Literal["content", "structural"]
FAULTS: tuple[Fault, ...] = ("content", "structural")
Kind = tuple[str, Fault]

BOUND = 0.65
"""Area under the curve that words may reach at most, for modes whose fault is in the content."""
FOLDS = 5
"""Parts that the tasks are dealt out to."""
OTHERS = 3
"""Steps that were not struck for each one that was, in the comparison of words."""
MOST = 2000
"""Struck steps of a mode that are looked at."""
FEWEST = 30
"""Struck steps below which nothing is said about a mode."""
DRAWS = 200
"""Bootstrap draws over tasks."""


STRUCTURAL = frozenset({"message-drop", "message-duplicate", "premature-stop", "role-swap"})
"""Strategies that change which messages there are; where one is dropped or the run is cut, the
words at that place are not the fault's."""


class Sample(msgspec.Struct, frozen=True):
    """A step as a classifier meets it."""

    struck: bool
    group: str
    """Key of the task."""
    role: str
    text: str
    position: int
    share: float
    """Place in the run, 0 to 1."""


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """What one trivial classifier makes of one mode."""

    mode: str
    """Code of the mode; `all` = all content faults together."""
    fault: Fault
    """Whether what is said is the fault, or which messages there are."""
    sees: Sight
    """What the classifier sees."""
    n: int
    """Struck steps."""
    others: int
    """Steps that were not struck."""
    auc: float
    """Area under the curve out of fold; 0.5 is blindness."""
    low: float
    """Lower end of the 95 % interval, by bootstrap over tasks."""
    high: float
    """Upper end."""
    bound: float | None = None
    """What it may reach at most; None = no bound."""

    @property
    def passed(self) -> bool | None:
        """Whether it keeps the bound; None without one."""
        return None if self.bound is None else self.auc <= self.bound


class Pool:
    """Steps of runs, by mode, taken in row by row."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._struck: dict[Kind, list[tuple[str, Sample]]] = defaultdict(list)
        self._plain: dict[str, list[tuple[str, Sample]]] = defaultdict(list)
        self._twins: dict[str, list[Sample]] = {}
        self._clean_of: dict[Kind, list[str]] = defaultdict(list)

    def take(self, row: dict[str, Any]) -> None:
        """A row of a data set, with the columns `USED`."""
        trace = decode_trace(row["trace"].encode())
        place = f"{row['family']}/{row['topology']}"
        if row["kind"] == "clean":
            self._twins[row["id"]] = [
                _sample(trace, step, row["group"], struck=False) for step in trace.steps
            ]
        elif row["kind"] in ("failure", "offline"):
            kinds = [
                kind(mode, strategy)
                for mode, strategy in zip(row["modes"], row["strategies"], strict=True)
            ]
            struck = dict(zip(row["injected_steps"], kinds, strict=True))
            for step in trace.steps:
                sample = _sample(trace, step, row["group"], struck=step.index in struck)
                key = f"{place}/{sample.role}/{step.kind}"
                if step.index in struck:
                    self._struck[struck[step.index]].append((key, sample))
                    self._clean_of[struck[step.index]].append(row["clean_id"])
                elif step.index < min(struck, default=0):  # later ones may carry the fault on
                    self._plain[key].append((row["clean_id"], sample))
        if row["kind"] == "clean":
            for step, sample in zip(trace.steps, self._twins[row["id"]], strict=True):
                key = f"{place}/{sample.role}/{step.kind}"
                self._plain[key].append((row["id"], sample))

    def leaks(self) -> list[Leak]:
        """Every classifier on every mode with enough steps, modes in the order of the table."""
        found = []
        content: list[tuple[str, Sample]] = []
        for each in [(mode, fault) for mode in MODES for fault in FAULTS]:
            struck = self._limited(self._struck[each], each)
            if len(struck) < FEWEST:
                continue
            if each[1] == "content":
                content += struck
            found += [self._leak(each, sees, struck) for sees in SIGHTS]
        if content:
            everything: Kind = ("all", "content")
            struck = self._limited(content, everything)
            found.append(self._leak(everything, "words", struck))
        return found

    def _limited(self, items: list[tuple[str, Sample]], mode: Kind) -> list[tuple[str, Sample]]:
        rng = random.Random(f"leaks/{self._seed}/{'/'.join(mode)}")  # noqa: S311 - no secret
        return rng.sample(items, MOST) if len(items) > MOST else items

    def _leak(self, each: Kind, sees: Sight, struck: list[tuple[str, Sample]]) -> Leak:
        words = sees == "words"
        others = self._alike(struck, each) if words else self._beside(each, len(struck))
        samples = [sample for _, sample in struck] + others
        estimate = auc_out_of_fold(samples, sees, self._seed)
        return Leak(
            mode=each[0],
            fault=each[1],
            sees=sees,
            n=len(struck),
            others=len(others),
            auc=round(estimate.value, 4),
            low=round(estimate.low, 4),
            high=round(estimate.high, 4),
            bound=BOUND if words and each[1] == "content" else None,
        )

    def _alike(self, struck: Sequence[tuple[str, Sample]], mode: Kind) -> list[Sample]:
        """Steps of the same role, family and topology that were not struck."""
        rng = random.Random(f"leaks/{self._seed}/{'/'.join(mode)}/others")  # noqa: S311 - no secret
        wanted: dict[str, int] = defaultdict(int)
        for key, _ in struck:
            wanted[key] += OTHERS
        found: list[Sample] = []
        for key, count in wanted.items():
            pool = [sample for _, sample in self._plain[key]]
            found += rng.sample(pool, count) if len(pool) > count else pool
        return found

    def _beside(self, mode: Kind, struck: int) -> list[Sample]:
        """All steps of the clean twins, within reason."""
        rng = random.Random(f"leaks/{self._seed}/{'/'.join(mode)}/twins")  # noqa: S311 - no secret
        twins = dict.fromkeys(self._clean_of[mode])
        steps = [sample for twin in twins for sample in self._twins.get(twin, [])]
        most = 10 * struck
        return rng.sample(steps, most) if len(steps) > most else steps


def kind(mode: str, strategy: str) -> Kind:
    """A mode, and whether it was brought about by what is said or by which messages there are.

    >>> kind("FM-2.4", "message-drop"), kind("FM-2.6", "response-corruption")
    (('FM-2.4', 'structural'), ('FM-2.6', 'content'))
    """
    structural = strategy in STRUCTURAL or MODES[mode].structural
    return mode, "structural" if structural else "content"


USED = [
    "kind",
    "id",
    "clean_id",
    "group",
    "family",
    "topology",
    "injected_steps",
    "modes",
    "strategies",
    "trace",
]
"""Columns that the report reads."""


def report(rows: Iterable[dict[str, Any]], seed: int = 0) -> list[Leak]:
    """The leak report of a data set; raises `MissingExtra` without scikit-learn."""
    require("sklearn", extra="analyze")
    pool = Pool(seed)
    for row in rows:
        pool.take(row)
    return pool.leaks()


def auc_out_of_fold(samples: Sequence[Sample], sees: Sight, seed: int = 0) -> Estimate:
    """Area under the curve of scores that were given out of fold, with its interval."""
    scores = _scores(samples, sees)
    y = np.array([sample.struck for sample in samples])
    groups: dict[str, list[int]] = defaultdict(list)
    for here, sample in enumerate(samples):
        groups[sample.group].append(here)
    members = [np.array(places) for places in groups.values()]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS):
        at = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        drawn.append(auroc(scores[at], y[at]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Estimate(auroc(scores, y), float(low), float(high))


def _scores(samples: Sequence[Sample], sees: Sight) -> np.ndarray:
    """A score for each step, by a classifier that was fitted on other tasks."""
    folds = np.array([_fold(sample.group) for sample in samples])
    y = np.array([sample.struck for sample in samples])
    scores = np.full(len(samples), 0.5)
    for fold in range(FOLDS):
        test, train = folds == fold, folds != fold
        if test.any() and y[train].any() and not y[train].all():
            made = _fitted(
                sees, [s for s, one in zip(samples, train, strict=True) if one], y[train]
            )
            scores[test] = made([s for s, one in zip(samples, test, strict=True) if one])
    return scores


def _fitted(sees: Sight, train: Sequence[Sample], y: np.ndarray) -> Any:
    """A fitted logistic regression: samples to log-odds."""
    text = require("sklearn.feature_extraction.text", extra="analyze")
    linear = require("sklearn.linear_model", extra="analyze")
    vectorizer = require("sklearn.feature_extraction", extra="analyze").DictVectorizer()
    if sees == "words":
        vectorizer = text.CountVectorizer(min_df=2, binary=True)
    view = VIEWS[sees]
    model = linear.LogisticRegression(C=0.3, max_iter=300, class_weight="balanced")
    model.fit(vectorizer.fit_transform([view(sample) for sample in train]), y)
    return lambda test: model.decision_function(
        vectorizer.transform([view(sample) for sample in test])
    )


VIEWS: dict[Sight, Any] = {
    "words": lambda s: s.text,
    "position": lambda s: {f"at {min(s.position, 20)}": 1.0, f"tenth {int(s.share * 9.99)}": 1.0},
    "agent": lambda s: {s.role: 1.0},
    "length": lambda s: {f"length {len(s.text).bit_length()}": 1.0, "log": np.log1p(len(s.text))},
}
"""What each classifier is given of a step."""


def _fold(group: str) -> int:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") % FOLDS


def _sample(trace: Trace, step: Step, group: str, *, struck: bool) -> Sample:
    role = trace.agent(step.agent).role or step.agent
    share = step.index / max(1, len(trace.steps) - 1)
    return Sample(struck, group, role, step.content, step.index, share)
