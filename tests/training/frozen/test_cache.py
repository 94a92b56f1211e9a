"""The cache of stores: its size limit, and which stores are removed."""

import os
from pathlib import Path

import numpy as np
import pytest

from zhenwei.caches import cache_folder
from zhenwei.training.frozen.cache import FrozenCache
from zhenwei.training.frozen.store import BLOCK_ROWS, STATES, FrozenStore

SIZE = 8
LENGTHS = np.full(10 * BLOCK_ROWS, 10, np.int64)  # ten blocks
BLOCK = BLOCK_ROWS * 10 * SIZE * 2  # bytes
WHOLE = 10 * BLOCK


def stores(folder: FrozenCache) -> set[str]:
    return {path.parent.name for path in folder.path.glob(f"*/{STATES}")}


def total(folder: FrozenCache) -> int:
    return sum(path.stat().st_size for path in folder.path.glob(f"*/{STATES}"))


def used_at(folder: FrozenCache, key: str, time: int) -> None:
    os.utime(folder.path / key / "meta.json", (time, time))


def opened(folder: FrozenCache, key: str, *others: str) -> FrozenStore:
    store = folder.store(key, LENGTHS, SIZE, others)
    assert store is not None
    return store


class TestBound:
    @pytest.mark.parametrize("blocks", [1, 4, 9.5])
    def test_as_many_blocks_as_fit_are_stored(self, blocks: float, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, int(blocks * BLOCK))
        assert opened(folder, "a").layout.n_blocks == int(blocks)
        assert total(folder) <= folder.limit

    def test_nothing_is_stored_if_no_block_fits(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, BLOCK - 1)
        assert folder.store("a", LENGTHS, SIZE) is None
        assert stores(folder) == set()

    def test_articles_without_tokens_are_not_stored(self, tmp_path: Path) -> None:
        assert FrozenCache(tmp_path, WHOLE).store("a", LENGTHS * 0, SIZE) is None

    def test_free_disk_space_is_a_limit_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
        monkeypatch.setattr("zhenwei.training.frozen.cache.RESERVED_BYTES", free + 2**40)  # no disk has so much
        assert FrozenCache(tmp_path, WHOLE).store("a", LENGTHS, SIZE) is None

    def test_the_least_recently_used_stores_are_removed(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, 3 * WHOLE)
        for time, key in ((200, "b"), (100, "a"), (300, "c")):
            opened(folder, key)
            used_at(folder, key, time)
        opened(folder, "d")
        assert stores(folder) == {"b", "c", "d"}
        assert total(folder) <= folder.limit

    def test_opening_counts_as_use(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, 2 * WHOLE)
        for time, key in ((100, "a"), (200, "b")):
            opened(folder, key)
            used_at(folder, key, time)
        opened(folder, "a")
        opened(folder, "c")
        assert stores(folder) == {"a", "c"}

    def test_stores_of_the_same_run_are_not_removed(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, WHOLE + 3 * BLOCK)
        opened(folder, "train", "train", "val")
        assert opened(folder, "val", "train", "val").layout.n_blocks == 3
        assert stores(folder) == {"train", "val"}

    def test_a_store_that_is_being_filled_is_not_removed(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, WHOLE)
        opened(folder, "a")
        with folder.fill_lock("a"):
            assert FrozenCache(tmp_path, WHOLE).store("b", LENGTHS, SIZE) is None
        assert stores(folder) == {"a"}
        opened(folder, "b")
        assert stores(folder) == {"b"}

    def test_a_removed_store_stays_readable_for_its_readers(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, WHOLE)
        store = opened(folder, "a")
        numbers = np.arange(10 * BLOCK_ROWS * SIZE, dtype=np.float16).reshape(-1, SIZE)
        store.write(0, numbers)
        store.refresh()
        opened(folder, "b")
        assert stores(folder) == {"b"}
        np.testing.assert_array_equal(store.read(store.layout.blocks[0]), numbers)


class TestAgain:
    def test_an_existing_store_is_opened_with_its_blocks(self, tmp_path: Path) -> None:
        opened(FrozenCache(tmp_path, WHOLE), "a").write(3, np.ones((10 * BLOCK_ROWS, SIZE), np.float16))
        assert 3 not in opened(FrozenCache(tmp_path, 2 * WHOLE), "a").missing()

    def test_a_small_store_is_kept(self, tmp_path: Path) -> None:
        """A resumed run finds the articles that it had, and so the same numbers."""
        folder = FrozenCache(tmp_path, WHOLE + BLOCK)
        opened(folder, "train")
        assert opened(folder, "val", "train").layout.n_blocks == 1
        assert opened(folder, "val").layout.n_blocks == 1

    @pytest.mark.parametrize(("before", "after", "blocks"), [(3, 10, 10), (10, 3, 3)])
    def test_another_limit_creates_it_again(self, before: int, after: int, blocks: int, tmp_path: Path) -> None:
        opened(FrozenCache(tmp_path, before * BLOCK), "a")
        assert opened(FrozenCache(tmp_path, after * BLOCK), "a").layout.n_blocks == blocks

    def test_a_damaged_store_is_created_again(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, WHOLE)
        opened(folder, "a")
        os.truncate(tmp_path / "a" / STATES, 100)
        assert len(opened(folder, "a").missing()) == 10

    def test_leftovers_of_killed_processes_are_removed(self, tmp_path: Path) -> None:
        folder = FrozenCache(tmp_path, WHOLE)
        for name in (".a.new", ".b.removed"):
            (tmp_path / name).mkdir()
            (tmp_path / name / STATES).write_bytes(bytes(100))
        opened(folder, "a")
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"a"}


class TestPlace:
    def test_an_environment_variable_sets_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ZHENWEI_CACHE", str(tmp_path))
        assert cache_folder("frozen") == tmp_path / "frozen"

    def test_the_default_is_the_user_s_cache_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ZHENWEI_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder("frozen") == tmp_path / "zhenwei" / "frozen"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache_folder("frozen") == Path.home() / ".cache" / "zhenwei" / "frozen"
