"""How a model server may be asked, as options and configurations say it: one struct, one client."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit.errors import UsageError

if TYPE_CHECKING:
    from tracekit.llm.budget import Price
    from tracekit.llm.cache import Mode
    from tracekit.llm.client import Client

ACCOUNT = "cap"
"""The account of the store that caps are counted in, so that they hold over several starts."""
NOWHERE = "http://localhost/v1"
"""Stands for the server when calls are replayed; nothing is ever sent there."""


def asked_for(settings: Mapping[str, Any], model: str | None = None) -> str:
    """The name of the model that a method asks: said for itself, or among its settings.

    >>> asked_for({"model": "gpt"}), asked_for({"model": "gpt"}, "m"), asked_for({})
    ('gpt', 'm', '')
    """
    return model or str(settings.get("model", ""))


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """A server, and what asking it may cost. Raises `UsageError` for what does not go together."""

    llm: str = ""
    """Server of the model, .../v1; empty when answers are replayed."""
    key_env: str = ""
    """Variable that holds its key; empty = it wants none."""
    concurrency: int = 8
    """Calls under way at once."""
    timeout: float = 120.0
    """The longest wait for an answer, in seconds."""
    retries: int = 4
    """Further tries of a call that failed for a reason that may pass."""
    max_tokens_total: int | None = None
    """The most tokens of all calls together, both ways; None = no cap."""
    max_cost: float | None = None
    """The same in US dollars; needs `price`."""
    price: str = ""
    """US dollars for a million tokens read, and written, with a comma between them."""
    store: str | os.PathLike[str] | None = None
    """Where answers are kept; None = nowhere."""
    mode: Mode = "off"
    """What the store is for (`tracekit.llm.cache.Mode`)."""

    def __post_init__(self) -> None:
        if self.max_cost is not None and not self.price:
            raise UsageError("--max-cost needs the price: --price 2.50,10 (dollars a million)")
        if self.price:
            self._price()

    def client(self, model: str) -> Client:
        """A client that keeps to them, for a model; no connection is made before the first call."""
        from tracekit.llm.budget import Budget
        from tracekit.llm.cache import Store
        from tracekit.llm.client import Client
        from tracekit.llm.endpoint import Endpoint, Retry

        capped = self.max_tokens_total is not None or self.max_cost is not None
        budget = Budget(
            tokens=self.max_tokens_total,
            money=self.max_cost,
            prices={model: self._price()} if self.price else {},
            account=ACCOUNT if capped and self.mode in ("cache", "record") else "",
        )
        endpoint = Endpoint(
            url=self.llm or NOWHERE,
            key_env=self.key_env,
            timeout=self.timeout,
            concurrency=self.concurrency,
            retry=Retry(tries=self.retries + 1),
        )
        store = None if self.store is None else Store(self.store, self.mode)
        return Client(endpoint, budget=budget, store=store)

    def _price(self) -> Price:
        from tracekit.llm.budget import Price

        try:
            read, written = map(float, self.price.split(","))
        except ValueError:
            raise UsageError(f"--price {self.price}: not two numbers, like 2.50,10") from None
        if not all(0 <= each < math.inf for each in (read, written)):
            raise UsageError(f"--price {self.price}: not two amounts of dollars, like 2.50,10")
        return Price(read, written)
