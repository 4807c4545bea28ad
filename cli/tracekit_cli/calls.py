"""How a model server is asked: bounds, budget and store, as options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tracekit.errors import UsageError
from tracekit.llm.terms import Terms

if TYPE_CHECKING:
    from tracekit.llm.cache import Mode
    from tracekit.llm.client import Client, Spent

USUAL = Terms()
"""How a server is asked unless told otherwise."""


def _instead_of_cache(context: typer.Context, file: Path | None) -> Path | None:
    """A store that is named for one start goes before the cache that the configuration names."""
    if file is not None and context.default_map:
        context.default_map.pop("cache", None)
    return file


Llm = Annotated[
    str, typer.Option(metavar="URL", help="Server of the model, .../v1, for methods that ask one.")
]
KeyEnv = Annotated[
    str, typer.Option(metavar="VARIABLE", help="Variable that holds the server's key.")
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens-total",
        min=0,
        metavar="N",
        help="The most tokens of all calls together, both ways; with a store, over all starts.",
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", min=0, metavar="USD", help="The same in dollars; needs --price."),
]
PriceOption = Annotated[
    str,
    typer.Option(
        "--price", metavar="IN,OUT", help="Dollars for a million tokens read, and written."
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency", min=1, metavar="N", help="Calls at once, and runs that are judged at once."
    ),
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0.1, metavar="SECONDS", help="The longest wait for an answer."),
]
Retries = Annotated[
    int,
    typer.Option("--retries", min=0, metavar="N", help="Further tries of a call that failed."),
]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", metavar="FILE", help="Keep answers there, and ask only what is new."),
]
Record = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FILE",
        help="Keep answers there, asking everything anew.",
        callback=_instead_of_cache,
        is_eager=True,
    ),
]
Replay = Annotated[
    Path | None,
    typer.Option(
        "--replay",
        metavar="FILE",
        help="Take every answer from there; call nobody.",
        callback=_instead_of_cache,
        is_eager=True,
    ),
]
Repeat = Annotated[
    int | None,
    typer.Option(
        "--repeat", min=1, metavar="N", help="Judge each run N times and report the agreement."
    ),
]


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """The options together. Raises `UsageError` for such as do not go together."""

    llm: Llm = USUAL.llm
    key_env: KeyEnv = USUAL.key_env
    concurrency: Concurrency = USUAL.concurrency
    timeout: Timeout = USUAL.timeout
    retries: Retries = USUAL.retries
    max_tokens_total: MaxTokens = USUAL.max_tokens_total
    max_cost: MaxCost = USUAL.max_cost
    price: PriceOption = USUAL.price
    cache: Cache = None
    record: Record = None
    replay: Replay = None

    def __post_init__(self) -> None:
        if sum(file is not None for file in (self.cache, self.record, self.replay)) > 1:
            raise UsageError("--cache, --record and --replay: only one of them")
        self.terms()  # what does not go together is told before anything is read

    @property
    def answered(self) -> bool:
        """Whether there is a server, or a record of one."""
        return bool(self.llm) or self.replay is not None

    def terms(self) -> Terms:
        """The same for the library."""
        stores: dict[Mode, Path | None]
        stores = {"cache": self.cache, "record": self.record, "replay": self.replay}
        mode: Mode = next((mode for mode, file in stores.items() if file is not None), "off")
        said = {name: getattr(self, name) for name in self.__struct_fields__ if name not in stores}
        return Terms(store=stores.get(mode), mode=mode, **said)

    def client(self, model: str) -> Client:
        """A client that keeps to them; no connection is made before the first call."""
        return self.terms().client(model)


def told(spent: Spent) -> str:
    """What the calls of a client came to, for people.

    >>> from tracekit.llm.client import Spent
    >>> told(Spent(answered=1, stored=2, tokens=1500, money=0.01))
    '1 call answered, 2 from the store, 0 failed; 1,500 tokens, 0.0100 USD'
    """
    calls = "1 call" if spent.answered == 1 else f"{spent.answered:,} calls"
    found = f"{calls} answered, {spent.stored:,} from the store, {spent.failed:,} failed; "
    found += f"{spent.tokens:,} tokens"
    if spent.assumed:
        found += f" ({spent.assumed:,} assumed)"
    return found + (f", {spent.money:.4f} USD" if spent.money else "")
