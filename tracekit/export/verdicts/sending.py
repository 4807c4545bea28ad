"""Handing verdicts to a server. No socket is opened anywhere else, and here for an endpoint only."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tracekit.errors import BackendError, UsageError
from tracekit.protocols import Post
from tracekit.report.visible import one_line

TIMEOUT = 30.0
"""Seconds that a server may take for one request."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Keys go to the server that was named and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def send(posts: Iterable[Post], endpoint: str, headers: Mapping[str, str]) -> int:
    """Post everything to `endpoint` (scheme, host, and a path before those of the posts).

    Returns the number of requests. Raises `UsageError` for an endpoint that is no address, and
    `BackendError` for the first request that the server does not take whole; what went before
    stays there, and sending again is safe as far as the format says so.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise UsageError(f"--endpoint {endpoint}: not an address such as http://localhost:6006")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError("--endpoint: only scheme, host and path; keys go into the environment")
    opener = urllib.request.build_opener(_Stay())
    count = 0
    for post in posts:
        url = endpoint.rstrip("/") + post.path
        # the scheme was checked above
        request = urllib.request.Request(  # noqa: S310
            url, data=post.body, headers={"Content-Type": "application/json", **headers}
        )
        _checked(opener, request, url)
        count += 1
    return count


def _checked(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, url: str
) -> None:
    """Send one; a refusal, whole or in part, becomes an error that says what the server says."""
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            status, answer = response.status, response.read(100_000)
    except urllib.error.HTTPError as error:
        said = error.read(2_000).decode("utf-8", "replace")
        raise BackendError(f"{url}: {error.code} {error.reason}: {one_line(said, 300)}") from None
    except (OSError, ValueError) as error:
        raise BackendError(f"{url}: {getattr(error, 'reason', error)}") from None
    if refused := _refused(status, answer):
        raise BackendError(f"{url}: taken in part only: {one_line(refused, 300)}")


def _refused(status: int, answer: bytes) -> str:
    """What a server that answered 2xx did not take: OTLP's partial success, a 207; else empty."""
    try:
        told = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        return answer.decode("utf-8", "replace") if status == 207 else ""
    if not isinstance(told, dict):
        return ""
    partial = told.get("partialSuccess")
    if isinstance(partial, dict):
        lost = partial.get("rejectedLogRecords") or partial.get("rejectedSpans") or 0
        return str(partial) if str(lost) != "0" else ""
    return str(told) if status == 207 and told.get("rejected") else ""
