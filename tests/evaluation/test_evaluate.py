"""A detector judged on a labelled file: scores, and how far they can be trusted."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhenwei.bundle import Bundle
from zhenwei.errors import CheckpointError, DataError
from zhenwei.evaluation import Evaluation, assess_file, evaluate_file
from zhenwei.news import read_articles

Rows = list[dict[str, Any]]
Write = Callable[..., Path]


@pytest.fixture
def assessed(tfidf: Bundle, written: Write, hard_rows: Rows) -> Evaluation:
    return assess_file(tfidf, written(hard_rows), rounds=200)


def test_scores_are_those_of_evaluating_the_file(tfidf: Bundle, written: Write, hard_rows: Rows) -> None:
    path = written(hard_rows)
    found = assess_file(tfidf, path, rounds=100).to_dict()
    expected = evaluate_file(tfidf, path)
    assert {name: found[name] for name in expected} == expected


def test_all_that_is_known_stands_beside_the_scores(assessed: Evaluation) -> None:
    assert (assessed.n, assessed.n_fake, assessed.rounds, assessed.calibration) == (40, 20, 200, None)
    assert assessed.threshold == 0.5
    assert assessed.confusion["real"]["real"] + assessed.confusion["fake"]["fake"] == 40 * (assessed.scores["acc"] or 0)
    assert sum(part.n for part in assessed.reliability) == 40
    assert assessed.ece_by_chance is not None
    for name, interval in assessed.intervals.items():
        assert interval is not None
        assert interval[0] <= (assessed.scores[name] or 0) <= interval[1]


def test_json_holds_all_of_it(assessed: Evaluation) -> None:
    found = json.loads(json.dumps(assessed.to_dict(), allow_nan=False))
    names = {field.name for field in dataclasses.fields(Evaluation)} - {"scores"}
    assert found.keys() == names | assessed.scores.keys()
    assert found["mistakes"][0]["words"]


def test_mistakes_are_the_wrong_verdicts_with_their_words(assessed: Evaluation, hard_rows: Rows) -> None:
    wrong = assessed.confusion["real"]["fake"] + assessed.confusion["fake"]["real"]
    assert 0 < len(assessed.mistakes) <= min(wrong, 20)
    for mistake in assessed.mistakes:
        row = hard_rows[mistake.row - 1]
        assert (mistake.content, mistake.label, mistake.id) == (row["content"], row["label"], row["id"])
        assert (mistake.probability >= 0.5) == (mistake.label == "real")
        assert "".join(word for word, _ in mistake.words) == mistake.content


def test_words_and_mistakes_can_be_left_out(tfidf: Bundle, written: Write, hard_rows: Rows) -> None:
    without = assess_file(tfidf, written(hard_rows), rounds=100, words=False, mistakes=2)
    assert [mistake.words for mistake in without.mistakes] == [(), ()]


class TestOverlap:
    def test_copies_of_training_articles_are_shouted_about_and_scored_without(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, data_folder: Path
    ) -> None:
        copies = [article.to_row() for article in read_articles(data_folder / "train.json")[:20]]
        fresh = [row | {"content": f"{row['id']}：{row['content'][:9]}" + "新" * 30} for row in hard_rows]
        found = assess_file(tfidf, written(fresh + copies), rounds=100)
        assert found.overlap is not None
        assert found.overlap.exact == 20
        alone = assess_file(tfidf, written(fresh), rounds=100)
        assert alone.overlap is not None
        assert (alone.overlap.near, alone.warnings) == (0, ())
        assert found.clean == alone.clean
        assert found.clean is not None
        assert found.clean["scores"] == alone.scores
        assert found.warnings == (
            "20 of 60 articles (33.3%) have a near-duplicate among the training articles, 20 of them an exact copy; 20 "
            f"with the same label. Without them: macro_f1 {alone.scores['macro_f1']:.3f} on 40 instead of "
            f"{found.scores['macro_f1']:.3f}.",
        )

    def test_the_training_file_itself_is_no_test(self, tfidf: Bundle, data_folder: Path) -> None:
        found = assess_file(tfidf, data_folder / "train.json", rounds=100)
        assert "trained on: the scores say nothing of others" in found.warnings[0]
        assert found.warnings[1].endswith("No article is left without one.")
        assert found.clean == {"n": 0, "n_fake": 0, "scores": {}, "intervals": {}}

    def test_the_val_file_flatters(self, tfidf: Bundle, data_folder: Path) -> None:
        assert "validated on" in assess_file(tfidf, data_folder / "val.json", rounds=100).warnings[0]

    def test_a_training_file_that_is_gone_leaves_it_open(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, data_folder: Path
    ) -> None:
        tfidf.facts["files"]["train"]["path"] = "gone.json"
        found = assess_file(tfidf, written(hard_rows), rounds=100)
        assert (found.overlap, found.clean) == (None, None)
        assert any("The training file gone.json is not there" in warning for warning in found.warnings)
        named = assess_file(tfidf, written(hard_rows), rounds=100, train=data_folder / "train.json")
        assert named.overlap is not None


class TestSlices:
    def test_entities_are_looked_up_in_the_training_file(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, data_folder: Path
    ) -> None:
        train = [article.to_row() for article in read_articles(data_folder / "train.json")]
        file = written([row | {"entity_list": ["云溪"]} for row in train], "train.json")
        rows = [row | {"entity_list": [["云溪", "东河"][n // 2 % 2]]} for n, row in enumerate(hard_rows)]
        found = assess_file(tfidf, written(rows), train=file, rounds=100)
        names = [(part.name, part.n) for part in found.slices if part.kind == "entities"]
        assert names == [("seen in training", 20), ("unseen in training", 20)]


class TestOddFiles:
    def test_one_class_is_scored_as_far_as_it_goes(
        self, tfidf: Bundle, written: Write, make_posts: Callable[..., Rows]
    ) -> None:
        rows = [row | {"content": row["id"] * 9 + row["content"][:9]} for row in make_posts(80, seed=9)[1::2]]
        found = assess_file(tfidf, written(rows), rounds=100)
        assert found.scores["auc"] is None
        assert found.intervals["auc"] is None
        assert found.intervals["acc"] is not None
        assert "All 40 articles are fake: what needs both classes is undefined." in found.warnings
        json.dumps(found.to_dict(), allow_nan=False)

    def test_one_article_is_scored_and_said_to_be_too_few(self, tfidf: Bundle, written: Write) -> None:
        found = assess_file(tfidf, written([{"content": "大蒜", "label": 0}]), rounds=100)
        assert "very few articles (1)" in found.warnings[-1]
        assert set(found.intervals.values()) == {None}
        json.dumps(found.to_dict(), allow_nan=False)

    def test_copies_of_a_few_articles_say_no_more_than_these(
        self, tfidf: Bundle, written: Write, hard_rows: Rows
    ) -> None:
        found = assess_file(tfidf, written([row | {"id": None} for row in hard_rows[:4]] * 10), rounds=100)
        assert (found.n, found.groups) == (40, 3)
        assert set(found.intervals.values()) == {None}
        assert "The 40 articles are near-duplicates of each other, 3 groups of them" in found.warnings[-1]

    def test_articles_without_labels_are_refused(self, tfidf: Bundle, written: Write) -> None:
        with pytest.raises(DataError, match=r"articles.json.*\n.*row 2: no field 'label'"):
            assess_file(tfidf, written([{"content": "大蒜", "label": 0}, {"content": "面粉"}]))

    def test_a_detector_that_gives_no_numbers_is_refused(self, tfidf: Bundle, written: Write, hard_rows: Rows) -> None:
        tfidf.network.bias.data.fill_(np.nan)  # type: ignore[operator, union-attr]
        with pytest.raises(CheckpointError, match=r"40 of the 40 articles of .* have no finite logit"):
            assess_file(tfidf, written(hard_rows))
