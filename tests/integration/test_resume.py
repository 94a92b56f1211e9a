"""A run that is killed at any moment and resumed ends bit-exactly like an undisturbed run."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow

KILLED, INTERRUPTED, TERMINATED = -9, 130, 143
WEIGHTS = (
    "best/model.safetensors",
    "last/network.safetensors",
    "last/optimizer.safetensors",
    "last/random.safetensors",
)


def log(text: str) -> dict[str, Any]:
    return {"event": "log", "text": text}


def opening(text: str, time: int) -> dict[str, Any]:
    return {"event": "open", "text": text, "time": time}


def renaming(text: str, time: int) -> dict[str, Any]:
    return {"event": "os.rename", "text": text, "time": time}


# Checkpoints are written beside, and take two renames: the first to the third after steps 4, 8 and 12, the fourth
# after epoch 1 (step 15), then after steps 16, 20, 24 and 28, the ninth after epoch 2 (step 30).
MOMENTS = {
    "before the first checkpoint": log("epoch 1 step 2:"),
    "in an epoch": log("epoch 2 step 22:"),
    "between epochs, the best saved but not the checkpoint": log("epoch 1: training loss"),
    "between epochs, the checkpoint saved": log("epoch 3 step 31:"),
    "writing the first checkpoint": opening(".last.new/.state.json.new", 1),
    "writing a checkpoint in an epoch": opening(".last.new/.state.json.new", 6),
    "writing a checkpoint between epochs": opening(".last.new/.state.json.new", 9),
    "before a checkpoint's first rename": renaming("/last", 5),
    "between a checkpoint's two renames": renaming("/.last.new", 6),
    "writing the best": opening(".best.new/.detector.json.new", 2),
    "between the best's two renames": renaming("/.best.new", 2),
    "naming the results": renaming("/.results.json.new", 1),
}
OFTEN = [("no", "between a checkpoint's two renames")]
NIGHTLY = [("no", moment) for moment in MOMENTS if ("no", moment) not in OFTEN] + [
    ("bf16", "between epochs, the checkpoint saved"),
    ("bf16", "in an epoch"),
    ("bf16", "writing a checkpoint in an epoch"),
]
CASES = [*OFTEN, *(pytest.param(*case, marks=pytest.mark.nightly) for case in NIGHTLY)]


Outcome = tuple[int, str]
MakeSettings = Callable[[str, str], dict[str, Any]]
RunJobs = Callable[..., list[Outcome]]
TrainJob = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def make_settings(
    tmp_path_factory: pytest.TempPathFactory, run_settings: Callable[..., dict[str, Any]]
) -> MakeSettings:
    """A function of a precision and the name of a run."""
    folder = tmp_path_factory.mktemp("runs")

    def settings(precision: str, name: str) -> dict[str, Any]:
        training = {"precision": precision, "monitor": "loss"}  # the loss falls: each epoch is the best so far
        return run_settings(folder / f"{precision}-{name.replace(' ', '-')}", training=training)

    return settings


@pytest.fixture(scope="module")
def undisturbed(
    make_settings: MakeSettings, run_jobs: RunJobs, train_job: TrainJob
) -> Callable[[str], tuple[Path, str]]:
    """A function of a precision that returns the folder and the output of a run that is not disturbed."""

    @cache
    def train(precision: str) -> tuple[Path, str]:
        settings = make_settings(precision, "undisturbed")
        [(status, output)] = run_jobs([train_job(settings, "--resume")])
        assert status == 0, output
        return Path(settings["output"]["dir"]), output

    return train


@pytest.fixture
def stop_and_resume(
    make_settings: MakeSettings, run_jobs: RunJobs, train_job: TrainJob
) -> Callable[..., tuple[Path, Outcome, Outcome]]:
    """A function that stops a run at a moment by a signal, resumes it, and returns its folder and both outcomes."""

    def train(precision: str, moment: str, signal: str) -> tuple[Path, Outcome, Outcome]:
        settings = make_settings(precision, f"{moment} {signal}")
        stop = train_job(settings, at=MOMENTS[moment], signal=signal)
        stopped, resumed = run_jobs([stop, train_job(settings, "--resume")])
        return Path(settings["output"]["dir"]), stopped, resumed

    return train


def steps_and_epochs(run: Path) -> list[dict[str, Any]]:
    """Return the lines of metrics.jsonl without times."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("time", "texts_per_second")} for line in lines]


def assert_same_end(run: Path, undisturbed: Path) -> None:
    for name in WEIGHTS:
        found, expected = load_file(run / "checkpoints" / name), load_file(undisturbed / "checkpoints" / name)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.equal(found[key], value), f"{name}: {key}"
    assert json.loads((run / "results.json").read_text()) == json.loads((undisturbed / "results.json").read_text())
    assert steps_and_epochs(run) == steps_and_epochs(undisturbed)
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"best", "last"}
    assert {path.name for path in run.iterdir()} == {path.name for path in undisturbed.iterdir()}


@pytest.mark.parametrize(("precision", "moment"), CASES)
def test_a_killed_run_ends_like_the_undisturbed_one(
    undisturbed: Callable[[str], tuple[Path, str]],
    stop_and_resume: Callable[..., tuple[Path, Outcome, Outcome]],
    precision: str,
    moment: str,
) -> None:
    run, killed, resumed = stop_and_resume(precision, moment, "SIGKILL")
    assert killed[0] == KILLED, killed[1]
    assert resumed[0] == 0, resumed[1]
    assert_same_end(run, undisturbed(precision)[0])
    if moment == "before the first checkpoint":  # it starts over
        assert "resumed" not in resumed[1]
        assert "epoch 1 step 1:" in resumed[1]


@pytest.mark.parametrize(("signal", "status"), [("SIGINT", INTERRUPTED), ("SIGTERM", TERMINATED)])
@pytest.mark.nightly
def test_a_signal_saves_the_checkpoint_of_that_step(
    undisturbed: Callable[[str], tuple[Path, str]],
    stop_and_resume: Callable[..., tuple[Path, Outcome, Outcome]],
    signal: str,
    status: int,
) -> None:
    run, stopped, resumed = stop_and_resume("no", "in an epoch", signal)
    assert stopped[0] == status, stopped[1]
    assert stopped[1].count("interrupted at step 22: saved") == 1
    assert "--resume" in stopped[1]
    assert "Traceback" not in stopped[1]
    assert resumed[0] == 0
    assert "resumed after epoch 1, step 22" in resumed[1]
    assert_same_end(run, undisturbed("no")[0])


class TestUndisturbed:
    def test_resume_without_a_run_starts_one(self, undisturbed: Callable[[str], tuple[Path, str]]) -> None:
        assert "resumed" not in undisturbed("no")[1]

    def test_each_step_and_each_epoch_is_logged_once(self, undisturbed: Callable[[str], tuple[Path, str]]) -> None:
        lines = steps_and_epochs(undisturbed("no")[0])
        assert [line["step"] for line in lines if line["event"] == "step"] == list(range(1, 46))
        assert [line["epoch"] for line in lines if line["event"] == "epoch"] == [1, 2, 3]

    def test_a_finished_run_prints_its_results_again_and_trains_nothing(
        self,
        undisturbed: Callable[[str], tuple[Path, str]],
        make_settings: MakeSettings,
        run_jobs: RunJobs,
        train_job: TrainJob,
    ) -> None:
        undisturbed("no")
        [(status, output)] = run_jobs([train_job(make_settings("no", "undisturbed"), "--resume")])
        assert status == 0
        assert "this run is finished: nothing is left to do" in output
        assert "epoch 1 step 1" not in output
        assert "test" in output  # the table of scores is still printed
