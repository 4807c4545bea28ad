"""What a method may use besides the runs it explains: other runs, a system, a model server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from tracekit.context import Context
from tracekit.errors import UsageError
from tracekit.llm.retry import silence
from tracekit.protocols import Analyzer
from tracekit.replay.systems import load_system
from tracekit_cli.calls import Calls, told
from tracekit_cli.output import note


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """As named on the command line."""

    corpus: tuple[str, ...] = ()
    """Logs of other runs; empty = the runs to explain are the corpus of one another."""
    system: str = ""
    """`module:factory` of the system that made the runs."""
    calls: Calls = Calls()
    """The model server, and how it is asked."""
    model: str = ""
    """The model there, which a price is for."""


def check(analyzer: Analyzer, means: Means) -> None:
    """Raise `UsageError` when the method needs what was not given."""
    if "replay" in analyzer.needs and not means.system:
        raise UsageError(f"{analyzer.name} runs the system again: name it, --system MODULE:FACTORY")
    if "llm" in analyzer.needs and not means.calls.answered:
        raise UsageError(f"{analyzer.name} asks a model: say where, --llm http://localhost:8000/v1")


@contextmanager
def opened(context: Context, means: Means, *, quiet: bool = False) -> Iterator[Context]:
    """The context with the system and the client; the client is closed in the end.

    No connection is made before a method asks. Raises `ContractError` for a system that does not
    load, and `UsageError` for an address that is none. What the calls came to is said on stderr.
    """
    if means.system:
        context = msgspec.structs.replace(context, system=load_system(means.system))
    if not means.calls.answered:
        yield context
        return
    silence()  # of retries: stdout is for data
    with means.calls.client(means.model) as client:
        yield msgspec.structs.replace(context, llm=client)
        if (spent := client.spent()).tries or spent.stored or spent.failed:
            note(f"tracekit: {told(spent)}", quiet=quiet)
