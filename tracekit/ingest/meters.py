"""What a record says about cost and clock: token counts of every API, timestamps of every kind."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from tracekit.trace import Time, Usage

_INPUT = (
    "input_tokens", "prompt_tokens", "prompt_token_count", "promptTokenCount", "inputTokens",
    "input_token_count",
)  # fmt: skip
_CACHED = ("cache_creation_input_tokens", "cache_read_input_tokens")
_OUTPUT = (
    "output_tokens", "completion_tokens", "candidates_token_count", "candidatesTokenCount",
    "outputTokens", "output_token_count",
)  # fmt: skip
_COST = ("cost", "total_cost", "total_cost_usd", "cost_usd", "costUSD", "instance_cost")


def read_usage(usage: Any, model: Any = None, cost: Any = None) -> Usage | None:
    """Token counts in the OpenAI, Anthropic, LangChain or Google shape; None when there are none.

    Anthropic counts cached input apart; here `input_tokens` is everything that went in.

    >>> read_usage({"input_tokens": 2, "cache_read_input_tokens": 10, "output_tokens": 5})
    Usage(input_tokens=12, output_tokens=5, cost=None, model=None)
    >>> read_usage({"prompt_tokens": "7"}, model="m").input_tokens
    7
    """
    table = usage if isinstance(usage, dict) else {}
    given = _first(table, _INPUT)
    cached = [as_count(table.get(key)) for key in _CACHED]
    if any(cached) and "prompt_tokens" not in table:  # LiteLLM's count has them in already
        given = (given or 0) + sum(count or 0 for count in cached)
    produced = _first(table, _OUTPUT)
    price = as_number(cost)
    if price is None:
        price = next((n for k in _COST if (n := as_number(table.get(k))) is not None), None)
    name = model if isinstance(model, str) and model else None
    if given is None and produced is None and price is None and name is None:
        return None
    return Usage(input_tokens=given, output_tokens=produced, cost=price, model=name)


def as_count(value: Any) -> int | None:
    """A count that is written as number or text; None for anything else and below 0.

    >>> as_count("12"), as_count(3.0), as_count(True), as_count("many")
    (12, 3, None, None)
    """
    if type(value) is int and 0 <= value < 2**53:
        return value
    number = as_number(value)
    return int(number) if number is not None and 0 <= number < 2**53 else None


def as_number(value: Any) -> float | None:
    """A finite number that is written as number or text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_instant(value: Any) -> float | None:
    """A point in time as seconds since 1970 UTC: ISO 8601, or epoch seconds, ms, us or ns.

    Times without a zone count as UTC; what cannot be read is None.

    >>> read_instant("2025-01-01T00:00:00Z"), read_instant(1735689600000)
    (1735689600.0, 1735689600.0)
    """
    if isinstance(value, str) and value[4:5] == "-":
        return _read_iso(value)  # nearly all of them: spare the attempt to read a number
    number = as_number(value)
    if number is not None:
        for size in (1e9, 1e6, 1e3):  # 1e11 seconds is the year 5138: more must be a finer unit
            if number >= 1e8 * size:
                return number / size
        return number if number > 0 else None
    return _read_iso(value) if isinstance(value, str) else None


def _read_iso(value: str) -> float | None:
    if not value[:4].isdigit():
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            moment = datetime.fromisoformat(value.strip().replace(" UTC", "Z"))
        except ValueError:
            return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_time(start: Any, end: Any = None) -> Time | None:
    """When something ran, from any two timestamps; None when neither can be read."""
    first, last = read_instant(start), read_instant(end)
    return None if first is None and last is None else Time(start=first, end=last)


def _first(table: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((count for key in keys if (count := as_count(table.get(key))) is not None), None)
