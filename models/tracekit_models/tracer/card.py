"""The final model of a recipe in one folder, with its card and its figures on held-out questions."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tracekit.analyzers.models import card_header
from tracekit.analyzers.tracer.analyzer import DEFAULTS
from tracekit.analyzers.tracer.trained import FILE, write
from tracekit.metrics import chance
from tracekit.stats import Estimate
from tracekit.trace import Label, Trace
from tracekit.version import __version__
from tracekit_models.tracer.evaluate import Figures, figures, score
from tracekit_models.tracer.local import load
from tracekit_models.tracer.recipe import asked
from tracekit_models.tracer.train import Made, held_out

FINAL = "final"
"""Folder of the model to use, below the output."""
EVAL = Path(".eval_results") / "tracekit.json"


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is ready to use."""

    folder: Path
    made: Made
    figures: Figures
    """On the held-out questions."""
    step_by_chance: float
    """What naming a step of the team at random would get there, 0 to 1."""
    agent_by_chance: float


def finish(made: Made, traces: Sequence[Trace], out: Path, *, licence: str | None) -> Finished:
    """Score the last stage on held-out questions, and put it into a folder with its card."""
    last = out / made.stages[-1]
    recipe = made.recipe
    if not (last / FILE).is_file():  # a base alone is trained on no prompt
        write(asked(recipe), last)
    writer = load(str(last), {**DEFAULTS, "model": str(last)})
    held = held_out(recipe, traces, writer.count)
    by_chance = [
        chance(one.trace, Label("decisive", agent=one.agent, step=one.step)) for one in held
    ]
    found = Finished(
        folder=out / FINAL,
        made=made,
        figures=figures(score(writer, held, recipe.seed)),
        step_by_chance=_mean([one.step for one in by_chance]),
        agent_by_chance=_mean([one.agent for one in by_chance]),
    )
    shutil.rmtree(found.folder, ignore_errors=True)
    shutil.copytree(last, found.folder, ignore=shutil.ignore_patterns("work", "DONE"))
    (found.folder / "README.md").write_text(card(found, licence=licence), encoding="utf-8")
    (found.folder / "fingerprints.txt").write_text(
        "".join(f"{print_}\n" for print_ in made.fingerprints)
    )
    results = found.folder / EVAL
    results.parent.mkdir()
    results.write_bytes(msgspec.json.format(msgspec.json.encode(found.figures), indent=2) + b"\n")
    return found


def card(found: Finished, *, licence: str | None = None) -> str:
    """The model card: a YAML header, the recipe, the data, the figures beside chance, the limits."""
    made, recipe = found.made, found.made.recipe
    base = recipe.base if isinstance(recipe.base, str) else None
    shown = "sees" if recipe.prompt.with_answer else "does not see"
    told = msgspec.json.format(msgspec.json.encode(recipe), indent=2).decode()
    return "\n".join(
        [
            *card_header("failure-attribution", "multi-agent", "trl", licence=licence, base=base),
            f"# {recipe.name}: a tracer",
            "",
            "Reads the log of a failed run of a team of agents and names the decisive step. Use:",
            "",
            "    tracekit attribute LOGS --method tracer --model FOLDER",
            "",
            f"- Base: {base or 'made here, from nothing'}. Stages: {', '.join(made.stages)}.",
            f"- Prompts: {', '.join(made.prompts)}; it {shown} the correct answer of the task.",
            (
                f"- Data: {len(made.fingerprints)} labelled failures (`fingerprints.txt`), {made.train}"
                f" prompts to learn from, {made.held_out} of other questions to stop by."
            ),
            f"- Made by tracekit {__version__} with seed {recipe.seed}.",
            "- It knows the systems and tasks of these runs and no others.",
            "",
            "## On held-out questions",
            "",
            "Training stopped by the loss and the reward on these, so they flatter a little.",
            "",
            *table(found),
            "",
            "## Recipe",
            "",
            "```json",
            told,
            "```",
            "",
        ]
    )


def table(found: Finished) -> list[str]:
    """Figures with 95 % intervals beside chance, in Markdown."""
    rows = found.figures
    chances = {"agent": found.agent_by_chance, "step": found.step_by_chance}
    lines = [f"| {rows.n} prompts | tracer % | chance % |", "| --- | --- | --- |"]
    named: dict[str, Estimate] = {
        "agent": rows.agent,
        "step": rows.step,
        "agent and step": rows.joint,
        "answer can be read": rows.valid,
    }
    for name, share in named.items():
        by_chance = f"{100 * chances[name]:.1f}" if name in chances else ""
        told = f"{100 * share.value:.1f} ({100 * share.low:.0f} to {100 * share.high:.0f})"
        lines.append(f"| {name} | {told} | {by_chance} |")
    return lines


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
