"""What an evaluation run is told: one struct, the same for the API and the command line."""

from __future__ import annotations

from typing import Literal

import msgspec

from tracekit.errors import UsageError

Scorer = Literal["strict", "official"]
Protocol = Literal["folds", "lodo"]


class EvalConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one evaluation; raises `UsageError` for values that make no sense."""

    folds: int = 10
    """Folds of the cross-validation of fitted methods, at least 2."""
    seeds: tuple[int, ...] = (0,)
    """Each seed is one deal of the folds and one run of every random choice; figures are means
    over seeds, `n` stays the number of traces."""
    refit: bool = True
    """True: fitted methods are fitted on the training folds and scored out of fold. False: their
    shipped weights are scored as they are."""
    allow_seen: bool = False
    """Score shipped weights on traces they were fitted on, and mark the row; otherwise refuse."""
    protocol: Protocol = "folds"
    """`folds`: fitted methods are fitted out of fold on the same benchmark. `lodo` (leave one
    data set out): on the other benchmarks found in the data, without any run or question of this
    one."""
    scorer: Scorer = "strict"
    """`strict`: integers and normalised names; `official`: the benchmark's own scorer, which may
    be lenient."""
    with_answer: bool = False
    """Whether methods are shown the correct answer of the task."""

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise UsageError(f"--folds {self.folds}: at least 2 folds are needed")
        if not self.seeds:
            raise UsageError("--seeds: at least one seed is needed")
        if len(set(self.seeds)) != len(self.seeds):
            raise UsageError(f"--seeds {','.join(map(str, self.seeds))}: a seed is named twice")
        if any(seed < 0 for seed in self.seeds):
            raise UsageError("--seeds: a seed is an integer of at least 0")
        if self.scorer not in ("strict", "official"):
            raise UsageError(f"--scorer {self.scorer}: known are strict and official")
        if self.protocol not in ("folds", "lodo"):
            raise UsageError(f"--protocol {self.protocol}: known are folds and lodo")
        if self.protocol == "lodo" and not self.refit:
            raise UsageError("--protocol lodo fits methods anew; it does not go with --shipped")
