"""Why a call gave no answer: one class per reason, all of them `CallError`.

    BackendError
    └── CallError              a call of a model gave no usable answer
        ├── Unreachable        nobody listens at the endpoint (tried again)
        ├── ConnectionLost     the answer broke off on its way (tried again)
        ├── TimedOut           no whole answer within the time allowed (tried again)
        ├── RateLimited        429 (tried again when the server says when, or does not say)
        ├── ServerFailed       5xx (tried again)
        ├── KeyRefused         401 or 403
        ├── RequestRefused     any other status: a bad request, an unknown model
        ├── MalformedAnswer    what came is not a chat completion
        ├── TruncatedAnswer    the model ran into its limit of tokens (`finish_reason: length`)
        ├── RefusedAnswer      the model or its filter refused to answer
        ├── InvalidAnswer      no value of the type asked for, not even after a repair
        ├── NotRecorded        replaying, and this call was never recorded
        └── BudgetExceeded     the next call might pass a cap, so it was not made

After the last try the error of that try is raised.
"""

from __future__ import annotations

from typing import ClassVar

from tracekit.errors import BackendError


class CallError(BackendError):
    """A call of a model gave no usable answer."""

    transient: ClassVar[bool] = False
    """Whether another try may help."""
    billed: ClassVar[bool] = False
    """Whether the endpoint may have charged for the try without having said how much."""

    def __init__(self, what: str, *, raw: str = "", after: float | None = None) -> None:
        super().__init__(what)
        self.raw = raw
        """What came instead of an answer, as it came; empty when nothing did."""
        self.after = after
        """Seconds that the server asked to wait; None when it did not say."""


class Unreachable(CallError):
    """No connection could be made to the endpoint."""

    transient = True


class ConnectionLost(CallError):
    """The connection broke, or the stream ended, before the answer was whole."""

    transient = True
    billed = True


class TimedOut(CallError):
    """The whole answer did not come within `Endpoint.timeout`."""

    transient = True
    billed = True


class RateLimited(CallError):
    """The endpoint answers 429: too many requests, or no quota left."""

    transient = True


class ServerFailed(CallError):
    """The endpoint answers with a status of 500 or above, or with 408."""

    transient = True


class KeyRefused(CallError):
    """The endpoint answers 401 or 403: the key is missing, wrong, or not allowed this model."""


class RequestRefused(CallError):
    """The endpoint answers with another status than 200: the request itself is at fault."""


class MalformedAnswer(CallError):
    """The body is not a chat completion; `raw` holds it."""

    billed = True


class TruncatedAnswer(CallError):
    """The model stopped at its limit of tokens; `raw` holds the text so far."""


class RefusedAnswer(CallError):
    """The model, or a filter before it, refused; `raw` holds what it said."""


class InvalidAnswer(CallError):
    """The text holds no value of the type asked for, nor did the repair; `raw` is the last text."""


class NotRecorded(CallError):
    """Replaying, and the store holds no answer to this request."""


class BudgetExceeded(CallError):
    """The next call might pass a cap of the budget, so it was not made."""
