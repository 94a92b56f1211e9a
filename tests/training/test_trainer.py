"""The Trainer: settings in, metrics and a bundle out."""

import io
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from safetensors.torch import load_file

from zhenwei import Detector, Trainer
from zhenwei.bundle import load_bundle
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError, DataError, TrainingError
from zhenwei.models import Output, Vocabulary, registry
from zhenwei.models.bigru import BiGRU
from zhenwei.tokens import Batch
from zhenwei.training.epochs import Epochs
from zhenwei.training.run_folder import RunFolder
from zhenwei.training.state import Progress, TrainState

pytestmark = pytest.mark.slow  # whole trainings

Settings = Callable[..., dict[str, Any]]


def epochs_of(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == "epoch"]


@pytest.fixture
def turned_val(tmp_path: Path, data_folder: Path) -> Path:
    """Val with inverted labels: the better the training, the higher the loss on it."""
    turned = [
        {**row, "label": {"real": "fake", "fake": "real"}[row["label"]]}
        for row in json.loads((data_folder / "val.json").read_text())
    ]
    path = tmp_path / "val.json"
    path.write_text(json.dumps(turned))
    return path


class TestResults:
    def test_the_results_are_those_of_test_with_those_of_val(self, tmp_path: Path, tiny_settings: Settings) -> None:
        results, model_path = Trainer(tiny_settings(tmp_path / "run")).train()
        assert results["split"] == "test"
        assert results["metric"] == results["macro_f1"]
        assert (results["n"], results["val"]["n"], results["n_train"]) == (24, 24, 64)
        assert (results["model"], results["seed"], results["epochs"]) == ("bigru", 2021, 4)
        assert json.loads((tmp_path / "run" / "results.json").read_text()) == results
        assert model_path == tmp_path / "run" / "checkpoints" / "best"
        assert len(Detector.load(model_path).predict(["据云溪通报，食盐检测合格", "听说食盐出大事了"])) == 2

    def test_without_test_they_are_those_of_val(
        self, tmp_path: Path, tiny_settings: Settings, data_folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        named = {part: str(data_folder / f"{part}.json") for part in ("train", "val")}
        settings = tiny_settings(tmp_path / "run", data={**named, "root_path": str(tmp_path)})
        results, _ = Trainer(settings).train()
        assert results["split"] == "val"
        assert results["auc"] == results["val"]["auc"]
        assert "no test file" in caplog.text
        assert "no test file" in (tmp_path / "run" / "train.log").read_text()

    def test_the_files_of_a_run(self, tiny_run: Path) -> None:
        assert {path.name for path in tiny_run.iterdir()} == {
            "config.json", "train.log", "metrics.jsonl", "results.json", "checkpoints", ".lock",
        }  # fmt: skip
        assert {path.name for path in (tiny_run / "checkpoints" / "best").iterdir()} == {
            "config.json", "model.safetensors", "tokenizer.json", "detector.json", "README.md",
        }  # fmt: skip


class TestFinished:
    """Resuming a finished run whose files are missing or damaged."""

    @pytest.mark.parametrize("content", [None, "", "{", "[]", '{"n": 3}'])
    def test_missing_or_damaged_results_are_computed_again(
        self, own_run: Path, tiny_settings: Settings, content: str | None
    ) -> None:
        path = own_run / "results.json"
        before = json.loads(path.read_text())
        path.unlink() if content is None else path.write_text(content)
        results, _ = Trainer(tiny_settings(own_run), resume=True).train()
        assert results == before == json.loads(path.read_text())
        assert len(epochs_of(own_run)) == before["epochs"]

    @pytest.mark.parametrize("results", [True, False])
    @pytest.mark.parametrize("finished", [True, False])
    def test_a_missing_bundle_is_refused(
        self, own_run: Path, tiny_settings: Settings, results: bool, finished: bool
    ) -> None:
        shutil.rmtree(own_run / "checkpoints" / "best")
        if not results:
            (own_run / "results.json").unlink()
        if not finished:
            path = own_run / "checkpoints" / "last" / "state.json"
            path.write_text(path.read_text().replace('"finished": true', '"finished": false'))
        with pytest.raises(CheckpointError, match=r"best: the bundle .* is gone; .*--overwrite .*overwrite=True"):
            Trainer(tiny_settings(own_run), resume=True).train()
        Trainer(tiny_settings(own_run, training={"epochs": 1}), overwrite=True).train()


class TestBest:
    @pytest.mark.parametrize(("monitor", "pick"), [("loss", min), ("auc", max), ("ece", min), ("brier", min)])
    def test_the_weights_of_the_best_epoch_are_saved_and_evaluated(
        self, tmp_path: Path, tiny_settings: Settings, monitor: str, pick: Callable[..., Any]
    ) -> None:
        training = {"monitor": monitor, "early_stop": 0, "epochs": 5, "lr": 0.05, "schedule": "constant"}
        results, model_path = Trainer(tiny_settings(tmp_path / "run", training=training)).train()
        scores = [epoch["val"][monitor] for epoch in epochs_of(tmp_path / "run")]
        assert results["best_epoch"] == scores.index(pick(scores)) + 1
        assert load_bundle(model_path).facts["epoch"] == results["best_epoch"]
        assert results["val"][monitor] == pytest.approx(pick(scores), abs=1e-6)

    def test_the_last_epoch_is_kept_on_request(self, tmp_path: Path, tiny_settings: Settings, turned_val: Path) -> None:
        training = {"keep": "last", "monitor": "loss", "early_stop": 0, "epochs": 3, "schedule": "constant"}
        settings = tiny_settings(tmp_path / "run", training=training, data={"val": str(turned_val)})
        results, model_path = Trainer(settings).train()
        losses = [epoch["val"]["loss"] for epoch in epochs_of(tmp_path / "run")]
        assert losses.index(min(losses)) < 2
        assert (results["best_epoch"], results["epochs"]) == (3, 3)
        best = load_file(model_path / "model.safetensors")
        last = load_file(tmp_path / "run" / "checkpoints" / "last" / "network.safetensors")
        assert all(torch.equal(best[name], last[name]) for name in best)

    def test_keep_last_contradicts_early_stopping(self, tmp_path: Path, tiny_settings: Settings) -> None:
        with pytest.raises(ConfigError, match=r"keep is 'last' but early_stop is 3.*; set early_stop to 0, or keep"):
            Trainer(tiny_settings(tmp_path / "run", training={"keep": "last", "early_stop": 3}))

    def test_the_bundle_has_the_weights_of_an_early_best_epoch(
        self, tmp_path: Path, tiny_settings: Settings, turned_val: Path
    ) -> None:
        training = {"monitor": "loss", "early_stop": 2, "schedule": "constant", "epochs": 9, "warmup_steps": 0}
        settings = tiny_settings(tmp_path / "long", training=training, data={"val": str(turned_val)})
        results, model_path = Trainer(settings).train()
        assert (results["best_epoch"], results["epochs"]) == (1, 3)  # patience was 2

        short = tiny_settings(tmp_path / "short", training={**training, "epochs": 1}, data=settings["data"])
        _, after_one = Trainer(short).train()
        best, first = (load_file(path / "model.safetensors") for path in (model_path, after_one))
        assert all(torch.equal(best[name], first[name]) for name in first)
        last = load_file(tmp_path / "long" / "checkpoints" / "last" / "network.safetensors")
        assert not all(torch.equal(best[name], last[name]) for name in best)
        assert "stopping early" in (tmp_path / "long" / "train.log").read_text()


def test_the_domains_of_the_training_articles_are_passed_to_the_network_and_saved(
    tmp_path: Path, tiny_settings: Settings, make_posts: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    seen: list[tuple[str, ...]] = []

    class WithDomains(BiGRU):
        needs = frozenset({"domain"})

        def __init__(self, config: Any, vocabulary: Vocabulary) -> None:
            super().__init__(config, vocabulary)
            seen.append(vocabulary.domains)

        def forward(self, batch: Batch, progress: float = 1.0) -> Output:
            assert batch.domains is not None
            return super().forward(batch, progress)

    for seed, (part, names) in enumerate({"train": "ba", "val": "bc", "test": "ca"}.items()):
        rows = [row | {"domain": names[number // 2 % 2]} for number, row in enumerate(make_posts(32, seed))]
        (tmp_path / f"{part}.json").write_text(json.dumps(rows))
    monkeypatch.setitem(registry._NETWORKS, "bigru", WithDomains)
    settings = tiny_settings(tmp_path / "run", data={"root_path": str(tmp_path)}, training={"epochs": 1})
    _, model_path = Trainer(settings).train()
    assert load_bundle(model_path).field_metadata.domain_names == ("a", "b")
    assert set(seen) == {("a", "b")}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_saved_files_respect_the_umask(tmp_path: Path, tiny_settings: Settings) -> None:
    before = os.umask(0o027)
    try:
        Trainer(tiny_settings(tmp_path / "run", training={"epochs": 1})).train()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert len(modes) >= 10
    assert {name: mode for name, mode in modes.items() if mode != 0o640} == {}


class TestRefusal:
    def test_a_run_is_not_replaced_by_default(self, own_run: Path, tiny_settings: Settings) -> None:
        with pytest.raises(CheckpointError, match="there is a run already"):
            Trainer(tiny_settings(own_run)).train()
        results, _ = Trainer(tiny_settings(own_run, training={"epochs": 1}), overwrite=True).train()
        assert results["epochs"] == 1
        assert len(epochs_of(own_run)) == 1

    def test_settings_and_articles_that_cannot_be_used_are_refused(
        self, tmp_path: Path, tiny_settings: Settings
    ) -> None:
        with pytest.raises(ConfigError):
            Trainer(tiny_settings(tmp_path / "run", training={"lr": -1}))
        with pytest.raises(DataError):
            Trainer(tiny_settings(tmp_path / "run", data={"root_path": str(tmp_path / "nowhere")})).train()

    def test_a_tracker_that_is_not_installed_is_named(self, tmp_path: Path, tiny_settings: Settings) -> None:
        missing = {"wandb", "mlflow", "comet_ml", "aim"} - {str(tracker) for tracker in get_available_trackers()}
        if not missing:
            pytest.skip("every tracker is installed here")
        name = missing.pop()
        with pytest.raises(ConfigError, match=f"'{name}' is not installed"):
            Trainer(tiny_settings(tmp_path / "run", output={"trackers": [name]})).train()


class TestNotFinite:
    @pytest.mark.parametrize("save_steps", [0, 1])
    def test_the_error_names_the_step_the_rate_and_the_last_good_checkpoint(
        self, tmp_path: Path, tiny_settings: Settings, save_steps: int
    ) -> None:
        run = tmp_path / "run"
        training = {"lr": 1e38, "schedule": "constant", "warmup_steps": 6, "grad_clip": 0.0}
        settings = tiny_settings(run, training=training, output={"save_steps": save_steps})
        with pytest.raises(TrainingError) as error:
            Trainer(settings).train()
        message = str(error.value)
        assert "training stopped after step" in message
        assert "learning rate" in message
        assert "\n" not in message
        if save_steps:
            assert f"the last good checkpoint is '{run / 'checkpoints' / 'last'}'" in message
            weights = load_file(run / "checkpoints" / "last" / "network.safetensors")
            assert all(bool(torch.isfinite(weight).all()) for weight in weights.values())
        else:
            assert "no checkpoint is saved" in message


class TestPrecision:
    def test_each_of_several_trainings_has_its_own_precision(self, tmp_path: Path, tiny_settings: Settings) -> None:
        ends = []
        for number, precision in enumerate(["no", "bf16", "no", "bf16"]):
            settings = tiny_settings(tmp_path / str(number), training={"precision": precision, "epochs": 1})
            Trainer(settings).train()
            assert f"precision '{precision}'" in (tmp_path / str(number) / "train.log").read_text()
            ends.append((tmp_path / str(number) / "checkpoints" / "best" / "model.safetensors").read_bytes())
        assert ends[0] == ends[2]
        assert ends[1] == ends[3]
        assert ends[0] != ends[1]

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
    @pytest.mark.parametrize(
        ("training", "text"),
        [({"device": "cuda"}, "using the CPU"), ({"precision": "fp16"}, "using 'bf16' on the CPU")],
    )
    def test_missing_hardware_is_warned_about_once(
        self, tmp_path: Path, tiny_settings: Settings, caplog: pytest.LogCaptureFixture,
        training: dict[str, Any], text: str,
    ) -> None:  # fmt: skip
        training = {**training, "epochs": 1, "calibrate_on": "none"}
        Trainer(tiny_settings(tmp_path / "run", training=training)).train()
        [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert text in record.getMessage()
        assert (tmp_path / "run" / "train.log").read_text().count(text) == 1


class TestTrackers:
    def test_tensorboard_gets_every_metric(self, tmp_path: Path, tiny_settings: Settings) -> None:
        run = tmp_path / "run"
        Trainer(tiny_settings(run, output={"trackers": ["tensorboard"]})).train()
        [events] = (run / "tensorboard").rglob("events.*")
        content = events.read_bytes()
        for name in (b"train/loss", b"train/lr", b"train/grad_norm", b"train/epoch_loss", b"val/auc", b"val/loss"):
            assert name in content

    @pytest.mark.parametrize("step", [0, 7])
    def test_tensorboard_drops_steps_after_the_checkpoint(
        self, tmp_path: Path, tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch, step: int
    ) -> None:
        asked: list[dict[str, Any]] = []
        monkeypatch.setattr(Accelerator, "init_trackers", lambda *_, **given: asked.append(given))
        config = Config.load(tiny_settings(tmp_path / "run"))
        nothing: Any = None
        state = TrainState(nothing, nothing, nothing, Accelerator(cpu=True))
        Epochs(config, RunFolder(tmp_path), nothing, state, nothing, Progress(step=step))._start_trackers()
        assert asked == [{"init_kwargs": {"tensorboard": {"purge_step": step + 1}}}]

    def test_without_trackers_there_is_no_folder_of_theirs(self, tiny_run: Path) -> None:
        assert not (tiny_run / "tensorboard").exists()


def test_without_a_terminal_there_is_no_progress_bar(
    tmp_path: Path, tiny_settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    Trainer(tiny_settings(tmp_path / "run", training={"epochs": 1}, output={"progress": True})).train()
    assert "step/s" not in capfd.readouterr().err


def test_a_logger_of_the_user_receives_what_the_run_logs(tmp_path: Path, tiny_settings: Settings) -> None:
    user_logger, output = logging.getLogger("experiment"), io.StringIO()
    handler = logging.StreamHandler(output)
    user_logger.addHandler(handler)
    user_logger.setLevel(logging.INFO)
    try:
        Trainer(tiny_settings(tmp_path / "run", training={"epochs": 1}), user_logger).train()
    finally:
        user_logger.removeHandler(handler)
        user_logger.setLevel(logging.NOTSET)
    log = (tmp_path / "run" / "train.log").read_text().splitlines()
    assert output.getvalue().splitlines() == [line.split(" INFO ")[-1].split(" WARNING ")[-1] for line in log]
    assert "epoch 1: training loss" in output.getvalue()


def test_deterministic_mode_ends_with_the_training(tmp_path: Path, tiny_settings: Settings) -> None:
    Trainer(tiny_settings(tmp_path / "run", training={"deterministic": True, "epochs": 1})).train()
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_same_settings_give_the_same_weights(tiny_run: Path, tmp_path: Path, tiny_settings: Settings) -> None:
    _, model_path = Trainer(tiny_settings(tmp_path / "again")).train()
    _, other = Trainer(tiny_settings(tmp_path / "other") | {"seed": 7}).train()
    first, again, elsewhere = (
        (path / "model.safetensors").read_bytes() for path in (tiny_run / "checkpoints" / "best", model_path, other)
    )
    assert first == again
    assert first != elsewhere
