"""Defaults of commands from the project's configuration; the command line goes before them."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tracekit import config as files
from tracekit.analyzers.asking import settings_are_for
from tracekit.config import Config, Found

OWN = frozenset({"gate", "eval"})
"""Commands whose table has fields of its own; that of any other holds its options by name."""
ASKING = frozenset({"debug", "eval"})
"""Commands to which `model` and `settings` are those of a model that is asked, or nothing."""
VALUING = frozenset({"rank", "score", "search"})
"""Commands whose model is that of a value function."""
JUDGING = frozenset({"attribute", "export", "gate", "retry"})
"""Commands whose method is given what is said for it, or for others like it."""
OF_METHOD = frozenset({"model", "repeat", "set"})
"""What is said for a method."""
SAME = (
    "format", "outcome_from", "with_answer", "method", "model", "seed", "system", "llm", "key_env",
    "repeat", "concurrency", "timeout", "retries", "max_tokens_total", "max_cost", "price", "cache",
    "redact", "pii",
)  # fmt: skip
"""Keys whose option has their name, and takes their value as it is."""
OTHER = {
    "demo": frozenset({"method"}),
    "eval": frozenset({"method"}),
    "influence": frozenset({"model"}),
    "inject": frozenset({"key_env", "llm", "model", "system"}),
    "search": frozenset({"method", "set"}),
    "train": frozenset({"method"}),
}
"""Options that mean something else than the key of their name does."""


class Default(msgspec.Struct, frozen=True):
    """What the configuration says for one option."""

    value: Any
    """As typer takes it."""
    key: str
    """The key that says so."""


def found(path: str | None) -> Found:
    """The configuration in the named file, or the nearest one from the working folder up."""
    return files.find() if path is None else files.read(path)


def is_configured(command: Any) -> bool:
    """Whether anything in a configuration can concern a command."""
    inner = getattr(command, "commands", {})
    return any(map(is_configured, inner.values())) or any(
        option.name in _shared(Config()) for option in command.params
    )


def leave_to(context: Any, method: str | None) -> None:
    """Take out of a command's defaults what is meant for another method than the one it runs.

    `method` is that of the command line, or of the configuration; None = neither names one.
    """
    top = context
    while top.parent is not None and top.parent.parent is not None:
        top = top.parent
    if isinstance(top.obj, Found):
        said = _everything(str(top.info_name), context.command, top.obj)
        for option in said.keys() - _meant(said, top.obj.config, method).keys():
            context.default_map.pop(option, None)


def default_map(name: str, command: Any, found: Found) -> dict[str, Any]:
    """Defaults of a command as typer wants them: by option, or by the command within a group."""
    if inner := getattr(command, "commands", None):
        return {member: default_map(name, one, found) for member, one in inner.items()}
    return {option: said.value for option, said in _everything(name, command, found).items()}


def defaults(name: str, command: Any, found: Found) -> dict[str, Default]:
    """What is said for a command, by option; what is said for it alone goes first.

    Raises `UsageError` for a key in the command's table that is none of its options.
    """
    said = _everything(name, command, found)
    return _meant(said, found.config) if name in JUDGING else said


def _everything(name: str, command: Any, found: Found) -> dict[str, Default]:
    """The same, with what is meant for another method than the command's."""
    config = found.config
    said = _shared(config)
    if name in VALUING:
        said["model"] = Default(config.values_model, "values-model")
    elif name in ASKING and not config.llm:
        del said["model"], said["set"]
    said = {option: one for option, one in said.items() if option not in OTHER.get(name, ())}
    said |= _gate(config) if name == "gate" else _eval(config) if name == "eval" else {}
    options = {option.name for option in command.params}
    kept = {k: v for k, v in said.items() if k in options and v.value not in (None, [], "")}
    return kept | _table(name, command, found)


def _meant(
    said: dict[str, Default], config: Config, method: str | None = None
) -> dict[str, Default]:
    """What of it is meant for the method; None = as said.

    In a command's own table it is for the method that the command has by itself, elsewhere for that
    of every command.
    """
    own = said["method"].value if "method" in said else None
    served = "llm" in said

    def fits(option: str, key: str) -> bool:
        if option not in OF_METHOD:
            return True
        if "." in key:
            return own is None or settings_are_for(method or own, own, served=served)
        return settings_are_for(method or own, config.method, served=served)

    return {option: one for option, one in said.items() if fits(option, one.key)}


def _shared(config: Config) -> dict[str, Default]:
    """What every command obeys that has an option of that name."""
    logs = Default(list(config.logs), "logs")
    settings = [f"{key}={json.dumps(value)}" for key, value in config.settings.items()]
    renamed = {
        "paths": logs,
        "logs": logs,
        "set": Default(settings, "settings"),
        "corpus": Default(list(config.corpus), "corpus"),
        "values_": Default(config.values, "values"),
    }
    same = {name: Default(getattr(config, name), name.replace("_", "-")) for name in SAME}
    return renamed | same


def _gate(config: Config) -> dict[str, Default]:
    gate = config.gate
    return {
        "baseline": Default(gate.baseline, "gate.baseline"),
        "fail_on": Default(list(gate.fail_on), "gate.fail-on"),
        "sarif": Default(gate.sarif, "gate.sarif"),
        "junit": Default(gate.junit, "gate.junit"),
    }


def _eval(config: Config) -> dict[str, Default]:
    table = config.eval
    one = "" if config.seed is None else str(config.seed)
    seeds = ",".join(map(str, table.seeds))
    return {
        "data": Default(table.data, "eval.data"),
        "method": Default(list(table.method), "eval.method"),
        "folds": Default(table.folds, "eval.folds"),
        "seeds": Default(seeds, "eval.seeds") if seeds else Default(one, "seed"),
        "protocol": Default(table.protocol, "eval.protocol"),
        "scorer": Default(table.scorer, "eval.scorer"),
    }


def _table(name: str, command: Any, found: Found) -> dict[str, Default]:
    """The options of a command's own table."""
    table = {} if name in OWN else getattr(found.config, name, {})
    known = {long(option): option for option in command.params}
    said = {}
    for key, value in table.items():
        if key not in known:
            raise files.stranger(found.path, f"{name}.{key}", [f"{name}.{each}" for each in known])
        option = known[key]
        said[option.name] = Default(_placed(option, value, found.folder), f"{name}.{key}")
    return said


def long(option: Any) -> str:
    """The name of an option without its dashes; of an argument, its name."""
    return str(max(option.opts, key=len).lstrip("-"))


def _placed(option: Any, value: Any, folder: str) -> Any:
    """The value, as a path from the working folder where the option takes one."""
    if isinstance(value, list):
        return [_placed(option, each, folder) for each in value]
    metavar = option.metavar or ""
    if not isinstance(value, str) or not {"DIR", "FILE"} & set(metavar.split("|")):
        return value
    return files.rebased(value, folder, if_there="|" in metavar)
