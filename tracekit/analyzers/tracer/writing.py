"""What a tracer asks a model to write, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tracekit.analyzers.tracer.prompt import Page
from tracekit.analyzers.tracer.trained import Trained
from tracekit.llm.errors import CallError


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One text that a model is to write."""

    page: Page
    choices: tuple[str, ...]
    """The last lines that an answer may have."""
    seed: int


class Written(msgspec.Struct, frozen=True):
    """What it wrote."""

    text: str
    tokens: int = 0
    """Both ways."""
    error: CallError | None = None
    """Why there is no text."""
    money: float = 0.0


class Writer(Protocol):
    """A model that writes answers."""

    id: str
    """Name or hash of its weights."""

    @property
    def trained(self) -> Trained | None:
        """How it was trained to be asked; None = it does not say."""
        ...

    @property
    def room(self) -> int | None:
        """Tokens that the texts of a prompt and the answer may have together; None = not known."""
        ...

    def count(self, text: str) -> int:
        """Tokens of a text, or a bound on them."""
        ...

    def write(self, wanted: Sequence[Wanted]) -> list[Written]:
        """One text for each, in order; a call that fails is told in `Written.error`."""
        ...
