"""What the stages of a tracer came to: their table beside simpler answers, their data, their curves.

    python benchmarks/tracer_stages_report.py table --out out/stages
    python benchmarks/tracer_stages_report.py data --out out/stages
    python benchmarks/tracer_stages_report.py curves --out out/stages --images docs/img

The folder is that of `tracer_stages.py`. An arm is the mean over its seeds of each case; a
difference is taken seed by seed, over the seeds that both arms have. Intervals (95 %) draw whole
questions, with all seeds of a case together. Beside the arms: `compact` as it ships, the two
constants that always name the first or the last step and who took it, and the expectation of a step
drawn at random. Runs that a fault struck and that succeeded all the same are left out: nothing in them
was decisive.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from tracekit import registry
from tracekit.context import Context
from tracekit.folds import fingerprint
from tracekit.metrics import chance, score
from tracekit.stats import bootstrap
from tracekit.trace import Label
from tracekit_models.tracer.data import Sample
from tracekit_models.tracer.evaluate import Scored

SETS = ("questions", "topology", "family")
ARMS = ("sft", "continued", "rejection", "grpo")
PARTS = ("agent", "step", "both", "valid")

Case = dict[str, float]
"""What is right of one answer, by part, 0 or 1; a mean of that over seeds; or its expectation."""


def table(given: argparse.Namespace) -> None:
    """Shares over seeds with intervals, and how far `grpo` is above each arm on the same seeds."""
    print("| set | who | seeds | agent % | step % | both % | valid % | both: `grpo` minus this |")
    print("|---|---|---|---:|---:|---:|---:|---:|")
    for name in SETS:
        samples = samples_of(given.out / f"{name}-pages.jsonl")
        failed = [n for n, sample in enumerate(samples) if sample.trace.failed]
        samples = [samples[n] for n in failed]
        questions = [sample.question for sample in samples]
        arms = {arm: answers(given.out, arm, name, failed) for arm in ARMS}
        for arm, seeds in arms.items():
            if seeds:
                shares = [_share(mean(list(seeds.values())), part, questions) for part in PARTS]
                both = "" if arm == "grpo" else _gap(arms["grpo"], seeds, questions)
                print(f"| {name} | `{arm}` | {_listed(seeds)} | {' | '.join(shares)} | {both} |")
        for who, cases in beside(samples).items():
            shares = [_share(cases, part, questions) for part in PARTS]
            both = _gap(arms["grpo"], dict.fromkeys(arms["grpo"], cases), questions)
            print(f"| {name} | {who} | | {' | '.join(shares)} | {both} |", flush=True)


def samples_of(path: Path) -> list[Sample]:
    """The cases of a set, or the samples of training."""
    decoder = msgspec.json.Decoder(Sample)
    return [decoder.decode(line) for line in path.read_bytes().splitlines()]


def answers(out: Path, arm: str, name: str, which: list[int]) -> dict[str, list[Case]]:
    """What an arm got right of some cases of a set, in order, for each seed that there is."""
    found = {}
    for path in sorted(out.glob(f"seed*/{arm}-{name}.jsonl")):
        said = [msgspec.json.decode(line, type=Scored) for line in path.read_bytes().splitlines()]
        found[path.parent.name.removeprefix("seed")] = [
            _case(said[n], said[n].valid) for n in which
        ]
    return found


def mean(seeds: list[list[Case]]) -> list[Case]:
    """Each case over the seeds."""
    return [
        {part: sum(one[part] for one in cases) / len(cases) for part in PARTS}
        for cases in zip(*seeds, strict=True)
    ]


def beside(samples: list[Sample]) -> dict[str, list[Case]]:
    """What takes no training here: `compact`, two constants, and chance."""
    compact, context = registry.get("analyzers", "compact"), Context()
    found: dict[str, list[Case]] = {
        who: [] for who in ("`compact`", "first step", "last step", "random")
    }
    for sample in samples:
        label = Label("decisive", agent=sample.agent, step=sample.step)
        steps = sample.trace.steps
        verdict = compact.attribute(sample.trace, context)
        worth = score(verdict, label, len(steps))
        found["`compact`"].append(_case(worth, verdict.abstained is None))
        found["random"].append(_case(chance(sample.trace, label), valid=True))
        for who, at in (("first step", 0), ("last step", len(steps) - 1)):
            agent, step = float(steps[at].agent == sample.agent), float(at == sample.step)
            found[who].append({"agent": agent, "step": step, "both": agent * step, "valid": 1.0})
    return found


def _case(worth: Any, valid: bool) -> Case:
    return {
        "agent": float(worth.agent or 0),
        "step": float(worth.step or 0),
        "both": float(worth.joint or 0),
        "valid": float(valid),
    }


def _share(cases: list[Case], part: str, questions: list[str]) -> str:
    share = bootstrap([case[part] for case in cases], questions)
    return f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def _gap(first: dict[str, list[Case]], second: dict[str, list[Case]], questions: list[str]) -> str:
    common = sorted(first.keys() & second.keys())
    if not common:
        return ""
    differences = [
        sum(a["both"] - b["both"] for a, b in pairs) / len(common)
        for pairs in zip(
            *(zip(first[seed], second[seed], strict=True) for seed in common), strict=True
        )
    ]
    gap = bootstrap(differences, questions)
    return f"{100 * gap.value:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"


def _listed(seeds: dict[str, Any]) -> str:
    return ", ".join(seeds)


def data(given: argparse.Namespace) -> None:
    """Cases, questions, and the hash of the sorted fingerprints of each part, one a line."""
    parts = {name: samples_of(given.out / f"{name}-pages.jsonl") for name in ("train", *SETS)}
    seen = {sample.question for sample in parts["train"]}
    print("| part | runs | failed | questions | asked in training, too | SHA-256 of fingerprints |")
    print("|---|---:|---:|---:|---:|---|")
    for name, samples in parts.items():
        prints = sorted({fingerprint(sample.trace) for sample in samples})
        digest = hashlib.sha256("".join(f"{one}\n" for one in prints).encode()).hexdigest()
        asked = {sample.question for sample in samples}
        both = "" if name == "train" else len(asked & seen)
        failed = sum(sample.trace.failed is True for sample in samples)
        print(f"| {name} | {len(samples)} | {failed} | {len(asked)} | {both} | `{digest[:16]}…` |")


Point = tuple[float, float]
WIDTH, HEIGHT, GAP, LEFT, TOP = 200, 150, 76, 56, 42
"""Of a panel, between panels, and before the first, in units of the picture."""
STYLE = """\
svg{--paper:#fff;--ink:#222;--faint:#ddd;--0:#1b6ca8;--1:#b8500f;--2:#3d7d2c;--3:#8a4fa3}
@media (prefers-color-scheme:dark){
svg{--paper:#16181c;--ink:#ddd;--faint:#3a3d42;--0:#6cb4ec;--1:#f0965a;--2:#86c973;--3:#cf9ae6}}
text{fill:var(--ink);font:12px sans-serif}polyline{fill:none;stroke-width:1.5}"""


def curves(given: argparse.Namespace) -> None:
    """Two pictures: rewards, length and entropy of GRPO; held-out loss of what is supervised."""
    given.images.mkdir(parents=True, exist_ok=True)
    logs = {
        arm: {
            path.parents[1].name.removeprefix("seed"): history(path)
            for path in sorted(given.out.glob(f"seed*/{arm}/curves.json"))
        }
        for arm in ARMS
    }
    grpo = {f"seed {seed}": log for seed, log in logs["grpo"].items()}
    panels = {
        title: {name: series(log, key) for name, log in grpo.items()}
        for title, key in (
            ("reward", "reward"),
            ("held-out reward", "eval_reward"),
            ("tokens of an answer", "completions/mean_length"),
            ("entropy of a token, nats", "entropy"),
        )
    }
    draw(given.images / "tracer-grpo.svg", "GRPO, by step", panels)
    panels = {
        f"{arm}: held-out loss": {
            f"seed {seed}": series(log, "eval_loss") for seed, log in logs[arm].items()
        }
        for arm in ARMS[:3]
    }
    draw(given.images / "tracer-loss.svg", "Supervised stages, by step", panels)


def history(path: Path) -> list[dict[str, Any]]:
    """What a trainer noted on its way."""
    found: list[dict[str, Any]] = msgspec.json.decode(path.read_bytes())["log_history"]
    return found


def series(log: list[dict[str, Any]], key: str) -> list[Point]:
    """One value by step, where it was noted."""
    return [(float(note["step"]), float(note[key])) for note in log if key in note]


def draw(path: Path, title: str, panels: dict[str, dict[str, list[Point]]]) -> None:
    """Panels side by side, a line for each name, as an SVG that follows light and dark."""
    shown = sorted({name for lines in panels.values() for name in lines})
    width, height = LEFT + len(panels) * (WIDTH + GAP) - GAP + 20, TOP + HEIGHT + 56
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" style="fill:var(--paper)"/>',
    ]
    for n, (name, lines) in enumerate(panels.items()):
        out += panel(name, lines, LEFT + n * (WIDTH + GAP))
    for n, name in enumerate(shown):
        x, y = LEFT + 90 * n, height - 12
        out.append(f'<path d="M{x} {y - 4}h18" style="{_stroke(name)};stroke-width:2"/>')
        out.append(f'<text x="{x + 24}" y="{y}">{escape(name)}</text>')
    path.write_text("\n".join([*out, "</svg>\n"]), encoding="utf-8")


def panel(title: str, lines: dict[str, list[Point]], left: int) -> list[str]:
    """One plot: the axes start at the least step and value, and end at the greatest."""
    points = [point for line in lines.values() for point in line]
    out = [f'<text x="{left}" y="{TOP - 16}" style="font-weight:bold">{escape(title)}</text>']
    if not points:
        return out
    (x0, x1), (y0, y1) = _ends([x for x, _ in points]), _ends([y for _, y in points])

    def at(point: Point) -> Point:
        x, y = (point[0] - x0) / (x1 - x0), (point[1] - y0) / (y1 - y0)
        return left + WIDTH * x, TOP + HEIGHT * (1 - y)

    for part in (0.0, 0.5, 1.0):
        y, x = y0 + part * (y1 - y0), x0 + part * (x1 - x0)
        height, place = at((x0, y))[1], at((x, y0))[0]
        out += [
            f'<path d="M{left} {height:.1f}h{WIDTH}" style="stroke:var(--faint)"/>',
            f'<text x="{left - 6}" y="{height + 4:.1f}" text-anchor="end">{y:.3g}</text>',
            f'<text x="{place:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{x:.0f}</text>',
        ]
    for name, line in lines.items():
        stroke, dots = _stroke(name), [at(point) for point in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        out.append(f'<polyline points="{path}" style="{stroke}"/>')
        if len(dots) < 12:  # few enough to show where it was measured
            out += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" style="fill:none;{stroke}"/>'
                for x, y in dots
            ]
    return out


def _stroke(name: str) -> str:
    """A seed has one colour in every picture."""
    return f"stroke:var(--{int(name.removeprefix('seed ')) % 4})"


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True)
    actions: dict[str, Callable[[argparse.Namespace], None]] = {
        "table": table, "data": data, "curves": curves,
    }  # fmt: skip
    for name, action in actions.items():
        part = parts.add_parser(name, help=(action.__doc__ or "").splitlines()[0])
        part.set_defaults(action=action)
        part.add_argument("--out", type=Path, required=True, help="folder of the stages")
        if name == "curves":
            part.add_argument("--images", type=Path, required=True, help="folder for the pictures")
    given = parser.parse_args()
    given.action(given)


if __name__ == "__main__":
    main()
