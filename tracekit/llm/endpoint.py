"""Where the model is, and how patiently it is asked."""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

import msgspec

from tracekit.errors import UsageError

NO_KEY = "none"
"""Sent where no key is configured; local servers want some word."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """When a failed try is followed by another; `tracekit.llm.errors` says after which failures.

    Raises `UsageError` for numbers that make no sense.
    """

    tries: int = 5
    """The most requests sent for one call."""
    first: float = 0.5
    """Seconds before the second try; each wait after it is twice as long, with some chance."""
    longest: float = 60.0
    """The longest wait, in seconds. A server that asks for a longer one is not waited for."""
    total: float = 600.0
    """Seconds after which no new try begins."""

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.first, self.longest) < 0 or self.total <= 0:
            raise UsageError("tries must be at least 1, waits not negative, and total above 0")


_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/?#\\]*@)?([^\s/?#\\]*)\S*")


def origin(address: str) -> str:
    """An address as it may be told: its host alone, for its path may be a key.

    Anything else is left as it is.

    >>> origin("https://ann:word@host:8000/v1/key?more"), origin("a/b")
    ('https://host:8000', 'a/b')
    """
    found = _URL.fullmatch(address)
    return found[1] + found[2] if found else address


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A server that speaks the chat-completions API. Raises `UsageError` for an unusable URL."""

    url: str
    """Everything before `/chat/completions`, e.g. `http://localhost:8000/v1`."""
    key_env: str = ""
    """Environment variable that holds the key; empty = the server wants none. The key itself is
    read when the first call is made, and is never written anywhere."""
    timeout: float = 120.0
    """Seconds for one try, from connecting to the last byte."""
    concurrency: int = 8
    """The most calls under way at once."""
    stream: bool = False
    """Whether answers come piece by piece, for servers and proxies that cut silent connections."""
    retry: Retry = Retry()
    """What to do when a try fails."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{self.url!r} is no address like http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            # not repeated in the message: it may be a key
            raise UsageError("the URL must hold no key; name a variable in key_env instead")
        if parts.path.rstrip("/").endswith("/completions"):
            raise UsageError(f"{self.url!r}: leave out /chat/completions")
        if self.concurrency < 1 or self.timeout <= 0:
            raise UsageError("concurrency must be at least 1, and timeout above 0")

    def key(self) -> str:
        """The key from the environment; raises `UsageError` when the variable is not set."""
        if not self.key_env:
            return NO_KEY
        if key := os.environ.get(self.key_env, "").strip():
            return key
        raise UsageError(
            f"the environment variable {self.key_env} should hold the key; it is not set"
        )

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine.

        >>> Endpoint(url="http://127.0.0.1:8000/v1").is_local
        True
        """
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"
