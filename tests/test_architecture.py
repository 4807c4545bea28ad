"""The house stays in order: layers, cycles, sizes, the public surface, documented fields."""

import ast
import inspect
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest

from tracekit.registry import load
from tracekit.schema import DOCUMENTS, field_docs, structs

ROOT = Path(__file__).parents[1]
PACKAGES = {"tracekit": ".", "tracekit_cli": "cli", "tracekit_models": "models"}

LAYERS = [
    ["tracekit.errors", "tracekit.optional", "tracekit.version"],
    ["tracekit.names", "tracekit.trace", "tracekit.attribution"],
    ["tracekit.context", "tracekit.protocols", "tracekit.config"],
    ["tracekit.registry"],
    [
        "tracekit.metrics",
        "tracekit.folds",
        "tracekit.signals",
        "tracekit.stats",
        "tracekit.games",
        "tracekit.llm",
        "tracekit.agreement",
        "tracekit.encoder",
    ],
    ["tracekit.ingest", "tracekit.store"],
    ["tracekit.capture", "tracekit.labels"],
    ["tracekit.replay"],
    ["tracekit.inject"],
    ["tracekit.prm"],
    ["tracekit.analyzers"],
    ["tracekit.eval"],
    ["tracekit_models"],
    ["tracekit.report", "tracekit.export", "tracekit.schema"],
    ["tracekit.gate"],
    ["tracekit.testing"],
    ["tracekit"],  # the public surface: `tracekit/__init__.py`
    ["tracekit_cli"],
]
"""From the ground up; an import may stay on its floor or go down."""

ROOMS_OF = {
    "msgspec": ["tracekit", "tracekit_cli", "tracekit_models"],
    "numpy": ["tracekit", "tracekit_models"],
    "torch": ["tracekit_models"],
    "datasets": ["tracekit_models"],
    "peft": ["tracekit_models"],
    "safetensors": ["tracekit_models"],
    "transformers": ["tracekit_models"],
    "trl": ["tracekit_models"],
    "jinja2": ["tracekit.report"],
    "markupsafe": ["tracekit.report"],
    "pytest": ["tracekit.testing.plugin", "tracekit_cli.pytest_door"],
    "rich": ["tracekit.report", "tracekit.eval", "tracekit_cli"],
    "typer": ["tracekit_cli"],
}
"""Third-party libraries of the core, and who may import them."""

HEAVY_ROOMS_OF = {
    "causallearn": ["tracekit.analyzers.causal"],
    "huggingface_hub": ["tracekit_models"],
    "onnxruntime": ["tracekit.encoder"],
    "openai": ["tracekit.llm"],
    "ray": ["tracekit.ingest.engines"],
    "stamina": ["tracekit.llm"],
    "tokenizers": ["tracekit_models"],
}
"""Libraries of extras, and who may import them, inside the function that needs them."""

TOP_LEVEL = {
    ".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CITATION.cff",
    "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "action.yml", "benchmarks",
    "cli", "constraints.txt", "datasets", "docs", "examples", "models", "pyproject.toml", "tests", "tracekit",
}  # fmt: skip

PUBLIC_SURFACES = {"tracekit", "tracekit.testing"}
"""Packages whose `__init__` says something; all others are empty, which keeps cycles out."""

MODULE_LINES = 400
FUNCTION_LINES = 60


@cache
def modules():
    """Every module of the three packages: name to file."""
    found = {}
    for package, folder in PACKAGES.items():
        base = ROOT / folder
        for path in sorted((base / package).rglob("*.py")):
            name = ".".join(path.relative_to(base).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@cache
def tree(name):
    return ast.parse(modules()[name].read_text())


def imports(name, *, lazy=True):
    """Full names imported by a module, those for type checkers left out.

    Without `lazy` only what is imported together with the module.
    """
    found = set()
    todo = [tree(name)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.FunctionDef | ast.Lambda) and not lazy:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules() else node.module)
        todo += ast.iter_child_nodes(node)
    return found


def ours(name, *, lazy=True):
    return {target for target in imports(name, lazy=lazy) if target.split(".")[0] in PACKAGES}


def within(name, room):
    return name == room or name.startswith(f"{room}.")


def floor(name):
    """Index of the layer a module lies in: the longest matching room decides."""
    rooms = [
        (len(room), n) for n, layer in enumerate(LAYERS) for room in layer if within(name, room)
    ]
    return max(rooms)[1]


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_only_go_down(name):
    wrong = sorted(target for target in ours(name) if floor(target) > floor(name))
    assert wrong == [], f"{name} must not import {wrong}: they lie above it"


@pytest.mark.parametrize("name", sorted(modules()))
def test_inner_modules_import_leaves(name):
    """Never the root: that is what keeps cycles out."""
    if floor(name) < floor("tracekit"):
        assert "tracekit" not in ours(name)


def test_every_module_has_a_floor_of_its_own():
    """A new room must be given a layer, not fall under the root by accident."""
    strays = [n for n in modules() if floor(n) == floor("tracekit") and n != "tracekit"]
    assert strays == []


def circles(graph):
    """What is left of a graph when everything that leads nowhere is taken away."""
    graph = dict(graph)
    while leaves := [name for name, targets in graph.items() if not targets & graph.keys()]:
        for name in leaves:
            del graph[name]
    return graph


def test_no_cycles():
    assert circles({name: ours(name, lazy=False) for name in modules()}) == {}


