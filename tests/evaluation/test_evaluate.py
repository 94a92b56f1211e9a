"""Evaluation of a detector on a labelled file."""

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from zhenwei import Detector
from zhenwei.bundle import Bundle, load_bundle
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.evaluation import Evaluation, evaluate
from zhenwei.news import read_articles

Rows = list[dict[str, Any]]
Write = Callable[..., Path]

METRICS = {
    *("auc", "spauc", "metric", "macro_f1", "f1_real", "f1_fake", "acc", "ece", "brier", "loss"),
    *("recall", "recall_real", "recall_fake", "precision", "precision_real", "precision_fake", "n", "n_fake"),
}


@pytest.fixture(scope="module")
def evaluation(shared_tfidf: Bundle, hard_rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    path = tmp_path_factory.mktemp("articles") / "articles.json"
    path.write_text(json.dumps(hard_rows), encoding="utf-8")
    return evaluate(copy.deepcopy(shared_tfidf), path, rounds=200)


class TestScores:
    def test_metrics_are_the_standard_ones(self, tfidf: Bundle, data_folder: Path) -> None:
        scores = evaluate(tfidf, data_folder / "test.json", scores_only=True).scores
        assert scores.keys() == METRICS
        assert scores["metric"] == scores["macro_f1"]
        assert (scores["n"], scores["n_fake"]) == (24, 12)
        assert all(isinstance(value, int | float) for value in scores.values())

    @pytest.mark.parametrize("threshold", [0.5, 0.6])
    def test_scores_equal_those_of_scikit_learn(
        self, tiny_run: Path, hard_rows: Rows, written: Write, threshold: float
    ) -> None:
        bundle = load_bundle(tiny_run)
        bundle.threshold = threshold
        scores = evaluate(bundle, str(written(hard_rows)), scores_only=True).scores
        labels = np.array([row["label"] == "fake" for row in hard_rows], int)
        predictions = Detector.load(tiny_run).predict(row["content"] for row in hard_rows)
        probabilities = np.array([prediction.probability for prediction in predictions])
        verdicts = (probabilities >= threshold).astype(int)
        expected = {
            "auc": roc_auc_score(labels, probabilities),
            "spauc": roc_auc_score(labels, probabilities, max_fpr=0.1),
            "macro_f1": f1_score(labels, verdicts, average="macro"),
            "f1_real": f1_score(labels, verdicts, pos_label=0),
            "f1_fake": f1_score(labels, verdicts),
            "recall": recall_score(labels, verdicts, average="macro"),
            "recall_real": recall_score(labels, verdicts, pos_label=0),
            "recall_fake": recall_score(labels, verdicts),
            "precision": precision_score(labels, verdicts, average="macro"),
            "precision_real": precision_score(labels, verdicts, pos_label=0),
            "precision_fake": precision_score(labels, verdicts),
            "acc": accuracy_score(labels, verdicts),
            "brier": brier_score_loss(labels, probabilities),
            "loss": log_loss(labels, probabilities),
            "n": 40,
            "n_fake": int(labels.sum()),
        }
        assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-6)

    def test_metrics_that_need_both_classes_are_none_for_one(
        self, tfidf: Bundle, make_posts: Callable[..., Rows], written: Write
    ) -> None:
        scores = evaluate(tfidf, written(make_posts(20)[1::2]), scores_only=True).scores
        assert (scores["n"], scores["n_fake"]) == (10, 10)
        undefined = {name for name, value in scores.items() if value is None}
        assert undefined >= {"auc", "spauc", "metric", "macro_f1", "f1_real", "recall_real", "precision_real"}
        assert scores["acc"] == scores["recall_fake"] == 1.0
        assert json.loads(json.dumps(scores, allow_nan=False)) == scores


