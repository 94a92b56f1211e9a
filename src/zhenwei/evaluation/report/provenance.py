"""Provenance of figures: files with their digests, and versions of the packages."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import zhenwei
from zhenwei.evaluation.report.dataset_labels import DatasetResult
from zhenwei.hashing import file_sha256

_PACKAGES = ("torch", "transformers", "scikit-learn", "numpy")


@dataclass(frozen=True)
class CitedFile:
    """A file behind the figures: its role, its path, its SHA-256 (empty where the file is missing)."""

    role: str
    path: str
    sha256: str


def cite_datasets(results: Iterable[DatasetResult]) -> tuple[CitedFile, ...]:
    """Return the evaluated files with their current digests."""
    return tuple(CitedFile(each.name, each.evaluation.file, digest(each.evaluation.file)) for each in results)


def digest(path: str | Path) -> str:
    """Return a file's SHA-256; empty where it cannot be read."""
    try:
        return file_sha256(Path(path))
    except OSError:
        return ""


def package_versions() -> dict[str, str]:
    """Return the versions of zhenwei, Python and the main packages, and the machine."""
    return {
        "zhenwei": zhenwei.__version__,
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
    }
