"""Cross-fitting: articles are predicted by detectors trained on other, earlier articles."""

import json
import logging
import shutil
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
from zhenwei.news.rewrites import content_groups
from zhenwei.news.similarity.near_duplicates import find_near_duplicates
from zhenwei.news.sources.synthetic import SyntheticDataset
from zhenwei.training.calibration.cross_fitting import cross_fitted
from zhenwei.training.calibration.folds import split_into_folds
from zhenwei.training.trainer import train_bundle

pytestmark = pytest.mark.slow  # several trainings

Settings = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def news() -> dict[str, list[Article]]:
    return SyntheticDataset(n_train=300, n_val=120, n_test=60, seed=3).generate()


@pytest.fixture(scope="module")
def news_folder(news: dict[str, list[Article]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("news")
    for part, articles in news.items():
        rows = [article.to_row() for article in articles]
        (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


def labels_of(articles: list[Article]) -> np.ndarray:
    return np.array([article.target for article in articles])


class TestFolds:
    def test_with_times_each_part_is_predicted_from_earlier_parts(self, news: dict[str, list[Article]]) -> None:
        articles = news["train"][::-1]  # the order of the file does not matter
        parted = split_into_folds(articles, labels_of(articles), 5, seed=1)
        assert len(parted.folds) == 5
        times = np.array([article.time for article in articles], "datetime64[us]")
        for fold in parted.folds:
            assert times[fold.train].max() < times[fold.held_out].min()
        held = np.concatenate([fold.held_out for fold in parted.folds])
        assert len(np.unique(held)) == len(held) == 250  # all but the first sixth

    def test_equal_times_stay_together(self) -> None:
        day = datetime(2020, 1, 1)
        articles = [
            Article(content=f"{n} {n * 7919}", label=n % 2, time=day + timedelta(days=n // 40)) for n in range(240)
        ]
        for fold in split_into_folds(articles, labels_of(articles), 5, seed=1).folds:
            assert not {articles[row].time for row in fold.train} & {articles[row].time for row in fold.held_out}

    def test_without_times_each_part_is_predicted_from_the_others(self, news: dict[str, list[Article]]) -> None:
        articles = [replace(article, time=None) for article in news["train"]]
        parted = split_into_folds(articles, labels_of(articles), 4, seed=1)
        held = np.concatenate([fold.held_out for fold in parted.folds])
        assert sorted(held) == list(range(300))
        for fold in parted.folds:
            assert not np.isin(fold.train, fold.held_out).any()
            assert abs(labels_of(articles)[fold.held_out].mean() - 0.5) < 0.05

    @pytest.mark.parametrize("timed", [True, False])
    def test_rewrites_are_on_the_side_of_their_original(self, news: dict[str, list[Article]], timed: bool) -> None:
        originals = [
            replace(article, id=str(n), time=article.time if timed else None) for n, article in enumerate(news["train"])
        ]
        rewrites = [replace(article, content=f"{n * 7919} 全新的措辞", rewrite_of=article.id, id=None, time=None)
                    for n, article in enumerate(originals[::5])]  # fmt: skip
        articles = [*originals, *rewrites]
        contents = content_groups(articles)
        parted = split_into_folds(articles, labels_of(articles), 3, seed=1)
        for fold in parted.folds:
            assert not np.isin(contents[fold.train], contents[fold.held_out]).any()
        assert ("earlier" in parted.description) == timed

    @pytest.mark.parametrize("timed", [True, False])
    def test_near_duplicates_of_held_out_articles_are_not_trained_on(
        self, news: dict[str, list[Article]], timed: bool
    ) -> None:
        copies = [replace(article, content=article.content + "！！转") for article in news["train"][::7]]
        last = max(article.time for article in news["train"] if article.time)
        articles = [
            replace(article, time=None if not timed else article.time if n < 300 else last)
            for n, article in enumerate([*news["train"], *copies])
        ]
        groups = find_near_duplicates([article.content for article in articles]).groups
        assert len(np.unique(groups)) == 300
        for fold in split_into_folds(articles, labels_of(articles), 3, seed=1).folds:
            assert not np.isin(groups[fold.train], groups[fold.held_out]).any()

    def test_articles_that_cannot_be_split_are_refused(self) -> None:
        articles = [Article(content=f"{n} {n * 7919}", label="real") for n in range(50)]
        with pytest.raises(DataError, match="50 training articles cannot be split into 3 folds with both labels"):
            split_into_folds(articles, labels_of(articles), 3, seed=1)

    def test_a_fold_with_one_training_label_is_dropped(self, news: dict[str, list[Article]]) -> None:
        real, fake = ([a for a in news["train"] if a.label == label] for label in ("real", "fake"))
        start = datetime(2020, 1, 1)
        articles = [replace(article, time=start + timedelta(days=n)) for n, article in enumerate([*real, *fake])]
        parted = split_into_folds(articles, labels_of(articles), 5, seed=1)
        assert len(parted.folds) == 2  # the first half has real ones alone
        assert parted.description.startswith("2 parts")


@pytest.fixture(scope="module")
def make_settings(news_folder: Path) -> Settings:
    """A function of the run folder and of settings of the training."""

    def settings(run: Path, **training: Any) -> dict[str, Any]:
        return {
            "data": {"root_path": str(news_folder)},
            "model": {"name": "tfidf"},
            "training": {"calibration_folds": 3, **training},
            "output": {"dir": str(run), "progress": False, "trackers": []},
        }

    return settings


@pytest.fixture(scope="module")
def calibrated_on_val(make_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder and the results of a run that is calibrated on val. Only to be read."""
    run = tmp_path_factory.mktemp("runs") / "val"
    return run, Trainer(make_settings(run)).train()[0]


@pytest.fixture(scope="module")
def calibrated_on_train(make_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is calibrated by cross-fitting. Only to be read."""
    run = tmp_path_factory.mktemp("runs") / "train"
    Trainer(make_settings(run, calibrate_on="train")).train()
    return run


class TestInARun:
    def test_it_is_calibrated_on_val_by_default(self, calibrated_on_val: tuple[Path, dict[str, Any]]) -> None:
        run, results = calibrated_on_val
        bundle = load_bundle(run)
        assert bundle.calibration is not None
        assert (bundle.calibration.method, bundle.calibration.fitted_on, bundle.calibration.n) == ("platt", "val", 120)
        assert results["threshold"] == bundle.threshold != 0.5
        assert results["calibration"] == bundle.calibration.describe()

    def test_calibrating_does_not_change_the_order(
        self, calibrated_on_val: tuple[Path, dict[str, Any]], make_settings: Settings, tmp_path: Path
    ) -> None:
        plain, _ = Trainer(make_settings(tmp_path / "none", calibrate_on="none")).train()
        calibrated = calibrated_on_val[1]
        assert (plain["threshold"], plain["calibration"]) == (0.5, None)
        assert plain["auc"] == calibrated["auc"]
        assert plain["val"]["brier"] > calibrated["val"]["brier"]

    def test_cross_fitted_it_needs_nothing_of_val(self, calibrated_on_train: Path) -> None:
        calibration = load_bundle(calibrated_on_train).calibration
        assert calibration is not None
        assert (calibration.n, calibration.fitted_on[:7]) == (225, "3 parts")
        names = sorted(path.name for path in (calibrated_on_train / "calibration").rglob("*"))
        assert names[-3:] == ["fold-1.npz", "fold-2.npz", "fold-3.npz"]
        assert "fold-1" not in names  # the detectors of the folds are removed, their predictions are kept

    def test_the_log_shows_no_scores_of_the_folds(self, calibrated_on_train: Path) -> None:
        log = (calibrated_on_train / "train.log").read_text(encoding="utf-8")
        assert log.count("macro-F1") == 2  # after fitting, and at the end
        assert "cross-fitting 3 of 3" in log

    @pytest.mark.nightly
    def test_both_together(self, make_settings: Settings, tmp_path: Path) -> None:
        _, best = Trainer(make_settings(tmp_path / "run", calibrate_on="train+val")).train()
        calibration = load_bundle(best).calibration
        assert calibration is not None
        assert calibration.n == 225 + 120

    def test_with_too_small_a_val_the_detector_is_not_calibrated(self, tiny_run: Path) -> None:
        bundle = load_bundle(tiny_run)
        assert (bundle.calibration, bundle.threshold) == (None, 0.5)
        log = (tiny_run / "train.log").read_text(encoding="utf-8")
        assert "not calibrated, and its threshold is 0.5: too few to calibrate on" in log

    def test_a_run_that_is_evaluated_again_keeps_its_calibration(
        self, calibrated_on_val: tuple[Path, dict[str, Any]], make_settings: Settings, tmp_path: Path
    ) -> None:
        run = Path(shutil.copytree(calibrated_on_val[0], tmp_path / "run"))
        stored = (run / "checkpoints" / "best" / "detector.json").read_bytes()
        (run / "results.json").unlink()
        again, best = Trainer(make_settings(run), resume=True).train()
        assert again == calibrated_on_val[1]
        assert (best / "detector.json").read_bytes() == stored


class TestCalls:
    @pytest.fixture
    def own_folds(self, calibrated_on_train: Path, tmp_path: Path) -> Path:
        """A copy of the predictions of the folds, for this test alone."""
        return Path(shutil.copytree(calibrated_on_train / "calibration", tmp_path / "folds"))

    @pytest.fixture
    def config(self, make_settings: Settings, tmp_path: Path) -> Config:
        return Config.load(make_settings(tmp_path / "run"))

    def test_the_second_call_trains_nothing(
        self, config: Config, own_folds: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        again = cross_fitted(config, own_folds, refuse_to_train)
        assert len(again.logits) == 225
        assert "cross-fitting" not in caplog.text

    def test_an_interrupted_call_resumes_at_its_fold(self, config: Config, own_folds: Path) -> None:
        first = cross_fitted(config, own_folds, refuse_to_train)
        [last] = own_folds.rglob("fold-3.npz")
        stamp = last.with_name("fold-1.npz").stat().st_mtime_ns
        last.unlink()
        assert (cross_fitted(config, own_folds, train_bundle).logits == first.logits).all()
        assert last.with_name("fold-1.npz").stat().st_mtime_ns == stamp

    def test_other_settings_are_cross_fitted_separately(self, config: Config, own_folds: Path) -> None:
        cross_fitted(Config.load({**config.to_dict(), "seed": 7}), own_folds, train_bundle)
        assert len(list(own_folds.iterdir())) == 2


def refuse_to_train(config: Config) -> Path:
    raise AssertionError("trains a detector again")
