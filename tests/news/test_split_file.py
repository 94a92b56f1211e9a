"""A file cut into parts: all of them or none, and never beside others."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from zhenwei.errors import ConfigError, DataError
from zhenwei.news import Article, read_articles, write_articles
from zhenwei.news import files as files_module
from zhenwei.news.split_file import split_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    articles = [Article(content=f"第{n}号", id=str(n), time=datetime(2020, 1, 1 + n)) for n in range(10)]
    write_articles(tmp_path / "all.csv", articles)
    return tmp_path / "all.csv"


def test_it_says_what_it_wrote(file: Path, tmp_path: Path) -> None:
    written = split_file(file, tmp_path / "new" / "parts")
    assert {path.name: count for path, count in written.items()} == {"train.json": 6, "val.json": 2, "test.json": 2}
    assert all(len(read_articles(path)) == count for path, count in written.items())


@pytest.mark.parametrize("name", ["train.json", "val.csv", "test.parquet"])
def test_a_part_in_any_format_that_is_there_is_no_place_for_another(file: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(DataError, match=f"{name}: exists already"):
        split_file(file, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["all.csv", name])
    assert (tmp_path / name).read_text() == "precious"


def test_overwriting_never_leaves_a_part_in_two_formats(file: Path, tmp_path: Path) -> None:
    split_file(file, tmp_path)
    split_file(file, tmp_path, "random", overwrite=True)
    (tmp_path / "val.csv").write_text("precious")
    with pytest.raises(DataError, match=r"val\.csv: exists already; remove it"):
        split_file(file, tmp_path, overwrite=True)


def test_a_disk_that_fills_up_half_way_leaves_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files_module.WRITERS[".json"]

    def fails_at_the_last(path: Path, articles: Any) -> int:
        if "test" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, articles)

    monkeypatch.setitem(files_module.WRITERS, ".json", fails_at_the_last)
    with pytest.raises(DataError, match=r"test\.json: cannot be written \(No space left on device\)"):
        split_file(file, tmp_path / "parts")
    assert list((tmp_path / "parts").iterdir()) == []


@pytest.mark.parametrize("name", ["all.csv", "new.json"])
def test_a_destination_that_is_a_file_or_named_like_one_is_refused(file: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: is .*; expected a folder"):
        split_file(file, file.parent / name)


def test_an_unknown_way_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="by: found 'mood'"):
        split_file(file, tmp_path, "mood")
