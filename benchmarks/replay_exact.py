"""Whether a run that is resumed from any step, nothing changed, is the same run again.

    python benchmarks/replay_exact.py [--resumes 10000] [--code 500]
    python benchmarks/replay_exact.py --resumes 1000 --system MODULE:FACTORY [--tasks tables]

Runs go through the disk: what is compared are the bytes of the stored trace, and each checkpoint
is decoded from its JSON before it is resumed, by another instance than the one that ran. Without
`--system`: the sandbox, every family under every topology, agents that err by themselves; `--code`
resumes are of the family that executes programs. With it: any replayable system that takes the
sandbox's tasks, such as the demonstrations of `tracekit.replay.adapters`; steps are drawn among
those that the system can resume from. Ends with exit code 1 when a byte differs.
"""

import argparse
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import msgspec

from tracekit.protocols import Replayable
from tracekit.replay.sandbox.families.table import FAMILIES
from tracekit.replay.sandbox.system import Sandbox
from tracekit.replay.sandbox.topologies.table import TOPOLOGIES
from tracekit.replay.systems import load_system
from tracekit.replay.types import Checkpoint
from tracekit.store import decode_trace, encode

EACH = 10
"""Resumes of one run."""
SKILLS = (0.6, 0.85, 0.95)


class Found(msgspec.Struct):
    """What came of the resumes of one kind."""

    resumes: int = 0
    different: int = 0
    runs: int = 0
    failures: int = 0
    seconds: float = 0.0


def resumed(
    system: Replayable, other: Replayable, tasks: str, count: int, rng: random.Random
) -> Found:
    """Resume steps drawn at random of runs of the tasks of a family."""
    found, began = Found(), time.process_time()
    for task in Sandbox(tasks).tasks(rng.randrange(1000)):
        if found.resumes >= count:
            break
        seed = rng.randrange(2**31)
        trace = system.run(task, seed)
        stored = encode(trace)
        found.runs += 1
        found.failures += trace.outcome.status == "failure"
        points = other.checkpoints(decode_trace(stored))
        for point in rng.choices(points, k=min(EACH, count - found.resumes)):
            read = msgspec.json.decode(msgspec.json.encode(point), type=Checkpoint)
            found.resumes += 1
            found.different += encode(other.resume(read, None, seed)) != stored
    found.seconds = time.process_time() - began
    return found


def in_sandbox(family: str, topology: str, count: int) -> Found:
    """Of one family and topology."""
    rng = random.Random(f"exact/{family}/{topology}")
    total = Found()
    for number, skill in enumerate(SKILLS):
        share = count // len(SKILLS) + (number < count % len(SKILLS))
        system = Sandbox(family, topology, skill=skill)
        total = added(total, resumed(system, Sandbox(), family, share, rng))
    return total


def added(one: Found, other: Found) -> Found:
    """Both together."""
    fields = Found.__struct_fields__
    return Found(**{name: getattr(one, name) + getattr(other, name) for name in fields})


def shares(count: int, code: int) -> dict[tuple[str, str], int]:
    """Resumes of each family and topology, `code` of them of programs."""
    pairs = [(family, topology) for family in FAMILIES for topology in TOPOLOGIES]
    found = {}
    for some, total in (
        ([pair for pair in pairs if pair[0] == "programs"], min(code, count)),
        ([pair for pair in pairs if pair[0] != "programs"], count - min(code, count)),
    ):
        for number, pair in enumerate(some):
            found[pair] = total // len(some) + (number < total % len(some))
    return found


def main() -> int:
    """Print the counts; 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--resumes", type=int, default=10_000)
    parser.add_argument("--code", type=int, default=500, help="of them of the code family")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--system", metavar="MODULE:FACTORY")
    parser.add_argument("--tasks", default="tables", help="family of the tasks of --system")
    asked = parser.parse_args()
    total = Found()
    if asked.system:
        one, other = load_system(asked.system), load_system(asked.system)
        total = resumed(one, other, asked.tasks, asked.resumes, random.Random("exact/system"))
    else:
        wanted = shares(asked.resumes, asked.code)
        with ProcessPoolExecutor(asked.processes) as pool:
            jobs = [pool.submit(in_sandbox, *pair, count) for pair, count in wanted.items()]
            for pair, job in zip(wanted, jobs, strict=True):
                found = job.result()
                total = added(total, found)
                print(f"{pair[0]:<12}{pair[1]:<12}{found.resumes:6,} resumes of {found.runs:4,} runs"
                      f" ({found.failures:4,} failures), {found.different} differ")  # fmt: skip
    print(
        f"{asked.system or 'sandbox'}: {total.resumes:,} resumes of {total.runs:,} runs, "
        f"{total.failures:,} of them failures; {total.different} differ; {total.seconds:.0f} s of CPU"
    )
    return int(total.different > 0)


if __name__ == "__main__":
    sys.exit(main())
