"""Fits the model `compact` that ships.

    python -m tracekit_models.compact.train --data $TRACEKIT_DATA

`data` says what it is fitted on, `trainer` how, `check` measures the very same recipe out of fold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tracekit.analyzers.compact import analyzer
from tracekit.analyzers.compact.networks import Networks
from tracekit.analyzers.compact.weights import as_json
from tracekit_models.compact.data import read
from tracekit_models.compact.trainer import fit_model

SHIPPED = Path(analyzer.__file__).parents[1] / "weights"
"""The weights in the source tree."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what ships."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder $TRACEKIT_DATA")
    parser.add_argument("--start", type=Path, help="pre-trained weights; the package's by default")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of the weights")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    rows = [one for rows in read(given.data / "labeled").values() for one in rows]
    model = fit_model(rows, given.seed, given.start and Networks.load(given.start))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "compact.json").write_bytes(as_json(model.weights))
    model.networks.save(given.out / "compact.safetensors")
    calibration = model.weights.calibration
    sys.stderr.write(
        f"fitted on {len(rows)} traces, {model.id}; temperature {calibration.temperature}, "
        f"limits {calibration.steps} and {calibration.unseen_steps}\n"
    )


if __name__ == "__main__":
    main()
