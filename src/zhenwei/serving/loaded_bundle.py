"""The bundle that is served: its detector, name and version."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from math import isfinite
from pathlib import Path

from zhenwei.bundle.bundle import DESCRIPTION, find_bundle
from zhenwei.errors import CheckpointError
from zhenwei.inference import Detector
from zhenwei.inference.batch.shards import bundle_version
from zhenwei.serving.schemas.responses import BundleInfo

ATTEMPTS = 3  # a bundle that is replaced while it is read is read again
TRIAL_TEXT = "试一试"  # a new detector must predict this before it is served


@dataclass(frozen=True)
class LoadedBundle:
    """A loaded detector.

    Attributes:
        detector: The detector.
        name: The name of the folder, or of the detector on the hub.
        version: The SHA-256 of the bundle's `detector.json`, which contains the digests of all its other files, the
            threshold and the calibration.
        loaded_at: When it was loaded, UTC.
    """

    detector: Detector
    name: str
    version: str
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def info(self) -> BundleInfo:
        """The name and the version, as responses contain them."""
        return BundleInfo(name=self.name, version=self.version)

    @classmethod
    def load(cls, path: Path, device: str = "auto", name: str | None = None, *, always: bool = False) -> "LoadedBundle":
        """Load a detector with its version.

        Args:
            path: A run's folder, a bundle, or an exported folder.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            name: The name; None: the folder's.
            always: As `Detector` takes it.

        Raises:
            CheckpointError: If there is no detector, or it is damaged, or replaced again and again while it is read.
            ConfigError: If the device is unknown.
            DataError: If the detector needs more fields of an article than its text.
        """
        for _ in range(ATTEMPTS):
            version = _version(path)
            detector = Detector.load(path, device, always=always)
            if not isfinite(detector.predict(TRIAL_TEXT)[0].probability):
                raise CheckpointError(f"{path}: this detector's probabilities are not finite; train it again")
            if version is not None and version == _version(path):
                return cls(detector, name or path.resolve().name, version)
        raise CheckpointError(f"{path}: replaced {ATTEMPTS} times while it was read; let the writer finish first")


def _version(path: Path) -> str | None:
    """Return the version of a bundle; None if it disappeared while it was read."""
    try:
        return bundle_version(path)
    except OSError:
        return None


def fingerprint(path: Path) -> tuple[int, ...]:
    """Return numbers that change when a bundle is replaced, cheap enough to be read every few seconds."""
    try:
        stat = (find_bundle(path) / DESCRIPTION).stat()
    except (CheckpointError, OSError):
        return ()
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)
