"""A cache folder of stores of frozen states with a size limit; the least recently used stores are removed first."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from zhenwei.training.frozen.store import META, STATES, FrozenStore, Layout, load_layout

RESERVED_BYTES = 2**30  # of the disk, left to others


class FrozenCache:
    """Stores by key, with a limit on their total size.

    Processes may share it. One process at a time creates and removes stores, one at a time fills a store, and all may
    read. A store that is removed while another process reads it stays readable for that process.
    """

    def __init__(self, path: Path, limit: int) -> None:
        """Open a cache folder, and create it if it does not exist.

        Args:
            path: The folder.
            limit: Maximum total size of its stores in bytes.

        Raises:
            OSError: If it cannot be created.
        """
        self.path = path
        self.limit = limit
        path.mkdir(parents=True, exist_ok=True)

    def fill_lock(self, key: str) -> FileLock:
        """Return the lock of the process that fills a store; the system releases it when that process ends."""
        return FileLock(self.path / f"{key}.lock")

    def store(self, key: str, lengths: NDArray[np.int64], size: int, keep: Collection[str] = ()) -> FrozenStore | None:
        """Open the store of a key, or create one for as many articles as fit.

        Args:
            key: Key of the store.
            lengths: Tokens per article, int64 [N].
            size: Numbers per token.
            keep: Keys of stores that are not removed to make room, since the same run uses them.

        Returns:
            The store, whose blocks are not checked yet; None if there is no room for any block.

        Raises:
            OSError: If it cannot be written.
        """
        with self._locked():
            folder = self.path / key
            layout = self.layout(key, lengths, size)
            if layout is not None:
                store = FrozenStore(folder, layout)
            else:
                _remove(folder)
                largest = Layout.that_fits(lengths, size, self.limit)
                layout = Layout.that_fits(lengths, size, self._make_room(largest.n_bytes, keep))
                if layout.n_bytes == 0:
                    return None
                store = FrozenStore.create(folder, layout, self.limit)
            store.touch()
            return store

    def layout(self, key: str, lengths: NDArray[np.int64], size: int) -> Layout | None:
        """Return the layout of the store of a key; None if there is none, or it must be created again.

        A store that holds fewer articles than the limit allows, because the disk was full or other stores took the
        room, is kept, so that a resumed run finds what it had.
        """
        saved = load_layout(self.path / key, lengths, size)
        if saved is None:
            return None
        layout, limit = saved
        same = limit == self.limit or layout.n_bytes >= Layout.that_fits(lengths, size, self.limit).n_bytes
        return layout if same and layout.n_bytes <= self.limit else None

    def _make_room(self, needed: int, keep: Collection[str]) -> int:
        """Remove stores until `needed` bytes fit, and return how many bytes fit, at most `needed`."""
        sizes = {folder: _size(folder) for folder in self._stores()}
        for folder in sorted(sizes, key=_last_used):
            if sum(sizes.values()) + needed <= self.limit and self._free() >= needed:
                break
            if folder.name in keep:
                continue
            with suppress(Timeout, OSError), self.fill_lock(folder.name).acquire(timeout=0):
                _remove(folder)
                del sizes[folder]
        return max(min(needed, self.limit - sum(sizes.values()), self._free()), 0)

    def _stores(self) -> list[Path]:
        return [entry for entry in self.path.iterdir() if (entry / STATES).exists() and not entry.name.startswith(".")]

    def _free(self) -> int:
        return shutil.disk_usage(self.path).free - RESERVED_BYTES

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the creation and removal of stores, and remove what a killed process left behind."""
        with FileLock(self.path / ".lock"):
            for entry in self.path.glob(".*"):
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
            yield


def _remove(folder: Path) -> None:
    """Remove a store; it is renamed first, so that no process opens half of it."""
    if folder.exists():
        renamed = folder.with_name(f".{folder.name}.removed")
        folder.rename(renamed)
        shutil.rmtree(renamed, ignore_errors=True)


def _size(folder: Path) -> int:
    try:
        return (folder / STATES).stat().st_size
    except OSError:
        return 0


def _last_used(folder: Path) -> float:
    try:
        return (folder / META).stat().st_mtime
    except OSError:
        return 0.0
