"""Predictions of a run for the parts of a comparison, saved so that tables can be computed again."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle import load_bundle
from zhenwei.bundle.bundle import DESCRIPTION
from zhenwei.evaluation.predictions import predict_file
from zhenwei.hashing import file_sha256


@dataclass(frozen=True)
class RunPredictions:
    """The predictions of a detector for several files of articles.

    Attributes:
        logits: By part, the log odds of the detector's probabilities [N].
        threshold: Articles with at least this probability count as fake.
        calibration: Description of the detector's calibration; None if it is not calibrated.
        bundle: SHA-256 of the bundle's manifest, which contains the SHA-256 of its files.
        files: By part, SHA-256 of the file of articles.
    """

    logits: dict[str, NDArray[np.float64]]
    threshold: float
    calibration: str | None
    bundle: str
    files: dict[str, str]

    def save(self, path: Path) -> None:
        """Write an .npz file of numbers and text, without pickle, atomically.

        Raises:
            OSError: If it cannot be written.
        """
        facts = {name: getattr(self, name) for name in ("threshold", "calibration", "bundle", "files")}
        temporary = path.with_name(f".{path.name}.new")
        arrays: dict[str, Any] = {f"logits.{part}": logits for part, logits in self.logits.items()}
        with temporary.open("wb") as file:
            np.savez_compressed(file, facts=np.array(json.dumps(facts, ensure_ascii=False)), **arrays)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "RunPredictions | None":
        """Read saved predictions; None if they are missing or damaged: they can be computed again."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                facts = json.loads(str(stored["facts"]))
                logits = {name.removeprefix("logits."): stored[name] for name in stored.files if name != "facts"}
            return cls(logits, **facts)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None


def bundle_digest(bundle: Path) -> str | None:
    """Return a digest of a bundle; None if there is no bundle."""
    manifest = bundle / DESCRIPTION
    return file_sha256(manifest) if manifest.is_file() else None


def predict_files(bundle_folder: Path, files: dict[str, tuple[Path, str]], device: str) -> RunPredictions:
    """Predict files of labelled articles.

    Args:
        bundle_folder: The folder of the bundle.
        files: By part, the file and its SHA-256.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        CheckpointError: If there is no bundle, or it is damaged or foreign.
        DataError: If a file has invalid rows.
    """
    digest = bundle_digest(bundle_folder)
    bundle = load_bundle(bundle_folder)
    torch_device = bundle.to(device)
    return RunPredictions(
        {part: predict_file(bundle, path, torch_device).logits for part, (path, _) in files.items()},
        bundle.threshold,
        None if bundle.calibration is None else bundle.calibration.describe(),
        digest or "",
        {part: sha256 for part, (_, sha256) in files.items()},
    )
