"""Whole runs in separate processes: posts, settings, and functions that run commands."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

RUNNER = Path(__file__).with_name("command_runner.py")
EPOCHS, STEPS = 3, 15  # steps per epoch: 240 posts in batches of 16

Settings = Callable[..., dict[str, Any]]
Outcome = tuple[int, str]


@pytest.fixture(scope="session")
def post_folder(tmp_path_factory: pytest.TempPathFactory, make_posts: Callable[..., list[dict[str, Any]]]) -> Path:
    """A folder with train.json (240 posts), val.json and test.json (60 each)."""
    folder = tmp_path_factory.mktemp("posts")
    for seed, (part, count) in enumerate({"train": 240, "val": 60, "test": 60}.items(), start=10):
        rows = make_posts(count, seed)
        (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def run_settings(post_folder: Path) -> Settings:
    """A function of the run folder, and of sections to change: dropout and augmentation on, a line for each step."""

    def settings(run: Path, **sections: dict[str, Any]) -> dict[str, Any]:
        base: dict[str, dict[str, Any]] = {
            "data": {"root_path": str(post_folder), "max_len": 40, "min_frequency": 1, "aug_prob": 0.1},
            "model": {"name": "bigru", "emb_dim": 16, "hidden_dim": 8, "mlp_dims": [8], "dropout": 0.3},
            "training": {"epochs": EPOCHS, "lr": 0.01, "batch_size": 16, "precision": "no", "device": "cpu",
                         "early_stop": 0},
            "output": {"dir": str(run), "log_interval": 1, "save_steps": 4, "progress": False, "report": False,
                       "trackers": []},
        }  # fmt: skip
        return {name: {**values, **sections.get(name, {})} for name, values in base.items()}

    return settings


@pytest.fixture(scope="session")
def one_thread() -> dict[str, str]:
    """The environment of a process that uses one core."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@pytest.fixture(autouse=True, scope="session")
def one_thread_here() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much if other work keeps the cores busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def runner(one_thread: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """The process of `command_runner.py`, started once."""
    command = [sys.executable, RUNNER]
    with subprocess.Popen(command, env=one_thread, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="session")
def run_jobs(runner: "subprocess.Popen[str]", tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Outcome]]:
    """A function that runs jobs of `command_runner.py` and returns the exit status and the output of each."""

    def run(jobs: list[dict[str, Any]], *, together: bool = False) -> list[Outcome]:
        folder = tmp_path_factory.mktemp("jobs")
        logs = [folder / f"{number}.log" for number in range(len(jobs))]
        for log in logs:
            log.touch()
        numbered = [{"out": str(log), "err": str(log), **job} for log, job in zip(logs, jobs, strict=True)]
        assert runner.stdin is not None
        assert runner.stdout is not None
        runner.stdin.write(json.dumps({"jobs": numbered, "together": together}) + "\n")
        runner.stdin.flush()
        statuses = json.loads(runner.stdout.readline())
        return [(status, log.read_text()) for status, log in zip(statuses, logs, strict=True)]

    return run


@pytest.fixture(scope="session")
def train_job() -> Callable[..., dict[str, Any]]:
    """A function that writes the settings of a run and returns the job that trains it."""

    def job(settings: dict[str, Any], *options: str, at: dict[str, Any] | None = None, **do: Any) -> dict[str, Any]:
        run = Path(settings["output"]["dir"])
        path = run.with_name(f"{run.name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
        return {"argv": ["train", str(path), *options], "at": at, "do": do}

    return job


@pytest.fixture
def two_ranks(
    run_jobs: Callable[..., list[Outcome]], train_job: Callable[..., dict[str, Any]]
) -> Callable[..., list[Outcome]]:
    """A function that trains in two processes, as `torchrun` starts them, and returns the outcome of each."""

    def train(settings: dict[str, Any], *options: str) -> list[Outcome]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        job = train_job(settings, *options)
        ranks = [{**job, "env": {**shared, "RANK": rank, "LOCAL_RANK": rank}} for rank in ("0", "1")]
        return run_jobs(ranks, together=True)

    return train
