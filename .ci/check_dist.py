"""Check what would be published: `python .ci/check_dist.py dist`; prints faults and exits 1."""

import sys
import tarfile
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

PACKAGES = {"tracekit", "tracekit_cli", "tracekit_models"}


def faults(folder: Path) -> list[str]:
    """What is wrong with the sdist and the wheel in a folder; empty when nothing is."""
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        return [f"expected one wheel and one sdist in {folder}, found {len(wheels)}, {len(sdists)}"]
    return wheel_faults(wheels[0]) + sdist_faults(sdists[0])


def wheel_faults(path: Path) -> list[str]:
    """Names, metadata and files of a wheel."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
        metadata = archive.read(f"{info}/METADATA")
    found = metadata_faults(metadata)
    top = {name.split("/")[0] for name in names} - {info}
    if top != PACKAGES:
        found.append(f"{path.name} installs {sorted(top)}, not {sorted(PACKAGES)}")
    wanted = {f"{package}/py.typed" for package in PACKAGES} | {f"{info}/licenses/LICENSE"}
    found += [f"{path.name} lacks {name}" for name in sorted(wanted - set(names))]
    if f"{info}/entry_points.txt" not in names:
        found.append(f"{path.name} has no command")
    return found


def metadata_faults(metadata: bytes) -> list[str]:
    """What an index would refuse or show badly."""
    try:
        parsed = Metadata.from_email(metadata, validate=True)
    except ExceptionGroup as group:
        return [str(error) for error in group.exceptions]
    found = []
    if len(parsed.description or "") < 500 or parsed.description_content_type != "text/markdown":
        found.append("the README is not the description, or says next to nothing")
    if parsed.license_expression != "Apache-2.0":
        found.append(f"the licence is {parsed.license_expression!r}")
    return found


def sdist_faults(path: Path) -> list[str]:
    """The sdist must hold everything that the wheel is built from."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "tracekit/__init__.py"}
    wanted |= {"cli/tracekit_cli/__init__.py", "models/tracekit_models/__init__.py"}
    return [f"{path.name} lacks {name}" for name in sorted(wanted - names)]


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]))
    print("\n".join(wrong) or f"{sys.argv[1]}: sdist and wheel are sound")
    sys.exit(bool(wrong))
