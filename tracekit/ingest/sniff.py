"""Which reader takes a file: every reader judges its first bytes, the surest wins."""

from __future__ import annotations

from collections.abc import Sequence

from tracekit import registry
from tracekit.errors import ContractError, Problem, boundary
from tracekit.ingest.peek import abridged, beginning
from tracekit.ingest.readers.mapped import PREFIX, mapped_reader
from tracekit.ingest.sources import HEAD, OpenSource
from tracekit.protocols import Reader

THRESHOLD = 0.1
"""Below this nobody takes the file."""
SURE = 0.85
"""Below this more of a long file is looked at."""
_FURTHER = 4 << 20


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
    """The reader that recognises a source best, even when only one is asked.

    Where the first bytes leave doubts, because a long text fills them, further ones are judged
    with their texts cut short.
    """
    best, surest = _judged(source, beginning(source.head), names)
    if surest < SURE and len(source.head) >= HEAD and _is_json(source.head):
        with source.open() as stream:
            short = abridged(stream.read(_FURTHER))[:HEAD]
        other, more = _judged(source, beginning(short), names)
        if more > surest:
            best, surest = other, more
    return (best, surest) if surest >= THRESHOLD else (None, surest)


def _is_json(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _judged(
    source: OpenSource, head: bytes, names: Sequence[str] | None
) -> tuple[Reader | None, float]:
    """The reader that is surest of a head; readers that fail leave a warning, once."""
    best: Reader | None = None
    surest = 0.0
    for name in names or registry.plugins("readers"):
        trouble: Problem | None = None
        try:
            reader = reader_of(name)
        except ContractError as error:
            trouble = Problem(
                what=str(error),
                path=source.path,
                severity="warning",
                do="repair or uninstall the plug-in; `tracekit plugins` lists it",
            )
        else:
            sure = 0.0
            with boundary(f"reader {name!r} could not judge the file", source.path) as failure:
                sure = reader.sniff(head, source.name)
            trouble = failure.problem
            if sure > surest:
                best, surest = reader, sure
        if trouble is not None and trouble not in source.warnings:
            source.warnings.append(trouble)
    return best, surest
