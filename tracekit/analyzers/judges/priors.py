"""What `compact` thinks of a run before a model is asked, for judges that build on it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tracekit import registry
from tracekit.analyzers.compact.analyzer import Compact
from tracekit.analyzers.compact.features import tables
from tracekit.context import Context
from tracekit.trace import Trace


class Prior:
    """Fitted weights of `compact` at the hand of a judge; the shipped ones by default."""

    def __init__(self, compact: Compact | None = None) -> None:
        self.compact: Compact = compact or registry.get("analyzers", "compact")

    @property
    def id(self) -> str:
        """Hash of the weights."""
        return self.compact.model.id

    def chances(self, trace: Trace) -> np.ndarray:
        """Calibrated probability of each step to be the decisive one, float64 (n_steps,)."""
        return self.compact.model.chances(tables(trace))

    def seen(self) -> frozenset[str]:
        """Fingerprints of the traces that the weights were fitted on."""
        return self.compact.seen()

    def fitted(self, traces: Iterable[Trace], context: Context) -> Prior:
        """With weights fitted on labelled traces; raises what `Compact.fit` raises."""
        return Prior(self.compact.fit(traces, context))
