"""Options of `tracekit train prm --backbone`: values on a language model of the user's choice."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from tracekit import registry
from tracekit.errors import UsageError
from tracekit.optional import require

LOSSES = ("bce", "huber", "mse", "pairwise")


class OnLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """A backbone, and what is not as it would be without being said."""

    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|REPO",
            help="prm: train a language model, a folder or owner/name[@revision].",
        ),
    ] = None
    lora: Annotated[
        int | None,
        typer.Option(
            min=0, max=4096, metavar="R", help="Rank of its adapters, 16; 0 = train every weight."
        ),
    ] = None
    loss: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"Its loss: {', '.join(LOSSES)}.")
    ] = None
    epochs: Annotated[
        float | None, typer.Option(min=0, metavar="N", help="Times it sees every run, 3.")
    ] = None
    rate: Annotated[
        float | None, typer.Option(min=0, metavar="R", help="Its learning rate, 1e-4.")
    ] = None
    batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Runs or windows on the device, 4.")
    ] = None
    length: Annotated[
        int | None, typer.Option(min=32, metavar="N", help="Tokens of a window, 2048.")
    ] = None

    def check(self) -> None:
        """Raises `UsageError` for an unknown loss, and for options without a backbone."""
        if self.loss is not None and self.loss not in LOSSES:
            raise UsageError(f"--loss {self.loss}: known are {', '.join(LOSSES)}")
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if given and self.backbone is None:
            raise UsageError(f"--{given[0]} is for a language model: prm with a --backbone")

    def wanted(self, *, folds: int | None, seed: int) -> Any:
        """What to fit (`tracekit_models.prm.language_fit.Wanted`); raises `MissingExtra`."""
        for module in ("torch", "transformers", "peft"):
            require(module, extra="train")
        kind = registry.load("tracekit_models.prm.language_fit:Wanted")
        how = {
            "epochs": self.epochs,
            "rate": self.rate,
            "batch": self.batch,
            "loss": self.loss and {"name": self.loss},
        }
        lora = 16 if self.lora is None else self.lora
        told = {
            "base": self.backbone,
            "lora": {"rank": lora, "alpha": 2 * lora} if lora else None,
            "length": self.length,
            "recipe": {name: value for name, value in how.items() if value is not None},
            "folds": folds,
            "seed": seed,
        }
        return msgspec.convert(told, kind)
