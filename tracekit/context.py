"""What an analyzer may use besides the trace it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit.protocols import Replayable
from tracekit.trace import Trace

if TYPE_CHECKING:
    import numpy as np


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an analyzer may use; what it `needs` must be set by the caller."""

    seed: int = 0
    """Seed of every random choice; the same seed gives the same verdict."""
    corpus: Sequence[Trace] = ()
    """Other runs of the same system, for methods that need a corpus."""
    system: Replayable | None = None
    """The system that made the run, for methods that replay it."""
    llm: Any = None
    """The `tracekit.llm.client.Client` of methods that ask a model; the model's name is the setting
    `model`. A layer above this one, hence the type."""
    with_answer: bool = False
    """Whether the method may look at `task.expected`; verdicts of the two kinds never mix."""
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    """Options of the method by name; an unknown one is a `UsageError`."""

    def rng(self, *salt: str) -> np.random.Generator:
        """A generator that depends on the seed and on `salt` (say the trace id) alone.

        >>> a, b = Context(seed=1).rng("t1"), Context(seed=1).rng("t1")
        >>> bool(a.random() == b.random())
        True
        """
        import numpy as np  # 150 ms: only methods that draw numbers pay

        words = [self.seed, *(byte for text in salt for byte in text.encode("utf-8", "replace"))]
        return np.random.default_rng(words)
