"""How a tracer's model is asked: as it was trained to be, told by a small file beside its weights.

A model that has no such file is asked by defaults, cut to what it can read and write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from tracekit.errors import InputError, UsageError

FILE = "tracer.json"
"""Name of the file in the model's folder."""
BUDGET = 6144
"""Tokens of a prompt where nothing says better."""
MAX_TOKENS = 1024
"""Tokens of an answer where nothing says better."""

_LARGEST = 2**16
"""Bytes of the file beyond which it is not read."""

Tokens = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,60}$")]
PromptId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9:.-]{0,60}/[0-9]{1,6}$")]


class Trained(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model was trained to read and to write."""

    recipe: Name
    """Name of its recipe."""
    prompts: Annotated[tuple[PromptId, ...], msgspec.Meta(max_length=16)]
    """Templates by name and version."""
    budget: Tokens
    """Tokens of the prompt."""
    max_tokens: Tokens | None
    """Tokens of an answer; None = training set no bound."""
    with_answer: bool
    """Whether it saw the correct answer of the task."""


def read(path: Path) -> Trained:
    """What a file says; raises `InputError` for one that is not of this form."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise InputError(f"{path}: larger than {_LARGEST} bytes: not what training wrote")
        return msgspec.json.decode(raw, type=Trained)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except msgspec.DecodeError as error:  # an unknown or a wrong field, too
        raise InputError(f"{path}: {error}") from None


def write(trained: Trained, folder: Path) -> None:
    """Put the file into a model's folder."""
    told = msgspec.json.format(msgspec.json.encode(trained), indent=2)
    (folder / FILE).write_bytes(told + b"\n")


def settled(
    chosen: dict[str, Any], trained: Trained | None, room: int | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings with `budget` and `max_tokens` filled in, and what to warn of.

    What is set holds; then what the model was trained with; then the defaults. `room` is the number
    of tokens that prompt and answer may have together, None = not known: a budget that nobody set is
    cut to it, one that was set and does not fit raises `UsageError`.

    >>> settled({"budget": None, "max_tokens": 200}, None, 1200)[0]
    {'budget': 1000, 'max_tokens': 200}
    """
    budget, answer = (_positive(chosen, name) for name in ("budget", "max_tokens"))
    fixed = budget is not None
    budget = budget or (trained.budget if trained else BUDGET)
    if answer is None and trained is not None:
        answer = trained.max_tokens or _left(budget, room)
    answer = answer or MAX_TOKENS
    warned: tuple[str, ...] = ()
    if room is not None and budget + answer > room:
        if fixed or answer >= room:
            raise UsageError(
                f"tracer: a prompt of {budget} tokens (budget) and an answer of {answer} "
                f"(max_tokens) do not fit: this model has room for {room} together; "
                "set less, --set budget=N or --set max_tokens=N"
            )
        least = room - answer
        why = f"the model has room for {room} with the answer's {answer}"
        warned = (f"prompts are kept to {least} tokens instead of {budget}: {why}",)
        budget = least
    return {**chosen, "budget": budget, "max_tokens": answer}, warned


def doubts(
    trained: Trained | None, prompts: tuple[str, ...], *, with_answer: bool
) -> tuple[str, ...]:
    """In what the model is asked otherwise than it was trained; nothing when that is not known."""
    if trained is None:
        return ()
    found = []
    if trained.prompts != prompts:
        theirs, ours = ", ".join(trained.prompts) or "none", ", ".join(prompts)
        found.append(f"the model was trained on the prompts {theirs} and is asked by {ours}")
    if trained.with_answer != with_answer:
        seen = ("without", "with") if with_answer else ("with", "without")
        found.append(
            f"the model was trained {seen[0]} the correct answer and is asked {seen[1]} it"
        )
    return tuple(found)


def _left(budget: int, room: int | None) -> int | None:
    """What a prompt leaves for the answer, at most the default; None when that is not known."""
    return None if room is None or room <= budget else min(MAX_TOKENS, room - budget)


def _positive(chosen: dict[str, Any], name: str) -> int | None:
    value = chosen[name]
    if value is None or (type(value) is int and value > 0):
        return value
    raise UsageError(f"tracer: {name} is {value!r}, wanted a number of tokens")
