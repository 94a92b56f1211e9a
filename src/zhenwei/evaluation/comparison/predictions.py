"""What a run's detector says of the compared articles: kept beside the run, so that tables can be made anew."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle import load_bundle
from zhenwei.bundle.bundle import DESCRIPTION
from zhenwei.hashing import file_sha256

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """What a detector says of some files of articles.

    Attributes:
        logits: By part, the network's logits [N].
        calibrated: By part, log odds of the detector's probabilities [N].
        threshold: An article counts as fake from this probability on.
        calibration: How the detector is calibrated, in words; None: not at all.
        bundle: SHA-256 of the bundle's description, which has those of its files.
        files: By part, SHA-256 of the files of articles.
    """

    logits: dict[str, Floats]
    calibrated: dict[str, Floats]
    threshold: float
    calibration: str | None
    bundle: str
    files: dict[str, str]

    def save(self, path: Path) -> None:
        """Write them, whole or not at all: an .npz of plain numbers and text, without pickle.

        Raises:
            OSError: If that cannot be.
        """
        facts = {name: getattr(self, name) for name in ("threshold", "calibration", "bundle", "files")}
        arrays: dict[str, Any] = {f"logits.{part}": values for part, values in self.logits.items()}
        arrays |= {f"calibrated.{part}": values for part, values in self.calibrated.items()}
        beside = path.with_name(f".{path.name}.new")
        with beside.open("wb") as file:
            np.savez_compressed(file, facts=np.array(json.dumps(facts, ensure_ascii=False)), **arrays)
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Predictions | None":
        """Read what was saved; None where there is nothing, or it is damaged: they can be made again."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                facts = json.loads(str(stored["facts"]))
                arrays = {name: stored[name] for name in stored.files if name != "facts"}
            logits, calibrated = (
                {name.removeprefix(kind): values for name, values in arrays.items() if name.startswith(kind)}
                for kind in ("logits.", "calibrated.")
            )
            return cls(logits, calibrated, **facts)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None


def bundle_digest(bundle: Path) -> str | None:
    """Return what tells one state of a bundle from another; None where there is no bundle."""
    description = bundle / DESCRIPTION
    return file_sha256(description) if description.is_file() else None


def predict_files(bundle_folder: Path, files: dict[str, tuple[Path, str]], device: str) -> Predictions:
    """Judge files of labelled articles.

    Args:
        bundle_folder: The detector.
        files: By part, the file and its SHA-256.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        CheckpointError: If there is no bundle, or it is damaged or foreign.
        DataError: If a file has rows that cannot be used.
    """
    digest = bundle_digest(bundle_folder)
    bundle = load_bundle(bundle_folder)
    place, featurizer = bundle.to(device), bundle.featurizer()
    logits = {part: bundle.predict_logits(featurizer.encode_file(path), place) for part, (path, _) in files.items()}
    return Predictions(
        logits,
        {part: bundle.calibrated(values) for part, values in logits.items()},
        bundle.threshold,
        None if bundle.calibration is None else bundle.calibration.describe(),
        digest or "",
        {part: sha256 for part, (_, sha256) in files.items()},
    )
