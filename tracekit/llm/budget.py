"""Caps on tokens and money that hold: reserved before each try, settled after it.

Before a try, the most that it can cost is taken from the budget; afterwards what it did cost, as
the endpoint reports it, takes its place. The most that a prompt can cost is one token per byte,
which every byte-level tokenizer keeps. A try that may have been charged without a report (timed
out, broken off, unreadable) counts as the most it could have been.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from fractions import Fraction

import msgspec

from tracekit.errors import UsageError
from tracekit.llm.errors import BudgetExceeded
from tracekit.llm.request import LIMITS, Request, Usage

NANOS = 10**9
"""Money is counted in whole billionths, rounded up."""

TEMPLATE = 256
"""Tokens that a chat template may add to a prompt."""
TEMPLATE_MESSAGE = 16
"""Tokens that a chat template may add to each message."""


class Price(msgspec.Struct, frozen=True):
    """What a model costs, per million tokens, in US dollars."""

    input: float
    """A million tokens read."""
    output: float
    """A million tokens written."""

    def nanos(self, usage: Usage) -> int:
        """The price of a call, in billionths, rounded up.

        >>> Price(input=3.0, output=15.0).nanos(Usage(1000, 100)) / NANOS
        0.0045
        """
        million_times = _exact(self.input) * usage.prompt + _exact(self.output) * usage.completion
        return math.ceil(million_times * NANOS / 10**6)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What calls may cost together. Raises `UsageError` for what cannot be a cap."""

    tokens: int | None = None
    """The most tokens, both ways; None = no cap."""
    money: float | None = None
    """The most US dollars; None = no cap. Needs the price of every model that is called."""
    prices: dict[str, Price] = {}
    """Prices by model, as requests name it."""
    account: str = ""
    """A name under which the store keeps what was spent, so that the caps hold over all runs that
    use it, killed ones included; empty = they hold for one client."""

    def __post_init__(self) -> None:
        caps = [cap for cap in (self.tokens, self.money) if cap is not None]
        prices = [part for price in self.prices.values() for part in (price.input, price.output)]
        if not all(math.isfinite(number) and number >= 0 for number in (*caps, *prices)):
            raise UsageError("caps and prices must be finite and not negative")

    @property
    def is_capped(self) -> bool:
        """Whether anything is limited at all."""
        return self.tokens is not None or self.money is not None


class Reservation(msgspec.Struct, frozen=True):
    """What a try may cost at most; held until it is settled."""

    usage: Usage
    """Tokens."""
    nanos: int
    """Money, in billionths."""


class Purse:
    """A budget at work. Lives in one event loop; the sums stand in SQLite."""

    def __init__(self, budget: Budget, db: sqlite3.Connection) -> None:
        self.budget = budget
        self._db = db
        self._held = 0
        self._settled = asyncio.Event()
        db.execute("INSERT OR IGNORE INTO accounts VALUES (?, 0, 0)", (budget.account,))

    def price(self, model: str, usage: Usage) -> int | None:
        """What a call costs, in billionths; None when the model has no price."""
        price = self.budget.prices.get(model)
        return None if price is None else price.nanos(usage)

    def bound(self, request: Request) -> Reservation:
        """The most that one try can cost; raises `UsageError` when a cap needs what is unknown."""
        usage = at_most(request)
        nanos = self.price(request.model, usage)
        if self.budget.is_capped and request.limit is None:
            raise UsageError(f"a capped budget needs {' or '.join(LIMITS)} in every request")
        if self.budget.money is not None and nanos is None:
            known = ", ".join(sorted(self.budget.prices)) or "none"
            what = f"a cap on money needs the price of {request.model!r}; known: {known}"
            raise UsageError(f"{what} (Budget.prices)")
        return Reservation(usage, nanos or 0)

    async def reserve(self, most: Reservation) -> None:
        """Take the most that a try can cost, waiting for others to give back what they need not.

        Raises `BudgetExceeded` when it does not fit although nothing is held by others.
        """
        while not self._take(most):
            if self._held == 0:
                raise BudgetExceeded(self._refusal(most))
            await self._settled.wait()
        self._held += 1

    def settle(self, most: Reservation, usage: Usage, nanos: int) -> None:
        """Put what a try did cost in the place of what was reserved for it."""
        self._held -= 1
        self._add(usage.tokens - most.usage.tokens, nanos - most.nanos)
        self._settled.set()
        self._settled = asyncio.Event()

    def spent(self) -> tuple[int, float]:
        """Tokens and money of the account so far, with what is held at the moment."""
        row = self._db.execute(
            "SELECT tokens, nanos FROM accounts WHERE name = ?", (self.budget.account,)
        )
        tokens, nanos = row.fetchone()
        return tokens, nanos / NANOS

    def _take(self, most: Reservation) -> bool:
        """Add to the sums unless that passes a cap: one statement, so processes cannot race."""
        money = self.budget.money
        taken = self._db.execute(
            "UPDATE accounts SET tokens = tokens + :tokens, nanos = nanos + :nanos"
            " WHERE name = :name AND (:most_tokens IS NULL OR tokens + :tokens <= :most_tokens)"
            " AND (:most_nanos IS NULL OR nanos + :nanos <= :most_nanos)",
            {
                "name": self.budget.account,
                "tokens": most.usage.tokens,
                "nanos": most.nanos,
                "most_tokens": self.budget.tokens,
                "most_nanos": None if money is None else math.floor(_exact(money) * NANOS),
            },
        )
        return taken.rowcount == 1

    def _add(self, tokens: int, nanos: int) -> None:
        self._db.execute(
            "UPDATE accounts SET tokens = tokens + ?, nanos = nanos + ? WHERE name = ?",
            (tokens, nanos, self.budget.account),
        )

    def _refusal(self, most: Reservation) -> str:
        tokens, money = self.spent()
        parts = []
        if self.budget.tokens is not None:
            need = most.usage.tokens
            parts.append(f"{tokens} of {self.budget.tokens} tokens are spent, it may need {need}")
        if self.budget.money is not None:
            need_money = most.nanos / NANOS
            parts.append(f"{money:.6g} of {self.budget.money:g} USD, it may need {need_money:.6g}")
        return f"the next call was not made: {'; '.join(parts)}. Raise the cap to go on"


def at_most(request: Request) -> Usage:
    """The most tokens that one try can take; without a limit, of the prompt alone.

    >>> from tracekit.llm.request import Message
    >>> at_most(Request("m", (Message("user", "Hi"),), {"max_tokens": 100})).completion
    100
    """
    template = TEMPLATE + TEMPLATE_MESSAGE * len(request.messages)
    return Usage(len(request.canonical()) + template, request.limit or 0, assumed=True)


def _exact(number: float) -> Fraction:
    """The decimal number that the user wrote, not its nearest float."""
    return Fraction(str(number))
