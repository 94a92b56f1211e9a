"""The folder of all stores of frozen states, kept within a bound: what was not used for longest goes first."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from zhenwei.training.frozen.store import ABOUT, STATES, FrozenStore, Layout, kept_layout

SPARE = 2**30  # bytes of a disk that are left to others


class FrozenCache:
    """Stores by their keys, of a bounded size together.

    Processes may share it: one at a time makes room and makes stores, one at a time fills a store, and all may read. A
    store that is removed while another process reads it stays readable to that process.
    """

    def __init__(self, path: Path, bound: int) -> None:
        """Take over a folder, which is made where there is none.

        Args:
            path: The folder.
            bound: The most bytes that all its stores may take.

        Raises:
            OSError: If it cannot be made.
        """
        self.path = path
        self.bound = bound
        path.mkdir(parents=True, exist_ok=True)

    def filling(self, key: str) -> FileLock:
        """Return the lock of the one process that fills a store; the system lets go of it when that process ends."""
        return FileLock(self.path / f"{key}.lock")

    def store(
        self, key: str, lengths: NDArray[np.int64], size: int, others: Collection[str] = ()
    ) -> FrozenStore | None:
        """Open the store of a key, or make one that has room for as many articles as may be kept.

        Args:
            key: What is stored.
            lengths: Tokens per article, int64 [N].
            size: Numbers per token.
            others: Keys of stores that the same run uses, which are not removed to make room.

        Returns:
            The store, its blocks not yet checked; None where there is no room for any.

        Raises:
            OSError: If it cannot be written.
        """
        with self._managed():
            folder = self.path / key
            best = Layout.that_fits(lengths, size, self.bound)
            kept = self.layout(key, lengths, size)
            if kept is not None:
                store = FrozenStore(folder, kept)
            else:
                _remove(folder)
                layout = Layout.that_fits(lengths, size, self._make_room(best.n_bytes, others))
                if layout.n_bytes == 0:
                    return None
                store = FrozenStore.create(folder, layout, self.bound)
            store.touch()
            return store

    def layout(self, key: str, lengths: NDArray[np.int64], size: int) -> Layout | None:
        """Return the layout of the store of a key, if there is one and it may stay as it is.

        One that keeps fewer articles than the bound allows, since others took the room or the disk was full, stays so,
        that a run which goes on finds what it had.
        """
        kept = kept_layout(self.path / key, lengths, size)
        if kept is None:
            return None
        layout, bound = kept
        same = bound == self.bound or layout.n_bytes >= Layout.that_fits(lengths, size, self.bound).n_bytes
        return layout if same and layout.n_bytes <= self.bound else None

    def _make_room(self, wanted: int, others: Collection[str]) -> int:
        """Remove stores until there is room, and return for how many bytes, at most `wanted`."""
        sizes = {folder: _size(folder) for folder in self._stores()}
        for folder in sorted(sizes, key=_last_used):
            if sum(sizes.values()) + wanted <= self.bound and self._free() >= wanted:
                break
            if folder.name in others:
                continue
            with suppress(Timeout, OSError), self.filling(folder.name).acquire(timeout=0):
                _remove(folder)
                del sizes[folder]
        return max(min(wanted, self.bound - sum(sizes.values()), self._free()), 0)

    def _stores(self) -> list[Path]:
        return [entry for entry in self.path.iterdir() if (entry / STATES).exists() and not entry.name.startswith(".")]

    def _free(self) -> int:
        return shutil.disk_usage(self.path).free - SPARE

    @contextmanager
    def _managed(self) -> Iterator[None]:
        """Keep other processes from making and removing stores, and clear away what a killed one left of that."""
        with FileLock(self.path / ".lock"):
            for entry in self.path.glob(".*"):
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
            yield


def _remove(folder: Path) -> None:
    """Remove a store: first its name, so that nobody opens half of it."""
    if folder.exists():
        gone = folder.with_name(f".{folder.name}.gone")
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _size(folder: Path) -> int:
    try:
        return (folder / STATES).stat().st_size
    except OSError:
        return 0


def _last_used(folder: Path) -> float:
    try:
        return (folder / ABOUT).stat().st_mtime
    except OSError:
        return 0.0
