"""A store of the states of frozen layers for each token of many articles, in a memory-mapped file."""

import io
import json
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zhenwei.atomic import write_atomic
from zhenwei.tokens import batch_order
from zhenwei.tokens.ragged import positions

STATES, CHECKSUMS, META = "states.f16", "checksums.u64", "meta.json"
FORMAT = 1
BLOCK_ROWS = 32  # articles that are computed, written and checked together
_WRITTEN = 1 << 32  # added to the checksum of a written block, so that it is never 0
_BYTES = 2  # per number in fp16


@dataclass(frozen=True)
class Layout:
    """Which articles a store holds, and where.

    Articles are computed in blocks of similar length, the longest first. Blocks are a pure function of the lengths: the
    last bits of a state depend on the other articles of its block, and so are the same whoever fills the store.

    Attributes:
        lengths: Tokens per article, int64 [N].
        size: Numbers per token, D.
        n_blocks: Number of blocks that are stored, from the first.
    """

    lengths: NDArray[np.int64]
    size: int
    n_blocks: int

    @classmethod
    def that_fits(cls, lengths: NDArray[np.int64], size: int, n_bytes: int) -> "Layout":
        """Return the layout with as many whole blocks as fit into `n_bytes`."""
        ends = np.cumsum([lengths[rows].sum() for rows in _blocks(lengths)], dtype=np.int64) * size * _BYTES
        return cls(lengths, size, int(np.searchsorted(ends, n_bytes, side="right")))

    @cached_property
    def blocks(self) -> list[NDArray[np.int64]]:
        """Row numbers of each stored block."""
        return _blocks(self.lengths)[: self.n_blocks]

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """End of each block, in tokens, int64 [n_blocks]."""
        return np.cumsum([self.lengths[rows].sum() for rows in self.blocks], dtype=np.int64)

    @property
    def n_bytes(self) -> int:
        """Size of the file of states in bytes."""
        return int(self.ends[-1]) * self.size * _BYTES if self.n_blocks else 0


class FrozenStore:
    """A store of fp16 numbers: a file of states, and a file with a checksum for each block.

    A checksum is written after the states of its block. Before a store is used, every block with a checksum is
    verified: after a killed process, a crashed machine or a disk error, a block is either read as it was written, or
    computed again. Files are written by plain writes, whose errors can be caught: with a memory map, a full disk would
    end the process.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        """Open an existing store.

        Its files stay open: if the store is removed and created again, this object still reads the old files.

        Raises:
            OSError: If it does not exist, has another layout, or cannot be written.
        """
        self.folder = folder
        self.layout = layout
        self._files = [(folder / name).open("r+b", buffering=0) for name in (STATES, CHECKSUMS)]
        sizes = [os.fstat(file.fileno()).st_size for file in self._files]
        if sizes != [layout.n_bytes, 8 * layout.n_blocks]:
            raise FileNotFoundError(f"{folder}: no store of this layout")
        self._row_starts = np.full(len(layout.lengths), -1, np.int64)
        for rows, end in zip(layout.blocks, layout.ends, strict=True):
            self._row_starts[rows] = end - np.cumsum(layout.lengths[rows][::-1])[::-1]
        self._states = np.memmap(self._files[0], np.float16, "r", shape=(int(layout.ends[-1]), layout.size))
        self.refresh()

    @classmethod
    def create(cls, folder: Path, layout: Layout, limit: int) -> "FrozenStore":
        """Create an empty store, atomically.

        Args:
            folder: The target folder.
            layout: Which articles it has room for.
            limit: Size limit of the cache at this time, in bytes.

        Raises:
            OSError: If it cannot be written.
        """
        partial = folder.with_name(f".{folder.name}.new")
        partial.mkdir(parents=True)
        for name, size in ((STATES, layout.n_bytes), (CHECKSUMS, 8 * layout.n_blocks)):
            with (partial / name).open("wb") as file:
                file.truncate(size)
        meta = {"format": FORMAT, "articles": len(layout.lengths), "size": layout.size, "blocks": layout.n_blocks}
        write_atomic(json.dumps({**meta, "limit": limit}), partial / META)
        partial.rename(folder)
        return cls(folder, layout)

    def refresh(self) -> None:
        """Read again which blocks are written; other processes may have written some."""
        self._available = np.zeros(len(self.layout.lengths), np.bool_)
        for rows, checksum in zip(self.layout.blocks, self._checksums(), strict=True):
            self._available[rows] = checksum != 0

    def touch(self) -> None:
        """Mark the store as used now; the least recently used stores are removed first."""
        with suppress(OSError):
            os.utime(self.folder / META)

    def missing(self) -> list[int]:
        """Return the numbers of the blocks that are not written."""
        return np.flatnonzero(self._checksums() == 0).tolist()

    def check(self) -> int:
        """Mark damaged blocks as not written, and return their number.

        Raises:
            OSError: If a checksum cannot be written.
        """
        damaged = [
            block
            for block, checksum in enumerate(self._checksums().tolist())
            if checksum and checksum != _checksum(self._states[self._start(block) : self.layout.ends[block]])
        ]
        for block in damaged:
            self._write_checksum(block, 0)
        self.refresh()
        return len(damaged)

    def write(self, block: int, states: NDArray[np.float16]) -> None:
        """Write the states [S, D] of a block: the tokens of its articles, one article after the other.

        Raises:
            OSError: If they cannot be written; the block then counts as not written.
        """
        _write(self._files[0], self._start(block) * self.layout.size * _BYTES, np.ascontiguousarray(states).tobytes())
        self._write_checksum(block, _checksum(states))

    def contains(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which articles [B] are written; one without tokens never is."""
        return self._available[rows] & (self.layout.lengths[rows] > 0)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the states [S, D] of written articles: their tokens, one article after the other."""
        lengths = self.layout.lengths[rows]
        states: NDArray[np.float16] = self._states[np.repeat(self._row_starts[rows], lengths) + positions(lengths)]
        return states

    def _start(self, block: int) -> int:
        return int(self.layout.ends[block - 1]) if block else 0

    def _checksums(self) -> NDArray[np.uint64]:
        self._files[1].seek(0)
        return np.frombuffer(self._files[1].read(), np.uint64)

    def _write_checksum(self, block: int, checksum: int) -> None:
        _write(self._files[1], 8 * block, np.uint64(checksum).tobytes())


def load_layout(folder: Path, lengths: NDArray[np.int64], size: int) -> tuple[Layout, int] | None:
    """Return the layout of a store and the size limit under which it was created; None if there is no such store.

    Args:
        folder: The folder of the store.
        lengths: Tokens per article, int64 [N].
        size: Numbers per token.
    """
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        layout = Layout(lengths, size, int(meta["blocks"]))
        about = [meta["format"], meta["articles"], meta["size"]]
        sizes = [(folder / name).stat().st_size for name in (STATES, CHECKSUMS)]
        limit = int(meta["limit"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    valid = about == [FORMAT, len(lengths), size] and sizes == [layout.n_bytes, 8 * layout.n_blocks]
    return (layout, limit) if valid and layout.n_bytes else None


def _blocks(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return batch_order(lengths, BLOCK_ROWS, seed=0, epoch=0, shuffle=False)


def _checksum(states: NDArray[np.float16]) -> int:
    """Return the checksum of the states [S, D] of a block; it is never 0."""
    return _WRITTEN | zlib.crc32(np.ascontiguousarray(states).data)


def _write(file: io.FileIO, offset: int, data: bytes) -> None:
    """Write all data at an offset; a single write may take less."""
    file.seek(offset)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
