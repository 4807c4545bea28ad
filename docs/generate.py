"""Rewrite the generated parts of the documentation: `make docs`; a test compares.

A generated part of a page stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import getdoc
from pathlib import Path
from tempfile import TemporaryDirectory

from tracekit import registry
from tracekit.export.fields import FIELDS
from tracekit.inject.modes import MODES
from tracekit.protocols import Exporter, VerdictSender
from tracekit.schema import DOCUMENTS, json_schema
from tracekit.testing import rules
from tracekit_cli import reference

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "docs/injection.md",
    "CONTRIBUTING.md",
    "docs/export.md",
    "examples/ci-gate/README.md",
]
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def outputs() -> Iterator[tuple[Path, str]]:
    """Every file that holds something generated, with what it should hold."""
    for page in PAGES:
        yield ROOT / page, rendered((ROOT / page).read_text(encoding="utf-8"))
    for name in DOCUMENTS:
        schema = json.dumps(json_schema(name), indent=2, ensure_ascii=False)
        yield ROOT / "docs" / "schema" / f"{name}.json", schema + "\n"


def rendered(text: str) -> str:
    """A page with its generated parts made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def sentence(text: str | None) -> str:
    """The first line of a docstring, which says what the thing is."""
    return (text or "").strip().split("\n")[0].removesuffix(".")


def formats() -> str:
    """The readers, by the first line of their modules."""
    rows = []
    for name in sorted(registry.BUILT_IN["readers"]):
        reader = type(registry.get("readers", name))
        rows.append([f"`{name}`", sentence(getdoc(sys.modules[reader.__module__]))])
    return table(["format", "what it reads"], rows)


def methods() -> str:
    """The analyzers, what each needs, and whether it has weights."""
    rows = []
    for name in sorted(registry.BUILT_IN["analyzers"]):
        analyzer = registry.get("analyzers", name)
        needs = ", ".join(sorted(analyzer.needs))
        fitted = "yes" if hasattr(analyzer, "fit") else "no"
        rows.append([f"`{name}`", sentence(getdoc(type(analyzer))), needs, fitted])
    return table(["method", "what it does", "needs", "fitted"], rows)


