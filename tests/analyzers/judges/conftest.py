"""Servers that are asked for judgements, and contexts with clients of them."""

import pytest

from tracekit.context import Context
from tracekit.llm.client import Client
from tracekit.llm.endpoint import Endpoint, Retry

QUICK = Retry(tries=4, first=0.01, longest=1.0, total=20.0)


@pytest.fixture(autouse=True)
def directly(no_proxy):
    """Every test here talks to servers on loopback."""


@pytest.fixture
def asking(closing):
    """A context with a client of a server."""

    def make(server, *, budget=None, store=None, endpoint=None, with_answer=False, **settings):
        asked = Endpoint(url=server.url, **{"retry": QUICK, **(endpoint or {})})
        client = closing.enter_context(Client(asked, budget=budget, store=store))
        given = {"model": "m", **settings}
        return Context(llm=client, settings=given, with_answer=with_answer)

    return make
