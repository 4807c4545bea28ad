"""Python `repr`s in logs, read without running anything."""

from __future__ import annotations

import ast
import math
import re
import warnings
from typing import Any

from tracekit.ingest.decode import clean
from tracekit.ingest.parts import as_text, maybe_json
from tracekit.trace import ToolCall

_LONGEST = 4 * 1024**2
"""Characters; the parser of Python is no match for texts of any size."""
_OBJECT = re.compile(r"\s*[A-Za-z_]\w{0,99}\(\w{1,99}=")
_REQUESTS = ("FunctionCall",)
_ANSWERS = ("FunctionExecutionResult",)


def read_repr(text: str) -> Any:
    """A literal such as a dict, as JSON value; None when the text is none, or far too long.

    >>> read_repr("{'a': (1, True)}")
    {'a': [1, True]}
    >>> read_repr("print(1)") is None
    True
    """
    if len(text) > _LONGEST or text.strip()[:1] not in ("{", "[", "(", "'", '"'):
        return None
    try:
        with warnings.catch_warnings():  # Python warns of escapes such as \\d in what it parses
            warnings.simplefilter("ignore")
            return _plain(clean(ast.literal_eval(text.strip())))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _plain(value: Any) -> Any:
    """A Python literal in the types of JSON."""
    if isinstance(value, dict):
        return {as_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else repr(value)


def read_object_repr(text: str) -> dict[str, Any] | None:
    """Fields of an object that was printed with all its fields, nested ones too; None for others.

    Names of classes, and of whatever is neither a literal nor printed so, are not resolved.

    >>> read_object_repr("Reply(choices=[Choice(index=0, text='it is 4')], at=now(), model=None)")
    {'choices': [{'index': 0, 'text': 'it is 4'}], 'at': {}, 'model': None}
    >>> read_object_repr("quota exceeded") is None
    True
    """
    if len(text) > _LONGEST or not _OBJECT.match(text):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = _plain(clean(_value(ast.parse(text.strip(), mode="eval").body)))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return value if isinstance(value, dict) else None


def _value(node: ast.expr) -> Any:
    """What an expression of literals and printed objects stands for; None for any other."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {as_text(_value(key)): _value(value) for key, value in pairs if key is not None}
    if isinstance(node, ast.Call):
        return {word.arg: _value(word.value) for word in node.keywords if word.arg is not None}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found = _value(node.operand)
        return -found if isinstance(found, int | float) else None
    return None


def read_calls_repr(text: str) -> tuple[ToolCall, ...]:
    """Tool requests and answers that AutoGen 0.4 prints as lists of objects.

    >>> read_calls_repr("[FunctionCall(id='c', arguments='{}', name='look')]")
    (ToolCall(name='look', arguments={}, result=None, error=None, call_id='c'),)
    """
    text = text.strip()
    names = tuple(f"[{name}(" for name in (*_REQUESTS, *_ANSWERS))
    if len(text) > _LONGEST or not text.startswith(names):
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    items = tree.elts if isinstance(tree, ast.List) else []
    return tuple(call for item in items if (call := _call(item)) is not None)


def _call(node: ast.expr) -> ToolCall | None:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return None
    given = {
        word.arg: clean(word.value.value)
        for word in node.keywords
        if isinstance(word.value, ast.Constant)
    }
    name = as_text(given.get("name"))
    if node.func.id in _REQUESTS:
        return ToolCall(name, maybe_json(given.get("arguments")), call_id=_id(given.get("id")))
    if node.func.id not in _ANSWERS:
        return None
    text = as_text(given.get("content"))
    failed = bool(given.get("is_error"))
    call_id = _id(given.get("call_id"))
    return ToolCall(name, result=text, error=text if failed else None, call_id=call_id)


def _id(value: Any) -> str | None:
    return as_text(value) or None if isinstance(value, str) else None
