"""The JSON Schema of everything tracekit writes, made from the types themselves.

A schema has a name and a version, `tracekit/trace/1`. A change that an older reader would
misunderstand raises the version; documents of older versions stay readable (`store.decode_trace`).
"""

from __future__ import annotations

import ast
import inspect
import sys
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from tracekit import registry
from tracekit.errors import UnknownName

DOCUMENTS = {
    "trace": "tracekit.trace:Trace",
    "attribution": "tracekit.attribution:Attribution",
    "problem": "tracekit.errors:Problem",
    "manifest": "tracekit.ingest.batch:Manifest",
}
"""Every kind of document, as `module:attribute` of its type."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a kind of document, with the documentation of every field.

    Raises `UnknownName` for a name that is not in `DOCUMENTS`.

    >>> schema = json_schema("trace")
    >>> schema["$id"], schema["$defs"]["Step"]["properties"]["index"]["description"]
    ('urn:tracekit:trace:1', 'Position in the trace, 0-based and dense.')
    """
    if name not in DOCUMENTS:
        raise UnknownName("schema", name, sorted(DOCUMENTS))
    document = registry.load(DOCUMENTS[name], f"schema {name!r}")
    schema = msgspec.json.schema(document)
    for struct in structs(document, set()):
        _describe(schema["$defs"][struct.__name__], struct)
    schema = {"$schema": DIALECT, "$id": f"urn:{version(name).replace('/', ':')}", **schema}
    return msgspec.json.decode(msgspec.json.encode(schema), type=dict[str, Any])


def version(name: str) -> str:
    """Name and version of a kind of document, as written into its `schema` member.

    >>> version("trace")
    'tracekit/trace/1'
    """
    config = registry.load(DOCUMENTS[name]).__struct_config__
    return config.tag or f"tracekit/{name}/1"


def _describe(schema: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    schema["description"] = (inspect.getdoc(struct) or "").partition("\n\n>>>")[0]
    for field, text in field_docs(struct).items():
        if field in schema["properties"]:
            # Keywords beside a $ref are allowed since draft 2019-09.
            schema["properties"][field]["description"] = text


def structs(document: Any, found: set[type]) -> Iterator[type[msgspec.Struct]]:
    """A struct and every struct its fields mention, each once."""
    if document in found:
        return
    if isinstance(document, type) and issubclass(document, msgspec.Struct):
        found.add(document)
        yield document
        for hint in typing.get_type_hints(document).values():
            yield from structs(hint, found)
    else:
        for part in typing.get_args(document):
            if isinstance(part, type) or typing.get_args(part):
                yield from structs(part, found)


def field_docs(struct: type) -> dict[str, str]:
    """The string literals under the fields of a class, by field; fields without one are left out.

    >>> from tracekit.trace import Usage
    >>> field_docs(Usage)["cost"]
    'US dollars.'
    """
    return _module_docs(struct.__module__).get(struct.__name__, {})


@cache
def _module_docs(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _class_docs(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _class_docs(node: ast.ClassDef) -> dict[str, str]:
    docs = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                docs[name] = " ".join(str(text).split())
    return docs
