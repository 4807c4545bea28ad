"""Which reader takes a file: every reader judges its first bytes, the surest wins."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit import registry
from tracekit.errors import ContractError, Problem, boundary
from tracekit.ingest.readers.mapped import PREFIX, mapped_reader
from tracekit.ingest.peek import beginning
from tracekit.ingest.sources import OpenSource
from tracekit.protocols import Reader

THRESHOLD = 0.1
"""Below this nobody takes the file."""


def sniff(source: OpenSource, names: Sequence[str] | None = None) -> tuple[Reader | None, float]:
    """The reader for a source and how sure it is (0 to 1); None when none is sure enough.

    `names` restricts the choice, and a single one is taken at its word; ties go to the reader
    registered first. `mapping:FILE` names the reader that a mapping file describes.
    """
    if names is not None and len(names) == 1:
        return reader_of(names[0]), 1.0
    return surest_of(source, names)


def reader_of(name: str) -> Reader:
    """The reader of that name; raises `UnknownName`, or what a wrong mapping file raises."""
    if name.startswith(PREFIX):
        return mapped_reader(name.removeprefix(PREFIX))
    reader: Reader = registry.get("readers", name)
    return reader


def surest_of(
    source: OpenSource, names: Sequence[str] | None = None
) -> tuple[Reader | None, float]:
    """The reader that recognises a source best, even when only one is asked."""
    best: Reader | None = None
    surest = 0.0
    head = beginning(source.head)
    for name in names or registry.plugins("readers"):
        try:
            reader = reader_of(name)
        except ContractError as error:
            source.warnings.append(
                Problem(
                    what=str(error),
                    path=source.path,
                    severity="warning",
                    do="repair or uninstall the plug-in; `tracekit plugins` lists it",
                )
            )
            continue
        sure = 0.0
        with boundary(f"reader {name!r} could not judge the file", source.path) as failure:
            sure = reader.sniff(head, source.name)
        if failure.problem is not None:
            source.warnings.append(failure.problem)
        if sure > surest:
            best, surest = reader, sure
    return (best, surest) if surest >= THRESHOLD else (None, surest)
