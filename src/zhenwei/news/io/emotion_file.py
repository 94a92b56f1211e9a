"""ENDEF's neighbour file: the emotion features of `train.json` stand beside it as `train_emo.npy`."""

from pathlib import Path

import numpy as np

from zhenwei.errors import DataError


def open_emotion_file(path: Path) -> np.ndarray | None:
    """Map the emotion features that stand beside a file of articles, without loading them.

    Args:
        path: The file of articles, such as `train.json`.

    Returns:
        The features `[rows, F]`, one vector for each row of the file; None where there is no such neighbour.

    Raises:
        DataError: The neighbour is not a NumPy array of numbers with two dimensions.
    """
    neighbour = emotion_path(path)
    if not neighbour.is_file():
        return None
    try:
        # Never allow_pickle: an .npy file of objects runs whatever code its author put there.
        features = np.load(neighbour, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{neighbour}: not a NumPy array of numbers ({error})") from None
    if not isinstance(features, np.ndarray) or features.ndim != 2 or features.dtype.kind not in "fiu":
        found = f"{features.dtype} of shape {features.shape}" if isinstance(features, np.ndarray) else "an archive"
        raise DataError(f"{neighbour}: found {found}; expected numbers of shape (rows, features)")
    return features


def check_row_count(path: Path, features: np.ndarray, rows: int) -> None:
    """Hold the number of vectors against the number of rows.

    Raises:
        DataError: They differ, so that nobody knows which vector belongs to which row.
    """
    if len(features) != rows:
        raise DataError(
            f"{emotion_path(path)}: found {len(features)} vectors; expected {rows}, the rows of {path.name}"
        )


def emotion_path(path: Path) -> Path:
    """Where the emotion features of a file of articles would stand."""
    return path.with_name(f"{path.stem}_emo.npy")
