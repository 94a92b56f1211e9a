"""Cross-fitting: every judgement is by a detector that had not seen the article, nor its like, nor its future."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhenwei import Trainer
from zhenwei.bundle import load_bundle
from zhenwei.config import Config
from zhenwei.errors import DataError
from zhenwei.news import Article
from zhenwei.news.similarity.near_duplicates import find_near_duplicates
from zhenwei.news.sources.synthetic import SyntheticDataset
from zhenwei.training.calibration.cross_fitting import cross_fitted
from zhenwei.training.calibration.folds import part_into_folds

Settings = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> dict[str, list[Article]]:
    return SyntheticDataset(n_train=300, n_val=120, n_test=60, seed=3).generate()


@pytest.fixture(scope="module")
def world_folder(world: dict[str, list[Article]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    for part, articles in world.items():
        rows = [article.to_row() for article in articles]
        (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


def labels_of(articles: list[Article]) -> np.ndarray:
    return np.array([article.target for article in articles])


class TestFolds:
    def test_in_order_of_time_each_part_is_judged_by_what_was_earlier(self, world: dict[str, list[Article]]) -> None:
        articles = world["train"][::-1]  # the order of the file does not matter
        parted = part_into_folds(articles, labels_of(articles), 5, seed=1)
        assert len(parted.folds) == 5
        times = np.array([article.time for article in articles], "datetime64[us]")
        for fold in parted.folds:
            assert times[fold.train].max() < times[fold.held].min()
        held = np.concatenate([fold.held for fold in parted.folds])
        assert len(np.unique(held)) == len(held) == 250  # all but the first sixth

    def test_equal_times_are_not_parted(self) -> None:
        day = datetime(2020, 1, 1)
        articles = [
            Article(content=f"{n} {n * 7919}", label=n % 2, time=day + timedelta(days=n // 40)) for n in range(240)
        ]
        for fold in part_into_folds(articles, labels_of(articles), 5, seed=1).folds:
            assert not {articles[row].time for row in fold.train} & {articles[row].time for row in fold.held}

    def test_without_times_each_part_is_judged_by_the_others(self, world: dict[str, list[Article]]) -> None:
        articles = [replace(article, time=None) for article in world["train"]]
        parted = part_into_folds(articles, labels_of(articles), 4, seed=1)
        held = np.concatenate([fold.held for fold in parted.folds])
        assert sorted(held) == list(range(300))
        for fold in parted.folds:
            assert not np.isin(fold.train, fold.held).any()
            assert abs(labels_of(articles)[fold.held].mean() - 0.5) < 0.05

    @pytest.mark.parametrize("timed", [True, False])
    def test_near_duplicates_of_what_is_judged_are_not_learned_from(
        self, world: dict[str, list[Article]], timed: bool
    ) -> None:
        copies = [replace(article, content=article.content + "！！转") for article in world["train"][::7]]
        last = max(article.time for article in world["train"] if article.time)
        articles = [
            replace(article, time=None if not timed else article.time if n < 300 else last)
            for n, article in enumerate([*world["train"], *copies])
        ]
        groups = find_near_duplicates([article.content for article in articles]).groups
        assert len(np.unique(groups)) == 300
        for fold in part_into_folds(articles, labels_of(articles), 3, seed=1).folds:
            assert not np.isin(groups[fold.train], groups[fold.held]).any()

    def test_what_cannot_be_parted_is_refused(self) -> None:
        articles = [Article(content=f"{n} {n * 7919}", label="real") for n in range(50)]
        with pytest.raises(DataError, match="50 training articles cannot be parted into 3 folds with both labels"):
            part_into_folds(articles, labels_of(articles), 3, seed=1)

    def test_a_fold_that_would_learn_one_label_alone_is_left_out(self, world: dict[str, list[Article]]) -> None:
        real, fake = ([a for a in world["train"] if a.label == label] for label in ("real", "fake"))
        start = datetime(2020, 1, 1)
        articles = [replace(article, time=start + timedelta(days=n)) for n, article in enumerate([*real, *fake])]
        parted = part_into_folds(articles, labels_of(articles), 5, seed=1)
        assert len(parted.folds) == 2  # the first half has real ones alone
        assert parted.described.startswith("2 parts")


class TestInARun:
    @pytest.fixture
    def tfidf(self, tmp_path: Path, world_folder: Path) -> Callable[..., dict[str, Any]]:
        def settings(name: str, **training: Any) -> dict[str, Any]:
            return {
                "data": {"root_path": str(world_folder)},
                "model": {"name": "tfidf"},
                "training": {"calibration_folds": 3, **training},
                "output": {"dir": str(tmp_path / name), "progress": False, "trackers": []},
            }

        return settings

    def test_it_is_calibrated_on_val_unless_told_otherwise(self, tfidf: Settings) -> None:
        results, best = Trainer(tfidf("run")).train()
        bundle = load_bundle(best)
        assert bundle.calibration is not None
        assert (bundle.calibration.method, bundle.calibration.fitted_on, bundle.calibration.n) == ("platt", "val", 120)
        assert results["threshold"] == bundle.threshold != 0.5
        assert results["calibration"] == bundle.calibration.describe()

    def test_calibrating_does_not_change_the_order(self, tfidf: Settings) -> None:
        plain, calibrated = (Trainer(tfidf(on, calibrate_on=on)).train()[0] for on in ("none", "val"))
        assert (plain["threshold"], plain["calibration"]) == (0.5, None)
        assert plain["auc"] == calibrated["auc"]
        assert plain["val"]["brier"] > calibrated["val"]["brier"]

    def test_cross_fitted_it_needs_nothing_of_val(self, tfidf: Settings, tmp_path: Path) -> None:
        _, best = Trainer(tfidf("run", calibrate_on="train")).train()
        calibration = load_bundle(best).calibration
        assert calibration is not None
        assert (calibration.n, calibration.fitted_on[:7]) == (225, "3 parts")
        kept = sorted(path.name for path in (tmp_path / "run" / "calibration").rglob("*"))
        assert kept[-3:] == ["fold-1.npz", "fold-2.npz", "fold-3.npz"]
        assert "fold-1" not in kept  # the detectors of the folds are gone, their judgements stay

    def test_both_together(self, tfidf: Settings) -> None:
        _, best = Trainer(tfidf("run", calibrate_on="train+val")).train()
        calibration = load_bundle(best).calibration
        assert calibration is not None
        assert calibration.n == 225 + 120

    def test_a_second_time_nothing_is_trained(
        self, tfidf: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        config = Config.load(tfidf("run"))
        first = cross_fitted(config, tmp_path / "folds")
        caplog.clear()
        caplog.set_level(logging.INFO)
        again = cross_fitted(config, tmp_path / "folds")
        assert (again.logits == first.logits).all()
        assert "cross-fitting" not in caplog.text

    def test_one_that_was_stopped_goes_on_with_the_fold_that_it_was_at(self, tfidf: Settings, tmp_path: Path) -> None:
        config = Config.load(tfidf("run"))
        first = cross_fitted(config, tmp_path / "folds")
        [last] = (tmp_path / "folds").rglob("fold-3.npz")
        stamp = last.with_name("fold-1.npz").stat().st_mtime_ns
        last.unlink()
        assert (cross_fitted(config, tmp_path / "folds").logits == first.logits).all()
        assert last.with_name("fold-1.npz").stat().st_mtime_ns == stamp

    def test_other_settings_or_articles_are_cross_fitted_anew(
        self, tfidf: Settings, tmp_path: Path, world_folder: Path
    ) -> None:
        for settings in (tfidf("run"), {**tfidf("run"), "seed": 7}):
            cross_fitted(Config.load(settings), tmp_path / "folds")
        assert len(list((tmp_path / "folds").iterdir())) == 2

    def test_the_log_shows_no_scores_of_the_folds(
        self, tfidf: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        Trainer(tfidf("run", calibrate_on="train")).train()
        log = (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
        assert log.count("macro-F1") == 2  # after fitting, and at the end
        assert "cross-fitting 3 of 3" in log

    def test_a_val_that_is_too_small_is_said_and_the_detector_left_as_it_is(
        self, tiny_run: Path, own_bundle: Path
    ) -> None:
        bundle = load_bundle(own_bundle)
        assert (bundle.calibration, bundle.threshold) == (None, 0.5)
        log = (tiny_run / "train.log").read_text(encoding="utf-8")
        assert "not calibrated, and its threshold is 0.5: too few to calibrate on" in log

    def test_a_run_that_is_judged_again_keeps_its_calibration(self, tfidf: Settings, tmp_path: Path) -> None:
        first, best = Trainer(tfidf("run")).train()
        stored = (best / "detector.json").read_bytes()
        (tmp_path / "run" / "results.json").unlink()
        again, _ = Trainer(tfidf("run"), resume=True).train()
        assert again == first
        assert (best / "detector.json").read_bytes() == stored
