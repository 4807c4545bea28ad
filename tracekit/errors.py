"""What can go wrong, in one tree.

    TracekitError                 anything tracekit raises on purpose
    ├── UsageError                the caller asked for something impossible (exit code 2)
    │   ├── UnknownName           no plug-in of that kind has that name
    │   └── InjectionError        a fault cannot strike there, or would change nothing
    ├── InputError                an input as a whole cannot be used (exit code 3)
    │   └── SchemaError           a document does not follow a tracekit schema
    ├── BackendError              something outside tracekit is needed and not there (exit code 4)
    │   ├── MissingExtra          an optional dependency is not installed
    │   └── CallError             a call of a model gave no answer (tracekit.llm.errors)
    └── ContractError             a plug-in broke its protocol (exit code 4)

A failed *record* is data, not an exception: readers yield a `Problem` and go on. A broken
*machine* (a full disk, a missing directory, a plug-in with a bug) is an exception. `boundary`
stands where the two meet: it turns whatever a plug-in lets slip into a `Problem`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

Severity = Literal["skip", "warning", "error"]


class TracekitError(Exception):
    """Base of every error tracekit raises on purpose. `exit_code` is what the CLI ends with."""

    exit_code = 1


class UsageError(TracekitError):
    """The request itself cannot be met: a wrong option, an impossible combination."""

    exit_code = 2


class UnknownName(UsageError):
    """No plug-in of that kind is registered under that name."""

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        super().__init__(f"no {kind} is named {name!r}; known: {', '.join(known) or 'none'}")


class InjectionError(UsageError):
    """A fault cannot be made in this run: nowhere to strike, or nothing that would change."""


class InputError(TracekitError):
    """An input as a whole cannot be used; says what, where, and what to do."""

    exit_code = 3


class SchemaError(InputError):
    """A document does not follow the tracekit schema that it claims."""


class BackendError(TracekitError):
    """Something outside tracekit (a server, a device, a program) is needed and not there."""

    exit_code = 4


class MissingExtra(BackendError):
    """An optional dependency is not installed; the message holds the install command."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"{module} is needed here and is not installed: pip install 'mas-tracekit[{extra}]'"
        )


class ContractError(TracekitError):
    """A plug-in does not load, or does not keep the promises of its protocol."""

    exit_code = 4


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something a reader could not use, as data: the rest of the input goes on."""

    what: str
    """What happened, in one sentence, without the offending text itself."""
    severity: Severity = "error"
    """`skip`: the record holds no step, which is normal for the format; `warning`: read, with
    a doubt; `error`: the record or file was lost."""
    path: str = ""
    """The file, as the user named it; a member of an archive follows after `!/`."""
    line: int | None = None
    """1-based line of the record, None where the format has no lines."""
    byte: int | None = None
    """Byte offset in the uncompressed file, None when unknown."""
    record: str | None = None
    """Key of the record within the file (`ingest.account`), None for the file as a whole."""
    do: str = ""
    """What the user can do about it; empty when nothing needs doing."""

    def __str__(self) -> str:
        """`path:line: severity: what (do)`, the form compilers use and editors understand."""
        where = self.path + (f":{self.line}" if self.line is not None else "")
        where += ": " if where else ""  # a run that came from no file
        return f"{where}{self.severity}: {self.what}" + (f" ({self.do})" if self.do else "")


class Failure:
    """Filled by `boundary` when its body raised; `problem` is None when it did not."""

    problem: Problem | None = None


@contextmanager
def boundary(what: str, path: str = "", **where: Any) -> Iterator[Failure]:
    """Turn an exception of plug-in code into a `Problem`; machine errors pass through.

    `MemoryError` and `RecursionError` count as bad data (a bomb, a nest), `OSError` and
    tracekit's own errors pass through unchanged.

    >>> with boundary("reader 'demo' failed", "log.json") as failure:
    ...     raise ValueError("boom")
    >>> print(failure.problem)
    log.json: error: reader 'demo' failed: ValueError: boom (report this as a bug of the plug-in)
    """
    failure = Failure()
    try:
        yield failure
    except (TracekitError, OSError, KeyboardInterrupt, GeneratorExit):
        raise
    except Exception as error:
        failure.problem = Problem(
            what=f"{what}: {type(error).__name__}: {str(error)[:200]}",
            path=path,
            do="report this as a bug of the plug-in",
            **where,
        )
