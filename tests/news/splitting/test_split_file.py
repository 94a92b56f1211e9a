"""A file split into parts: all of them or none, and never beside parts in other formats."""

import json
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from zhenwei.errors import ConfigError, DataError
from zhenwei.news import Article, read_articles, write_articles
from zhenwei.news.io import files as files_module
from zhenwei.news.sources.synthetic import SyntheticDataset
from zhenwei.news.splitting.manifest import verify_split
from zhenwei.news.splitting.split_file import split_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    articles = [Article(content=f"第{n}号", id=str(n), time=datetime(2020, 1, 1 + n)) for n in range(10)]
    write_articles(tmp_path / "all.csv", articles)
    return tmp_path / "all.csv"


def test_it_returns_the_size_of_each_part(file: Path, tmp_path: Path) -> None:
    written = split_file(file, tmp_path / "new" / "parts")
    assert {path.name: count for path, count in written.items()} == {"train.json": 6, "val.json": 2, "test.json": 2}
    assert all(len(read_articles(path)) == count for path, count in written.items())


@pytest.mark.parametrize("name", ["train.json", "val.csv", "test.parquet"])
def test_an_existing_part_in_any_format_is_not_overwritten(file: Path, tmp_path: Path, name: str) -> None:
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


def test_a_disk_that_fills_up_leaves_no_part(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    with pytest.raises(DataError, match=f"{name}: (is a file|has the suffix of a file); expected a folder"):
        split_file(file, file.parent / name)


def test_an_unknown_way_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="by: found 'mood'"):
        split_file(file, tmp_path, "mood")


