"""One try of one call, through the openai SDK; every way to fail becomes a `CallError`.

Nothing leaves but the request and the configured key: the SDK's own headers (which tell the
platform, and whatever stands in the variables OPENAI_*) are taken off, redirects are not followed,
and the key is blotted out of everything that comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time
from typing import TYPE_CHECKING, Any

import msgspec

from tracekit.llm.endpoint import NO_KEY, Endpoint, origin
from tracekit.llm.errors import (
    CallError,
    ConnectionLost,
    KeyRefused,
    MalformedAnswer,
    RateLimited,
    RequestRefused,
    ServerFailed,
    TimedOut,
    Unreachable,
)
from tracekit.llm.wire import Answer, Pieces, read
from tracekit.optional import require

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

SENT = frozenset(
    [
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    ]
)
"""Headers that reach the endpoint, besides `authorization`."""

NEVER_CONNECTED = ("ConnectError", "UnsupportedProtocol", "ProxyError")
"""Errors of the HTTP library after which nothing can have been charged."""

RAW = 2000
"""Characters of a refused request's body that an error keeps."""


class Transport:
    """A connection pool to one endpoint. Lives in one event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._key = endpoint.key()
        self._sdk = require("openai", extra="llm")
        plain = endpoint.is_local and endpoint.url.startswith("http:")
        self._client: AsyncOpenAI = self._sdk.AsyncOpenAI(
            api_key=self._key,
            base_url=endpoint.url,
            max_retries=0,
            timeout=None,  # the whole try is timed, not each of its reads
            http_client=self._sdk.DefaultAsyncHttpxClient(
                follow_redirects=False,
                trust_env=not endpoint.is_local,  # no proxy reaches this machine for us
                verify=not plain,  # certificates take 0.3 s to load
                event_hooks={"request": [self._strip]},
            ),
        )
        # a header that is taken off again; to fill it, the SDK would start a process
        self._client._platform = "Unknown"

    async def send(self, body: dict[str, Any]) -> Answer:
        """One request and its answer, however it is; raises `CallError` when none came."""
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                answer = await (self._stream if self._endpoint.stream else self._whole)(body)
                return self._clean(answer)
        except TimeoutError:
            raise TimedOut(f"no answer within {self._endpoint.timeout:g} s") from None
        except CallError as error:
            raise self._told(error) from None
        except ValueError as error:  # bytes that are no UTF-8, a piece that is no JSON
            what, raw = f"the answer cannot be read: {error}", str(getattr(error, "doc", ""))
            raise self._told(MalformedAnswer(what, raw=raw)) from None
        except Exception as error:
            # `from None`: the SDK's errors carry the request, and the request carries the key
            raise self._told(self._classified(error)) from None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def _whole(self, body: dict[str, Any]) -> Answer:
        text = await self._client.post("/chat/completions", cast_to=str, body=body)
        return read(text)

    async def _stream(self, body: dict[str, Any]) -> Answer:
        options = {"stream": True, "stream_options": {"include_usage": True}}
        stream = await self._client.post(
            "/chat/completions",
            cast_to=object,
            body=body | options,
            stream=True,
            stream_cls=self._sdk.AsyncStream[object],
        )
        pieces = Pieces()
        async with stream:
            async for chunk in stream:
                pieces.add(chunk)
        return pieces.whole()

    async def _strip(self, request: Any) -> None:
        for name in request.headers.keys() - SENT:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {self._key}"

    def _clean(self, answer: Answer) -> Answer:
        """The answer without the key, should a server repeat it."""
        text = msgspec.json.encode(answer).decode()
        return msgspec.json.decode(self._blot(text), type=Answer)

    def _blot(self, text: str) -> str:
        return text if self._key == NO_KEY else text.replace(self._key, "[key]")

    def _told(self, error: CallError) -> CallError:
        """The error with its place, and without the key."""
        what = self._blot(f"{origin(self._endpoint.url)}: {error}")
        return type(error)(what, raw=self._blot(error.raw), after=error.after)

    def _classified(self, error: Exception) -> CallError:
        """A `CallError` for an error of the SDK; other errors are bugs and pass."""
        if isinstance(error, self._sdk.APIStatusError):
            return refused(error)
        if isinstance(error, self._sdk.APIConnectionError):
            cause = error.__cause__ or error
        elif isinstance(error, self._sdk.APIError):  # an event `error` within a stream
            return ConnectionLost(f"the stream broke off with an error: {error.message:.500}")
        elif type(error).__module__.startswith("httpx"):
            cause = error
        else:
            raise error
        if type(cause).__name__ in NEVER_CONNECTED:
            return Unreachable(f"cannot be reached ({cause}); is the server running?")
        return ConnectionLost(f"the connection broke ({type(cause).__name__}: {cause})")


def refused(error: APIStatusError) -> CallError:
    """The `CallError` for an answer with another status than 200."""
    status, body = error.status_code, error.body
    said = body.get("message") if isinstance(body, Mapping) else None
    raw = error.response.text[:RAW]
    what = f"status {status}: {said or raw or error.response.reason_phrase!s:.500}"
    after = retry_after(error.response.headers)
    asked = "" if after is None else f" (it asks to wait {after:.0f} s)"
    if status == 429:
        if error.code == "insufficient_quota":  # waiting does not help
            return RequestRefused(what, raw=raw)
        return RateLimited(what + asked, raw=raw, after=after)
    if status >= 500 or status == 408:
        return ServerFailed(what + asked, raw=raw, after=after)
    if status in (401, 403):
        return KeyRefused(f"{what} (is key_env the right variable?)", raw=raw)
    if status < 400:
        where = error.response.headers.get("location", "elsewhere")
        return RequestRefused(f"status {status}: moved to {where}; use that address", raw=raw)
    return RequestRefused(what, raw=raw)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait (RFC 9110, section 10.2.3, seconds or a date); None when not said.

    >>> retry_after({"retry-after": "2.5"}), retry_after({"retry-after": "soon"})
    (2.5, None)
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except ValueError:
            return None
    return max(seconds, 0.0) if isfinite(seconds) else None
