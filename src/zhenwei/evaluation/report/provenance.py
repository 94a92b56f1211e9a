"""Where figures are from: files with their digests, and versions of what made the page."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import zhenwei
from zhenwei.evaluation.report.dataset_labels import Judged
from zhenwei.hashing import file_sha256

_PACKAGES = ("torch", "transformers", "scikit-learn", "numpy")


@dataclass(frozen=True)
class CitedFile:
    """A file that figures are about: its role, its path, its SHA-256 (empty where it is not at hand)."""

    role: str
    path: str
    sha256: str


def judged_files(parts: Iterable[Judged]) -> tuple[CitedFile, ...]:
    """Return the judged files with their digests, as they are now."""
    return tuple(CitedFile(part.name, part.assessment.file, digest(part.assessment.file)) for part in parts)


def digest(path: str | Path) -> str:
    """Return a file's SHA-256; empty where it cannot be read."""
    try:
        return file_sha256(Path(path))
    except OSError:
        return ""


def versions() -> dict[str, str]:
    """Return the versions of what made the page."""
    found = {"zhenwei": zhenwei.__version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"machine": f"{platform.system()} {platform.machine()}"}
