"""Traces as rows of a table: fixed columns, and JSON text where a trace is free in form.

The columns follow from the types of `tracekit.trace`, so that a new field is a new column. Tables
of free-form objects have a different type in every file, and break tools that join files; text
does not.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from tracekit.errors import SchemaError
from tracekit.trace import SCHEMA, Trace

Shape = Any
"""`string`, `int64`, `float64` or `json`; a list of one shape; a dict of named shapes."""

MARK = b"tracekit"
"""Key in the metadata of a table of traces; its value is the schema's name and version."""

_PLAIN = {inspect.StrType: "string", inspect.IntType: "int64", inspect.FloatType: "float64"}


@cache
def shape() -> dict[str, Shape]:
    """The columns of a table of traces, one row a trace; `schema` comes first.

    >>> shape()["task"]
    {'question': 'string', 'expected': 'string', 'id': 'string'}
    >>> shape()["steps"][0]["extra"]
    'json'
    """
    columns: dict[str, Shape] = _shape(inspect.type_info(Trace))
    return {"schema": "string", **columns}


def _shape(kind: inspect.Type) -> Shape:
    if isinstance(kind, inspect.StructType):
        return {field.name: _shape(field.type) for field in kind.fields}
    if isinstance(kind, inspect.VarTupleType):
        return [_shape(kind.item_type)]
    if isinstance(kind, inspect.UnionType):
        kinds = [k for k in kind.types if not isinstance(k, inspect.NoneType)]
        return _shape(kinds[0]) if len(kinds) == 1 else "json"
    if isinstance(kind, inspect.LiteralType):
        return "string"
    return _PLAIN.get(type(kind), "json")


def to_row(trace: Trace) -> dict[str, Any]:
    """A trace as a row."""
    row: dict[str, Any] = _packed(trace, {k: v for k, v in shape().items() if k != "schema"})
    return {"schema": SCHEMA, **row}


def _packed(value: Any, shape: Shape) -> Any:
    if value is None:
        return None
    if isinstance(shape, dict):
        return {name: _packed(getattr(value, name), inner) for name, inner in shape.items()}
    if isinstance(shape, list):
        return [_packed(item, shape[0]) for item in value]
    if shape == "json":
        return msgspec.json.encode(value).decode()
    return value


def from_row(row: dict[str, Any]) -> Trace:
    """The trace of a row; raises `SchemaError` that says what is wrong with it."""
    try:
        return msgspec.convert(_unpacked(row, shape()), Trace)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise SchemaError(f"not a row of {SCHEMA}: {error}") from None


def _unpacked(value: Any, shape: Shape) -> Any:
    if isinstance(shape, dict) and isinstance(value, dict):
        members = ((name, value.get(name), inner) for name, inner in shape.items())
        return {n: _unpacked(held, inner) for n, held, inner in members if held is not None}
    if isinstance(shape, list) and isinstance(value, list):
        return [_unpacked(item, shape[0]) for item in value]
    return msgspec.json.decode(value) if shape == "json" and isinstance(value, str) else value
