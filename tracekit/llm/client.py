"""The one client for OpenAI-compatible endpoints: bounded, counted, stored, and tried again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from tracekit.errors import UsageError
from tracekit.llm.background import Background
from tracekit.llm.budget import NANOS, Budget, Purse, Reservation
from tracekit.llm.cache import Store, memory
from tracekit.llm.endpoint import Endpoint
from tracekit.llm.errors import CallError
from tracekit.llm.request import Completion, Request, Usage
from tracekit.llm.retry import retried
from tracekit.llm.transport import Transport
from tracekit.llm.wire import Answer, usable

T = TypeVar("T")


class Spent(msgspec.Struct, kw_only=True):
    """What a client has done so far."""

    answered: int = 0
    """Calls that the endpoint answered."""
    stored: int = 0
    """Calls that the store answered, at no cost."""
    failed: int = 0
    """Calls that ended in a `CallError`."""
    tries: int = 0
    """Requests that were sent."""
    tokens: int = 0
    """Tokens of those requests, both ways."""
    assumed: int = 0
    """Of these, tokens that the endpoint did not report: the most that it can have been."""
    money: float = 0.0
    """What they cost in US dollars, for models with a price."""


class Client:
    """Calls models, from any thread and any event loop; close it, or use it in `with`.

    One client holds one bound on concurrency, one budget and one store for all who share it.
    A failed call raises a `CallError`; nothing else is asked in its place. The store is the
    client's own from then on, and is closed with it.
    """

    def __init__(
        self, endpoint: Endpoint, *, budget: Budget | None = None, store: Store | None = None
    ) -> None:
        self.endpoint = endpoint
        self.store = store or Store()
        budget = budget or Budget()
        if budget.account and self.store.mode in ("off", "replay"):
            raise UsageError("an account is kept in a store: give one, in mode cache or record")
        self._sums = self.store.db if budget.account else memory()
        self._purse = Purse(budget, self._sums)
        self._spent = Spent()
        self._background = Background()
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._transport: Transport | None = None

    async def complete(self, request: Request) -> Completion:
        """The answer to one request, from the store or from the endpoint.

        Raises a `CallError` when there is none (`tracekit.llm.errors`), and `UsageError` for a
        request that a cap makes impossible: no limit of tokens, no price.
        """
        return await self._background.run(self._counted(request))

    async def complete_all(
        self, requests: Iterable[Request], concurrency: int | None = None
    ) -> list[Completion | CallError]:
        """An answer or the reason for having none for every request, in their order.

        `concurrency` bounds how many are under way at once, within that of the endpoint.
        """
        if concurrency is not None and concurrency < 1:
            raise UsageError("concurrency must be at least 1")
        todo = enumerate(requests)
        done: dict[int, Completion | CallError] = {}

        async def work() -> None:
            for index, request in todo:
                try:
                    done[index] = await self.complete(request)
                except CallError as error:
                    done[index] = error

        workers = [
            asyncio.create_task(work()) for _ in range(concurrency or self.endpoint.concurrency)
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return [done[index] for index in sorted(done)]

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of one of the coroutines above, for code that is not asynchronous."""
        return self._background.wait(work)

    def spent(self) -> Spent:
        """What this client has done so far."""
        return msgspec.structs.replace(self._spent)

    def close(self) -> None:
        """End what is under way, close connections and store."""
        self._background.close(self._transport.close if self._transport else None)
        self._sums.close()
        self.store.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- below: in the background loop only -------------------------------------------------

    async def _counted(self, request: Request) -> Completion:
        try:
            return await self._complete(request)
        except CallError:
            self._spent.failed += 1
            raise

    async def _complete(self, request: Request) -> Completion:
        """Look up, else call and keep; equal requests wait for the first of them."""
        if self.store.mode == "off":
            return await self._call(request)
        lock = self._locks.setdefault(request.key, asyncio.Lock())
        async with lock:
            if stored := self.store.find(request):
                self._spent.stored += 1
                return stored
            completion = await self._call(request)
            self.store.keep(request, completion)
            return completion

    async def _call(self, request: Request) -> Completion:
        """Ask the endpoint, as often as the policy allows."""
        most = self._purse.bound(request)
        self._open()  # a missing key or library shows before anything is reserved or waited for
        tries = 0

        async def attempt() -> tuple[Answer, Usage]:
            nonlocal tries
            tries += 1
            return await self._attempt(request, most)

        async with self._slots:
            start = monotonic()
            answer, usage = await retried(attempt, self.endpoint.retry)
        self._spent.answered += 1
        nanos = self._purse.price(request.model, usage)
        return Completion(
            key=request.key,
            model=answer.model,
            text=answer.text or "",
            tool_calls=answer.tool_calls,
            finish=answer.finish,
            usage=usage,
            money=None if nanos is None else nanos / NANOS,
            seconds=round(monotonic() - start, 3),
            tries=tries,
        )

    async def _attempt(self, request: Request, most: Reservation) -> tuple[Answer, Usage]:
        """One try within the budget: reserve, send, settle, judge."""
        await self._purse.reserve(most)
        self._spent.tries += 1
        usage = most.usage  # what an interrupted try counts as
        try:
            answer = await self._open().send(request.body())
            usage = _usage(answer, most)
        except CallError as error:
            if not error.billed:
                usage = Usage()
            raise
        finally:
            self._settle(request.model, most, usage)
        return usable(answer), usage

    def _open(self) -> Transport:
        if self._transport is None:
            self._transport = Transport(self.endpoint)
        return self._transport

    def _settle(self, model: str, most: Reservation, usage: Usage) -> None:
        nanos = self._purse.price(model, usage) or 0
        self._purse.settle(most, usage, nanos)
        self._spent.tokens += usage.tokens
        self._spent.assumed += usage.tokens if usage.assumed else 0
        self._spent.money = math.fsum((self._spent.money, nanos / NANOS))


def _usage(answer: Answer, most: Reservation) -> Usage:
    """What the endpoint reports, else the most that it can have been."""
    if answer.usage is not None:
        return Usage(answer.usage.prompt_tokens, answer.usage.completion_tokens)
    written = most.usage.completion or len((answer.text or "").encode())
    return Usage(most.usage.prompt, written, assumed=True)
