"""One command line from arguments to exit code: the only place where exceptions become messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a verdict must not die of an arrow
            stream.reconfigure(errors="replace")
    code = _guarded(lambda: _call(args))
    flushed = _guarded(_flush)
    if flushed:
        entry.silence_stdout()
    return flushed or code


def _call(args: list[str]) -> int:
    command = typer.main.get_command(app)
    if entry.COMPLETION in os.environ:
        command.main(args=args, prog_name="tracekit")
    with command.make_context("tracekit", args) as context:
        command.invoke(context)
    return 0


def _flush() -> int:
    sys.stdout.flush()
    return 0


def _guarded(body: Callable[[], int]) -> int:
    """The exit code of `body`, whatever it raises; only debugging lets exceptions through."""
    try:
        return body()
    except typer.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        return entry.PIPE_CLOSED
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("TRACEKIT_DEBUG"):
            raise
        return _explain(error)


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
    elif isinstance(error, MemoryError):
        message, code = "not enough memory", MISSING
    else:
        message = (
            f"{type(error).__name__}: {error}; this is a bug of tracekit: please report it with "
            "the traceback that TRACEKIT_DEBUG=1 shows"
        )
        code = BUG
    say(f"error: {one_line(message, 1000)}")
    return code
