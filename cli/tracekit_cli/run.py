"""One command line from arguments to exit code: the only place where exceptions become messages."""

from __future__ import annotations

import os
import sys

import typer

from tracekit_cli import entry
from tracekit_cli.app import app

INTERRUPTED = 130
USAGE = 2
MISSING = 4
BUG = 70
"""A bug of tracekit: none of the codes that a script may rely on."""


def run(args: list[str]) -> int:
    """Run the app; one clean line on stderr for whatever goes wrong, a traceback only on request."""
    _tolerate_odd_terminals()
    command = typer.main.get_command(app)
    try:
        if entry.COMPLETION in os.environ:
            command.main(args=args, prog_name="tracekit")
        with command.make_context("tracekit", args) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        return _finish(done.exit_code)
    except BrokenPipeError:
        entry.silence_stdout()
        return entry.PIPE_CLOSED
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("TRACEKIT_DEBUG"):
            raise
        return _explain(error)
    return 0


def _finish(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        entry.silence_stdout()
        return entry.PIPE_CLOSED
    return code


def say(text: str) -> None:
    """One line on stderr that begins with the program's name."""
    sys.stderr.write(f"tracekit: {text}\n")


def _explain(error: Exception) -> int:
    """Print the error as one line; returns the exit code."""
    from tracekit.errors import TracekitError
    from tracekit.report.visible import one_line

    if isinstance(error, TracekitError):
        message, code = str(error), error.exit_code
    elif isinstance(error, typer.TyperException):
        message, code = error.format_message(), USAGE
        hint = getattr(error, "ctx", None)
        if hint is not None:
            message += f" (see `{hint.command_path} --help`)"
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        message, code = f"{where}{error.strerror or error}", MISSING
    else:
        message = (
            f"{type(error).__name__}: {error}; this is a bug of tracekit: please report it with "
            "the traceback that TRACEKIT_DEBUG=1 shows"
        )
        code = BUG
    say(f"error: {one_line(message, 1000)}")
    return code


def _tolerate_odd_terminals() -> None:
    """What the terminal's encoding cannot show is replaced; a verdict must not die of an arrow."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
