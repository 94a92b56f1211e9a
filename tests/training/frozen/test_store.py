"""Stores of frozen states: what was written can be read, and what is damaged or missing is detected."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zhenwei.training.frozen import store as store_module
from zhenwei.training.frozen.store import BLOCK_ROWS, CHECKSUMS, STATES, FrozenStore, Layout, load_layout

SIZE = 4
LENGTHS = np.random.default_rng(0).integers(0, 9, 3 * BLOCK_ROWS + 5).astype(np.int64)
ALL = Layout.that_fits(LENGTHS, SIZE, 2**30)


def states_of(rows: NDArray[np.int64]) -> NDArray[np.float16]:
    """Return states [S, D] that identify the article and token."""
    lines = [[row, token, row % 7, 1] for row in rows for token in range(LENGTHS[row])]
    return np.array(lines, np.float16).reshape(-1, SIZE)


def fill(store: FrozenStore, blocks: list[int] | None = None) -> None:
    for block in store.missing() if blocks is None else blocks:
        store.write(block, states_of(store.layout.blocks[block]))
    store.refresh()


@pytest.fixture
def store(tmp_path: Path) -> FrozenStore:
    return FrozenStore.create(tmp_path / "store", ALL, limit=2**30)


class TestLayout:
    def test_every_article_is_in_one_block_the_longest_first(self) -> None:
        rows = np.concatenate(ALL.blocks)
        assert sorted(rows) == list(range(len(LENGTHS)))
        assert (np.diff(LENGTHS[rows]) <= 0).all()

    @pytest.mark.parametrize("room", [0, 1, 100, 2000, 4000, 2**20])
    def test_it_holds_as_many_blocks_as_fit(self, room: int) -> None:
        layout = Layout.that_fits(LENGTHS, SIZE, room)
        assert layout.n_bytes <= room
        more = Layout(LENGTHS, SIZE, layout.n_blocks + 1)
        assert layout.n_blocks == ALL.n_blocks or more.n_bytes > room
        assert sum(map(len, layout.blocks)) == sum(len(block) for block in ALL.blocks[: layout.n_blocks])


class TestReading:
    def test_written_states_are_read_in_any_order(self, store: FrozenStore) -> None:
        fill(store)
        rows = np.random.default_rng(1).integers(0, len(LENGTHS), 40)
        np.testing.assert_array_equal(store.read(rows), states_of(rows))

    def test_a_new_store_is_empty(self, store: FrozenStore) -> None:
        assert not store.contains(np.arange(len(LENGTHS))).any()
        assert store.missing() == list(range(ALL.n_blocks))

    def test_it_contains_the_articles_of_written_blocks_that_have_tokens(self, store: FrozenStore) -> None:
        fill(store, [1])
        available = np.flatnonzero(store.contains(np.arange(len(LENGTHS))))
        assert available.tolist() == sorted(row for row in ALL.blocks[1] if LENGTHS[row])
        fill(store)
        assert (store.contains(np.arange(len(LENGTHS))) == (LENGTHS > 0)).all()

    def test_another_process_sees_it_after_a_refresh(self, store: FrozenStore) -> None:
        reader = FrozenStore(store.folder, ALL)
        fill(store)
        assert not reader.contains(np.arange(5)).any()
        reader.refresh()
        np.testing.assert_array_equal(reader.read(np.arange(5)), states_of(np.arange(5)))

    def test_a_store_that_is_replaced_still_reads_its_own_files(self, store: FrozenStore, tmp_path: Path) -> None:
        fill(store)
        store.folder.rename(tmp_path / "gone")
        FrozenStore.create(store.folder, ALL, limit=2**30)
        store.refresh()
        np.testing.assert_array_equal(store.read(np.arange(9)), states_of(np.arange(9)))


class TestDamage:
    def test_a_changed_byte_invalidates_its_block_only(self, store: FrozenStore) -> None:
        fill(store)
        with (store.folder / STATES).open("r+b") as file:
            file.seek(int(ALL.ends[0]) * SIZE * 2 + 3)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        again = FrozenStore(store.folder, ALL)
        assert again.check() == 1
        assert again.missing() == [1]
        assert not again.contains(ALL.blocks[1]).any()
        fill(again)
        assert again.check() == 0

    def test_checksums_without_their_states_are_detected(self, store: FrozenStore) -> None:
        """As after a crash of the machine: zeros instead of states."""
        fill(store)
        size = (store.folder / STATES).stat().st_size
        os.truncate(store.folder / STATES, 0)
        os.truncate(store.folder / STATES, size)
        again = FrozenStore(store.folder, ALL)
        full = sum(1 for rows in ALL.blocks if LENGTHS[rows].sum())
        assert again.check() == full
        assert not again.contains(np.arange(len(LENGTHS))).any()

    def test_damaged_checksums_are_detected(self, store: FrozenStore) -> None:
        fill(store)
        checksums = np.fromfile(store.folder / CHECKSUMS, np.uint64)
        (checksums + np.uint64(1)).tofile(store.folder / CHECKSUMS)
        assert FrozenStore(store.folder, ALL).check() == ALL.n_blocks

    @pytest.mark.parametrize("name", [STATES, CHECKSUMS])
    def test_a_file_of_another_size_is_no_store(self, name: str, store: FrozenStore) -> None:
        os.truncate(store.folder / name, 8)
        assert load_layout(store.folder, LENGTHS, SIZE) is None
        with pytest.raises(FileNotFoundError, match="no store of this layout"):
            FrozenStore(store.folder, ALL)

    @pytest.mark.parametrize("about", ["", "{}", "[]", '{"blocks": "many"}'])
    def test_damaged_metadata_is_no_store(self, about: str, store: FrozenStore) -> None:
        (store.folder / "meta.json").write_text(about)
        assert load_layout(store.folder, LENGTHS, SIZE) is None

    def test_a_store_of_other_articles_is_not_loaded(self, store: FrozenStore) -> None:
        assert load_layout(store.folder, LENGTHS, SIZE) == (ALL, 2**30)
        assert load_layout(store.folder, LENGTHS[:-1], SIZE) is None
        assert load_layout(store.folder, LENGTHS, SIZE + 1) is None


def write_until_killed(folder: Path, moment: int) -> None:
    """Fill a store, and be killed as one of the writes of a block begins or ends."""
    seen = 0

    def kill(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal seen
        if frame.f_code is store_module._write.__code__ and event in ("line", "return"):
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        return kill

    store = FrozenStore(folder, ALL)
    sys.settrace(kill)
    fill(store)


# The states of a block have six such moments, and its checksum six more; it is on the disk from the fifth of them on.
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("moment", "n_written"), [(1, 0), (5, 0), (8, 0), (10, 0), (11, 1), (17, 1), (23, 2)])
def test_a_killed_writer_leaves_complete_blocks_only(moment: int, n_written: int, store: FrozenStore) -> None:
    child = os.fork()
    if child == 0:
        write_until_killed(store.folder, moment)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    again = FrozenStore(store.folder, ALL)
    assert again.check() == 0
    rows = np.flatnonzero(again.contains(np.arange(len(LENGTHS))))
    np.testing.assert_array_equal(again.read(rows), states_of(rows))
    assert len(again.missing()) == ALL.n_blocks - n_written
    fill(again)
    assert again.check() == 0
    np.testing.assert_array_equal(again.read(np.arange(len(LENGTHS))), states_of(np.arange(len(LENGTHS))))
