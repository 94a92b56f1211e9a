"""The whole card: judged and audited on what the detector was made with, and on nothing else."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from filelock import FileLock
from huggingface_hub import ModelCard

from zhenwei import Trainer
from zhenwei.audit.audit import audit_files
from zhenwei.bundle import load_bundle
from zhenwei.bundle.card.signature import CardState, card_state
from zhenwei.errors import CheckpointError
from zhenwei.evaluation import assess_file
from zhenwei.evaluation.calibrate import recalibrate
from zhenwei.evaluation.model_card import card_of, complete_card, unchanged_files, write_card
from zhenwei.evaluation.report.report_run import report_run
from zhenwei.hashing import file_sha256
from zhenwei.inference.known_articles import add_known_articles, remove_known_articles

Rows = list[dict[str, Any]]


def unlike(rows: Rows, seed: int) -> Rows:
    """Give posts endings of their own, so that no two are near-duplicates, and wrong labels to some of them."""
    chance = random.Random(seed)
    endings = ["".join(chance.choices([chr(0x4E00 + code) for code in range(3000)], k=40)) for _ in rows]
    return [
        row | {"content": row["content"] + end, "domain": "健康" if n % 4 < 2 else "社会"}
        | ({"label": "real"} if n % 8 == 1 else {})
        for n, (row, end) in enumerate(zip(rows, endings, strict=True))
    ]  # fmt: skip


@pytest.fixture
def made(tmp_path: Path, make_posts: Callable[..., Rows], tiny_settings: Callable[..., dict[str, Any]]) -> Path:
    """A run of the baseline with data of its own, which this test may change: `data` beside `run`."""
    (tmp_path / "data").mkdir()
    for seed, (part, count) in enumerate({"train": 160, "val": 120}.items()):
        rows = unlike(make_posts(count, seed), seed)
        (tmp_path / "data" / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    settings = tiny_settings(tmp_path / "run", data={"root_path": str(tmp_path / "data")})
    Trainer(settings | {"model": {"name": "tfidf", "min_df": 1}}).train()
    return tmp_path / "run"


def trained_again(made: Path) -> Path:
    """Return a new run with the same settings, on what is in the folder of data by now."""
    settings = load_bundle(made).config.model_dump(mode="json")
    settings["output"]["dir"] = str(made.parent / "again")
    Trainer(settings).train()
    return made.parent / "again"


def card_file(run: Path) -> Path:
    return run / "checkpoints" / "best" / "README.md"


def described(run: Path) -> str:
    return file_sha256(run / "checkpoints" / "best" / "detector.json")


class TestCompleting:
    def test_its_figures_are_those_of_the_evaluation(self, made: Path) -> None:
        bundle = load_bundle(made)
        card = complete_card(bundle, rounds=100)
        found = assess_file(bundle, made.parent / "data" / "val.json", rounds=100)
        score, bounds = found.scores["macro_f1"], found.intervals["macro_f1"]
        assert bounds is not None
        assert f"| Macro-F1 | {score:.3f} ({bounds[0]:.3f} to {bounds[1]:.3f}) |" in card
        [f1] = [each for each in ModelCard(card).data.eval_results if each.metric_type == "f1"]
        assert f1.metric_value == round(float(score or 0), 4)

    def test_it_describes_the_files(self, made: Path) -> None:
        card = complete_card(load_bundle(made), rounds=100)
        assert "| train | `train.json` | 160 | 37.5% | 2020-01-01 | 2020-01-28 |" in card
        assert "Domains of the training articles: 健康 80, 社会 80." in card

    def test_it_tells_of_the_audit(self, made: Path) -> None:
        card = complete_card(load_bundle(made), rounds=100)
        report = audit_files({part: made.parent / "data" / f"{part}.json" for part in ("train", "val")})
        counts = [sum(each.status == status for each in report.findings) for status in ("good", "warn", "fail")]
        assert f"{len(report.findings)} checks, {counts[0]} good, {counts[1]} warn, {counts[2]} fail." in card

    def test_a_val_that_calibrated_it_flatters_it(self, made: Path) -> None:
        recalibrate(made, on="val")
        assert "These chose the threshold and the calibration" in complete_card(load_bundle(made), rounds=100)

    def test_a_test_that_calibrated_it_flatters_it(self, made: Path, make_posts: Callable[..., Rows]) -> None:
        rows = unlike(make_posts(120, 7), 7)
        test = made.parent / "data" / "test.json"
        test.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        again = trained_again(made)
        recalibrate(again, on=test)
        card = complete_card(load_bundle(again), rounds=100)
        assert "articles of test, 45 of them fake, as the detector is used. These chose the threshold and the" in card

    def test_a_copy_of_val_is_flattered_as_val_is(self, made: Path) -> None:
        shutil.copy(made.parent / "data" / "val.json", made.parent / "data" / "test.json")
        again = trained_again(made)
        recalibrate(again, on="val")
        assert complete_card(load_bundle(again), rounds=100).count("These chose the threshold") == 2

    @pytest.mark.parametrize("on", ["none", "train"])
    def test_a_val_that_chose_nothing_does_not(self, made: Path, on: Literal["none", "train"]) -> None:
        recalibrate(made, on=on, folds=None if on == "none" else 2)
        assert "flatter" not in complete_card(load_bundle(made), rounds=100)

    def test_articles_that_were_changed_say_nothing(self, made: Path, make_posts: Callable[..., Rows]) -> None:
        val = made.parent / "data" / "val.json"
        val.write_text(json.dumps(make_posts(40, 9), ensure_ascii=False), encoding="utf-8")
        bundle = load_bundle(made)
        assert [*unchanged_files(bundle)] == ["train"]
        card = complete_card(bundle, rounds=100)
        assert "Not audited: its files are no longer at hand as they were" in card
        assert "before calibration" in card
        assert "95% intervals" not in card

    def test_near_duplicates_of_other_training_articles_say_nothing(
        self, made: Path, make_posts: Callable[..., Rows]
    ) -> None:
        bundle = load_bundle(made)
        assert "near-duplicate among the training articles" in complete_card(bundle, rounds=100)
        train = made.parent / "data" / "train.json"
        train.write_text(json.dumps(make_posts(40, 9), ensure_ascii=False), encoding="utf-8")
        card = complete_card(bundle, rounds=100)
        assert "95% intervals" in card
        assert "near-duplicate among the training articles" not in card

    def test_another_audit_and_another_file_s_scores_say_nothing(self, made: Path, data_folder: Path) -> None:
        bundle = load_bundle(made)
        other = audit_files({part: data_folder / f"{part}.json" for part in ("train", "val")})
        elsewhere = assess_file(bundle, data_folder / "val.json", rounds=100)
        card = card_of(bundle, [elsewhere], other)
        assert "Not audited: nobody has asked for it" in card
        assert "95% intervals" not in card

    def test_very_many_articles_are_not_audited(self, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zhenwei.evaluation.model_card.MOST_AUDITED", 100)
        assert "Not audited: these are more than 100 articles" in complete_card(load_bundle(made), rounds=100)


class TestWriting:
    def test_a_report_with_an_audit_completes_it(self, made: Path) -> None:
        report_run(made, rounds=100)
        assert card_state(card_file(made)) is CardState.SHORT
        report_run(made, audit=True, rounds=100)
        assert card_state(card_file(made)) is CardState.WHOLE
        assert "checks, " in card_file(made).read_text(encoding="utf-8")

    def test_a_report_on_other_files_does_not(self, made: Path, data_folder: Path) -> None:
        report_run(made, data=[data_folder / "val.json"], audit=True, rounds=100)
        assert card_state(card_file(made)) is CardState.SHORT

    def test_one_that_somebody_edited_stays(self, made: Path) -> None:
        card_file(made).write_text("# Mine\n", encoding="utf-8")
        assert not write_card(load_bundle(made), card_file(made).parent, [], None, described(made))
        assert card_file(made).read_text(encoding="utf-8") == "# Mine\n"

    def test_a_new_calibration_makes_it_short_again(self, made: Path) -> None:
        report_run(made, audit=True, rounds=100)
        recalibrate(made, on="none")
        assert card_state(card_file(made)) is CardState.SHORT

    def test_one_that_somebody_edited_stays_when_the_bundle_is_saved_anew(
        self, made: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        card_file(made).write_text("# Mine\n", encoding="utf-8")
        add_known_articles(made)
        assert not caplog.messages
        recalibrate(made, on="none")
        assert card_file(made).read_text(encoding="utf-8") == "# Mine\n"
        assert "README.md: you have edited this card, so it is kept; check whether" in caplog.text
        load_bundle(made)

    def test_known_articles_change_nothing_that_it_says(self, made: Path) -> None:
        report_run(made, audit=True, rounds=100)
        whole = card_file(made).read_text(encoding="utf-8")
        add_known_articles(made)
        remove_known_articles(made)
        assert card_file(made).read_text(encoding="utf-8") == whole

    def test_a_run_that_is_being_written_is_left_alone(self, made: Path) -> None:
        with FileLock(made / ".lock"), pytest.raises(CheckpointError, match="another process is writing this run"):
            write_card(load_bundle(made), card_file(made).parent, [], None, described(made))

    def test_a_detector_that_was_replaced_meanwhile_gets_no_card_of_the_old_one(self, made: Path) -> None:
        judged, bundle = described(made), load_bundle(made)
        recalibrate(made, on="none")
        with pytest.raises(CheckpointError, match="holds another detector by now than the one that was judged"):
            write_card(bundle, card_file(made).parent, [], None, judged)
        assert card_state(card_file(made)) is CardState.SHORT

    def test_the_bundle_is_the_same_detector_still(self, made: Path) -> None:
        before = (card_file(made).parent / "detector.json").read_bytes()
        report_run(made, audit=True, rounds=100)
        assert (card_file(made).parent / "detector.json").read_bytes() == before
        assert load_bundle(made).facts["n_train"] == 160
