"""Text to distil on, free to redistribute: `python -m tracekit_models.encoder.corpus --out FILE`.

Two sources, neither of which holds a benchmark: docstrings, comments, code and readme pages of the
installed Python distributions whose metadata names a permissive licence, and transcripts of the
sandbox. What comes out depends on what is installed; the file says for each text where it is from.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

from tracekit.replay.sandbox.system import Sandbox

PERMISSIVE = re.compile(r"\b(apache|bsd|mit|isc|psf|python software foundation)\b", re.IGNORECASE)
RESTRICTED = re.compile(r"\b(a?gpl|lgpl|mpl|gnu|mozilla|proprietary|eula|cc-by)", re.IGNORECASE)
FAMILIES = ("arithmetic", "tables", "programs", "retrieval", "scheduling")
TOPOLOGIES = ("chain", "star", "debate", "hierarchy", "blackboard")
LARGEST = 400_000
"""Bytes of a source file that is read; larger ones are tables."""


class Text(NamedTuple):
    """One text of the corpus."""

    text: str
    source: str
    """Name of the distribution, or `sandbox`."""


def licensed(found: Distribution) -> bool:
    """Whether the metadata of a distribution names a permissive licence and no other."""
    meta = found.metadata.json
    named = [str(meta.get("license_expression", "")), str(meta.get("license", ""))[:80]]
    named += [line for line in meta.get("classifier", ()) if line.startswith("License")]
    said = " ".join(named)
    return bool(PERMISSIVE.search(said)) and not RESTRICTED.search(said)


def from_packages(rng: random.Random, files: int) -> Iterator[Text]:
    """Texts of up to so many files of each permissively licensed distribution, names in order."""
    for found in sorted(distributions(), key=lambda found: found.metadata["Name"].lower()):
        if not licensed(found):
            continue
        name = found.metadata["Name"]
        for piece in pieces(str(found.metadata.json.get("description", "")), rng):
            yield Text(piece, name)
        paths = sorted(str(found.locate_file(path)) for path in found.files or ())
        paths = [path for path in paths if path.endswith((".py", ".md", ".rst"))]
        for path in rng.sample(paths, min(files, len(paths))):
            for piece in _file(Path(path), rng):
                yield Text(piece, name)


def _file(path: Path, rng: random.Random) -> Iterator[str]:
    """Texts of one file; none where it cannot be read as text."""
    try:
        if path.stat().st_size > LARGEST:
            return
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if path.suffix == ".py":
        yield from documented(text)
    yield from pieces(text, rng)


def documented(code: str) -> Iterator[str]:
    """The docstrings of a Python source; none where it does not parse."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found = ast.get_docstring(node)
            if found and len(found) > 40:
                yield found


def pieces(text: str, rng: random.Random) -> Iterator[str]:
    """A text cut at blank lines into pieces of random length, most of them short.

    >>> list(pieces("one two three four\\n\\nfive six seven eight", random.Random(0)))
    ['one two three four\\n\\nfive six seven eight']
    """
    kept: list[str] = []
    goal = rng.choice((30, 100, 250, 600, 1500))
    for part in re.split(r"\n\s*\n", text):
        kept.append(part)
        if sum(map(len, kept)) >= goal:
            yield "\n\n".join(kept).strip()
            kept, goal = [], rng.choice((30, 100, 250, 600, 1500))
    if sum(map(len, kept)) > 20:
        yield "\n\n".join(kept).strip()


def from_sandbox(runs: int) -> Iterator[Text]:
    """The task and the steps of so many runs of every family and topology."""
    for family in FAMILIES:
        for topology in TOPOLOGIES:
            sandbox = Sandbox(family, topology, skill=0.8)
            for seed, task in zip(range(runs), sandbox.tasks(seed=1), strict=False):
                trace = sandbox.run(task, seed)
                yield Text(trace.task.question, "sandbox")
                for step in trace.steps:
                    yield Text(step.content, "sandbox")


def gather(size: int, seed: int) -> list[Text]:
    """At most `size` texts, none twice; a tenth of them, at most, is from the sandbox."""
    rng = random.Random(seed)  # noqa: S311
    written = {text.text: text for text in from_packages(rng, files=150)}
    played = {text.text: text for text in from_sandbox(runs=max(1, size // 1500))}
    few = rng.sample(sorted(played.values()), min(len(played), size // 10))
    many = rng.sample(sorted(written.values()), min(len(written), size - len(few)))
    texts = few + many
    rng.shuffle(texts)
    return texts


def main() -> int:
    """Write the corpus as JSON Lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=200_000, help="texts at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    texts = gather(options.size, options.seed)
    with options.out.open("w", encoding="utf-8") as out:
        for text in texts:
            record = json.dumps(text._asdict(), ensure_ascii=False)
            out.write(record.encode("utf-8", "replace").decode() + "\n")
    sources = len({text.source for text in texts})
    sys.stderr.write(f"{len(texts)} texts of {sources} sources\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
