"""The detector that is being served, and by which name and version its answers are told apart."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from math import isfinite
from pathlib import Path

from zhenwei.bundle.bundle import DESCRIPTION, find_bundle
from zhenwei.errors import CheckpointError
from zhenwei.hashing import file_sha256
from zhenwei.inference import Detector

ATTEMPTS = 3  # a bundle that is replaced while it is read is read again
TRIAL = "试一试"  # a new detector must judge this before it is served


@dataclass(frozen=True)
class Served:
    """A loaded detector.

    Attributes:
        detector: The detector.
        name: The name of the folder that was asked for, or of the detector on the hub.
        version: The SHA-256 of the bundle's `detector.json`, which holds those of all its other files, the threshold
            and the calibration.
        loaded: When it was loaded, UTC.
    """

    detector: Detector
    name: str
    version: str
    loaded: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_dict(self) -> dict[str, str]:
        """Return what an answer says of the bundle."""
        return {"name": self.name, "version": self.version}


def load_served(path: Path, device: str = "auto", name: str | None = None) -> Served:
    """Load a detector, with its version.

    Args:
        path: A run's folder, a bundle, or an exported folder.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        name: What it is called; None: as its folder.

    Raises:
        CheckpointError: If there is none, or it is damaged, foreign, or replaced again and again while it is read.
        ConfigError: If no device is so called.
        DataError: If it cannot judge a text alone, for it needs fields that only articles bring.
    """
    for _ in range(ATTEMPTS):
        before = _version(path)
        detector = Detector.load(path, device)
        if not isfinite(detector.predict(TRIAL)[0].probability):
            raise CheckpointError(f"{path}: this detector's probabilities are no numbers; it was trained badly")
        if before is not None and before == _version(path):
            return Served(detector, name or path.resolve().name, before)
    raise CheckpointError(f"{path}: replaced while it was read, {ATTEMPTS} times; let the writer finish first")


def _version(path: Path) -> str | None:
    """Return the version of what a folder holds now; None where a file went away while it was read."""
    try:
        try:
            return file_sha256(find_bundle(path) / DESCRIPTION)
        except CheckpointError:  # no bundle: an exported folder is told by all its files
            files = sorted(file for file in path.rglob("*") if file.is_file())
            lines = [f"{file.relative_to(path)} {file_sha256(file)}\n" for file in files]
            return sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    except OSError:
        return None


def fingerprint(path: Path) -> tuple[int, ...]:
    """Return what changes when a bundle is replaced, cheap enough to be looked at every few seconds."""
    try:
        found = (find_bundle(path) / DESCRIPTION).stat()
    except (CheckpointError, OSError):
        return ()
    return (found.st_mtime_ns, found.st_ino, found.st_size)
