"""A stress test of a detector: families of edits, and a user's own pairs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhenwei import Detector
from zhenwei.bundle import Bundle
from zhenwei.bundle.abstention import AbstentionRules
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.evaluation import evaluate
from zhenwei.evaluation.stress import StressResult, read_pairs, stress, stress_files, stress_pairs
from zhenwei.news import Article
from zhenwei.news.edits import EDITS, edit_text

Rows = list[dict[str, Any]]
Write = Callable[..., Path]
FAMILIES = ("full_text", "remove_punctuation", "brackets_removed")


@pytest.fixture
def articles(hard_rows: Rows) -> list[Article]:
    return [Article(**row) for row in hard_rows]


@pytest.fixture
def result(tfidf: Bundle, articles: list[Article]) -> StressResult:
    return stress(tfidf, articles, FAMILIES, rounds=50)


class TestFamilies:
    def test_each_family_counts_the_verdicts_that_change(
        self, result: StressResult, tfidf_run: Path, articles: list[Article]
    ) -> None:
        detector = Detector.load(tfidf_run)
        before = detector.predict([article.content for article in articles])
        for family in result.families:
            texts = [edit_text(family.name, each.content, seed=0, key=str(each.id)) for each in articles]
            after = detector.predict(texts)
            rows = [
                (article.label, old.probability >= 0.5, new.probability >= 0.5)
                for article, old, new in zip(articles, before, after, strict=True)
            ]
            assert family.missed.of == rows.count(("fake", True, True)) + rows.count(("fake", True, False))
            assert family.missed.n == rows.count(("fake", True, False))
            assert family.false_alarms.n == rows.count(("real", False, True))
            assert family.n_changed == sum(a.content != text for a, text in zip(articles, texts, strict=True))

    def test_an_edit_that_changes_no_text_changes_nothing(self, result: StressResult) -> None:
        unchanged = result.families[2]
        assert unchanged.name == "brackets_removed"
        assert (unchanged.n_changed, unchanged.to_fake, unchanged.to_real) == (0, 0, 0)
        assert (unchanged.macro_f1, unchanged.auc) == (result.unedited["macro_f1"], result.unedited["auc"])
        assert unchanged.examples == ()

    def test_the_unedited_scores_are_those_of_the_evaluation(
        self, result: StressResult, tfidf: Bundle, hard_rows: Rows, written: Write
    ) -> None:
        scores = evaluate(tfidf, written(hard_rows), scores_only=True).scores
        assert result.unedited == {"macro_f1": scores["macro_f1"], "auc": scores["auc"]}

    def test_equal_seeds_give_equal_results(self, result: StressResult, tfidf: Bundle, articles: list[Article]) -> None:
        assert stress(tfidf, articles, FAMILIES, rounds=50) == result

    def test_all_families_are_tested_by_default(self, tfidf: Bundle, articles: list[Article]) -> None:
        result = stress(tfidf, articles[:12], rounds=0)
        assert [family.name for family in result.families] == list(EDITS)

    def test_articles_without_a_verdict_are_counted_as_not_called_fake(
        self, tfidf: Bundle, articles: list[Article]
    ) -> None:
        data = tfidf.config.data.model_copy(update={"normalize": []})
        config = tfidf.config.model_copy(update={"data": data})
        simplified = replace(tfidf, config=config, abstention=AbstentionRules(traditional_share=0.0))
        family = stress(simplified, articles, ["traditional"], rounds=0).families[0]
        assert family.n_unsure == 40
        assert family.missed.n == family.missed.of > 0
        assert family.false_alarms.n == 0

    def test_json_is_stable(self, result: StressResult) -> None:
        written = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert list(written) == ["run", "file", "seed", "n", "unedited", "families", "pairs"]
        assert (written["seed"], written["n"], written["pairs"]) == (0, 40, None)
        assert list(written["families"][0]) == [
            *("name", "description", "n_changed", "missed", "false_alarms", "to_fake", "to_real", "n_unsure"),
            *("macro_f1", "auc", "macro_f1_change", "auc_change", "examples"),
        ]
        assert list(written["families"][0]["missed"]) == ["n", "of", "share", "low", "high"]

    def test_entities_and_emotion_of_a_file_do_not_describe_an_edited_text(
        self, tfidf: Bundle, articles: list[Article], hard_rows: Rows
    ) -> None:
        data = tfidf.config.data.model_copy(update={"mask_entities": True})
        tfidf.config = tfidf.config.model_copy(update={"data": data})
        given = [Article(**row, entity_list=["大蒜"]) for row in hard_rows]
        assert stress(tfidf, given, ["full_text"], rounds=0) == stress(tfidf, articles, ["full_text"], rounds=0)

    def test_an_unknown_family_is_refused(self, tfidf: Bundle, articles: list[Article]) -> None:
        with pytest.raises(ConfigError, match="'emojis'; did you mean 'emoji'"):
            stress(tfidf, articles, ["emojis"])

    def test_damaged_weights_are_reported(self, tfidf: Bundle, articles: list[Article]) -> None:
        tfidf.network.bias.data.fill_(np.nan)  # type: ignore[operator, union-attr]
        with pytest.raises(CheckpointError, match="40 of 40 texts have no finite logit"):
            stress(tfidf, articles, ["emoji"])


class TestPairs:
    def test_pairs_are_read_from_every_format(self, written: Write, tmp_path: Path) -> None:
        first_row = {"content": "停水", "edited": "停水了", "label": "fake", "id": "7"}
        rows = [first_row, {"content": "通报", "edited": "通告"}]
        (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        table = "id,content,edited,label\n7,停水,停水了,1\n,通报,通告,\n"
        (tmp_path / "pairs.csv").write_text(table, encoding="utf-8")
        for path in (written(rows), tmp_path / "pairs.jsonl", tmp_path / "pairs.csv"):
            first, second = read_pairs(path)
            assert (first.article.content, first.edited) == ("停水", "停水了")
            assert (first.article.id, first.article.label, second.article.label) == ("7", "fake", None)
            assert (second.article.content, second.edited) == ("通报", "通告")

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"content": "停水"}, "row 2: no field 'edited'; found 'content'"),
            ({"content": "停水", "rewrite": "停了"}, "row 2: no field 'edited'; found 'rewrite': rename it"),
            ({"edited": "停水"}, "row 2: no field 'content'; found 'edited'"),
            ({"content": "停水", "edited": " "}, "row 2, field 'edited': found ' '; expected a text that is not blank"),
            ({"content": "停水", "edited": None}, "row 2, field 'edited': found null; expected a text"),
            ({"content": "停水", "edited": "停了", "label": "x"}, "row 2, field 'label': found 'x'"),
            ("停水", "row 2: found a string; expected an object"),
        ],
    )
    def test_a_missing_side_is_named_with_file_row_and_field(self, written: Write, row: object, message: str) -> None:
        path = written([{"content": "停水", "edited": "停水了"}, row], "pairs.json")
        with pytest.raises(DataError) as error:
            read_pairs(path)
        assert f"{path}: 1 of 2 rows cannot be used:\n  pairs.json, {message}" in str(error.value)

    def test_a_table_without_a_side_and_a_file_without_rows_are_refused(self, written: Write, tmp_path: Path) -> None:
        (tmp_path / "pairs.csv").write_text("content,label\n停水,1\n", encoding="utf-8")
        with pytest.raises(DataError, match="no column 'edited'"):
            read_pairs(tmp_path / "pairs.csv")
        with pytest.raises(DataError, match="found no rows; expected at least one pair"):
            read_pairs(written([]))

    def test_pairs_are_measured_like_a_family(self, tfidf: Bundle, written: Write, hard_rows: Rows) -> None:
        rows = [{**row, "edited": f"{row['content']}...全文"} for row in hard_rows]
        pairs = written(rows, "pairs.json")
        own = stress_pairs(tfidf, read_pairs(pairs), file=str(pairs), rounds=50)
        family = stress(tfidf, [Article(**row) for row in hard_rows], ["full_text"], rounds=50).families[0]
        assert own.result.name == "pairs"
        assert own.result.description == "the edits of pairs.json"
        measured = ("n_changed", "missed", "false_alarms", "macro_f1", "auc_change", "examples")
        assert [getattr(own.result, name) for name in measured] == [getattr(family, name) for name in measured]
        assert (own.n, own.file) == (40, str(pairs))


class TestFiles:
    def test_a_file_and_pairs_give_one_record(
        self, tfidf: Bundle, written: Write, hard_rows: Rows, result: StressResult
    ) -> None:
        file = written(hard_rows)
        pairs = written([{"content": "停水", "edited": "停水了"}], "pairs.json")
        both = stress_files(tfidf, file, families=FAMILIES, pairs=pairs, run="runs/x", rounds=50)
        assert (both.run, both.file, both.families) == ("runs/x", str(file), result.families)
        assert both.pairs is not None
        assert (both.pairs.n, both.to_dict()["pairs"]["name"]) == (1, "pairs")
        alone = stress_files(tfidf, None, pairs=pairs, rounds=50)
        assert (alone.file, alone.n, alone.families, alone.pairs) == (None, 0, (), both.pairs)

    def test_labels_are_required_and_neither_file_is_refused(self, tfidf: Bundle, written: Write) -> None:
        with pytest.raises(DataError, match="row 1: no field 'label'"):
            stress_files(tfidf, written([{"content": "停水"}]))
        with pytest.raises(DataError, match="expected FILE with labelled articles, or --pairs FILE"):
            stress_files(tfidf, None)
