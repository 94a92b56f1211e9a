"""Runs that keep what frozen layers gave: killed, resumed, beside each other and in two processes, they end alike."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow

KILLED = -9
MOMENTS: dict[str, dict[str, Any]] = {
    "before anything is kept": {"event": "log", "text": "computing 2 of 2 blocks of val"},
    "between val and train": {"event": "log", "text": "computing 8 of 8 blocks of train"},
    "making a store": {"event": "open", "text": ".meta.json.new", "time": 1},
    "in an epoch": {"event": "log", "text": "epoch 2 step 22:"},
}
WEIGHTS = ("best/model.safetensors", "last/network.safetensors", "last/optimizer.safetensors")

Settings = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def bert_settings(
    run_settings: Settings, tiny_bert: Path, post_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """A function of the run folder that gives settings of `bert` with one trained layer, with a cache of its own."""
    folder = tmp_path_factory.mktemp("entities")
    for part in ("train", "val", "test"):
        rows = json.loads((post_folder / f"{part}.json").read_text(encoding="utf-8"))
        more = [{**row, "entity_list": [row["content"][2:4]]} for row in rows]
        (folder / f"{part}.json").write_text(json.dumps(more), encoding="utf-8")

    def settings(run: Path, **sections: dict[str, Any]) -> dict[str, Any]:
        """With ENDEF, so that augmentation leaves some articles as they are."""
        found = run_settings(run, data={"root_path": str(folder)})
        found["model"] = {"name": "bert", "bert_model_name": str(tiny_bert), "mlp_dims": [8], "debias": "endef"}
        found["training"] |= {"monitor": "loss", "frozen_cache_dir": str(run.with_name(f"{run.name}-cache"))}
        return {name: {**values, **sections.get(name, {})} for name, values in found.items()}

    return settings


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, bert_settings: Settings,
    run_jobs: Callable[..., list[tuple[int, str]]], train_job: Callable[..., dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """One undisturbed run, and for each moment one that was killed there and resumed; and how each of them ended."""
    folder = tmp_path_factory.mktemp("runs")
    jobs = {"undisturbed": train_job(bert_settings(folder / "undisturbed"))}
    for number, (moment, at) in enumerate(MOMENTS.items()):
        wanted = bert_settings(folder / f"killed-{number}")
        jobs[f"{moment}: killed"] = train_job(wanted, at=at, signal="SIGKILL")
        jobs[f"{moment}: resumed"] = train_job(wanted, "--resume")
    outcomes = dict(zip(jobs, run_jobs(list(jobs.values())), strict=True))
    return {"folder": folder, "outcomes": outcomes}


def assert_same_end(run: Path, undisturbed: Path) -> None:
    for name in WEIGHTS:
        found, expected = load_file(run / "checkpoints" / name), load_file(undisturbed / "checkpoints" / name)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], value) for key, value in expected.items()), name
    assert json.loads((run / "results.json").read_text()) == json.loads((undisturbed / "results.json").read_text())


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_ends_as_the_undisturbed_one(runs: dict[str, Any], moment: str) -> None:
    killed, resumed = (runs["outcomes"][f"{moment}: {state}"] for state in ("killed", "resumed"))
    assert killed[0] == KILLED, killed[1]
    assert resumed[0] == 0, resumed[1]
    number = list(MOMENTS).index(moment)
    assert_same_end(runs["folder"] / f"killed-{number}", runs["folder"] / "undisturbed")


def test_what_a_killed_run_had_computed_is_not_computed_again(runs: dict[str, Any]) -> None:
    said = runs["outcomes"]["between val and train: resumed"][1]
    assert "blocks of val" not in said
    assert "computing 8 of 8 blocks of train" in said
    assert "computing" not in runs["outcomes"]["in an epoch: resumed"][1]


def test_resumed_without_what_was_kept_it_ends_the_same_too(
    runs: dict[str, Any], bert_settings: Settings, tmp_path: Path,
    run_jobs: Callable[..., list[tuple[int, str]]], train_job: Callable[..., dict[str, Any]],
) -> None:  # fmt: skip
    wanted = bert_settings(tmp_path / "run")
    [killed] = run_jobs([train_job(wanted, at=MOMENTS["in an epoch"], signal="SIGKILL")])
    assert killed[0] == KILLED, killed[1]
    shutil.rmtree(tmp_path / "run-cache")
    [resumed] = run_jobs([train_job(wanted, "--resume")])
    assert resumed[0] == 0, resumed[1]
    assert "resumed after epoch" in resumed[1]
    assert_same_end(tmp_path / "run", runs["folder"] / "undisturbed")


def test_two_runs_at_a_time_share_one_store_and_end_as_one_alone(
    runs: dict[str, Any], bert_settings: Settings, one_thread: dict[str, str], tmp_path: Path
) -> None:
    processes = []
    for name in ("one", "two"):
        wanted = bert_settings(tmp_path / name, training={"frozen_cache_dir": str(tmp_path / "shared")})
        (tmp_path / f"{name}.json").write_text(json.dumps(wanted))
        command = [sys.executable, "-m", "zhenwei", "train", str(tmp_path / f"{name}.json")]
        processes.append(subprocess.Popen(command, env=one_thread, stderr=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert sum("computing 8 of 8 blocks of train" in each for each in said) == 1
    for name in ("one", "two"):
        assert_same_end(tmp_path / name, runs["folder"] / "undisturbed")


def test_two_processes_of_one_run_fill_it_together(
    runs: dict[str, Any], bert_settings: Settings, one_thread: dict[str, str], tmp_path: Path
) -> None:
    wanted = bert_settings(tmp_path / "both", training={"epochs": 1})
    (tmp_path / "settings.json").write_text(json.dumps(wanted))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "zhenwei"]
    done = subprocess.run(
        [sys.executable, *launcher, "train", str(tmp_path / "settings.json")],
        env=one_thread, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "both" / "train.log").read_text()
    assert log.count("240 of 240 articles of train are stored") == 1
    assert log.count("60 of 60 articles of val are stored") == 1

    def first_loss(run: Path) -> float:
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return float(next(line["loss"] for line in lines if line["event"] == "step"))

    alone = first_loss(runs["folder"] / "undisturbed")
    assert first_loss(tmp_path / "both") == pytest.approx(alone, abs=0.05)  # other dropout
