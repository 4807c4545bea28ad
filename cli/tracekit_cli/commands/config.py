"""`tracekit config`: what the project's configuration says, and what a command makes of it."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
import typer

from tracekit.config import Config, Found
from tracekit.errors import UsageError
from tracekit.report.machine import json_bytes
from tracekit_cli import defaults, options, soundness
from tracekit_cli.output import emit_json, listing, note

WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMMAND", help="A command, such as `gate` or `export verdicts`."),
]


def command(
    context: typer.Context, words: WordsArgument = None, json: options.Json = False
) -> None:
    """Show the configuration, and what came from where.

    Without a COMMAND, what the nearest tracekit.toml or pyproject.toml says, every key and value
    checked. With one, each of its options: the value that it has when the command line says nothing.

    \b
    Examples:
      tracekit config
      tracekit config gate
      tracekit config export verdicts --json
    """
    found: Found = context.obj or defaults.found(None)
    group = cast("Any", context.find_root().command)
    soundness.check(context, found)
    if words:
        rows = _options(context, words, _command(context, group, words), found)
    else:
        rows = {key: (value, found.path) for key, value in _said(found.config)}
    if json:
        values = {key: {"value": value, "from": where} for key, (value, where) in rows.items()}
        emit_json({"file": found.path or None, "values": values})
    elif rows:
        told = [(key, json_bytes(value).decode(), where) for key, (value, where) in rows.items()]
        listing(("option" if words else "key", "value", "from"), told)
    else:
        note(f"{found.path} says nothing" if found.path else "no configuration found")


def _said(config: Config) -> list[tuple[str, Any]]:
    """Keys that the file says, those in tables after the name of the table and a dot."""
    said: list[tuple[str, Any]] = []
    for field in msgspec.structs.fields(config):
        value = msgspec.to_builtins(getattr(config, field.name))
        if isinstance(value, dict):
            said += [(f"{field.encode_name}.{k}", inner) for k, inner in value.items()]
        else:
            said.append((field.encode_name, value))
    return [(key, value) for key, value in said if value not in (None, (), "")]


def _command(context: typer.Context, group: Any, words: list[str]) -> Any:
    """The command of that name; one within a group needs both words."""
    found = group.get_command(context, words[0])
    for word in words[1:]:
        found = getattr(found, "commands", {}).get(word)
    if found is None:
        raise UsageError(f"no command is named {' '.join(words)!r}")
    if members := getattr(found, "commands", None):
        raise UsageError(f"{' '.join(words)}: of which, {' or '.join(members)}?")
    return found


def _options(
    context: typer.Context, words: list[str], command: Any, found: Found
) -> dict[str, tuple[Any, str]]:
    """Every option with its value and where that comes from."""
    said = defaults.defaults(words[0], command, found)
    rows: dict[str, tuple[Any, str]] = {}
    for option in command.params:
        if one := said.get(option.name):
            taken = soundness.converted(context, command, option.name, one, found.path)
            value = msgspec.to_builtins(taken, enc_hook=str)
            rows[defaults.long(option)] = (value, f"{found.path}: {one.key}")
        else:
            usual = option.default
            value = usual if isinstance(usual, bool | int | float | str | None) else str(usual)
            rows[defaults.long(option)] = (value, "default")
    return rows