def accuracy() -> str:
    """Step and agent accuracy from the table of docs/benchmarks.md, which is measured."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    measured = page.partition("<!-- who-and-when: begin -->")[2].partition(
        "<!-- who-and-when: end"
    )[0]
    parts = dict(re.findall(r"#### (.+)\n\n((?:\|.*\n)+)", measured))
    found: dict[str, list[str]] = {}
    header = ["method"]
    for part in ("algorithm-generated", "hand-crafted"):
        names, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in parts[part].splitlines()
        ]
        step, agent = names.index("step %"), names.index("agent %")
        header += [f"{part} (n = {rows[0][names.index('n')]}): step %", "agent %"]
        for row in rows:
            found.setdefault(row[0], []).extend([row[step], row[agent]])
    return table(header, [[name, *cells] for name, cells in found.items()])


def example() -> str:
    """What the command prints for two of the example logs, at 96 columns."""
    logs = ["datasets/examples/logs/magentic-one", "datasets/examples/logs/ag2/rain-barrels.json"]
    return shown(["attribute", *logs], ROOT)


def gate() -> str:
    """What the gate says of the sample repository as it lies here."""
    with TemporaryDirectory() as folder:
        sample = shutil.copytree(ROOT / "examples" / "ci-gate", Path(folder) / "sample")
        team = [sys.executable, "team.py"]
        subprocess.run(team, cwd=sample, check=True, capture_output=True)  # noqa: S603
        return shown(["gate", "--no-github"], sample, code=1)


def shown(arguments: list[str], folder: Path, code: int = 0) -> str:
    """A command line of tracekit and what it prints, as a block."""
    environment = os.environ | {"COLUMNS": "96", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    command = "import sys; from tracekit_cli.entry import main; sys.exit(main())"
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-c", command, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != code:
        raise RuntimeError(done.stderr)
    lines = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    return "\n".join(["```text", f"$ tracekit {' '.join(arguments)}", *lines, "```"])


def contracts() -> str:
    """What plug-ins promise, by their kind."""
    promises = [
        ("reader", rules.READER),
        ("analyzer", rules.ANALYZER),
        ("system", rules.REPLAYABLE),
        ("manipulator", rules.MANIPULATOR),
        ("verdict exporter", rules.VERDICT_EXPORTER),
    ]
    rows = [[kind, f"`{name}`", text] for kind, table in promises for name, text in table.items()]
    return table(["plug-in", "rule", "promise"], rows)


def failure_modes() -> str:
    """What can be injected, and how."""
    rows = []
    for mode in MODES.values():
        ways = ", ".join(f"`{strategy}`" for strategy in mode.strategies)
        rows.append([mode.code, mode.name, mode.looks, ways])
    return table(["mode", "name", "what one sees", "strategies"], rows)


def exports() -> str:
    """The exporters."""
    rows = []
    for name, exporter in _exporters().items():
        rows.append([f"`{name}`", sentence(getdoc(type(exporter))), exporter.suffix or "folder"])
    return table(["`--to`", "what it writes", "file"], rows)


def verdict_exports() -> str:
    """The formats of verdicts, and whether they can be sent."""
    rows = []
    for name in registry.BUILT_IN["verdict_exporters"]:
        exporter = registry.get("verdict_exporters", name)
        sent = "yes" if isinstance(exporter, VerdictSender) else "no"
        rows.append([f"`{name}`", sentence(getdoc(type(exporter))), exporter.suffix, sent])
    return table(["`--to`", "what it writes", "file", "`--endpoint`"], rows)


def kept() -> str:
    """Which fields of a trace come back from which export."""
    exporters = _exporters()
    rows = [
        [f"`{field}`", *("kept" if field in e.keeps else "lost" for e in exporters.values())]
        for field in FIELDS
    ]
    return table(["field", *exporters], rows)


def _exporters() -> dict[str, Exporter]:
    return {name: registry.get("exporters", name) for name in registry.BUILT_IN["exporters"]}


ANNOTATED = {
    "Makefile": "everything a newcomer runs; `make help` lists it",
    "pyproject.toml": "packaging, dependencies, extras, settings of the tools",
    "constraints.txt": "exact versions of everything that is installed",
    "CHANGELOG.md": "what changed for users",
    "README.md": "this page",
    "CONTRIBUTING.md": "how to add a reader in one file, and the rules of the house",
    "SECURITY.md": "what is promised about hostile logs, and whom to tell",
    "CITATION.cff": "how to cite",
    ".ci/run": "everything a change must pass",
    "tracekit/report/templates": "Jinja2 templates of the HTML report",
    "tracekit/report/static": "its styles and scripts, inlined into the one file",
    "tracekit/analyzers/weights": "fitted coefficients, as JSON",
    "cli/tracekit_cli/commands": "one file per command: parse, call the library, print",
    "models/README.md": "what was fitted or trained, one card each",
    "models/cards": "what a fitted method was trained on, and how good it is",
    "datasets/README.md": "what data there is, and where",
    "datasets/examples": "small invented logs, and the truth about them",
    "datasets/injected-sample": "a small data set of injected failures, with its card",
    "benchmarks": "speed and accuracy, one command each; results in docs/benchmarks.md",
    "docs/adr": "decisions, one page each",
    "docs/experiments": "what was tried, negative results too",
    "docs/schema": "JSON Schemas, generated",
    "action.yml": "the gate as a composite GitHub action",
    "examples/ci-gate": "a repository whose CI says which agent broke a run; a test runs it",
    "tests": "mirrors the rooms",
    "tests/counting": "what real logs hold, counted without tracekit",
    "tests/fixtures": "small logs written for the tests, one folder per reader",
    "tests/sample_plugin": "an installable plug-in of somebody else",
    "tests/skips.txt": "the tests that may skip, and why",
}
"""Places that cannot say themselves what they are."""


def tree() -> str:
    """Every module by the first line of its docstring, and the places around them."""
    lines = ["```text"]
    lines += [f"{path:<44} {about}" for path, about in sorted(_tree(), key=_order)]
    return "\n".join([*(line.rstrip() for line in lines), "```"])


def _tree() -> Iterator[tuple[str, str]]:
    for path, about in ANNOTATED.items():
        place = ROOT / path
        if place.is_dir() and any(place.iterdir()):
            yield f"{path}/", about
        elif place.is_file():
            yield path, about
    for folder in ("tracekit", "cli", "models", "benchmarks"):
        for module in sorted((ROOT / folder).rglob("*.py")):
            doc = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
            if doc and "commands/" not in str(module):
                yield module.relative_to(ROOT).as_posix(), sentence(doc)
    for page in sorted((ROOT / "docs").glob("*.md")):
        yield f"docs/{page.name}", page.read_text(encoding="utf-8").split("\n")[0].strip("# ")


def _order(item: tuple[str, str]) -> tuple[int, list[str]]:
    rooms = ["tracekit", "cli", "models", "datasets", "docs", "benchmarks", "tests", ".ci"]
    parts = item[0].rstrip("/").split("/")
    return (rooms.index(parts[0]) if parts[0] in rooms else -1), parts


BLOCKS: dict[str, Callable[[], str]] = {
    "accuracy": accuracy,
    "contracts": contracts,
    "example": example,
    "exports": exports,
    "formats": formats,
    "gate": gate,
    "kept": kept,
    "methods": methods,
    "modes": failure_modes,
    "tree": tree,
    "verdict-exports": verdict_exports,
}


if __name__ == "__main__":
    reference.main()
    for path, text in outputs():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
