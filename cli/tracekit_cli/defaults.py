"""Defaults of commands from the project's configuration; the command line goes before them."""

from __future__ import annotations

import json
from typing import Any

from tracekit import config as files
from tracekit.config import Config, Found


def found(path: str | None) -> Found:
    """The configuration in the named file, or the nearest one from the working folder up."""
    return files.find() if path is None else files.read(path)


def default_map(config: Config) -> dict[str, Any]:
    """Values of options by command, as click's `default_map` wants them; what is not said is not there."""
    judging = {
        "paths": list(config.logs),
        "format": config.format,
        "outcome_from": config.outcome_from,
        "with_answer": config.with_answer,
        "method": config.method,
        "model": config.model,
        "seed": config.seed,
        "set": [f"{key}={json.dumps(value)}" for key, value in config.settings.items()],
        "corpus": list(config.corpus),
        "system": config.system,
        "llm": config.llm,
        "key_env": config.key_env,
        "redact": config.redact,
        "pii": config.pii,
    }
    gate, eval = config.gate, config.eval
    gated = {
        "baseline": gate.baseline,
        "fail_on": list(gate.fail_on),
        "sarif": gate.sarif,
        "junit": gate.junit,
    }
    evaluated = {
        "data": eval.data,
        "method": list(eval.method),
        "folds": eval.folds,
        "seeds": ",".join(map(str, eval.seeds)),
        "protocol": eval.protocol,
        "scorer": eval.scorer,
        "with_answer": config.with_answer,
    }
    traces = {name: judging[name] for name in ("paths", "format", "redact", "pii")}
    return {
        "attribute": _said(judging),
        "gate": _said(judging | gated),
        "export": {"verdicts": _said(judging), "traces": _said(traces)},
        "eval": _said(evaluated),
    }


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], "")}
