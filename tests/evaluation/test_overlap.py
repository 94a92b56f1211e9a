"""Overlap with the training articles."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.bundle import Bundle
from zhenwei.config import Config
from zhenwei.errors import DataError
from zhenwei.evaluation.overlap import TrainingArticles, find_overlap, training_articles
from zhenwei.news import Article

Rows = list[dict[str, Any]]
Write = Callable[..., Path]

LONG = "听说云溪的自来水出大事了，内部消息，赶紧转给家人，请大家注意安全，互相提醒。"


class TestMatches:
    def test_copies_and_near_duplicates_are_counted_with_their_labels(self, written: Write) -> None:
        train = TrainingArticles.read(
            written([{"content": LONG, "label": "fake"}, {"content": "据东河通报，大蒜检测合格。", "label": "real"}])
        )
        articles = [
            Article(content=LONG, label="fake"),
            Article(content=f"【{LONG}】", label="fake"),
            Article(content=LONG.replace("云溪", "西塘"), label="real"),
            Article(content="南岭的地铁今天开通，供应恢复正常。", label="real"),
        ]
        matches = find_overlap(articles, train)
        assert matches.in_training.tolist() == [True, True, True, False]
        assert matches.groups.tolist() == [0, 0, 0, 1]
        assert matches.counts is not None
        assert (matches.counts.exact, matches.counts.near, matches.counts.same_label) == (1, 3, 2)
        assert matches.counts.train == str(train.path)

    def test_groups_do_not_need_training_articles(self) -> None:
        matches = find_overlap([Article(content=LONG, label=1), Article(content=LONG + "！", label=1)], None)
        assert matches.groups.tolist() == [0, 0]
        assert matches.counts is None
        assert not matches.in_training.any()

    def test_training_entities_are_none_without_the_field(self, written: Write) -> None:
        rows = [{"content": "甲", "label": 0}, {"content": "乙", "label": 1, "entity_list": ["云溪", "东河"]}]
        assert TrainingArticles.read(written(rows)).entities == {"云溪", "东河"}
        assert TrainingArticles.read(written(rows[:1])).entities is None
        assert TrainingArticles.read(written([rows[0] | {"entity_list": []}])).entities == frozenset()


class TestTrainingFile:
    def test_the_file_that_the_bundle_records(self, tfidf: Bundle, data_folder: Path) -> None:
        train, problems = training_articles(tfidf, None)
        assert train is not None
        assert (train.path, len(train.contents), problems) == (data_folder / "train.json", 64, [])

    def test_the_file_of_the_settings_if_none_is_recorded(self, tfidf: Bundle, data_folder: Path) -> None:
        del tfidf.facts["files"]
        for data in ({"root_path": str(data_folder)}, {"root_path": "x", "train": str(data_folder / "train.json")}):
            tfidf.config = Config.load(tfidf.config.to_dict() | {"data": data})
            train, problems = training_articles(tfidf, None)
            assert train is not None
            assert (train.path, problems) == (data_folder / "train.json", [])

    def test_a_relative_path(self, tfidf: Bundle, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tfidf.facts["files"]["train"]["path"] = "train.json"
        monkeypatch.chdir(data_folder)
        assert training_articles(tfidf, None)[0] is not None

    def test_a_missing_file_gives_a_warning(self, tfidf: Bundle, tmp_path: Path) -> None:
        tfidf.facts["files"]["train"]["path"] = str(tmp_path / "gone.json")
        train, problems = training_articles(tfidf, None)
        assert train is None
        assert problems == [
            f"The training file {tmp_path / 'gone.json'} does not exist: pass it as --train to check these "
            "articles for overlap."
        ]

    def test_a_changed_file_gives_a_warning(self, tfidf: Bundle, written: Write) -> None:
        other = written([{"content": LONG, "label": 1}])
        for named in (None, other):
            tfidf.facts["files"]["train"]["path"] = str(other)
            train, problems = training_articles(tfidf, named)
            assert train is not None
            assert "is not the file that the detector was trained on" in problems[0]

    def test_an_invalid_file_is_refused_if_named_and_else_gives_a_warning(self, tfidf: Bundle, written: Write) -> None:
        bad = written([{"content": LONG}])
        tfidf.facts["files"]["train"]["path"] = str(bad)
        assert "can no longer be read" in training_articles(tfidf, None)[1][0]
        with pytest.raises(DataError, match="no field 'label'"):
            training_articles(tfidf, bad)
        with pytest.raises(DataError, match="no such file"):
            training_articles(tfidf, bad.with_name("none.json"))
