"""How a model server is asked: bounds, budget and store, as options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tracekit.errors import UsageError

if TYPE_CHECKING:
    from tracekit.llm.cache import Store
    from tracekit.llm.client import Client, Spent

AT_ONCE = 8
"""Calls under way at once, and runs judged at once, unless told otherwise."""
PATIENCE = 120.0
"""Seconds that an answer may take unless told otherwise."""
ACCOUNT = "cap"
"""The account of the store that caps are counted in, so that they hold over several starts."""
NOWHERE = "http://localhost/v1"
"""Stands for the server when calls are replayed; nothing is ever sent there."""

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
Cache = Annotated[
    Path | None,
    typer.Option("--cache", metavar="FILE", help="Keep answers there, and ask only what is new."),
]
Record = Annotated[
    Path | None,
    typer.Option("--record", metavar="FILE", help="Keep answers there, asking everything anew."),
]
Replay = Annotated[
    Path | None,
    typer.Option("--replay", metavar="FILE", help="Take every answer from there; call nobody."),
]
Repeat = Annotated[
    int | None,
    typer.Option(
        "--repeat", min=1, metavar="N", help="Judge each run N times and report the agreement."
    ),
]


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """The options together. Raises `UsageError` for such as do not go together."""

    tokens: int | None = None
    money: float | None = None
    price: str = ""
    concurrency: int = AT_ONCE
    timeout: float = PATIENCE
    cache: Path | None = None
    record: Path | None = None
    replay: Path | None = None

    def __post_init__(self) -> None:
        if sum(file is not None for file in (self.cache, self.record, self.replay)) > 1:
            raise UsageError("--cache, --record and --replay: only one of them")
        if self.money is not None and not self.price:
            raise UsageError("--max-cost needs the price: --price 2.50,10 (dollars a million)")

    def client(self, url: str, key_env: str, model: str) -> Client:
        """A client that keeps to them; no connection is made before the first call."""
        from tracekit.llm.budget import Budget, Price
        from tracekit.llm.client import Client
        from tracekit.llm.endpoint import Endpoint

        store = self._store()
        kept = store is not None and store.mode != "replay"
        capped = self.tokens is not None or self.money is not None
        budget = Budget(
            tokens=self.tokens,
            money=self.money,
            prices={model: Price(*self._prices())} if self.price else {},
            account=ACCOUNT if kept and capped else "",
        )
        endpoint = Endpoint(
            url=url or NOWHERE,
            key_env=key_env,
            timeout=self.timeout,
            concurrency=self.concurrency,
        )
        return Client(endpoint, budget=budget, store=store)

    def _store(self) -> Store | None:
        from tracekit.llm.cache import Store

        if self.cache is not None:
            return Store(self.cache, "cache")
        if self.record is not None:
            return Store(self.record, "record")
        return Store(self.replay, "replay") if self.replay is not None else None

    def _prices(self) -> tuple[float, float]:
        try:
            read, written = map(float, self.price.split(","))
        except ValueError:
            raise UsageError(f"--price {self.price}: not two numbers, like 2.50,10") from None
        return read, written


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
