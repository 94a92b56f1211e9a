"""A run that was killed, at whatever moment, and resumed ends as the run that nobody disturbed: bit for bit."""

import json
from collections.abc import Callable
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
CASES = [("no", moment) for moment in MOMENTS] + [
    ("bf16", "in an epoch"),
    ("bf16", "between epochs, the checkpoint saved"),
    ("bf16", "writing a checkpoint in an epoch"),
]


def name_of(precision: str, what: str) -> str:
    return f"{precision}-{what.replace(' ', '-')}"


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
    run_settings: Callable[..., dict[str, Any]],
    run_jobs: Callable[..., list[tuple[int, str]]],
    train_job: Callable[..., dict[str, Any]],
) -> dict[str, Any]:
    """Undisturbed runs, and for each case one that was killed there and then resumed; and how each of them ended."""
    folder = tmp_path_factory.mktemp("runs")

    def settings(precision: str, what: str) -> dict[str, Any]:
        training = {"precision": precision, "monitor": "loss"}  # the loss falls: each epoch is the best so far
        return run_settings(folder / name_of(precision, what), training=training)

    jobs = {f"{each} undisturbed": train_job(settings(each, "undisturbed"), "--resume") for each in ("no", "bf16")}
    for precision, moment in CASES:
        wanted = settings(precision, moment)
        jobs[f"{precision} {moment}: killed"] = train_job(wanted, at=MOMENTS[moment], signal="SIGKILL")
        jobs[f"{precision} {moment}: resumed"] = train_job(wanted, "--resume")
    for which in ("SIGINT", "SIGTERM"):
        wanted = settings("no", which)
        jobs[f"{which}: killed"] = train_job(wanted, at=MOMENTS["in an epoch"], signal=which)
        jobs[f"{which}: resumed"] = train_job(wanted, "--resume")
    jobs["finished: resumed"] = train_job(settings("no", "undisturbed"), "--resume")
    outcomes = dict(zip(jobs, run_jobs(list(jobs.values())), strict=True))
    return {"folder": folder, "outcomes": outcomes}


def steps_and_epochs(run: Path) -> list[dict[str, Any]]:
    """What metrics.jsonl says, without what the clock has to do with."""
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
def test_a_killed_run_ends_as_the_undisturbed_one(runs: dict[str, Any], precision: str, moment: str) -> None:
    killed, resumed = (runs["outcomes"][f"{precision} {moment}: {state}"] for state in ("killed", "resumed"))
    assert killed[0] == KILLED, killed[1]
    assert resumed[0] == 0, resumed[1]
    assert_same_end(runs["folder"] / name_of(precision, moment), runs["folder"] / name_of(precision, "undisturbed"))


@pytest.mark.parametrize(("which", "status"), [("SIGINT", INTERRUPTED), ("SIGTERM", TERMINATED)])
def test_a_signal_saves_the_checkpoint_of_that_step(runs: dict[str, Any], which: str, status: int) -> None:
    (found, said), (resumed, went_on) = (runs["outcomes"][f"{which}: {state}"] for state in ("killed", "resumed"))
    assert found == status, said
    assert said.count("interrupted at step 22: saved") == 1
    assert "--resume" in said
    assert "Traceback" not in said
    assert resumed == 0
    assert "resumed after epoch 1, step 22" in went_on
    assert_same_end(runs["folder"] / f"no-{which}", runs["folder"] / "no-undisturbed")


def test_resume_where_there_is_no_run_starts_one(runs: dict[str, Any]) -> None:
    status, said = runs["outcomes"]["no undisturbed"]
    assert status == 0
    assert "resumed" not in said


def test_each_step_and_each_epoch_is_logged_once(runs: dict[str, Any]) -> None:
    lines = steps_and_epochs(runs["folder"] / "no-undisturbed")
    assert [line["step"] for line in lines if line["event"] == "step"] == list(range(1, 46))
    assert [line["epoch"] for line in lines if line["event"] == "epoch"] == [1, 2, 3]


def test_a_finished_run_gives_its_results_again_and_trains_nothing(runs: dict[str, Any]) -> None:
    status, said = runs["outcomes"]["finished: resumed"]
    assert status == 0
    assert "this run is finished: nothing is left to do" in said
    assert "epoch 1 step 1" not in said
    assert "test" in said  # the table of scores is printed all the same


def test_resumed_before_the_first_checkpoint_a_run_starts_over(runs: dict[str, Any]) -> None:
    _, said = runs["outcomes"]["no before the first checkpoint: resumed"]
    assert "resumed" not in said
    assert "epoch 1 step 1:" in said
