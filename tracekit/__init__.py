"""tracekit: which agent, which step, why, how sure, and what would have fixed it.

>>> import tracekit as tk
>>> tk.Trace(id="t1", source=tk.Source(format="demo")).failed is None
True
"""

from typing import TYPE_CHECKING, Any

from tracekit.analyzers.run import attribute
from tracekit.attribution import Attribution, Evidence, Suspect
from tracekit.errors import Problem, TracekitError
from tracekit.ingest.pipeline import Ingest, load
from tracekit.store import read_traces, write_traces
from tracekit.trace import Agent, Label, Outcome, Source, Step, Task, ToolCall, Trace
from tracekit.version import __version__

if TYPE_CHECKING:
    from tracekit.eval.leaderboard import evaluate

__all__ = [
    "Agent",
    "Attribution",
    "Evidence",
    "Ingest",
    "Label",
    "Outcome",
    "Problem",
    "Source",
    "Step",
    "Suspect",
    "Task",
    "ToolCall",
    "Trace",
    "TracekitError",
    "__version__",
    "attribute",
    "evaluate",
    "load",
    "read_traces",
    "write_traces",
]


def __getattr__(name: str) -> Any:
    """`evaluate` on first use: it needs numpy, which costs more than all the rest together."""
    if name == "evaluate":
        from tracekit.eval.leaderboard import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
