"""Which methods ask a model, and for whom a configuration's model and settings are meant."""

from __future__ import annotations

from tracekit import registry
from tracekit.analyzers.run import DEFAULT
from tracekit.protocols import Analyzer

ASKING = "judge:all-at-once"
"""Stands for all that ask a model, where a configuration names a server and no method."""


def may_ask(method: Analyzer) -> bool:
    """Whether a method asks a model on a server, or would where one is named.

    One that needs a `model` loads it, or asks for it by name.
    """
    return bool({"llm", "model"} & method.needs)


def shares_settings(method: str | Analyzer, usual: str | Analyzer, *, served: bool = False) -> bool:
    """Whether model and settings that are meant for one method are meant for the other, too.

    They are for the same method, and for all that ask a model; `served` = a server is named, so
    that those ask that would load it otherwise.

    >>> shares_settings("judge:mast", "judge:a2p"), shares_settings("linear", "judge:a2p"), shares_settings("linear", "linear")
    (True, False, True)
    >>> shares_settings("tracer", "judge:a2p"), shares_settings("tracer", "judge:a2p", served=True)
    (False, True)
    """
    if method == usual:
        return True
    one, other = (
        registry.get("analyzers", each) if isinstance(each, str) else each
        for each in (method, usual)
    )
    if one.name == other.name:
        return True
    return all(map(may_ask, (one, other))) if served else "llm" in one.needs & other.needs


def settings_are_for(method: str | Analyzer | None, usual: str | None, *, served: bool) -> bool:
    """Whether what a configuration says of its method `usual` is for `method`; None = not named.

    Where it names a server and no method, it is for those that ask; without either, for any.

    >>> settings_are_for(None, None, served=True), settings_are_for(None, None, served=False)
    (False, True)
    """
    if usual is None and not served:
        return True
    return shares_settings(method or usual or DEFAULT, usual or ASKING, served=served)
