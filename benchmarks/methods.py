"""Every method that needs no replay, on the labelled benchmarks, in one table each.

    OMP_NUM_THREADS=1 python benchmarks/methods.py --data $TRACEKIT_DATA --cache DIR

The table is that of `tracekit eval BENCHMARK --method compact,linear,ensemble,...`; the difference
is that fits are kept in a folder: `ensemble` needs those of `compact`, and a method that comes later
need not wait for them again. Methods that use a fitted one inside get it fitted on the same folds.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from tracekit import registry
from tracekit.analyzers.compact.analyzer import Compact
from tracekit.analyzers.ensemble import MEMBERS, Ensemble
from tracekit.analyzers.shapley.analyzer import Shapley
from tracekit.attribution import Attribution
from tracekit.context import Context
from tracekit.eval import tables
from tracekit.eval.leaderboard import evaluate
from tracekit.folds import fingerprint
from tracekit.protocols import Analyzer
from tracekit.store import atomic
from tracekit.trace import Trace

METHODS = (
    "compact", "ensemble", "linear", "shapley-compact", "shapley-prm", "value-drop", "influence",
    "first-error", "random",
)  # fmt: skip
BENCHMARKS = ("who-and-when", "agentrx", "agenterrorbench", "tracertraj", "trail")


class Kept:
    """`compact`, with its fits kept in a folder by what they were fitted on."""

    name = "compact"
    needs = Compact.needs
    name_blind = True
    version = Compact.version

    def __init__(self, folder: Path, model: Compact | None = None) -> None:
        self.folder = folder
        self.model = model or Compact()

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """As the model says."""
        return self.model.attribute(trace, context)

    def seen(self) -> frozenset[str]:
        """What the model has seen."""
        return self.model.seen()

    def fit(self, traces: Iterable[Trace], context: Context) -> "Kept":
        """Fitted now, or taken from the folder."""
        return self._made("fit", self.model.fit, traces, context)

    def draft(self, traces: Iterable[Trace], context: Context) -> "Kept":
        """The same, roughly."""
        return self._made("draft", self.model.draft, traces, context)

    def save(self, folder: Path) -> None:
        """The weights of the model."""
        self.model.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Compact:
        """The model of a folder."""
        return Compact.load(folder)

    def _made(
        self, how: str, make: Callable[..., Compact], traces: Iterable[Trace], context: Context
    ) -> "Kept":
        runs = list(traces)
        labels = [f"{fingerprint(t)} {[label.step for label in t.labels]}" for t in runs]
        words = "\n".join([how, str(context.seed), Compact.version, *labels])
        place = self.folder / hashlib.sha256(words.encode()).hexdigest()[:16]
        if not place.exists():
            made = make(runs, context)
            draft = place.with_suffix(".draft")
            draft.mkdir(parents=True, exist_ok=True)
            made.save(draft)
            draft.rename(place)
        return Kept(self.folder, Compact.load(place))


class Shared:
    """`shapley` on one log: the worth of a coalition by the value function that its name ends in.

    That of `compact` is fitted on the same folds; the process reward model knows no labels.
    """

    needs = Shapley.needs
    name_blind = True

    def __init__(self, value: str, kept: "Kept | None" = None) -> None:
        self.name = f"shapley-{value}"
        self.settings = {"value": value}
        self.kept = kept

    def attribute(self, trace: Trace, context: Context) -> Attribution:
        """As shapley says, under the name that it has here."""
        asked = Context(seed=context.seed, settings=self.settings)
        said = Shapley(self.kept).attribute(trace, asked)
        return msgspec.structs.replace(
            said, method=msgspec.structs.replace(said.method, name=self.name)
        )


class SharedFitted(Shared):
    """The same with `compact`, out of fold."""

    def __init__(self, kept: Kept) -> None:
        super().__init__("compact", kept)
        self.fitted = kept

    def seen(self) -> frozenset[str]:
        """What `compact` has seen."""
        return self.fitted.seen()

    def fit(self, traces: Iterable[Trace], context: Context) -> "SharedFitted":
        """With `compact` fitted on these runs."""
        return SharedFitted(self.fitted.fit(traces, context))


def analyzers(names: Iterable[str], cache: Path) -> list[Analyzer]:
    """The methods by name, those that build on `compact` with the one whose fits are kept."""
    kept = Kept(cache)
    special: dict[str, Any] = {"compact": kept, "ensemble": Ensemble(None, [kept], MEMBERS)}
    special |= {"shapley-compact": SharedFitted(kept), "shapley-prm": Shared("prm")}
    return [special.get(name) or registry.get("analyzers", name) for name in names]


def main() -> int:
    """Write a table a benchmark, as Markdown, and the cases as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--cache", type=Path, required=True, help="where fits are kept")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and cases")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--benchmarks", default=",".join(BENCHMARKS))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seeds", default="0")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.benchmarks.split(","):
        board = evaluate(
            name,
            analyzers(asked.methods.split(","), asked.cache),
            asked.data,
            folds=asked.folds,
            seeds=tuple(int(seed) for seed in asked.seeds.split(",")),
            progress=lambda done, total, what: print(f"{done}/{total} {what}", file=sys.stderr),
        )
        with atomic(asked.out / f"{name}.md") as stream:
            stream.write(tables.as_markdown(board).encode())
        with atomic(asked.out / f"{name}.jsonl") as stream:
            stream.writelines(tables.cases_jsonl(board))
        print(tables.as_text(board))
    return 0


if __name__ == "__main__":
    sys.exit(main())