def test_no_cycles_of_late_imports():
    """Late imports count too, but for the console script, which starts what it is a part of."""
    graph = {name: ours(name) for name in modules()}
    graph["tracekit_cli.entry"] = ours("tracekit_cli.entry", lazy=False)
    assert circles(graph) == {}


@pytest.mark.parametrize("name", sorted(modules()))
def test_third_party_imports_stay_in_their_rooms(name):
    for target in imports(name):
        library = target.split(".")[0]
        if library in sys.stdlib_module_names or library in PACKAGES:
            continue
        rooms = ROOMS_OF.get(library) or HEAVY_ROOMS_OF.get(library, [])
        assert any(within(name, room) for room in rooms), f"{name} may not import {library}"
    at_once = {target.split(".")[0] for target in imports(name, lazy=False)}
    if "torch" in at_once:  # its networks are Hub classes; the extra `train` holds both
        at_once -= {"huggingface_hub"}
    assert at_once.isdisjoint(HEAVY_ROOMS_OF)


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_is_readable(name):
    path, module = modules()[name], tree(name)
    assert path.read_text().count("\n") <= MODULE_LINES
    assert not {"utils", "helpers", "common", "misc"} & set(name.split("."))
    is_package = path.name == "__init__.py"
    if is_package and "." in name and name not in PUBLIC_SURFACES:
        assert path.read_text() == "", f"{name}/__init__.py must be empty"
    else:
        assert ast.get_docstring(module), f"{name} does not say what it is"


@pytest.mark.parametrize("name", sorted(modules()))
def test_functions_are_readable(name):
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (
                node.end_lineno - node.body[0].lineno + 1
            )  # a command's options are not its body
            assert lines <= FUNCTION_LINES, f"{name}.{node.name} has {lines} lines"


@pytest.mark.parametrize("name", sorted(modules()))
def test_nothing_is_left_undone(name):
    text = modules()[name].read_text()
    for word in ("TODO", "FIXME", "XXX", "type: ignore\n", "raise NotImplementedError"):
        assert word not in text, f"{name}: {word.strip()}"
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(line, ast.Pass) for line in node.body)
            assert not (broad and silent), f"{name}:{node.lineno} swallows every error"


def test_exports_are_the_public_names():
    import tracekit

    assert tracekit.__all__ == sorted(tracekit.__all__)
    imported = {
        alias.name
        for node in ast.walk(tree("tracekit"))
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "tracekit"
        for alias in node.names
    }
    assert set(tracekit.__all__) == imported
    for name in imported - {"__version__"}:
        assert inspect.getdoc(getattr(tracekit, name)), f"{name} has no docstring"


PUBLIC_TYPES = [
    *DOCUMENTS.values(),
    "tracekit.analyzers.models:ModelConfig",
    "tracekit.config:Config",
    "tracekit.context:Context",
    "tracekit.eval.board:Leaderboard",
    "tracekit.eval.suite:Suite",
    "tracekit.gate.baseline:Baseline",
    "tracekit.gate.decision:Decision",
    "tracekit.ingest.batch:Options",
    "tracekit.labels.compare:Report",
    "tracekit.labels.table:Row",
    "tracekit.llm.budget:Budget",
    "tracekit.llm.client:Spent",
    "tracekit.llm.endpoint:Endpoint",
    "tracekit.llm.request:Completion",
    "tracekit.llm.request:Request",
    "tracekit.protocols:Post",
    "tracekit.registry:Plugin",
    "tracekit.replay.effect:Effect",
    "tracekit.replay.types:Checkpoint",
    "tracekit.replay.types:Intervention",
    "tracekit.stats:Estimate",
    "tracekit_models.hub:Published",
]
"""What users read, write or pass; every struct that these mention is public as well."""


def public_structs():
    found = set()
    for target in PUBLIC_TYPES:
        list(structs(load(target), found))
    return sorted(found, key=lambda struct: struct.__qualname__)


@pytest.mark.parametrize("struct", public_structs(), ids=lambda struct: struct.__name__)
def test_every_public_field_is_documented(struct):
    missing = sorted(set(struct.__struct_fields__) - set(field_docs(struct)))
    assert missing == [], f"{struct.__module__}: a docstring is missing under {missing}"


def test_exported_structs_are_public():
    import tracekit

    exported = {getattr(tracekit, name) for name in tracekit.__all__}
    exported = {thing for thing in exported if isinstance(thing, type)}
    assert {t for t in exported if issubclass(t, msgspec.Struct)} <= set(public_structs())


def test_top_level_is_as_planned():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        files = [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]
        assert {name.split("/")[0] for name in files} == TOP_LEVEL


def test_the_hugging_face_library_is_not_shadowed():
    assert not (ROOT / "datasets" / "__init__.py").exists()
    assert not (ROOT / "datasets" / "datasets.py").exists()


def test_the_rules_can_fail():
    """What the checks above look for is really seen by them."""
    assert floor("tracekit.ingest.readers.mast") > floor("tracekit.trace")
    assert floor("tracekit.errors") == 0
    assert "tracekit.trace" in ours("tracekit.ingest.build")
    assert "tracekit.ingest.sources" not in imports("tracekit.protocols")
    assert "importlib.metadata" in imports("tracekit.registry")
    assert "importlib.metadata" not in imports("tracekit.registry", lazy=False)
