"""Runs with precomputed frozen layers end the same: killed and resumed, side by side, and in two processes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

KILLED = -9
MOMENTS: dict[str, dict[str, Any]] = {
    "before anything is stored": {"event": "log", "text": "computing 2 of 2 blocks of val"},
    "between val and train": {"event": "log", "text": "computing 8 of 8 blocks of train"},
    "creating a store": {"event": "open", "text": ".meta.json.new", "time": 1},
    "in an epoch": {"event": "log", "text": "epoch 2 step 22:"},
}
WEIGHTS = ("best/model.safetensors", "last/network.safetensors", "last/optimizer.safetensors")

Settings = Callable[..., dict[str, Any]]
RunJobs = Callable[..., list[tuple[int, str]]]
TrainJob = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def bert_settings(
    run_settings: Settings, tiny_bert: Path, post_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A function of the run folder that returns settings of `bert` with one trained layer and its own cache."""
    folder = tmp_path_factory.mktemp("entities")
    for part in ("train", "val", "test"):
        rows = json.loads((post_folder / f"{part}.json").read_text(encoding="utf-8"))
        more = [{**row, "entity_list": [row["content"][2:4]]} for row in rows]
        (folder / f"{part}.json").write_text(json.dumps(more), encoding="utf-8")

    def settings(run: Path, **sections: dict[str, Any]) -> dict[str, Any]:
        """Return settings with ENDEF, whose augmentation leaves some articles unchanged."""
        found = run_settings(run, data={"root_path": str(folder)})
        found["model"] = {"name": "bert", "bert_model_name": str(tiny_bert), "mlp_dims": [8], "debias": "endef"}
        found["training"] |= {"monitor": "loss", "frozen_cache_dir": str(run.with_name(f"{run.name}-cache"))}
        return {name: {**values, **sections.get(name, {})} for name, values in found.items()}

    return settings


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, bert_settings: Settings, run_jobs: RunJobs, train_job: TrainJob
) -> Path:
    """The folder of a run that is not disturbed."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    [(status, output)] = run_jobs([train_job(bert_settings(run))])
    assert status == 0, output
    return run


def assert_same_end(run: Path, undisturbed: Path) -> None:
    for name in WEIGHTS:
        found, expected = load_file(run / "checkpoints" / name), load_file(undisturbed / "checkpoints" / name)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], value) for key, value in expected.items()), name
    assert json.loads((run / "results.json").read_text()) == json.loads((undisturbed / "results.json").read_text())


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_like_the_undisturbed_one(
    moment: str, undisturbed: Path, bert_settings: Settings, run_jobs: RunJobs, train_job: TrainJob, tmp_path: Path
) -> None:
    settings = bert_settings(tmp_path / "run")
    kill = train_job(settings, at=MOMENTS[moment], signal="SIGKILL")
    killed, resumed = run_jobs([kill, train_job(settings, "--resume")])
    assert killed[0] == KILLED, killed[1]
    assert resumed[0] == 0, resumed[1]
    assert_same_end(tmp_path / "run", undisturbed)
    if moment == "between val and train":  # what was computed is not computed again
        assert "blocks of val" not in resumed[1]
        assert "computing 8 of 8 blocks of train" in resumed[1]
    if moment == "in an epoch":
        assert "computing" not in resumed[1]


def test_a_run_resumed_without_its_cache_ends_the_same(
    undisturbed: Path, bert_settings: Settings, run_jobs: RunJobs, train_job: TrainJob, tmp_path: Path
) -> None:
    settings = bert_settings(tmp_path / "run")
    [killed] = run_jobs([train_job(settings, at=MOMENTS["in an epoch"], signal="SIGKILL")])
    assert killed[0] == KILLED, killed[1]
    shutil.rmtree(tmp_path / "run-cache")
    [resumed] = run_jobs([train_job(settings, "--resume")])
    assert resumed[0] == 0, resumed[1]
    assert "resumed after epoch" in resumed[1]
    assert_same_end(tmp_path / "run", undisturbed)


def test_two_concurrent_runs_share_one_store(
    undisturbed: Path, bert_settings: Settings, run_jobs: RunJobs, train_job: TrainJob, tmp_path: Path
) -> None:
    jobs = [
        train_job(bert_settings(tmp_path / name, training={"frozen_cache_dir": str(tmp_path / "shared")}))
        for name in ("one", "two")
    ]
    outcomes = run_jobs(jobs, together=True)
    assert [status for status, _ in outcomes] == [0, 0], outcomes
    assert sum("computing 8 of 8 blocks of train" in output for _, output in outcomes) == 1
    for name in ("one", "two"):
        assert_same_end(tmp_path / name, undisturbed)


def test_two_processes_of_one_run_fill_a_store_together(
    undisturbed: Path, bert_settings: Settings, two_ranks: RunJobs, tmp_path: Path
) -> None:
    (status, output), (other, _) = two_ranks(bert_settings(tmp_path / "both", training={"epochs": 1}))
    assert (status, other) == (0, 0), output
    log = (tmp_path / "both" / "train.log").read_text()
    assert log.count("240 of 240 articles of train are stored") == 1
    assert log.count("60 of 60 articles of val are stored") == 1

    def first_loss(run: Path) -> float:
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return float(next(line["loss"] for line in lines if line["event"] == "step"))

    alone = first_loss(undisturbed)
    assert first_loss(tmp_path / "both") == pytest.approx(alone, abs=0.05)  # other dropout
