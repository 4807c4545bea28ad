"""The Ray engine writes what the local one writes, byte for byte, on a real local cluster."""

import subprocess
import sys

from tracekit.ingest.batch import ingest_to
from tracekit.store import write_traces
from tracekit.trace import Agent, Raw, Source, Step, Trace

SCRIPT = """
import sys
from tracekit.ingest.batch import ingest_to
if __name__ == "__main__":
    print(ingest_to([sys.argv[1]], sys.argv[2], jobs=2, engine_name="ray").sha256)
"""


def test_same_bytes_as_the_local_engine(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    for number in range(5):
        step = Step(index=0, agent="A", content=f"file {number}", raw=(Raw(record=1),))
        trace = Trace(
            id=f"t{number}", source=Source(format="demo"), agents=(Agent("A", "A"),), steps=(step,)
        )
        write_traces([trace], logs / f"{number}.jsonl")
    (logs / "broken.json").write_bytes(b'{"history": [')
    local = ingest_to([logs], tmp_path / "local.jsonl")
    # A process of its own: Ray leaves threads and sockets behind in the one that starts it.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(logs), str(tmp_path / "ray.jsonl")],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.split()[-1] == local.sha256
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()
