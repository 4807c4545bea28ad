"""Every cap on input: below it a log is read, above it the message names the flag to raise."""

import gzip
import io
import json
import zipfile

import pytest

RUN = {
    "question": "How many apples are left?",
    "history": [
        {"role": "human", "content": "How many apples are left?"},
        {"role": "Coder", "content": "3"},
    ],
    "mistake_agent": "Coder",
    "mistake_step": "1",
}
DATA = json.dumps(RUN).encode()
TRACE = b'{"schema":"tracekit/trace/1","id":"t%d","source":{"format":"x"}}\n'
DEEP = json.dumps(RUN | {"notes": json.loads("[" * 30 + "]" * 30)}).encode()
BLANKS = (b" " * 1023 + b"\n") * (65 * 1024)  # ratios count from 64 MiB on


def members():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index in range(5):
            archive.writestr(f"{index}.json", DATA)
    return buffer.getvalue()


CAPS = {
    "--max-file-bytes": ("run.json", DATA, 100),
    "--max-line-bytes": ("traces.jsonl", TRACE % 1 + TRACE % 2, 40),
    "--max-depth": ("run.json", DEEP, 20),
    "--max-expanded-bytes": ("run.json.gz", gzip.compress(DATA), 100),
    "--max-ratio": ("traces.jsonl.gz", gzip.compress(TRACE % 1 + BLANKS, 9), 20),
    "--max-members": ("logs.zip", members(), 3),
}
BEFORE = {"--max-ratio": 1}
"""Traces of whole lines that were read before the cap was met."""


@pytest.fixture(params=sorted(CAPS))
def cap(request, tmp_path):
    """A flag, a log that goes beyond a low value of it, and that value."""
    name, data, low = CAPS[request.param]
    path = tmp_path / name
    path.write_bytes(data)
    return request.param, path, low


def test_ingest_names_the_flag_and_reads_with_it_raised(run, cap, tmp_path):
    flag, path, low = cap
    out = tmp_path / "out.jsonl"
    capped = run("ingest", path, "--out", out, "--json", flag, low)
    assert capped.code == 3
    assert flag in json.loads(capped.out)["files"][0]["problems"][0]["what"]
    assert json.loads(capped.out)["totals"]["traces"] == BEFORE.get(flag, 0)
    free = run("ingest", path, "--out", out, "--json", flag, {"--max-depth": 400}.get(flag, 10**12))
    assert free.code == 0
    assert json.loads(free.out)["totals"]["traces"] >= 1


def test_attribute_takes_the_same_flag(run, cap):
    flag, path, low = cap
    capped = run("attribute", path, "--method", "last-speaker", "--json", flag, low)
    assert capped.code == 3
    assert len(capped.out.splitlines()) == BEFORE.get(flag, 0)
    assert flag in capped.err


@pytest.mark.parametrize("flag", sorted(CAPS))
def test_a_cap_of_nothing_is_a_usage_error(run, logs, flag):
    assert run("ingest", logs, flag, 0).code == 2
