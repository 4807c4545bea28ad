"""Write verdicts back to a running Phoenix, twice, and read what is there.

    python benchmarks/phoenix_write_back.py --endpoint http://127.0.0.1:6006 LOGS...

Sends the spans of the logs by OTLP/HTTP, then the verdicts as annotations, then the same verdicts
again, and reads the annotations from Phoenix's REST API: each must be there once, on the span of
the step that the verdict names. Start Phoenix yourself: `pip install arize-phoenix`, `phoenix serve`.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tracekit.analyzers.run import attribute
from tracekit.export.otlp import Otlp
from tracekit.export.verdicts.phoenix import Phoenix
from tracekit.export.verdicts.sending import send
from tracekit.ingest.pipeline import load

PROJECT = "tracekit-write-back"


def main() -> None:
    """Send twice, read once, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--endpoint", default="http://127.0.0.1:6006", help="where Phoenix is")
    parser.add_argument("--method", default="compact", help="what attributes the runs")
    parser.add_argument("logs", nargs="+", help="logs to send and judge")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        spans = Path(folder) / "spans.jsonl"
        Otlp().write(load(*given.logs), spans)
        for line in spans.read_text().splitlines():
            _send_spans(given.endpoint, json.loads(line))
        traces = list(load(spans))  # as a log of these very spans
    pairs = [(trace, attribute(trace, given.method, even_success=True)) for trace in traces]
    wanted = [json.loads(line) for line in Phoenix().encode(pairs).splitlines()]
    for turn in (1, 2):
        _eventually(lambda: send(Phoenix().posts(pairs), given.endpoint, {}))
        found = _annotations(given.endpoint, wanted)
        print(f"sent {turn} times: {len(wanted)} annotations written, {len(found)} there")
    missing = {(w["identifier"], w["result"]["label"]) for w in wanted} - found.keys()
    assert not missing, missing
    assert len(found) == len(wanted)
    print("each is there once, on its span or trace")


def _send_spans(endpoint: str, spans: dict[str, Any]) -> None:
    """Spans as protobuf, the one form that Phoenix takes."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    project = {"key": "openinference.project.name", "value": {"stringValue": PROJECT}}
    for group in spans["resourceSpans"]:
        group["resource"]["attributes"].append(project)
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                _binary_ids(span)
                for link in span.get("links", ()):
                    _binary_ids(link)
    body = ParseDict(spans, ExportTraceServiceRequest()).SerializeToString()
    headers = {"Content-Type": "application/x-protobuf"}
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/v1/traces", body, headers)).read()


def _binary_ids(holder: dict[str, Any]) -> None:
    """Ids as protobuf's JSON has them, which is not OTLP's."""
    from base64 import b64encode

    for name in ("traceId", "spanId", "parentSpanId"):
        if name in holder:
            holder[name] = b64encode(bytes.fromhex(holder[name])).decode()


def _eventually(act: Any, tries: int = 20) -> None:
    """Phoenix stores spans a moment after it took them."""
    from tracekit.errors import BackendError

    for left in reversed(range(tries)):
        try:
            act()
        except BackendError:
            if not left:
                raise
            time.sleep(0.5)
        else:
            return


def _annotations(endpoint: str, wanted: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """What is there, by identifier and label: the span or trace that it stands on."""
    found: dict[tuple[str, str], str] = {}
    count = 0
    for kind in ("span", "trace"):
        ids = sorted({one[f"{kind}_id"] for one in wanted if f"{kind}_id" in one})
        query = "&".join(f"{kind}_ids={id}" for id in ids)
        url = f"{endpoint}/v1/projects/{PROJECT}/{kind}_annotations?limit=1000&{query}"
        with urllib.request.urlopen(url) as answer:
            for one in json.load(answer)["data"]:
                count += 1
                found[one["identifier"], one["result"]["label"]] = one[f"{kind}_id"]
    assert count == len(found), f"{count} annotations of {len(found)} identifiers"
    return found


if __name__ == "__main__":
    main()
