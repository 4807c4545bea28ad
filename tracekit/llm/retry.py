"""Trying again: which failures, after how long, and when to give up."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import TypeVar

from tracekit.llm.endpoint import Retry
from tracekit.llm.errors import CallError
from tracekit.optional import require

T = TypeVar("T")


async def retried(attempt: Callable[[], Awaitable[T]], policy: Retry) -> T:
    """What `attempt` returns, trying again after transient failures; raises the last one."""
    stamina = require("stamina", extra="llm")
    # stamina reports every retry to the log; without this, Python would print it as well
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    again = stamina.AsyncRetryingCaller(
        attempts=policy.tries,
        timeout=policy.total,
        wait_initial=policy.first,
        wait_max=policy.longest,
        wait_jitter=policy.first,
    )
    result: T = await again(lambda error: pause(error, policy), attempt)
    return result


def silence() -> None:
    """Let retries say nothing at all, in the whole process: for programs whose stdout is data.

    Where structlog is installed, stamina would report each retry through it, on stdout. Without
    stamina there is nothing to silence.
    """
    if find_spec("stamina") is not None:
        import stamina.instrumentation

        stamina.instrumentation.set_on_retry_hooks([])


def pause(error: BaseException, policy: Retry) -> bool | float:
    """Seconds to wait as the server asks; True = as the policy says, False = give up.

    >>> from tracekit.llm.errors import RateLimited, KeyRefused
    >>> pause(RateLimited("slow down", after=3.0), Retry()), pause(KeyRefused("no"), Retry())
    (3.0, False)
    >>> pause(RateLimited("come back tomorrow", after=86400.0), Retry())
    False
    """
    if not isinstance(error, CallError) or not error.transient:
        return False
    if error.after is None:
        return True
    return error.after if error.after <= policy.longest else False
