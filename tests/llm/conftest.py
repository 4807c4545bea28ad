"""Servers on loopback and clients of them, closed when the test ends."""

import pytest

from tracekit.llm.client import Client
from tracekit.llm.endpoint import Endpoint, Retry
from tracekit.llm.request import Message, Request

QUICK = Retry(tries=4, first=0.01, longest=1.0, total=20.0)


@pytest.fixture(autouse=True)
def directly(no_proxy):
    """Every test here talks to servers on loopback."""


@pytest.fixture
def client(closing):
    """Makes a client of a server, or of a URL."""

    def make(server, *, budget=None, store=None, **options):
        url = server if isinstance(server, str) else server.url
        endpoint = Endpoint(url=url, **{"retry": QUICK, **options})
        return closing.enter_context(Client(endpoint, budget=budget, store=store))

    return make


@pytest.fixture
def asking():
    """Makes a request with one message."""
    return lambda text="Hi", model="m", **params: Request(model, (Message("user", text),), params)
