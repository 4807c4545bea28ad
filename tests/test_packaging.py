"""What is installed, and what an import costs: built, unpacked and looked at from outside."""

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CORE = {"msgspec", "typing_extensions"}
"""Third-party packages that `import tracekit` may load; msgspec takes the second if it is there."""

HEAVY = {"torch", "transformers", "sklearn", "scipy", "pandas", "pyarrow", "openai", "datasets"}

DATA_FILES = [
    "tracekit/analyzers/weights/linear.json",
    "tracekit/analyzers/weights/compact.json",
    "tracekit/analyzers/weights/compact.safetensors",
    "tracekit/analyzers/weights/modes.safetensors",
    "tracekit/report/templates/report.html",
    "tracekit/report/static/page.css",
    "tracekit_cli/help.txt",
    "tracekit_cli/examples/README.md",
]
"""Files besides code that the library needs at run time."""


def run(*arguments, **options):
    """A command that must end well; its output."""
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_dist():
    """The checks of `make build`."""
    spec = importlib.util.spec_from_file_location("check_dist", ROOT / ".ci" / "check_dist.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """sdist and wheel, built from a copy of what a release holds; the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("build")
    leave = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests")
    copy = shutil.copytree(ROOT, folder / "source", ignore=leave, symlinks=True)
    options = ["--no-isolation", "--outdir", folder / "dist"]
    run(sys.executable, "-m", "build", *options, copy)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel unpacked, as pip would put it into site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_sdist_and_wheel_are_sound(dist):
    assert check_dist().faults(dist) == []


def test_an_unsound_wheel_is_seen(wheel, tmp_path):
    """The check that `make build` relies on can fail."""
    bad = tmp_path / wheel.name
    shutil.copy(wheel, bad)
    with zipfile.ZipFile(bad, "a") as archive:
        archive.writestr("models/__init__.py", "")
        archive.writestr("cli/app.py", "")
    (fault,) = check_dist().wheel_faults(bad)
    assert "['cli', 'models', 'tracekit', 'tracekit_cli', 'tracekit_models']" in fault


def test_data_files_are_in_the_wheel(installed):
    missing = [name for name in DATA_FILES if not (installed / name).is_file()]
    assert missing == []
    examples = sorted(path.name for path in (ROOT / "datasets/examples").rglob("*.json*"))
    packed = (installed / "tracekit_cli" / "examples").rglob("*.json*")
    assert sorted(path.name for path in packed) == examples


def test_no_file_in_the_wheel_is_large_but_the_encoder(installed):
    large = [p.name for p in installed.rglob("*") if p.is_file() and p.stat().st_size > 2_000_000]
    assert large == ["static.safetensors"]


def test_all_weights_in_the_wheel_stay_small(installed):
    weights = [p.stat().st_size for p in installed.rglob("*.safetensors")]
    assert sum(weights) <= 24_000_000


PROBE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from importlib.util import find_spec
import tracekit, tracekit_cli
print(json.dumps({
    "file": tracekit.__file__,
    "found": {name: find_spec(name) is not None for name in ("cli", "models", "tests")},
    "version": tracekit.__version__,
}))
"""


def test_the_wheel_works_outside_the_checkout(installed, tmp_path):
    told = json.loads(run(sys.executable, "-c", PROBE, installed, cwd=tmp_path))
    assert told["file"] == str(installed / "tracekit" / "__init__.py")
    assert told["found"] == {"cli": False, "models": False, "tests": False}
    metadata = next(installed.glob("*.dist-info/METADATA")).read_text()
    assert f"\nVersion: {told['version']}\n" in metadata


IMPORTS = """
import sys
sys.argv = ["tracekit", *sys.argv[1:]]
before = set(sys.modules)
{code}
print(*sorted({{name.split(".")[0] for name in set(sys.modules) - before}}), file=sys.stderr)
"""


def loaded(code, *arguments, cwd):
    """Top-level third-party packages that some code loads in a fresh interpreter."""
    command = [sys.executable, "-c", IMPORTS.format(code=code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    names = set(done.stderr.splitlines()[-1].split())
    ours = {name for name in names if name.startswith(("tracekit", "__editable__"))}
    return {name for name in names - ours if name not in sys.stdlib_module_names}


def test_importing_tracekit_is_cheap(tmp_path):
    assert loaded("import tracekit", cwd=tmp_path) <= CORE


def test_help_is_cheaper(tmp_path):
    code = "from tracekit_cli.entry import main; assert main() == 0"
    assert loaded(code, "--help", cwd=tmp_path) == set()


def test_default_attribution_is_light(tmp_path):
    log = ROOT / "tests" / "fixtures" / "who-and-when" / "algorithm-generated.json"
    code = (
        "import tracekit as tk\n"
        f"verdicts = [tk.attribute(trace) for trace in tk.load({str(log)!r})]\n"
        "assert verdicts[0].method.name == 'compact' and verdicts[0].top is not None\n"
        f"assert not set(sys.modules) & {HEAVY!r}"
    )
    assert loaded(code, cwd=tmp_path) <= CORE | {"numpy"}


def test_everything_is_typed(installed):
    for package in ("tracekit", "tracekit_cli", "tracekit_models"):
        assert (installed / package / "py.typed").is_file()


def test_constraints_pin_what_the_extras_ask_for():
    """Every dependency has an exact version, so that an install of today works next year."""
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            pins[canonicalize_name(requirement.name)] = pin.version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = list(project["project"]["dependencies"]) + list(project["build-system"]["requires"])
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    for text in asked:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name != "mas-tracekit":
            assert name in pins, f"{name} is not in constraints.txt: run `make lock`"
            assert requirement.specifier.contains(pins[name]), text
    assert pins["torch"] == "2.13.0"
