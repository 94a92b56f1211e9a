"""The complete model card: evaluation and audit of exactly the files of the detector."""

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
from zhenwei.bundle.card.signature import is_complete, is_edited
from zhenwei.errors import CheckpointError
from zhenwei.evaluation import evaluate
from zhenwei.evaluation.calibrate import recalibrate
from zhenwei.evaluation.model_card import card_from_evaluations, complete_card, unchanged_files, write_card
from zhenwei.evaluation.report.report_run import report_run
from zhenwei.hashing import file_sha256
from zhenwei.inference.known_articles import add_known_articles, remove_known_articles

pytestmark = pytest.mark.slow  # whole runs

Rows = list[dict[str, Any]]


def diverse(rows: Rows, seed: int) -> Rows:
    """Append a random ending to each post, so that no two are near-duplicates, and mislabel some of them."""
    rng = random.Random(seed)
    endings = ["".join(rng.choices([chr(0x4E00 + code) for code in range(3000)], k=40)) for _ in rows]
    return [
        row | {"content": row["content"] + end, "domain": "健康" if n % 4 < 2 else "社会"}
        | ({"label": "real"} if n % 8 == 1 else {})
        for n, (row, end) in enumerate(zip(rows, endings, strict=True))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def baseline(
    tmp_path_factory: pytest.TempPathFactory,
    make_posts: Callable[..., Rows],
    tiny_settings: Callable[..., dict[str, Any]],
) -> Path:
    """A folder with a run of the baseline, `run`, and its `data`. Read only."""
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "data").mkdir()
    for seed, (part, count) in enumerate({"train": 160, "val": 120}.items()):
        rows = diverse(make_posts(count, seed), seed)
        (folder / "data" / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    settings = tiny_settings(folder / "run", data={"root_path": str(folder / "data")})
    Trainer(settings | {"model": {"name": "tfidf", "min_df": 1}}).train()
    return folder


@pytest.fixture
def made(baseline: Path, tmp_path: Path) -> Path:
    """A copy of the run and its data, `data` beside `run`, for this test alone."""
    shutil.copytree(baseline, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "run").rglob("*.json"):
        path.write_text(path.read_text(encoding="utf-8").replace(str(baseline), str(tmp_path)), encoding="utf-8")
    bundle = tmp_path / "run" / "checkpoints" / "best"
    manifest = json.loads((bundle / "detector.json").read_text(encoding="utf-8"))
    manifest["sha256"]["config.json"] = file_sha256(bundle / "config.json")
    (bundle / "detector.json").write_text(json.dumps(manifest), encoding="utf-8")
    return tmp_path / "run"


def trained_again(made: Path) -> Path:
    """Return a new run with the same settings, on what is in the folder of data by now."""
    settings = load_bundle(made).config.model_dump(mode="json")
    settings["output"]["dir"] = str(made.parent / "again")
    Trainer(settings).train()
    return made.parent / "again"


def card_file(run: Path) -> Path:
    return run / "checkpoints" / "best" / "README.md"


def is_short(card: Path) -> bool:
    text = card.read_text(encoding="utf-8")
    return not is_edited(text) and not is_complete(text)


def manifest_digest(run: Path) -> str:
    return file_sha256(run / "checkpoints" / "best" / "detector.json")


class TestCompleting:
    def test_scores_are_those_of_the_evaluation(self, made: Path) -> None:
        bundle = load_bundle(made)
        card = complete_card(bundle, rounds=100)
        found = evaluate(bundle, made.parent / "data" / "val.json", rounds=100)
        score, bounds = found.scores["macro_f1"], found.intervals["macro_f1"]
        assert bounds is not None
        assert f"| Macro-F1 | {score:.3f} ({bounds[0]:.3f} to {bounds[1]:.3f}) |" in card
        [f1] = [each for each in ModelCard(card).data.eval_results if each.metric_type == "f1"]
        assert f1.metric_value == round(float(score or 0), 4)

    def test_files_are_described(self, made: Path) -> None:
        card = complete_card(load_bundle(made), rounds=100)
        assert "| train | `train.json` | 160 | 37.5% | 2020-01-01 | 2020-01-28 |" in card
        assert "Domains of the training articles: 健康 80, 社会 80." in card

    def test_audit_is_summarised(self, made: Path) -> None:
        card = complete_card(load_bundle(made), rounds=100)
        report = audit_files({part: made.parent / "data" / f"{part}.json" for part in ("train", "val")})
        counts = [sum(each.status == status for each in report.findings) for status in ("good", "warn", "fail")]
        assert f"{len(report.findings)} checks, {counts[0]} good, {counts[1]} warn, {counts[2]} fail." in card

    def test_calibration_on_val_is_reported(self, made: Path) -> None:
        recalibrate(made, on="val")
        assert "These articles were also used to fit the threshold and the calibration, so" in complete_card(
            load_bundle(made), rounds=100
        )

    def test_calibration_on_test_is_reported(self, made: Path, make_posts: Callable[..., Rows]) -> None:
        rows = diverse(make_posts(120, 7), 7)
        test = made.parent / "data" / "test.json"
        test.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        again = trained_again(made)
        recalibrate(again, on=test)
        card = complete_card(load_bundle(again), rounds=100)
        assert (
            "On 120 test articles, 45 of them fake, as the detector is used.\n"
            "These articles were also used to fit the threshold" in card
        )

    def test_calibration_on_a_copy_of_test_is_reported(self, made: Path) -> None:
        shutil.copy(made.parent / "data" / "val.json", made.parent / "data" / "test.json")
        again = trained_again(made)
        recalibrate(again, on="val")
        assert complete_card(load_bundle(again), rounds=100).count("also used to fit the threshold") == 2

    @pytest.mark.parametrize("on", ["none", "train"])
    def test_unused_val_is_not_optimistic(self, made: Path, on: Literal["none", "train"]) -> None:
        recalibrate(made, on=on, folds=None if on == "none" else 2)
        assert "optimistic" not in complete_card(load_bundle(made), rounds=100)

    def test_changed_files_are_left_out(self, made: Path, make_posts: Callable[..., Rows]) -> None:
        val = made.parent / "data" / "val.json"
        val.write_text(json.dumps(make_posts(40, 9), ensure_ascii=False), encoding="utf-8")
        bundle = load_bundle(made)
        assert [*unchanged_files(bundle)] == ["train"]
        card = complete_card(bundle, rounds=100)
        assert "Not audited: its files are missing, or have changed since the training" in card
        assert "before calibration" in card
        assert "95% intervals" not in card

    def test_near_duplicates_of_changed_training_articles_are_left_out(
        self, made: Path, make_posts: Callable[..., Rows]
    ) -> None:
        bundle = load_bundle(made)
        assert "near-duplicate among the training articles" in complete_card(bundle, rounds=100)
        train = made.parent / "data" / "train.json"
        train.write_text(json.dumps(make_posts(40, 9), ensure_ascii=False), encoding="utf-8")
        card = complete_card(bundle, rounds=100)
        assert "95% intervals" in card
        assert "near-duplicate among the training articles" not in card

    def test_audit_and_scores_of_other_files_are_left_out(self, made: Path, data_folder: Path) -> None:
        bundle = load_bundle(made)
        other = audit_files({part: data_folder / f"{part}.json" for part in ("train", "val")})
        elsewhere = evaluate(bundle, data_folder / "val.json", rounds=100)
        card = card_from_evaluations(bundle, [elsewhere], other)
        assert "Not audited: no audit was requested" in card
        assert "95% intervals" not in card

    def test_too_many_articles_are_not_audited(self, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zhenwei.evaluation.model_card.MAX_AUDITED", 100)
        assert "Not audited: there are more than 100 articles" in complete_card(load_bundle(made), rounds=100)


class TestWriting:
    def test_report_with_an_audit_completes_the_card(self, made: Path) -> None:
        report_run(made, rounds=100)
        assert is_short(card_file(made))
        report_run(made, audit=True, rounds=100)
        assert is_complete(card_file(made).read_text(encoding="utf-8"))
        assert "checks, " in card_file(made).read_text(encoding="utf-8")

    def test_report_on_other_files_does_not_complete_the_card(self, made: Path, data_folder: Path) -> None:
        report_run(made, data=[data_folder / "val.json"], audit=True, rounds=100)
        assert is_short(card_file(made))

    def test_edited_card_is_kept(self, made: Path) -> None:
        card_file(made).write_text("# Mine\n", encoding="utf-8")
        assert not write_card(load_bundle(made), card_file(made).parent, [], None, manifest_digest(made))
        assert card_file(made).read_text(encoding="utf-8") == "# Mine\n"

    def test_new_calibration_writes_a_short_card(self, made: Path) -> None:
        report_run(made, audit=True, rounds=100)
        recalibrate(made, on="none")
        assert is_short(card_file(made))

    def test_edited_card_is_kept_when_the_bundle_is_saved(self, made: Path, caplog: pytest.LogCaptureFixture) -> None:
        card_file(made).write_text("# Mine\n", encoding="utf-8")
        add_known_articles(made)
        assert not caplog.messages
        recalibrate(made, on="none")
        assert card_file(made).read_text(encoding="utf-8") == "# Mine\n"
        assert "README.md: kept, because it was edited; check that" in caplog.text
        load_bundle(made)

    def test_known_articles_keep_a_complete_card(self, made: Path) -> None:
        report_run(made, audit=True, rounds=100)
        whole = card_file(made).read_text(encoding="utf-8")
        add_known_articles(made)
        remove_known_articles(made)
        assert card_file(made).read_text(encoding="utf-8") == whole

    def test_locked_run(self, made: Path) -> None:
        with FileLock(made / ".lock"), pytest.raises(CheckpointError, match="another process is writing this run"):
            write_card(load_bundle(made), card_file(made).parent, [], None, manifest_digest(made))

    def test_replaced_detector_gets_no_card_of_the_old_one(self, made: Path) -> None:
        digest, bundle = manifest_digest(made), load_bundle(made)
        recalibrate(made, on="none")
        with pytest.raises(CheckpointError, match="now holds another detector than the one that was evaluated"):
            write_card(bundle, card_file(made).parent, [], None, digest)
        assert is_short(card_file(made))

    def test_manifest_is_unchanged(self, made: Path) -> None:
        before = (card_file(made).parent / "detector.json").read_bytes()
        report_run(made, audit=True, rounds=100)
        assert (card_file(made).parent / "detector.json").read_bytes() == before
        assert load_bundle(made).facts["n_train"] == 160
