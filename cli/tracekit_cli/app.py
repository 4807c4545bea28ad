"""The typer app: names of commands, each imported when it is called and not before."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from tracekit_cli import entry

COMMANDS = (
    "demo",
    "attribute",
    "gate",
    "discover",
    "influence",
    "ingest",
    "capture",
    "export",
    "show",
    "label",
    "train",
    "eval",
    "reproduce",
    "score",
    "rank",
    "search",
    "rollouts",
    "replay",
    "debug",
    "retry",
    "sandbox",
    "push",
    "pull",
    "inject",
    "formats",
    "methods",
    "benchmarks",
    "plugins",
    "schema",
    "config",
    "doctor",
)
"""Every command, in the order of the help; each is `tracekit_cli/commands/NAME.py:command`, or
`...:app` for a group of commands."""

EPILOG = """Exit codes: 0 clean, 1 a gate was hit, 2 usage, 3 some input unreadable, 4 something
needed is missing, 130 interrupted. Data goes to stdout, everything else to stderr.
`tracekit COMMAND --help` has examples."""

SETTINGS = {"help_option_names": ["-h", "--help"]}
HELP_OPTIONS = frozenset(SETTINGS["help_option_names"])
HELP = "tracekit.help"
"""Where the context holds whether help is asked for."""


class Commands(TyperGroup):
    """A group that knows the names of its commands and imports one when it is asked for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Arguments as usual; whether help is asked for, of whichever command, is noted."""
        ctx.meta[HELP] = not HELP_OPTIONS.isdisjoint(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported now; a wrong name gets the nearest right one."""
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, 1)
            if near and not ctx.resilient_parsing:
                ctx.fail(f"no command is named {cmd_name!r}; did you mean {near[0]!r}?")
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"tracekit_cli.commands.{cmd_name}")
            loaded = getattr(module, "app", None) or _single(cmd_name, module.command)
            self.commands[cmd_name] = typer.main.get_command(loaded)
        return self.commands[cmd_name]


def _single(name: str, command: Callable[..., None]) -> typer.Typer:
    """The app of one command."""
    single = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=SETTINGS)
    single.command(name)(command)
    return single


app = typer.Typer(
    name="tracekit",
    cls=Commands,
    epilog=EPILOG,
    context_settings=SETTINGS,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tracekit {entry.version()}")
        raise typer.Exit


def _debug(wanted: bool) -> None:
    if wanted:
        os.environ["TRACEKIT_DEBUG"] = "1"


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
    debug: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--debug", callback=_debug, help="Show the traceback of an error (or TRACEKIT_DEBUG=1)."
        ),
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Defaults of options, instead of the nearest tracekit.toml or pyproject.toml.",
        ),
    ] = None,
) -> None:
    """Which agent broke a run, at which step, why, and how sure that is.

    Point it at a folder of logs of multi-agent LLM systems: formats are detected, runs that failed
    are explained. Start with `tracekit demo`, go on with `tracekit attribute YOUR_LOGS/`.
    """
    name, group = context.invoked_subcommand, cast("Any", context.command)
    if name not in COMMANDS:
        return
    command = group.get_command(context, name)
    from tracekit_cli import defaults  # after the short answers: it loads the library

    if config is not None or defaults.is_configured(command):
        from tracekit.errors import UsageError

        try:
            found = context.obj = defaults.found(config)
            context.default_map = {name: defaults.default_map(name, command, found)}
        except UsageError:
            if not context.meta[HELP]:  # help is there when the configuration is not sound, too
                raise
