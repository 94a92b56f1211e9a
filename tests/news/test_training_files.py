"""Files of rewrites: only rewrites of training articles are trained on."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config
from zhenwei.config.data import EDIT_FAMILIES
from zhenwei.errors import ConfigError, DataError
from zhenwei.news.edits import EDITS
from zhenwei.news.training_files import TrainingFiles

TRAIN = [
    {"id": "a", "content": "原文甲", "label": "fake", "domain": "健康", "time": "2020-01-01"},
    {"id": "b", "content": "原文乙", "label": "real"},
]


def files(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> TrainingFiles:
    for name, content in (("train", TRAIN), ("rewrites", rows)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return TrainingFiles(tmp_path / "train.json", (tmp_path / "rewrites.json",), **options)


def test_a_rewrite_names_its_original_or_has_its_id(tmp_path: Path) -> None:
    rows = [
        {"rewrite_of": "a", "content": "改写甲"},
        {"id": "b", "content": "改写乙", "label": "real", "domain": "科技"},
        {"id": "r", "rewrite_of": "a", "content": "再改写甲"},
        {"rewrite_of": "r", "content": "改写的改写"},
    ]
    found = list(files(tmp_path, rows).articles())
    assert [article.content for article in found] == ["原文甲", "原文乙", *(row["content"] for row in rows)]
    assert [article.rewrite_of for article in found] == [None, None, "a", "b", "a", "a"]
    assert [article.label for article in found[2:]] == ["fake", "real", "fake", "fake"]
    assert [article.domain for article in found[2:]] == ["健康", "科技", "健康", "健康"]
    assert found[2].time == found[0].time


def test_rewrites_of_other_articles_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rows = [{"id": "a", "content": "改写甲"}, {"id": "val-7", "content": "改写"}, {"id": "val-8", "content": "改写"}]
    training = files(tmp_path, rows)
    assert len(list(training.articles(report=True))) == 3
    assert "rewrites.json: 2 of 3 rewrites are left out" in caplog.text
    assert "the first is row 2, of 'val-7'" in caplog.text


def test_bad_rewrites_are_refused_with_file_row_and_field(tmp_path: Path) -> None:
    nameless = files(tmp_path, [{"id": "a", "content": "改写甲"}, {"content": "改写"}])
    with pytest.raises(DataError, match=r"rewrites\.json, row 2, field 'rewrite_of': found nothing, and no 'id'"):
        list(nameless.articles())
    contradictory = files(tmp_path, [{"id": "a", "content": "改写甲", "label": "real"}])
    with pytest.raises(DataError, match=r"row 1, field 'label': found 'real'; expected 'fake', as its original 'a'"):
        list(contradictory.articles())
    incomplete = files(tmp_path, [{"id": "a", "content": "改写甲"}], needs=frozenset({"entities"}))
    with pytest.raises(DataError, match=r"row 1: no field 'entity_list'.*zhenwei data enrich .* --entities"):
        list(incomplete.articles())


class TestEditedCopies:
    def training(self, tmp_path: Path, **options: Any) -> TrainingFiles:
        rows = [
            *TRAIN,
            {"content": "没有标识，也要。", "label": "fake"},
            {"id": "c", "content": "没有标点", "label": "real"},
        ]
        (tmp_path / "train.json").write_text(json.dumps(rows), encoding="utf-8")
        return TrainingFiles(tmp_path / "train.json", **options)

    def test_each_article_that_an_edit_changes_has_a_copy(self, tmp_path: Path) -> None:
        found = list(self.training(tmp_path, edits=("remove_punctuation",)).articles())
        assert [article.id for article in found] == ["a", "b", "row 3", "c", "row 3 after remove_punctuation"]
        copy = found[-1]
        assert (copy.content, copy.rewrite_of, copy.label) == ("没有标识也要", "row 3", "fake")

    def test_families_and_edits_depend_on_the_seed_alone(self, tmp_path: Path) -> None:
        def copies(seed: int) -> list[str]:
            training = self.training(tmp_path, edits=("link", "hashtags", "emoji"), seed=seed)
            return [article.content for article in training.articles()][4:]

        assert copies(1) == copies(1)
        assert copies(1) != copies(2)

    def test_the_vocabulary_is_counted_without_copies(self, tmp_path: Path) -> None:
        training = self.training(tmp_path, edits=("hashtags",))
        assert len(list(training.articles(edited=False))) == 4
        assert len(list(training.articles())) == 8


def test_the_settings_name_all_families() -> None:
    assert tuple(EDITS) == EDIT_FAMILIES
    with pytest.raises(ConfigError, match=r"data\.aug_edits.*found 'hashtag'; did you mean 'hashtags'"):
        Config.load({"data": {"aug_edits": ["hashtag"]}})
    with pytest.raises(ConfigError, match=r"data\.normalize.*found 'link'; did you mean 'links'"):
        Config.load({"data": {"normalize": ["link"]}})
    with pytest.raises(ConfigError, match="found 'links' twice; expected each name once"):
        Config.load({"data": {"normalize": ["links", "links"]}})
    assert Config.load({"model_name": "bigru", "lr": 1e-3}).data.normalize == []  # the original's flat form
