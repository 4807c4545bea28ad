"""Speaker strings to agent names; they live in `tracekit.names`, which scoring needs as well."""

from tracekit.names import UNKNOWN, Speaker, same, speaker

__all__ = ["UNKNOWN", "Speaker", "same", "speaker"]
