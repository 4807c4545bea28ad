"""The console script: what needs no library is answered at once, the rest goes to the app.

`tracekit --help` is read from `help.txt`, which `python -m tracekit_cli.reference` renders from the
app: importing typer alone costs several times what an interpreter needs to start.
"""

import os
import sys

COMPLETION = "_TRACEKIT_COMPLETE"
"""Set by the shell when it asks for completions; then even a bare call belongs to the app."""

PIPE_CLOSED = 141
"""Exit code when the reader of our output went away, as after `| head`; what shells report too."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code; never raises for what a user can cause."""
    args = sys.argv[1:] if argv is None else argv
    if sys.stdout is None:  # closed by the caller: `tracekit ... >&-`
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        if COMPLETION not in os.environ:
            if args in ([], ["--help"], ["-h"]):
                return _write(shipped_help())
            if args == ["--version"]:
                return _write(f"tracekit {version()}\n")
        from tracekit_cli.run import run

        return run(args)
    except KeyboardInterrupt:  # while modules were still loading; later ones are met in `run`
        return 130


def shipped_help() -> str:
    """The text of `tracekit --help`, 80 columns wide."""
    path = os.path.join(os.path.dirname(__file__), "help.txt")
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def version() -> str:
    """Version of the installed distribution."""
    from importlib.metadata import version

    return version("mas-tracekit")


def silence_stdout() -> None:
    """Let what is left in the buffers go nowhere, so that the interpreter ends quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _write(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        return PIPE_CLOSED
    except OSError as error:
        silence_stdout()
        sys.stderr.write(f"tracekit: error: stdout: {error.strerror}\n")
        return 4
    return 0
