"""The card of recorded runs with faults written into them: nothing was replayed, and it says so."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit.inject.card_parts import (
    LOAD,
    Tables,
    column_table,
    contents,
    header,
    leak_report,
    table,
)
from tracekit.inject.dataset import Manifest
from tracekit.inject.labels import TEXTS
from tracekit.inject.leaks import Leak
from tracekit.inject.modes import MODES
from tracekit.inject.rows import ABOUT

REPLAYED = (
    "decisive_step",
    "decisive_agent",
    "effect",
    "effect_low",
    "effect_high",
    "effect_n",
    "rate_with",
    "rate_without",
    "replay_seed",
    "first_unrecoverable_step",
    "first_unrecoverable_n",
    "undo_effect",
    "undo_low",
    "undo_high",
)
"""Columns that only replays can fill."""
UNUSED = ("family", "topology", "every_call", "verified", "hard_negative", "run_seed", "replays")
"""Columns that say nothing of a recording: empty, false or 0 in every row."""
NO_OTHERS = "There is no `decisive` and no `first-unrecoverable` label: both take replays."


def offline_card(
    manifest: Manifest,
    tables: Tables,
    leaks: Sequence[Leak] | None,
    licence: str | None = None,
) -> str:
    """The page of a set made from recordings, with the header that the Hub reads."""
    about = ABOUT | {
        "kind": "`offline` (a recording with a fault written into it), `clean` (the recording)",
        "group": "key of the task, which several recordings may have",
        "clean_id": "id of the recording; its own id for a recording",
        "system": "framework or format of the log",
        "outcome": "as recorded, or `failure` where the right answer was replaced or cut off",
    }
    empty = ", ".join(f"`{name}`" for name in (*REPLAYED, *UNUSED))
    parts = [
        header(manifest, tables, licence, "recorded runs with faults written into them"),
        _intro(manifest, tables, licence),
        "## What is in it\n\n" + _contents(tables),
        "## Faults\n\n" + _faults(tables),
        f"## Labels\n\n- `injected`: {TEXTS['injected']}\n\n{NO_OTHERS}",
        "## Leaks\n\n" + leak_report(leaks),
        "## Columns\n\n"
        + column_table(about, (*REPLAYED, *UNUSED))
        + f"\n\nNothing was replayed, so these are empty, false or 0: {empty}.",
        LIMITS,
    ]
    return "\n\n".join(parts).rstrip("\n") + "\n"


def _intro(manifest: Manifest, tables: Tables, licence: str | None) -> str:
    spec = manifest.spec
    return f"""# Recorded runs with faults written into them

{tables.kinds["offline"]:,} runs that were recorded as successes, each with one fault written into
it afterwards by manipulator `{spec.manipulator}`, and the {tables.kinds["clean"]:,} recordings that
they were made from. **Nothing was replayed**: no agent, model or tool has seen the changed text. What
follows a fault is the recording, with the new value wherever the old one was quoted.

Built by tracekit {manifest.tracekit} with seed {spec.seed}. `manifest.json` holds the specification,
with the fingerprints of the {len(spec.recordings):,} recordings on offer, and the hash of every file;
with the same recordings it gives the same bytes again.

{LOAD}

Licence: {licence or "not stated"}. The runs hold whatever the logs hold: redact before you publish."""


def _contents(tables: Tables) -> str:
    failed = sum(n for (*_, outcome), n in tables.offline.items() if outcome == "failure")
    text = (
        f"{contents(tables)}\n\nBy construction {failed:,} of {tables.kinds['offline']:,} changed "
        "runs have lost the right answer (`outcome` is `failure`); the others still end in it."
    )
    if len({split for split, _ in tables.splits}) > 1:
        text += " The parts share no recording; runs of one `group` (task) may stand in several."
    return text


def _faults(tables: Tables) -> str:
    faults = sorted({(mode, strategy) for mode, strategy, _ in tables.offline})
    rows = []
    for mode, strategy in faults:
        made = {o: n for (m, s, o), n in tables.offline.items() if (m, s) == (mode, strategy)}
        counts = [f"{sum(made.values()):,}", f"{made.get('failure', 0):,}"]
        rows.append([f"{mode} {MODES[mode].name}", strategy, *counts])
    return table(["mode", "strategy", "written", "answer lost"], rows) + (
        "\n\nA fault is written only where its consequences are nothing but quotes; where somebody "
        "could have derived something from what was changed it is refused. So the mix of modes is "
        "that of the occasions, and modes that act on what an agent is given are missing."
    )


LIMITS = """## Limits

- That the fault stands in this step is certain; that it would have broken a real run is not known.
  Real agents might have noticed, asked or corrected it.
- The later steps were said in answer to the right value. A model may learn to find the fault by
  what the others do not say about it.
- The mode says how a fault was made, not how a person would name the failure that came of it.
- Do not mix the set with runs that people labelled, or whose decisive step was found by replay,
  without a column that keeps them apart."""