class TestParts:
    def test_intervals_confusion_and_reliability_match_the_scores(self, evaluation: Evaluation) -> None:
        assert (evaluation.n, evaluation.n_fake, evaluation.rounds, evaluation.calibration) == (40, 20, 200, None)
        assert evaluation.threshold == 0.5
        correct = evaluation.confusion["real"]["real"] + evaluation.confusion["fake"]["fake"]
        assert correct == 40 * (evaluation.scores["acc"] or 0)
        assert sum(part.n for part in evaluation.reliability) == 40
        assert evaluation.ece_by_chance is not None
        for name, interval in evaluation.intervals.items():
            assert interval is not None
            assert interval[0] <= (evaluation.scores[name] or 0) <= interval[1]

    def test_json_has_every_field_but_the_predictions(self, evaluation: Evaluation) -> None:
        result = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
        names = {field.name for field in dataclasses.fields(Evaluation)} - {"scores", "predictions"}
        assert result.keys() == names | evaluation.scores.keys()
        assert result["mistakes"][0]["words"]

    def test_predictions_are_those_that_the_scores_rest_on(self, evaluation: Evaluation, hard_rows: Rows) -> None:
        predictions = evaluation.predictions
        assert predictions is not None
        assert [article.content for article in predictions.articles] == [row["content"] for row in hard_rows]
        assert predictions.labels.tolist() == [int(row["label"] == "fake") for row in hard_rows]
        assert (predictions.labels == predictions.verdicts).mean() == evaluation.scores["acc"]
        assert (predictions.verdicts == (predictions.probabilities >= 0.5)).all()

    def test_mistakes_are_wrong_verdicts_with_their_words(self, evaluation: Evaluation, hard_rows: Rows) -> None:
        wrong = evaluation.confusion["real"]["fake"] + evaluation.confusion["fake"]["real"]
        assert 0 < len(evaluation.mistakes) <= min(wrong, 20)
        for mistake in evaluation.mistakes:
            row = hard_rows[mistake.row - 1]
            assert (mistake.content, mistake.label, mistake.id) == (row["content"], row["label"], row["id"])
            assert (mistake.probability >= 0.5) == (mistake.label == "real")
            assert "".join(word for word, _ in mistake.words) == mistake.content


class TestOptions:
    def test_words_and_mistakes_are_optional(self, tfidf: Bundle, written: Write, hard_rows: Rows) -> None:
        without = evaluate(tfidf, written(hard_rows), rounds=100, words=False, mistakes=2)
        assert [mistake.words for mistake in without.mistakes] == [(), ()]

    def test_intervals_and_slices_are_optional(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, evaluation: Evaluation
    ) -> None:
        rows = [row | {"domain": ["财经", "科技"][n % 2]} for n, row in enumerate(hard_rows)]
        result = evaluate(tfidf, written(rows), rounds=0, mistakes=0)
        assert (result.intervals, result.ece_by_chance, result.rounds) == ({}, None, 0)
        assert {part.kind for part in result.slices} >= {"domain"}
        assert all(part.intervals == {} for part in result.slices)
        assert result.scores == evaluation.scores
        assert evaluate(tfidf, written(rows), rounds=0, mistakes=0, slices=False).slices == ()

    def test_scores_alone_equal_those_of_a_full_evaluation(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, evaluation: Evaluation
    ) -> None:
        result = evaluate(tfidf, written(hard_rows), scores_only=True)
        assert result.scores == evaluation.scores
        assert (result.confusion, result.reliability) == (evaluation.confusion, evaluation.reliability)
        assert (result.intervals, result.slices, result.mistakes, result.overlap, result.groups) == (
            {},
            (),
            (),
            None,
            None,
        )


class TestOverlap:
    def test_copies_of_training_articles_are_reported_and_scored_without(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, data_folder: Path
    ) -> None:
        copies = [article.to_row() for article in read_articles(data_folder / "train.json")[:20]]
        fresh = [row | {"content": f"{row['id']}：{row['content'][:9]}" + "新" * 30} for row in hard_rows]
        result = evaluate(tfidf, written(fresh + copies), rounds=100)
        assert result.overlap is not None
        assert result.overlap.exact == 20
        alone = evaluate(tfidf, written(fresh), rounds=100)
        assert alone.overlap is not None
        assert (alone.overlap.near, alone.warnings) == (0, ())
        assert result.clean == alone.clean
        assert result.clean is not None
        assert result.clean["scores"] == alone.scores
        assert result.warnings == (
            "20 of 60 articles (33.3%) have a near-duplicate among the training articles; 20 of them are exact copies, "
            f"and 20 have the same label. Without them: macro_f1 {alone.scores['macro_f1']:.3f} on 40 instead of "
            f"{result.scores['macro_f1']:.3f}.",
        )

    def test_the_training_file_gets_a_warning(self, tfidf: Bundle, data_folder: Path) -> None:
        result = evaluate(tfidf, data_folder / "train.json", rounds=100)
        assert "trained on these articles: the scores do not carry over to other articles" in result.warnings[0]
        assert result.warnings[1].endswith("No article is left without one.")
        assert result.clean == {"n": 0, "n_fake": 0, "scores": {}, "intervals": {}}

    def test_the_val_file_gets_a_warning(self, tfidf: Bundle, data_folder: Path) -> None:
        assert "validated on" in evaluate(tfidf, data_folder / "val.json", rounds=100).warnings[0]

    def test_without_the_training_file_the_overlap_is_unknown(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, data_folder: Path
    ) -> None:
        tfidf.facts["files"]["train"]["path"] = "gone.json"
        result = evaluate(tfidf, written(hard_rows), rounds=100)
        assert (result.overlap, result.clean) == (None, None)
        assert any("The training file gone.json does not exist" in warning for warning in result.warnings)
        named = evaluate(tfidf, written(hard_rows), rounds=100, train=data_folder / "train.json")
        assert named.overlap is not None


