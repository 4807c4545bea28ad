"""Whether a configuration is sound: what `tracekit config` and `tracekit doctor` both ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import typer

from tracekit import registry
from tracekit.config import Config, Found
from tracekit.errors import TracekitError, UsageError
from tracekit.eval.config import EvalConfig
from tracekit.gate import rules
from tracekit.llm.terms import Terms
from tracekit_cli import defaults


def check(context: typer.Context, found: Found) -> None:
    """Raise `UsageError` for what a command would refuse: a key, a value, a name, a rule."""
    root: Any = context.find_root()
    for name in root.command.list_commands(root):
        for one in _commands(root.command.get_command(root, name)):
            for option, value in defaults.defaults(name, one, found).items():
                converted(root, one, option, value, found.path)
    try:
        _names(found.config)
    except TracekitError as error:
        raise UsageError(f"{found.path}: {error}") from None


def converted(
    context: typer.Context, command: Any, option: str, said: defaults.Default, where: str
) -> Any:
    """The value as the command takes it; raises `UsageError` when it does not."""
    own = type(context)(command, info_name=command.name)
    (known,) = (each for each in command.params if each.name == option)
    try:
        return known.process_value(own, said.value)
    except typer.BadParameter as error:
        what = error.message.removeprefix("Value error, ")
        raise UsageError(f"{where}: {said.key}: {what}") from None


def _commands(command: Any) -> Iterator[Any]:
    """The command, or those of a group."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield command
        return
    for member in inner.values():
        yield from _commands(member)


def _names(config: Config) -> None:
    """What the library says to the words of it that are not checked by type."""
    for kind, names in (
        ("analyzers", [config.method, config.attribute.get("method"), *config.eval.method]),
        ("readers", [config.format]),
    ):
        for name in filter(None, names):
            registry.get(kind, name)
    rules.check(config.gate.fail_on, has_baseline=True)
    said = msgspec.structs.asdict(config.eval)
    known = EvalConfig.__struct_fields__
    EvalConfig(**{name: value for name, value in said.items() if name in known and value})
    Terms(price=config.price or "", max_cost=config.max_cost)
