"""What `tracekit doctor` looks at. Every look is cheap, and none imports what it looks for."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    packages_distributions,
    requires,
    version,
)
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import msgspec

import tracekit
from tracekit import config, registry
from tracekit.config import Found
from tracekit.errors import ContractError, UsageError

NAME = "mas-tracekit"

Level = Literal["fine", "absent", "wrong"]

LEVELS: dict[Level, str] = {"fine": "ok", "absent": "-", "wrong": "WRONG"}
"""How each level is printed: `absent` is optional and not there, `wrong` needs a hand."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at."""

    level: Level
    what: str
    found: str
    do: str = ""
    """What to do about it; empty when nothing needs doing."""


def examine(sound: Callable[[Found], None]) -> list[Finding]:
    """Every finding, the same order every time; `sound` raises for a configuration that is not."""
    installed = [_python(), _installed(), _owner(), *_core(), *_extras(), _plugins()]
    return [*installed, _configuration(sound), _datasets(), _data(), _chromium()]


def _python() -> Finding:
    found = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    return Finding(level="fine", what="python", found=found)


def _installed() -> Finding:
    here = Path(tracekit.__file__).parent
    try:
        installed = version(NAME)
    except PackageNotFoundError:
        return Finding(
            level="wrong",
            what=NAME,
            found=f"not installed, imported from {here}",
            do=f"pip install {NAME}, or pip install -e . in a checkout",
        )
    if installed != tracekit.__version__:
        return Finding(
            level="wrong",
            what=NAME,
            found=f"{installed} installed, but {tracekit.__version__} imported from {here}",
            do="reinstall, or run outside the checkout",
        )
    return Finding(level="fine", what=NAME, found=f"{installed} ({here})")


def _owner() -> Finding:
    """Another distribution may install a package `tracekit` over ours."""
    owners = sorted(set(packages_distributions().get("tracekit", [NAME])))
    foreign = [name for name in owners if name != NAME]
    if foreign:
        return Finding(
            level="wrong",
            what="import name tracekit",
            found=f"also owned by {', '.join(foreign)}",
            do=f"pip uninstall {' '.join(foreign)} && pip install --force-reinstall {NAME}",
        )
    return Finding(level="fine", what="import name tracekit", found="owned by nobody else")


def _requirements() -> dict[str, list[str]]:
    """Distributions by extra ("" = core), as the installed metadata lists them."""
    try:
        lines = requires(NAME) or []
    except PackageNotFoundError:
        return {}
    by_extra: dict[str, list[str]] = {}
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        if name and name[0] != NAME:
            by_extra.setdefault(extra[1] if extra else "", []).append(name[0])
    return by_extra


def _core() -> list[Finding]:
    return [_present(name, "pip install " + name) for name in _requirements().get("", [])]


def _present(name: str, do: str) -> Finding:
    try:
        return Finding(level="fine", what=name, found=version(name))
    except PackageNotFoundError:
        return Finding(level="wrong", what=name, found="not installed", do=do)


def _extras() -> list[Finding]:
    found = []
    for extra, names in sorted(_requirements().items()):
        if extra in ("", "dev"):
            continue
        missing = [name for name in names if not _has(name)]
        found.append(
            Finding(
                level="absent" if missing else "fine",
                what=f"extra {extra}",
                found=f"without {', '.join(missing)}" if missing else ", ".join(names),
                do=f"pip install '{NAME}[{extra}]'" if missing else "",
            )
        )
    return found


def _has(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _plugins() -> Finding:
    broken = []
    for kind in registry.BUILT_IN:
        for name in registry.plugins(kind):
            try:
                registry.get(kind, name)
            except ContractError:
                broken.append(name)
    if broken:
        return Finding(
            level="wrong",
            what="plug-ins",
            found=f"broken: {', '.join(broken)}",
            do="tracekit plugins",
        )
    total = sum(len(registry.plugins(kind)) for kind in registry.BUILT_IN)
    return Finding(level="fine", what="plug-ins", found=f"{total}, all load")


def _configuration(sound: Callable[[Found], None]) -> Finding:
    """What the nearest configuration says; a command meets a mistake in it as an error."""
    what = "configuration"
    try:
        found = config.find()
        sound(found)
    except UsageError as error:
        return Finding(level="wrong", what=what, found=str(error), do="correct the file")
    if not found.path:
        return Finding(level="absent", what=what, found="none: everything is as by default")
    return Finding(level="fine", what=what, found=f"{found.path} (`tracekit config` lists it)")


def _datasets() -> Finding:
    """A folder ./datasets makes `import datasets` succeed with nothing in it."""
    spec = find_spec("datasets")
    if spec is None:
        return Finding(level="absent", what="datasets (Hugging Face)", found="not installed")
    if spec.origin is None:
        return Finding(
            level="absent",
            what="datasets (Hugging Face)",
            found="not installed; a local folder ./datasets answers to its name",
            do="nothing, unless another program here takes the folder for the library",
        )
    if not _has("datasets"):
        return Finding(
            level="wrong",
            what="datasets (Hugging Face)",
            found=f"shadowed by {spec.origin}",
            do="rename that module",
        )
    return Finding(level="fine", what="datasets (Hugging Face)", found=version("datasets"))


def _data() -> Finding:
    folder = os.environ.get("TRACEKIT_DATA")
    if not folder:
        return Finding(
            level="absent",
            what="TRACEKIT_DATA",
            found="not set",
            do="set it to the folder of benchmarks, for tests and figures only",
        )
    if not Path(folder).is_dir():
        return Finding(
            level="wrong", what="TRACEKIT_DATA", found=f"{folder} is no folder", do="correct it"
        )
    return Finding(level="fine", what="TRACEKIT_DATA", found=folder)


def _chromium() -> Finding:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        return Finding(
            level="absent",
            what="chromium",
            found="not found",
            do="needed by tests of the report only",
        )
    return Finding(level="fine", what="chromium", found=path)
