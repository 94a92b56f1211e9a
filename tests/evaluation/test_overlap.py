"""What a detector has seen of the judged articles in training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.bundle import Bundle
from zhenwei.config import Config
from zhenwei.errors import DataError
from zhenwei.evaluation.overlap import TrainingArticles, resemblance, training_articles
from zhenwei.news import Article

Rows = list[dict[str, Any]]
Write = Callable[..., Path]

LONG = "听说云溪的自来水出大事了，内部消息，赶紧转给家人，请大家注意安全，互相提醒。"


class TestResemblance:
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
        alike = resemblance(articles, train)
        assert alike.known.tolist() == [True, True, True, False]
        assert alike.groups.tolist() == [0, 0, 0, 1]
        assert alike.overlap is not None
        assert (alike.overlap.exact, alike.overlap.near, alike.overlap.same_label) == (1, 3, 2)
        assert alike.overlap.train == str(train.path)

    def test_without_training_articles_there_are_still_groups(self) -> None:
        alike = resemblance([Article(content=LONG, label=1), Article(content=LONG + "！", label=1)], None)
        assert alike.groups.tolist() == [0, 0]
        assert alike.overlap is None
        assert not alike.known.any()

    def test_entities_of_training_are_known_only_if_somebody_looked_for_them(self, written: Write) -> None:
        rows = [{"content": "甲", "label": 0}, {"content": "乙", "label": 1, "entity_list": ["云溪", "东河"]}]
        assert TrainingArticles.read(written(rows)).entities == {"云溪", "东河"}
        assert TrainingArticles.read(written(rows[:1])).entities is None
        assert TrainingArticles.read(written([rows[0] | {"entity_list": []}])).entities == frozenset()


class TestTrainingFile:
    def test_it_is_the_one_that_the_bundle_remembers(self, tfidf: Bundle, data_folder: Path) -> None:
        train, doubts = training_articles(tfidf, None)
        assert train is not None
        assert (train.path, len(train.contents), doubts) == (data_folder / "train.json", 64, [])

    def test_bundles_that_remember_none_have_settings(self, tfidf: Bundle, data_folder: Path) -> None:
        del tfidf.facts["files"]
        for data in ({"root_path": str(data_folder)}, {"root_path": "x", "train": str(data_folder / "train.json")}):
            tfidf.config = Config.load(tfidf.config.to_dict() | {"data": data})
            train, doubts = training_articles(tfidf, None)
            assert train is not None
            assert (train.path, doubts) == (data_folder / "train.json", [])

    def test_a_relative_path_is_one_from_here(
        self, tfidf: Bundle, data_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tfidf.facts["files"]["train"]["path"] = "train.json"
        monkeypatch.chdir(data_folder)
        assert training_articles(tfidf, None)[0] is not None

    def test_one_that_is_gone_is_said(self, tfidf: Bundle, tmp_path: Path) -> None:
        tfidf.facts["files"]["train"]["path"] = str(tmp_path / "gone.json")
        train, doubts = training_articles(tfidf, None)
        assert train is None
        assert doubts == [
            f"The training file {tmp_path / 'gone.json'} is not there: name it with --train to learn whether these "
            "articles overlap with it."
        ]

    def test_one_that_changed_is_said(self, tfidf: Bundle, written: Write) -> None:
        other = written([{"content": LONG, "label": 1}])
        for named in (None, other):
            tfidf.facts["files"]["train"]["path"] = str(other)
            train, doubts = training_articles(tfidf, named)
            assert train is not None
            assert "is not the file that the detector was trained on" in doubts[0]

    def test_a_bad_one_is_refused_if_it_was_named_and_else_said(self, tfidf: Bundle, written: Write) -> None:
        bad = written([{"content": LONG}])
        tfidf.facts["files"]["train"]["path"] = str(bad)
        assert "cannot be read any more" in training_articles(tfidf, None)[1][0]
        with pytest.raises(DataError, match="no field 'label'"):
            training_articles(tfidf, bad)
        with pytest.raises(DataError, match="no such file"):
            training_articles(tfidf, bad.with_name("none.json"))
