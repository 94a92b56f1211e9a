"""Whole runs in processes of their own: the posts they read, their settings, and how commands are started."""

import json
import os
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
    """The environment of a process that leaves the machine to others."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@pytest.fixture(autouse=True, scope="session")
def one_thread_here() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much where other work keeps the cores busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def run_jobs(one_thread: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Outcome]]:
    """A function that runs jobs of `command_runner.py` and returns the exit status and the output of each."""

    def run(jobs: list[dict[str, Any]]) -> list[Outcome]:
        folder = tmp_path_factory.mktemp("jobs")
        numbered = [{**job, "log": str(folder / f"{number}.log")} for number, job in enumerate(jobs)]
        (folder / "jobs.json").write_text(json.dumps(numbered), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, RUNNER, folder / "jobs.json"],
            env=one_thread, capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        statuses = json.loads(done.stdout.splitlines()[-1])
        return [(status, Path(job["log"]).read_text()) for status, job in zip(statuses, numbered, strict=True)]

    return run


@pytest.fixture(scope="session")
def train_job() -> Callable[..., dict[str, Any]]:
    """A function that writes a run's settings and returns the job which trains it."""

    def job(settings: dict[str, Any], *options: str, at: dict[str, Any] | None = None, **do: Any) -> dict[str, Any]:
        run = Path(settings["output"]["dir"])
        path = run.with_name(f"{run.name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
        return {"argv": ["train", str(path), *options], "at": at, "do": do}

    return job
