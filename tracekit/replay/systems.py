"""Systems by name: `module:factory`, imported when asked for."""

from __future__ import annotations

from tracekit import registry
from tracekit.errors import ContractError
from tracekit.protocols import Replayable


def load_system(target: str) -> Replayable:
    """The system that the factory makes; raises `ContractError` when it is none.

    >>> type(load_system("tracekit.replay.sandbox.system:Sandbox")).__name__
    'Sandbox'
    """
    what = f"system {target!r}"
    factory = registry.load(target, what)
    try:
        system = factory() if callable(factory) else factory
    except Exception as error:  # the factory is the code of a stranger
        raise ContractError(f"{what} could not be made: {error}") from error
    missing = [name for name in METHODS if not callable(getattr(system, name, None))]
    if missing:
        raise ContractError(f"{what} is not replayable: it has no {', '.join(missing)}")
    return system  # type: ignore[no-any-return]


METHODS = ("run", "checkpoints", "resume", "check")
"""What a `Replayable` can do."""