class TestSlices:
    def test_entities_are_compared_with_those_of_the_training_file(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, data_folder: Path
    ) -> None:
        train = [article.to_row() for article in read_articles(data_folder / "train.json")]
        file = written([row | {"entity_list": ["云溪"]} for row in train], "train.json")
        rows = [row | {"entity_list": [["云溪", "东河"][n // 2 % 2]]} for n, row in enumerate(hard_rows)]
        result = evaluate(tfidf, written(rows), train=file, rounds=100)
        names = [(part.name, part.n) for part in result.slices if part.kind == "entities"]
        assert names == [("seen in training", 20), ("unseen in training", 20)]


class TestUnusualFiles:
    def test_one_class_is_scored_as_far_as_possible(
        self, tfidf: Bundle, written: Write, make_posts: Callable[..., Rows]
    ) -> None:
        rows = [row | {"content": row["id"] * 9 + row["content"][:9]} for row in make_posts(80, seed=9)[1::2]]
        result = evaluate(tfidf, written(rows), rounds=100)
        assert result.scores["auc"] is None
        assert result.intervals["auc"] is None
        assert result.intervals["acc"] is not None
        assert "All 40 articles are fake: metrics that need both classes are undefined." in result.warnings
        json.dumps(result.to_dict(), allow_nan=False)

    def test_one_article_is_scored_with_a_warning(self, tfidf: Bundle, written: Write) -> None:
        result = evaluate(tfidf, written([{"content": "大蒜", "label": 0}]), rounds=100)
        assert "very few articles (1)" in result.warnings[-1]
        assert set(result.intervals.values()) == {None}
        json.dumps(result.to_dict(), allow_nan=False)

    def test_copies_of_a_few_articles_count_as_few(self, tfidf: Bundle, written: Write, hard_rows: Rows) -> None:
        result = evaluate(tfidf, written([row | {"id": None} for row in hard_rows[:4]] * 10), rounds=100)
        assert (result.n, result.groups) == (40, 3)
        assert set(result.intervals.values()) == {None}
        assert "The 40 articles are near-duplicates of each other, in 3 groups" in result.warnings[-1]


class TestErrors:
    def test_an_original_and_its_rewrites_are_resampled_as_one(
        self, tfidf: Bundle, written: Write, hard_rows: Rows
    ) -> None:
        originals = [row | {"id": f"o{number}"} for number, row in enumerate(hard_rows)]
        rewrites = [row | {"id": None, "content": f"{n * 7919} {row['content'][::-1]}", "rewrite_of": row["id"]}
                    for n, row in enumerate(originals[:15])]  # fmt: skip
        found = evaluate(tfidf, written([*originals, *rewrites]), slices=False, words=False)
        plain = evaluate(tfidf, written(originals, "plain.json"), slices=False, words=False)
        assert (found.n, found.n_contents, found.groups) == (55, 40, plain.groups)
        assert plain.n_contents is None

    def test_articles_without_labels(self, tfidf: Bundle, written: Write, make_posts: Callable[..., Rows]) -> None:
        with pytest.raises(DataError, match=r"articles.json.*\n.*row 2: no field 'label'"):
            evaluate(tfidf, written([{"content": "大蒜", "label": 0}, {"content": "面粉"}]))
        rows = [{"content": row["content"]} for row in make_posts(3)]
        with pytest.raises(DataError, match=r"3 of 3 rows cannot be used:\n.*row 1: no field 'label'"):
            evaluate(tfidf, written(rows))

    def test_a_missing_file(self, tfidf: Bundle, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such file"):
            evaluate(tfidf, tmp_path / "none.json")

    def test_an_unknown_device(self, tfidf: Bundle, data_folder: Path) -> None:
        with pytest.raises(ConfigError, match="device: found 'tpu'"):
            evaluate(tfidf, data_folder / "test.json", device="tpu")

    def test_logits_that_are_not_finite(self, tfidf: Bundle, written: Write, hard_rows: Rows) -> None:
        tfidf.network.bias.data.fill_(np.nan)  # type: ignore[operator, union-attr]
        with pytest.raises(CheckpointError, match=r"40 of the 40 articles of .* have no finite logit"):
            evaluate(tfidf, written(hard_rows))
