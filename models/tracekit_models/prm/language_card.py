"""The model card of a value model on a language model."""

from __future__ import annotations

import hashlib

import msgspec

from tracekit.analyzers.models import card_header
from tracekit.version import __version__
from tracekit_models.prm.evaluation import told
from tracekit_models.prm.language_fit import CURVED, Trained


def card(trained: Trained, *, licence: str | None = None) -> str:
    """A YAML header, the backbone, the data and its hash, the protocol, and how good it is."""
    settings = trained.values.language.settings
    base = None if settings.base is None else settings.base.partition("@")[0]
    return "\n".join(
        [
            *card_header("process-reward-model", "multi-agent", licence=licence, base=base),
            f"# prm-language, fitted on {trained.runs} runs",
            "",
            "A language model that says how likely an unfinished run is to end well. Use:",
            "",
            "    tracekit score LOGS --model FOLDER",
            "",
            *_facts(trained),
            "",
            "## On held-out problems",
            "",
            *_protocol(trained),
            *told(trained.figures, trained.unevaluated),
            "",
            "## Recipe",
            "",
            "```json",
            _recipe(trained),
            "```",
            "",
        ]
    )


def _facts(trained: Trained) -> list[str]:
    settings = trained.values.language.settings
    lines = "".join(f"{one}\n" for one in settings.traces)
    base = settings.base or "a folder; its weights and configuration lie here"
    reads = "the run as one text" if settings.backbone.reads == "run" else "message by message"
    return [
        f"- Backbone: {base}. It reads {reads}.",
        (
            f"- Targets: {trained.source}; {trained.runs} runs of {trained.problems} problems, "
            f"{trained.succeeded:.1%} succeeded. Systems: {', '.join(trained.systems)}."
        ),
        "- Values hold for these systems, as they were. A changed prompt, model or order of agents",
        "  is another system; runs unlike these are flagged by their features, not by their names.",
        (
            "- Fingerprints of the runs: `fingerprints.txt`, SHA-256 "
            f"{hashlib.sha256(lines.encode()).hexdigest()}. Their text is not in this folder."
        ),
        f"- Made by tracekit {__version__} with seed {trained.wanted.seed}.",
    ]


def _protocol(trained: Trained) -> list[str]:
    if trained.figures is None:
        return []
    curve = (
        "Slope and shift are fitted on them; for the error below, on seven eighths of them in turn."
    )
    if trained.held < CURVED:
        curve = "They are too few to calibrate by: values are as the network gives them."
    return [
        (
            f"{trained.held} of the {trained.problems} problems were held out: the weights never saw "
            "their runs."
        ),
        curve,
        "",
    ]


def _recipe(trained: Trained) -> str:
    settings = trained.values.language.settings
    found = {"backbone": settings.backbone, "recipe": trained.wanted.recipe}
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
