"""The plan of a comparison: its runs, their files, and the lock of its folder."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zhenwei.atomic import reason_of
from zhenwei.bundle.weights import write_json
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.evaluation.comparison.candidates import Candidate
from zhenwei.evaluation.comparison.shared_data import SourceFile
from zhenwei.training.checkpoints import check_same_run

PLAN, RUNS, LOCK = "plan.json", "runs", ".lock"
RESULTS = ("comparison.json", "comparison.csv", "comparison.md", "comparison.html")
MAX_SEEDS = 1000


@dataclass(frozen=True)
class PlannedRun:
    """A training run of a detector, or one that exists already.

    Attributes:
        detector: Name of the detector in the comparison.
        seed: Its seed.
        config: Its settings; None if it was trained before the comparison.
        folder: Its run folder, or the bundle of an existing run.
        stem: Path without suffix of the files with its predictions and its cost.
    """

    detector: str
    seed: int
    config: Config | None
    folder: Path
    stem: Path

    @property
    def name(self) -> str:
        """Name in log lines and messages."""
        return f"{self.detector}, seed {self.seed}"

    @property
    def bundle(self) -> Path:
        """Folder of its bundle, after training."""
        return self.folder if self.config is None else self.folder / "checkpoints" / "best"

    @property
    def predictions(self) -> Path:
        """File of its predictions."""
        return self.stem.with_name(f"{self.stem.name}.npz")

    @property
    def cost(self) -> Path:
        """File of the cost of its training."""
        return self.stem.with_name(f"{self.stem.name}.cost.json")


def parse_seeds(text: str, first: int) -> tuple[int, ...]:
    """Parse `--seeds`: a number of seeds from `first` on, or a comma-separated list.

    Raises:
        ConfigError: If it is neither.
    """
    parts = text.strip().rstrip(",").split(",")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if "," not in text and len(numbers) == 1 and 1 <= numbers[0] <= MAX_SEEDS:
        return tuple(range(first, first + numbers[0]))
    if "," in text and numbers and len({*numbers}) == len(numbers) and all(0 <= seed < 2**32 for seed in numbers):
        return tuple(numbers)
    raise ConfigError(
        f"--seeds: found '{text}'; expected the number of seeds (1 to {MAX_SEEDS}), or a list of distinct seeds, as in "
        "1,2,3"
    )


def plan_runs(candidates: Sequence[Candidate], seeds: Sequence[int], out: Path) -> list[PlannedRun]:
    """Return all runs, each with its own settings: the first seed of every detector before the second of any.

    Deterministic detectors come first: they train in seconds, and fail early if the articles are invalid.
    """
    runs = []
    ordered = sorted(candidates, key=lambda candidate: not candidate.is_deterministic)
    for index, seed in enumerate(seeds):
        for candidate in ordered:
            if not candidate.trained and (index == 0 or not candidate.is_deterministic):
                folder = out / RUNS / f"{candidate.name}-seed-{seed}"
                output = candidate.config.output.model_copy(update={"dir": str(folder), "progress": False})
                config = candidate.config.model_copy(update={"seed": seed, "output": output})
                runs.append(PlannedRun(candidate.name, seed, config, folder, folder))
    for candidate in candidates:
        for run in candidate.trained:
            stem = out / RUNS / f"{candidate.name}-seed-{run.seed}-existing"
            runs.append(PlannedRun(candidate.name, run.seed, None, run.bundle, stem))
    return runs


@contextmanager
def lock_comparison(
    out: Path,
    candidates: Sequence[Candidate],
    files: Mapping[str, SourceFile],
    runs: Sequence[PlannedRun],
    overwrite: bool,
) -> Iterator[None]:
    """Prepare the folder of a comparison, and lock out other processes within this context.

    Raises:
        CheckpointError: If the folder contains something else, another process uses it, or it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise CheckpointError(f"{out}: is a file; expected a folder for the comparison")
    if out.exists() and not (out / PLAN).exists() and any(entry.name != LOCK for entry in out.iterdir()):
        raise CheckpointError(f"{out}: the folder is neither empty nor a comparison; choose another with --out")
    plan = {
        "detectors": {candidate.name: candidate.settings() for candidate in candidates},
        "data": {part: {**asdict(file), "path": str(file.path)} for part, file in files.items()},
    }
    lock = FileLock(out / LOCK, timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with lock:
            if overwrite:
                _check_outside(runs, out)
                _remove(out)
            elif (out / PLAN).exists():
                _check_same_comparison(out, plan)
                _check_same_runs(runs)
            (out / RUNS).mkdir(exist_ok=True)
            write_json(plan, out / PLAN)
            yield
    except Timeout:
        raise CheckpointError(f"{out}: another process is running this comparison; wait until it ends") from None
    except OSError as error:
        raise CheckpointError(f"{error.filename or out}: cannot be written: {reason_of(error)}") from None


def planned_detectors(out: Path) -> dict[str, Any]:
    """Return the settings of the detectors in a comparison's folder, by name; empty if it contains no plan."""
    try:
        detectors = json.loads((out / PLAN).read_text(encoding="utf-8"))["detectors"]
    except (OSError, ValueError, KeyError, TypeError):  # `lock_comparison` reports a damaged plan
        return {}
    return detectors if isinstance(detectors, dict) else {}


def _check_same_comparison(out: Path, plan: dict[str, Any]) -> None:
    """Refuse to continue another comparison; further detectors and other seeds are allowed."""
    remedy = "choose another --out, or replace it with --overwrite"
    try:
        earlier = json.loads((out / PLAN).read_text(encoding="utf-8"))
        names, data = {*earlier["detectors"]}, {part: file["sha256"] for part, file in earlier["data"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{out / PLAN}: damaged; {remedy}") from None
    if missing := sorted(names - plan["detectors"].keys()):
        raise CheckpointError(
            f"{out}: contains another comparison, which includes '{missing[0]}'; name that detector, too, {remedy}"
        )
    for part in sorted({*data, *plan["data"]}):
        if data.get(part) != plan["data"].get(part, {}).get("sha256"):
            raise CheckpointError(f"{out}: contains a comparison on other articles: {part} differs; {remedy}")


def _check_outside(runs: Sequence[PlannedRun], out: Path) -> None:
    """Refuse to remove existing runs that the comparison reads."""
    for run in runs:
        if run.config is None and run.folder.resolve().is_relative_to(out.resolve()):
            raise CheckpointError(
                f"{run.folder}: is part of the comparison, and --overwrite would remove it with the contents of {out}; "
                "choose another --out"
            )


def _check_same_runs(runs: Sequence[PlannedRun]) -> None:
    """Refuse to resume runs with other settings, before the first one starts."""
    for run in runs:
        if run.config is None or not (run.folder / "config.json").is_file():
            continue
        try:
            saved = Config.load(run.folder / "config.json")
        except ConfigError:  # damaged: the checkpoint has the settings, too
            continue
        check_same_run({"config": saved.to_dict(), "data": {}}, run.config, {}, run.folder)


def _remove(out: Path) -> None:
    """Remove the files of a comparison, and nothing else."""
    for name in (*RESULTS, PLAN):
        (out / name).unlink(missing_ok=True)
    if (out / RUNS).is_dir():
        shutil.rmtree(out / RUNS)
