"""A labelled run as a row of a table: fixed columns, and the whole trace as one line of JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from tracekit.inject.labels import ENDLESS, Labelled
from tracekit.inject.types import Injected
from tracekit.store import encode
from tracekit.trace import SCHEMA, Trace
from tracekit.version import __version__

COLUMNS: dict[str, Any] = {
    "schema": "string",
    "id": "string",
    "kind": "string",
    "split": "string",
    "group": "string",
    "clean_id": "string",
    "system": "string",
    "family": "string",
    "topology": "string",
    "question": "string",
    "expected": "string",
    "outcome": "string",
    "answer": "string",
    "steps": "int32",
    "agents": "int32",
    "modes": ["string"],
    "strategies": ["string"],
    "faulty_agents": ["string"],
    "injected_steps": ["int32"],
    "every_call": "bool_",
    "verified": "bool_",
    "hard_negative": "bool_",
    "decisive_step": "int32",
    "decisive_agent": "string",
    "effect": "float64",
    "effect_low": "float64",
    "effect_high": "float64",
    "effect_n": "int32",
    "rate_with": "float64",
    "rate_without": "float64",
    "replay_seed": "int64",
    "first_unrecoverable_step": "int32",
    "first_unrecoverable_n": "int32",
    "undo_effect": "float64",
    "undo_low": "float64",
    "undo_high": "float64",
    "manipulator": "string",
    "run_seed": "int64",
    "inject_seed": "int64",
    "replays": "int32",
    "tracekit": "string",
    "trace": "string",
}
"""Columns in order, as names of Arrow types; a list of one is a list column."""

ABOUT = {
    "kind": "`failure` (injected), `hard-negative` (injected, still a success), `clean` (twin "
    "without fault), `natural` (failed by itself)",
    "group": "key of the task; the parts of the set share none",
    "clean_id": "id of the clean twin; its own id for a clean run",
    "modes": "of the faults, in order of `injected_steps`",
    "injected_steps": "steps that were struck, 0-based in this trace",
    "every_call": "whether all later calls of the agent were struck too",
    "verified": "whether replay found the decisive step",
    "decisive_step": "earliest step whose correction raises the chance of success",
    "effect": "by how much, -1 to 1, with the ends of its interval and the replays of each kind",
    "replay_seed": "seed of the first pair of replays",
    "first_unrecoverable_step": "first step after which none of `first_unrecoverable_n` replays "
    "succeeds",
    "undo_effect": "what taking the fault back is worth, where no single step explains a failure",
    "trace": "the whole run with all its labels, as `tracekit/trace/1`",
}
"""What a column holds, where its name does not say it all."""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run comes from."""

    split: str
    system: str
    family: str = ""
    topology: str = ""
    run_seed: int


def row(where: Where, kind: str, injected: Injected, labelled: Labelled) -> dict[str, Any]:
    """One row."""
    trace, faults, found = labelled.trace, injected.faults, labelled.decisive
    undone, step = labelled.undone, labelled.unrecoverable
    return {
        "schema": SCHEMA,
        "kind": kind,
        **msgspec.structs.asdict(where),
        **_run(trace),
        "clean_id": injected.clean.id,
        "modes": [fault.mode for fault in faults],
        "strategies": [fault.strategy for fault in faults],
        "faulty_agents": [fault.agent for fault in faults],
        "injected_steps": [fault.step for fault in faults],
        "every_call": any(fault.every for fault in faults),
        "verified": found is not None,
        "hard_negative": kind == "hard-negative",
        "decisive_step": found.step if found else None,
        "decisive_agent": trace.steps[found.step].agent if found else None,
        "effect": found.difference if found else None,
        "effect_low": found.low if found else None,
        "effect_high": found.high if found else None,
        "effect_n": found.n if found else None,
        "rate_with": found.rate_with if found else None,
        "rate_without": found.rate_without if found else None,
        "replay_seed": found.first_seed if found else None,
        "first_unrecoverable_step": step,
        "first_unrecoverable_n": ENDLESS if step is not None else None,
        "undo_effect": undone.difference if undone else None,
        "undo_low": undone.low if undone else None,
        "undo_high": undone.high if undone else None,
        "manipulator": injected.manipulator,
        "inject_seed": injected.seed,
        "replays": labelled.replays,
        "tracekit": __version__,
        "trace": encode(trace).decode(),
    }


def _run(trace: Trace) -> dict[str, Any]:
    """What the run itself says."""
    task = trace.task
    return {
        "id": trace.id,
        "group": task.id or task.question,
        "question": task.question,
        "expected": task.expected,
        "outcome": trace.outcome.status,
        "answer": trace.outcome.answer,
        "steps": len(trace.steps),
        "agents": len(trace.agents),
    }
