"""Letters of carrier pigeons: `PIGEON from > to: text`, one a line."""

import re
from collections.abc import Iterator
from typing import ClassVar

from tracekit.errors import Problem
from tracekit.ingest.build import Builder
from tracekit.ingest.decode import decode_text
from tracekit.ingest.sources import OpenSource
from tracekit.trace import Trace

LETTER = re.compile(r"PIGEON (?P<who>\S+) > (?P<to>\S+): (?P<text>.*)")


class CarrierPigeon:
    """Letters of carrier pigeons."""

    name: ClassVar[str] = "carrier-pigeon"

    def sniff(self, head: bytes, name: str) -> float:
        """Sure when the first line is a letter."""
        return 0.9 if LETTER.match(decode_text(head)) else 0.0

    def read(self, source: OpenSource) -> Iterator[Trace | Problem]:
        """One trace per file."""
        build = Builder(source, self.name)
        for line in source.lines():
            letter = LETTER.fullmatch(decode_text(line.data))
            if letter is None:
                yield source.problem(line.raw, "not a letter", do="send it again")
            else:
                build.add(letter["who"], letter["text"], line.raw, to=letter["to"])
        if build.steps:
            yield build.trace(source.default_id())
