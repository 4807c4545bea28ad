"""Options that belong together: a parameter that is a struct stands for one option a field.

    class Calls(msgspec.Struct, frozen=True, kw_only=True):
        llm: Annotated[str, typer.Option(metavar="URL")] = ""
        timeout: Annotated[float, typer.Option()] = 120.0

    @grouped
    def command(paths: options.Logs, *, calls: Calls) -> None: ...

gives a command with `--llm` and `--timeout`, said once however many commands have them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

import msgspec

Command = Callable[..., None]


def grouped(command: Command) -> Command:
    """The command with every struct among its parameters taken apart, structs within them too."""
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters.values()
    apart = [
        option
        for each in parameters
        for option in _apart(each.name, hints[each.name], each.default)
    ]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        command(**{each.name: _together(each.name, hints[each.name], given) for each in parameters})

    called.__annotations__ = {each.name: each.annotation for each in apart}
    called.__signature__ = inspect.Signature(apart)  # type: ignore[attr-defined]
    return called


def _apart(name: str, hint: Any, default: Any) -> Iterator[inspect.Parameter]:
    if not _is_struct(hint):
        kind = inspect.Parameter.KEYWORD_ONLY
        yield inspect.Parameter(name, kind, default=default, annotation=hint)
        return
    hints = get_type_hints(hint, include_extras=True)
    for field in msgspec.structs.fields(hint):
        yield from _apart(field.name, hints[field.name], field.default)


def _together(name: str, hint: Any, given: Mapping[str, Any]) -> Any:
    if not _is_struct(hint):
        return given[name]
    hints = get_type_hints(hint, include_extras=True)
    return hint(**{each: _together(each, hints[each], given) for each in hint.__struct_fields__})


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)
