"""A comparison that is killed or interrupted and restarted ends like an undisturbed one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.nightly

KILLED, INTERRUPTED = -9, 130
# Two at a time: when the baseline, which is fitted in no time, has ended, another run is under way.
MOMENT = {"event": "log", "text": "; 1 of 3"}
ENDINGS = {"killed": ("SIGKILL", KILLED), "interrupted": ("SIGINT", INTERRUPTED)}


@pytest.fixture(scope="module")
def comparisons(
    tmp_path_factory: pytest.TempPathFactory,
    run_settings: Callable[..., dict[str, Any]],
    run_jobs: Callable[..., list[tuple[int, str]]],
) -> dict[str, Any]:
    """An undisturbed comparison, others that were stopped and restarted, and the outcome of each command."""
    folder = tmp_path_factory.mktemp("comparisons")
    path = folder / "bigru.json"
    path.write_text(json.dumps(run_settings(folder / "unused", training={"epochs": 20}, output={"save_steps": 50})))

    def job(name: str, **further: Any) -> dict[str, Any]:
        return {"argv": ["compare", str(path), "--seeds", "2", "--jobs", "2", "--out", str(folder / name)], **further}

    (undisturbed,) = run_jobs([job("undisturbed")])
    outcomes: dict[str, Any] = {"folder": folder, "undisturbed": undisturbed}
    for name, (which, _) in ENDINGS.items():
        stopped, restarted = run_jobs([job(name, at=MOMENT, do={"signal": which}), job(name)])
        outcomes |= {f"{name}: stopped": stopped, f"{name}: restarted": restarted}
    return outcomes


def figures(folder: Path) -> dict[str, Any]:
    """Return comparison.json without the costs and folders of runs."""
    found: dict[str, Any] = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    for detector in found["detectors"]:
        for run in detector["runs"]:
            for name in ("seconds", "peak_memory", "loaded", "folder"):
                del run[name]
    del found["command"]
    return found


@pytest.mark.parametrize("ending", ENDINGS)
def test_restarted_it_ends_like_the_undisturbed_one(comparisons: dict[str, Any], ending: str) -> None:
    stopped, restarted = comparisons[f"{ending}: stopped"], comparisons[f"{ending}: restarted"]
    assert stopped[0] == ENDINGS[ending][1], stopped[1]
    assert "Traceback" not in stopped[1]
    assert restarted[0] == 0, restarted[1]
    assert comparisons["undisturbed"][0] == 0, comparisons["undisturbed"][1]
    assert figures(comparisons["folder"] / ending) == figures(comparisons["folder"] / "undisturbed")


@pytest.mark.parametrize("ending", ENDINGS)
def test_finished_runs_are_not_repeated(comparisons: dict[str, Any], ending: str) -> None:
    _, output = comparisons[f"{ending}: restarted"]
    assert "1 of 3 runs have finished before" in output
    log = comparisons["folder"] / ending / "runs" / "bigru-seed-2021" / "train.log"
    assert ("interrupted at step" in log.read_text(encoding="utf-8")) == (ending == "interrupted")


def test_no_results_are_written_before_all_runs_have_ended(comparisons: dict[str, Any]) -> None:
    assert comparisons["undisturbed"][1].index("3 of 3") < comparisons["undisturbed"][1].index("comparing 2 detectors")
    assert "comparing" not in comparisons["killed: stopped"][1]
