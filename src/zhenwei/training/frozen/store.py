"""What frozen layers made of each token of many articles, in a memory-mapped file."""

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
from zhenwei.tokens.ragged import places

STATES, MARKS, ABOUT = "states.f16", "blocks.u64", "about.json"
FORMAT = 1
BLOCK_ROWS = 32  # articles that are computed, written and checked together
_DONE = 1 << 32  # stands above a block's checksum, so that no mark of a done block is 0
_BYTES = 2  # of a number in fp16


@dataclass(frozen=True)
class Layout:
    """Which articles a store keeps, and where.

    Articles are computed in blocks of like length, the longest first. Blocks are a pure function of the lengths: what a
    number's last bits are hangs on what was computed beside it, and so is the same whoever fills the store, and when.

    Attributes:
        lengths: Tokens per article, int64 [N].
        size: Numbers per token, D.
        n_blocks: Blocks that are kept, from the first.
    """

    lengths: NDArray[np.int64]
    size: int
    n_blocks: int

    @classmethod
    def that_fits(cls, lengths: NDArray[np.int64], size: int, room: int) -> "Layout":
        """Keep as many whole blocks as fit into `room` bytes."""
        ends = np.cumsum([lengths[rows].sum() for rows in _blocks(lengths)], dtype=np.int64) * size * _BYTES
        return cls(lengths, size, int(np.searchsorted(ends, room, side="right")))

    @cached_property
    def blocks(self) -> list[NDArray[np.int64]]:
        """Row numbers of each block that is kept."""
        return _blocks(self.lengths)[: self.n_blocks]

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Where each block ends, in tokens, int64 [n_blocks]."""
        return np.cumsum([self.lengths[rows].sum() for rows in self.blocks], dtype=np.int64)

    @property
    def n_rows(self) -> int:
        """Articles that are kept."""
        return sum(map(len, self.blocks))

    @property
    def n_bytes(self) -> int:
        """Bytes of the file of states."""
        return int(self.ends[-1]) * self.size * _BYTES if self.n_blocks else 0


class FrozenStore:
    """A store of fp16 numbers: a file of states, and a mark for each of its blocks.

    A block's mark holds the checksum of its states, and is written after them. Before a store is used, every block that
    is marked is checked against its checksum: whatever a killed process, a crashed machine or a bad disk left behind, a
    block is read as it was written, or is computed again. Files are written by plain writes, whose errors can be
    caught: a full disk under a memory map ends the process.
    """

    def __init__(self, folder: Path, layout: Layout) -> None:
        """Open a store that is there.

        Its files are opened once: should the store be removed and made anew, this goes on with what it has.

        Raises:
            OSError: If it is not there, not laid out so, or cannot be written.
        """
        self.folder = folder
        self.layout = layout
        self._files = [(folder / name).open("r+b", buffering=0) for name in (STATES, MARKS)]
        sizes = [os.fstat(file.fileno()).st_size for file in self._files]
        if sizes != [layout.n_bytes, 8 * layout.n_blocks]:
            raise FileNotFoundError(f"{folder}: no store of this layout")
        self._row_starts = np.full(len(layout.lengths), -1, np.int64)
        for rows, end in zip(layout.blocks, layout.ends, strict=True):
            self._row_starts[rows] = end - np.cumsum(layout.lengths[rows][::-1])[::-1]
        self._states = np.memmap(self._files[0], np.float16, "r", shape=(int(layout.ends[-1]), layout.size))
        self.refresh()

    @classmethod
    def create(cls, folder: Path, layout: Layout, bound: int) -> "FrozenStore":
        """Make an empty store, whole or not at all.

        Args:
            folder: Where.
            layout: What it has room for.
            bound: The bytes that all stores were allowed when it was made.

        Raises:
            OSError: If it cannot be written.
        """
        beside = folder.with_name(f".{folder.name}.new")
        beside.mkdir(parents=True)
        for name, size in ((STATES, layout.n_bytes), (MARKS, 8 * layout.n_blocks)):
            with (beside / name).open("wb") as file:
                file.truncate(size)
        about = {"format": FORMAT, "articles": len(layout.lengths), "size": layout.size, "blocks": layout.n_blocks}
        write_atomic(json.dumps({**about, "bound": bound}), beside / ABOUT)
        beside.rename(folder)
        return cls(folder, layout)

    def refresh(self) -> None:
        """Look again at which blocks are there; other processes may have written some."""
        marks = self._marks()
        self._held = np.zeros(len(self.layout.lengths), np.bool_)
        for rows, mark in zip(self.layout.blocks, marks, strict=True):
            self._held[rows] = mark != 0

    def touch(self) -> None:
        """Remember that the store was used now: those that were not used for longest go first."""
        with suppress(OSError):
            os.utime(self.folder / ABOUT)

    def missing(self) -> list[int]:
        """Return the numbers of the blocks that are not there."""
        return np.flatnonzero(self._marks() == 0).tolist()

    def check(self) -> int:
        """Forget the blocks that are not what was written, and return how many there were.

        Raises:
            OSError: If a mark cannot be written.
        """
        damaged = [
            block
            for block, mark in enumerate(self._marks().tolist())
            if mark and mark != _mark(self._states[self._start(block) : self.layout.ends[block]])
        ]
        for block in damaged:
            self._write_mark(block, 0)
        self.refresh()
        return len(damaged)

    def write(self, block: int, states: NDArray[np.float16]) -> None:
        """Keep a block's states [S, D]: its articles' tokens, one article after the other.

        Raises:
            OSError: If they cannot be written; the block is then not there.
        """
        _write(self._files[0], self._start(block) * self.layout.size * _BYTES, np.ascontiguousarray(states).tobytes())
        self._write_mark(block, _mark(states))

    def holds(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which articles [B] are there; one without tokens never is."""
        return self._held[rows] & (self.layout.lengths[rows] > 0)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the states [S, D] of articles that are there: their tokens, one article after the other."""
        lengths = self.layout.lengths[rows]
        found: NDArray[np.float16] = self._states[np.repeat(self._row_starts[rows], lengths) + places(lengths)]
        return found

    def _start(self, block: int) -> int:
        return int(self.layout.ends[block - 1]) if block else 0

    def _marks(self) -> NDArray[np.uint64]:
        self._files[1].seek(0)
        return np.frombuffer(self._files[1].read(), np.uint64)

    def _write_mark(self, block: int, mark: int) -> None:
        _write(self._files[1], 8 * block, np.uint64(mark).tobytes())


def kept_layout(folder: Path, lengths: NDArray[np.int64], size: int) -> tuple[Layout, int] | None:
    """Return the layout of the store in a folder, and the bound it was made under; None without one of these articles.

    Args:
        folder: Where it may be.
        lengths: Tokens per article, int64 [N].
        size: Numbers per token.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        layout = Layout(lengths, size, int(about["blocks"]))
        found = [about["format"], about["articles"], about["size"]]
        sizes = [(folder / name).stat().st_size for name in (STATES, MARKS)]
        bound = int(about["bound"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = found == [FORMAT, len(lengths), size] and sizes == [layout.n_bytes, 8 * layout.n_blocks]
    return (layout, bound) if whole and layout.n_bytes else None


def _blocks(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return batch_order(lengths, BLOCK_ROWS, seed=0, epoch=0, shuffle=False)


def _mark(states: NDArray[np.float16]) -> int:
    """Return the mark of a block that holds these states [S, D]."""
    return _DONE | zlib.crc32(np.ascontiguousarray(states).data)


def _write(file: io.FileIO, offset: int, data: bytes) -> None:
    """Write all of the data at a place of a file; the system may take less of it at a time."""
    file.seek(offset)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
