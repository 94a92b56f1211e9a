"""ENDEF's emotion file: the emotion features of `train.json` are in `train_emo.npy` beside it."""

from pathlib import Path

import numpy as np

from zhenwei.errors import DataError


def open_emotion_file(path: Path) -> np.ndarray | None:
    """Memory-map the emotion file of a file of articles.

    Args:
        path: The file of articles, such as `train.json`.

    Returns:
        The features `[rows, F]`, one vector for each row of the file; None if there is no emotion file.

    Raises:
        DataError: The emotion file is not a NumPy array of numbers with two dimensions.
    """
    file = emotion_path(path)
    if not file.is_file():
        return None
    try:
        # Never allow_pickle: an .npy file of objects runs any code that its author put there.
        features = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{file}: not a NumPy array of numbers ({error})") from None
    if not isinstance(features, np.ndarray) or features.ndim != 2 or features.dtype.kind not in "fiu":
        found = f"{features.dtype} of shape {features.shape}" if isinstance(features, np.ndarray) else "an archive"
        raise DataError(f"{file}: found {found}; expected numbers of shape (rows, features)")
    return features


def check_row_count(path: Path, features: np.ndarray, rows: int) -> None:
    """Check that there are as many vectors as rows.

    Raises:
        DataError: The numbers differ.
    """
    if len(features) != rows:
        raise DataError(
            f"{emotion_path(path)}: found {len(features)} vectors; expected {rows}, the rows of {path.name}"
        )


def emotion_path(path: Path) -> Path:
    """Return the path of the emotion file of a file of articles."""
    return path.with_name(f"{path.stem}_emo.npy")
