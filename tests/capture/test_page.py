"""The page on live capture: every program on it runs, in one folder, from top to bottom."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tracekit import load

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(console|python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def receiver(tmp_path):
    """What the page starts with `tracekit capture otlp`, on a free port; gives its address."""
    page = (ROOT / "docs" / "capture.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^tracekit (capture otlp .*)$", page, re.MULTILINE)
    process = subprocess.Popen(
        [sys.executable, "-m", "tracekit_cli", *line.split(), "--port", "0"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = process.stderr.readline().split()[2].removesuffix("/v1/traces;")
    yield process, address
    process.kill()
    process.communicate()


def test_everything_on_the_page_runs(tmp_path, receiver):
    process, address = receiver
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": address}
    page = (ROOT / "docs" / "capture.md").read_text(encoding="utf-8")
    shown = 0
    for kind, text in BLOCK.findall(page):
        if kind == "python":
            programs = [[sys.executable, "-W", "error", "-c", text]]
        else:
            lines = [line for line in text.splitlines() if line.startswith("$ tracekit ")]
            programs = [[sys.executable, "-m", "tracekit_cli", *x.split()[2:]] for x in lines]
        for program in programs:
            done = subprocess.run(program, cwd=tmp_path, env=env, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), text
            shown += "sail" in done.stdout
    assert shown == 3
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    captured = {
        name: [(s.agent, s.content) for t in load(tmp_path / name) for s in t.steps]
        for name in ("harbour.jsonl", "crew.jsonl", "spans-in.jsonl", "own.jsonl")
    }
    assert captured == {
        "harbour.jsonl": [("pilot", "High tide is at noon."), ("mate", "We sail at eleven.")],
        "crew.jsonl": [
            ("pilot", ""),
            ("pilot", "Aar: 4.2 m at noon"),
            ("pilot", "High tide is at noon."),
            ("mate", "We sail at eleven."),
        ],
        "spans-in.jsonl": [("pilot", "At noon.")],
        "own.jsonl": [
            ("pilot", "I look it up."),
            ("pilot", "4.2 m at noon"),
            ("mate", "We sail at noon."),
        ],
    }
    (own,) = load(tmp_path / "own.jsonl")
    assert own.outcome.status == "success"
