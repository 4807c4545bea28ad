"""A tracer behind a server that speaks the chat-completions API, such as vLLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.analyzers.tracer.writing import Wanted, Written
from tracekit.llm.client import Client
from tracekit.llm.errors import CallError
from tracekit.llm.request import Completion, Message, Request, Role
from tracekit.llm.tokens import estimate


class Served:
    """Writes answers through a `Client`: its cache, budget, retries and concurrency hold here too.

    The last line of an answer is not constrained: servers have no common way to ask for that. Nor do
    they say how a model was trained, or how much it reads: settings and defaults hold.
    """

    trained = None
    room = None

    def __init__(self, client: Client, settings: dict[str, Any]) -> None:
        self._client = client
        self._settings = settings
        self.id: str = settings["model"]

    def count(self, text: str) -> int:
        """An estimate: the server's tokenizer is not known here."""
        return estimate(text)

    def write(self, wanted: Sequence[Wanted]) -> list[Written]:
        """One call for each."""
        done = self._client.wait(self._client.complete_all([self._request(w) for w in wanted]))
        return [
            Written("", error=one) if isinstance(one, CallError) else _written(one) for one in done
        ]

    def _request(self, wanted: Wanted) -> Request:
        how = self._settings
        params = {
            "temperature": how["temperature"],
            "max_tokens": how["max_tokens"],
            "seed": wanted.seed,
        }
        messages = tuple(Message(_role(role), text) for role, text in wanted.page.messages)
        return Request(self.id, messages, params)


def _role(name: str) -> Role:
    return "system" if name == "system" else "user"


def _written(done: Completion) -> Written:
    return Written(done.text, done.usage.tokens, money=done.money or 0.0)
