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
AGAIN = 4
"""Further tries of a call that failed for a reason that may pass, unless told otherwise."""
NOWHERE = "http://localhost/v1"
"""Stands for the server when calls are replayed; nothing is ever sent there."""


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

    llm: Llm = ""
    key_env: KeyEnv = ""
    concurrency: Concurrency = AT_ONCE
    timeout: Timeout = PATIENCE
    retries: Retries = AGAIN
    max_tokens_total: MaxTokens = None
    max_cost: MaxCost = None
    price: PriceOption = ""
    cache: Cache = None
    record: Record = None
    replay: Replay = None

    def __post_init__(self) -> None:
        if sum(file is not None for file in (self.cache, self.record, self.replay)) > 1:
            raise UsageError("--cache, --record and --replay: only one of them")
        if self.max_cost is not None and not self.price:
            raise UsageError("--max-cost needs the price: --price 2.50,10 (dollars a million)")

    @property
    def answered(self) -> bool:
        """Whether there is a server, or a record of one."""
        return bool(self.llm) or self.replay is not None

    def client(self, model: str) -> Client:
        """A client that keeps to them; no connection is made before the first call."""
        from tracekit.llm.budget import Budget, Price
        from tracekit.llm.client import Client
        from tracekit.llm.endpoint import Endpoint, Retry

        store = self._store()
        kept = store is not None and store.mode != "replay"
        capped = self.max_tokens_total is not None or self.max_cost is not None
        budget = Budget(
            tokens=self.max_tokens_total,
            money=self.max_cost,
            prices={model: Price(*self._prices())} if self.price else {},
            account=ACCOUNT if kept and capped else "",
        )
        endpoint = Endpoint(
            url=self.llm or NOWHERE,
            key_env=self.key_env,
            timeout=self.timeout,
            concurrency=self.concurrency,
            retry=Retry(tries=self.retries + 1),
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