class TestNearDuplicates:
    """Twelve posts of twelve days; the first one comes again, a little changed, on the last day."""

    TEXTS = (
        "云溪市自来水厂今天上午宣布全市停水三天", "听说南岭的大桥昨夜塌了一半没人敢报",
        "记者从教育部门获悉中小学按时开学",
        "东河超市的食盐被抢购一空赶紧去买", "西塘医院新的门诊楼今天启用", "北川地铁二号线延长线开始试运行",
        "临江的面粉里查出了塑料千万别吃", "市场监管局通报大蒜抽检全部合格", "内部消息下个月银行要限制取款",
        "气象台发布明天有雷阵雨的预报", "某明星捐款一千万却被发现是假的", "网传云溪市自来水厂今天上午宣布全市停水三天",
    )  # fmt: skip

    @pytest.fixture
    def repeated(self, tmp_path: Path) -> Path:
        articles = [
            Article(content=text, id=str(n), label=n % 2, time=datetime(2020, 1, 1 + n), domain=f"d{n % 3}")
            for n, text in enumerate(self.TEXTS)
        ]
        write_articles(tmp_path / "all.json", articles)
        return tmp_path / "all.json"

    def parts(self, folder: Path) -> dict[str, list[str]]:
        return {part: [a.id or "" for a in read_articles(folder / f"{part}.json")] for part in ("train", "val", "test")}

    @pytest.mark.parametrize("by", ["time", "random", "stratified"])
    def test_they_stay_together(self, repeated: Path, tmp_path: Path, by: Any) -> None:
        split_file(repeated, tmp_path / "parts", by)
        [home] = [ids for ids in self.parts(tmp_path / "parts").values() if "0" in ids]
        assert "11" in home

    def test_by_time_they_are_in_the_part_of_the_first_one_and_the_others_stay_in_order(
        self, repeated: Path, tmp_path: Path
    ) -> None:
        split_file(repeated, tmp_path / "parts")
        parts = self.parts(tmp_path / "parts")
        assert parts == {"train": ["0", "11", "1", "2", "3", "4", "5"], "val": ["6", "7", "8"], "test": ["9", "10"]}

    def test_they_can_be_left_out(self, repeated: Path, tmp_path: Path) -> None:
        split_file(repeated, tmp_path / "parts", near_duplicates="drop")
        parts = self.parts(tmp_path / "parts")
        assert "0" in parts["train"]
        assert not any("11" in ids for ids in parts.values())
        assert manifest_of(tmp_path / "parts")["options"]["left_out"] == 1

    def test_they_can_be_ignored(self, repeated: Path, tmp_path: Path) -> None:
        split_file(repeated, tmp_path / "parts", near_duplicates="leave")
        parts = self.parts(tmp_path / "parts")
        assert "0" in parts["train"]
        assert "11" in parts["test"]

    def test_if_all_articles_are_near_duplicates_they_are_split_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        articles = [
            Article(content=f"紧急通知全市今天停水请大家互相转告第{n}号", time=datetime(2020, 1, 1 + n))
            for n in range(10)
        ]
        write_articles(tmp_path / "all.json", articles)
        split_file(tmp_path / "all.json", tmp_path / "parts")
        assert [len(ids) for ids in self.parts(tmp_path / "parts").values()] == [6, 2, 2]
        assert "groups of near-duplicates are split" in caplog.text
        with pytest.raises(DataError, match="found 1 distinct times"):
            split_file(tmp_path / "all.json", tmp_path / "others", near_duplicates="whole")
        with pytest.raises(DataError, match="no articles are left for val"):
            split_file(tmp_path / "all.json", tmp_path / "others", near_duplicates="drop")

    def test_a_part_far_from_its_share_splits_the_group_with_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Seventeen of twenty are near-duplicates, so that val gets too few."""
        texts = [f"紧急通知全市今天停水请大家互相转告第{n}号" for n in range(17)] + list(self.TEXTS[1:4])
        articles = [Article(content=text, time=datetime(2020, 1, 1 + n)) for n, text in enumerate(texts)]
        write_articles(tmp_path / "all.json", articles)
        split_file(tmp_path / "all.json", tmp_path / "parts")
        assert "val would have 1 of 20 articles; expected 4" in caplog.text
        split_file(tmp_path / "all.json", tmp_path / "whole", near_duplicates="whole")
        assert [len(ids) for ids in self.parts(tmp_path / "whole").values()] == [17, 1, 2]

    def test_groups_of_a_field_are_joined_by_near_duplicates(self, repeated: Path, tmp_path: Path) -> None:
        split_file(repeated, tmp_path / "parts", "group", near_duplicates="leave", fractions=(0.34, 0.33, 0.33))
        for part in ("train", "val", "test"):
            assert len({a.domain for a in read_articles(tmp_path / "parts" / f"{part}.json")}) == 1
        with pytest.raises(DataError, match="found 2 groups"):  # the copy is of another domain than the first
            split_file(repeated, tmp_path / "others", "group", near_duplicates="whole", fractions=(0.34, 0.33, 0.33))

    @pytest.mark.parametrize("seed", range(5))
    def test_labels_are_in_proportion_with_groups_in_one_part(self, tmp_path: Path, seed: int) -> None:
        dataset = SyntheticDataset(n_train=200, n_val=0, n_test=0, fake_share_past=0.3).generate()["train"]
        copies = [replace(a, content=a.content + "（转）", id=f"{a.id}b") for a in dataset[::4]]
        write_articles(tmp_path / "all.json", [*dataset, *copies])
        split_file(tmp_path / "all.json", tmp_path / "parts", "random", seed=seed)
        for part, share in {"train": 0.6, "val": 0.2, "test": 0.2}.items():
            articles = read_articles(tmp_path / "parts" / f"{part}.json")
            assert len(articles) / 250 == pytest.approx(share, abs=0.02)
            assert sum(a.label == "fake" for a in articles) / len(articles) == pytest.approx(0.3, abs=0.05)

    def test_strata_are_in_proportion(self, tmp_path: Path) -> None:
        articles = [Article(content=f"{n * 7919} {n}", label=n % 2, domain="a" if n % 5 else "b") for n in range(200)]
        write_articles(tmp_path / "all.json", articles)
        split_file(tmp_path / "all.json", tmp_path / "parts", "stratified")
        for part in ("train", "val", "test"):
            found = read_articles(tmp_path / "parts" / f"{part}.json")
            for label in ("real", "fake"):
                share = sum(a.domain == "b" and a.label == label for a in found) / len(found)
                assert share == pytest.approx(0.1, abs=0.01)


class TestManifest:
    def test_it_describes_the_options_and_the_parts(self, file: Path, tmp_path: Path) -> None:
        split_file(file, tmp_path / "parts")
        manifest = manifest_of(tmp_path / "parts")
        assert manifest["source"] == {"file": "all.csv", "sha256": sha256(file.read_bytes()).hexdigest(), "n": 10}
        assert manifest["options"]["by"] == "time"
        assert manifest["options"]["near_duplicates"] == "whole"
        train = manifest["parts"]["train"]
        assert train["sha256"] == sha256((tmp_path / "parts" / "train.json").read_bytes()).hexdigest()
        assert (train["n"], train["n_groups"], train["last_time"]) == (6, 6, "2020-01-06 00:00:00")

    def test_equal_splits_have_equal_digests(self, file: Path, tmp_path: Path) -> None:
        for name in ("a", "b"):
            split_file(file, tmp_path / name, "random")
        assert manifest_of(tmp_path / "a") == manifest_of(tmp_path / "b")

    def test_unchanged_parts_are_verified(self, file: Path, tmp_path: Path) -> None:
        split_file(file, tmp_path / "parts")
        assert verify_split(tmp_path / "parts")[1] == []

    def test_changed_and_missing_parts_are_named(self, file: Path, tmp_path: Path) -> None:
        split_file(file, tmp_path / "parts")
        (tmp_path / "parts" / "val.json").write_text("[]")
        (tmp_path / "parts" / "test.json").unlink()
        problems = verify_split(tmp_path / "parts")[1]
        assert len(problems) == 2
        assert "val.json: is not the file of this split" in problems[0]
        assert "test.json: is missing" in problems[1]

    @pytest.mark.parametrize(("text", "message"), [(None, "no such file"), ("{}", "damaged"), ("[1]", "damaged")])
    def test_a_manifest_that_is_missing_or_damaged_is_refused(
        self, tmp_path: Path, text: str | None, message: str
    ) -> None:
        if text is not None:
            (tmp_path / "split.json").write_text(text)
        with pytest.raises(DataError, match=rf"split\.json: {message}"):
            verify_split(tmp_path)


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    return manifest


class TestRewrites:
    """Thirty posts of thirty days; every third has two rewrites of later days, without domain."""

    @pytest.fixture
    def rewritten(self, tmp_path: Path) -> Path:
        days = [datetime(2020, 1, 1 + day) for day in range(30)]
        posts = [
            Article(content=f"{n * 7919} 第{n}号", id=n, time=day, label=n % 2, domain=f"领域{n % 5}")
            for n, day in enumerate(days)
        ]
        rewrites = [
            Article(content=f"{n * 7919 + k} 改写{k}之{n}", rewrite_of=n, label=n % 2, time="2024-01-01" if k else None)
            for n in range(0, 30, 3)
            for k in (0, 1)
        ]
        write_articles(tmp_path / "all.json", [*posts, *rewrites])
        return tmp_path / "all.json"

    @pytest.mark.parametrize("by", ["time", "random", "stratified", "group"])
    @pytest.mark.parametrize("near_duplicates", ["auto", "whole", "drop", "leave"])
    def test_a_rewrite_stays_with_its_original(self, rewritten: Path, by: Any, near_duplicates: Any) -> None:
        written = split_file(rewritten, rewritten.parent / "parts", by, near_duplicates=near_duplicates)
        assert sum(written.values()) == 50
        for part in written:
            articles = read_articles(part)
            ids = {article.id for article in articles}
            assert all(article.rewrite_of in ids for article in articles if article.rewrite_of is not None)

    def test_it_counts_by_the_time_of_its_original(self, rewritten: Path) -> None:
        parts = [read_articles(part) for part in split_file(rewritten, rewritten.parent / "parts")]
        times = [[article.time for article in part if article.rewrite_of is None] for part in parts]
        assert max(times[0]) < min(times[1])  # type: ignore[type-var]
        assert max(times[1]) < min(times[2])  # type: ignore[type-var]
