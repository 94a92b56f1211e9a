"""Two processes, by torchrun or accelerate, give the results of one process, and log once."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei import Trainer

pytestmark = pytest.mark.slow

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "zhenwei")
ACCELERATE = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "--num_machines", "1",
              "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "zhenwei")  # fmt: skip
TRAIN_STEPS = {"model": {"dropout": 0.0}, "data": {"aug_prob": 0.0}, "training": {"epochs": 2}}

Settings = Callable[..., dict[str, Any]]
Launch = Callable[..., "subprocess.CompletedProcess[str]"]
Ranks = Callable[..., list[tuple[int, str]]]


@pytest.fixture
def launch(one_thread: dict[str, str], tmp_path: Path) -> Launch:
    """A function that trains in two processes, and fails if that takes over two minutes."""

    def run(settings: dict[str, Any], *options: str, launcher: tuple[str, ...] = TORCHRUN) -> Any:
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(settings))
        command = [sys.executable, *launcher, "train", str(path), *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, env=one_thread, text=True, **pipes) as launcher_process:  # type: ignore[call-overload]
            try:
                out, err = launcher_process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                launcher_process.terminate()  # it ends its processes; killed, it would leave them behind
                raise
        return subprocess.CompletedProcess(command, launcher_process.returncode, out, err)

    return run


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == kind]


@pytest.mark.nightly
def test_two_processes_give_the_scores_of_one(launch: Launch, run_settings: Settings, tmp_path: Path) -> None:
    alone, _ = Trainer(run_settings(tmp_path / "alone", **TRAIN_STEPS)).train()
    done = launch(run_settings(tmp_path / "both", **TRAIN_STEPS))
    assert done.returncode == 0, done.stderr
    both = json.loads((tmp_path / "both" / "results.json").read_text())
    assert (both["n"], both["val"]["n"]) == (60, 60)  # every article is evaluated once
    assert both["auc"] == pytest.approx(alone["auc"], abs=0.05)
    assert both["loss"] == pytest.approx(alone["loss"], rel=0.05)

    first = [events(tmp_path / run, "step")[0]["loss"] for run in ("alone", "both")]
    assert first[0] == pytest.approx(first[1], abs=1e-5)
    assert [event["step"] for event in events(tmp_path / "both", "step")] == list(range(1, 31))
    log = (tmp_path / "both" / "train.log").read_text()
    assert "2 process(es)" in log
    for text in ("epoch 1 step 1:", "epoch 2: training loss", "tokenizer:"):
        assert log.count(text) == 1
        assert done.stderr.count(text) == 1
    assert done.stdout.count("macro_f1") == 1


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["eann", "textcnn-endef"])
def test_further_losses_have_the_same_weight_in_two_processes(
    name: str, two_ranks: Ranks, run_settings: Settings, post_folder: Path, tmp_path: Path
) -> None:
    for part in ("train", "val", "test"):
        rows = json.loads((post_folder / f"{part}.json").read_text(encoding="utf-8"))
        more = [row | {"domain": "ab"[n // 2 % 2], "entity_list": [row["content"][2:4]]} for n, row in enumerate(rows)]
        (tmp_path / f"{part}.json").write_text(json.dumps(more), encoding="utf-8")
    detector, _, debias = name.partition("-")

    def settings(run: str) -> dict[str, Any]:
        found = run_settings(tmp_path / run, data={"root_path": str(tmp_path), "aug_prob": 0.0})
        model = {"name": detector, "emb_dim": 8, "mlp_dims": [8], "dropout": 0.0, "debias": debias or None}
        return found | {"model": model, "training": {**found["training"], "epochs": 1}}

    Trainer(settings("alone")).train()
    (status, output), (other, _) = two_ranks(settings("both"))
    assert (status, other) == (0, 0), output
    alone, both = ([event["loss"] for event in events(tmp_path / run, "step")] for run in ("alone", "both"))
    assert both == pytest.approx(alone, abs=1e-4)


@pytest.mark.nightly
def test_accelerate_launch_needs_no_other_settings(launch: Launch, run_settings: Settings, tmp_path: Path) -> None:
    settings = run_settings(tmp_path / "run", training={"epochs": 1})
    done = launch(settings, launcher=ACCELERATE)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "results.json").read_text())["n"] == 60


@pytest.mark.nightly
def test_a_taken_run_folder_is_reported_once(launch: Launch, run_settings: Settings, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints" / "last").mkdir(parents=True)
    done = launch(run_settings(run))
    assert done.returncode != 0
    assert done.stderr.count("there is a run already") == 1


@pytest.mark.nightly
def test_an_error_in_both_is_printed_once(two_ranks: Ranks, run_settings: Settings, tmp_path: Path) -> None:
    rows = [{"content": f"谣言{number}", "label": 1} for number in range(5)]
    (tmp_path / "val.json").write_text(json.dumps(rows))
    outcomes = two_ranks(run_settings(tmp_path / "run", data={"val": str(tmp_path / "val.json")}))
    assert all(status != 0 for status, _ in outcomes)
    assert sum(output.count("all 5 articles are fake; expected both labels") for _, output in outcomes) == 1


@pytest.mark.nightly
def test_a_finished_run_of_two_is_evaluated_again_by_two(
    two_ranks: Ranks, run_settings: Settings, tmp_path: Path
) -> None:
    settings = run_settings(tmp_path / "run", training={"epochs": 1})
    assert [status for status, _ in two_ranks(settings)] == [0, 0]
    before = (tmp_path / "run" / "results.json").read_text()
    (tmp_path / "run" / "results.json").unlink()
    (status, output), _ = two_ranks(settings, "--resume")
    assert status == 0, output
    assert (tmp_path / "run" / "results.json").read_text() == before
