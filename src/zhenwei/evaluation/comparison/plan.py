"""The plan of a comparison: which runs there are, where each is kept, and whether the folder is this comparison's."""

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
from zhenwei.evaluation.comparison.entries import Entry
from zhenwei.evaluation.comparison.shared_data import SourceFile
from zhenwei.training.checkpoints import check_same_run

PLAN, RUNS, LOCK = "plan.json", "runs", ".lock"
RESULTS = ("comparison.json", "comparison.csv", "comparison.md", "comparison.html")
MOST_SEEDS = 1000


@dataclass(frozen=True)
class PlannedRun:
    """One training of a detector, or one that has ended before.

    Attributes:
        detector: Its name in the comparison.
        seed: Its seed.
        config: Its settings; None: it has ended before, elsewhere.
        folder: Its run folder, or the bundle that is judged as it is.
        beside: Path without a suffix, beside which its predictions and its cost are kept.
    """

    detector: str
    seed: int
    config: Config | None
    folder: Path
    beside: Path

    @property
    def name(self) -> str:
        """What it is called while it is carried out."""
        return f"{self.detector}, seed {self.seed}"

    @property
    def bundle(self) -> Path:
        """Where its detector is, once it is trained."""
        return self.folder if self.config is None else self.folder / "checkpoints" / "best"

    @property
    def predictions(self) -> Path:
        """Where its predictions are kept."""
        return self.beside.with_name(f"{self.beside.name}.npz")

    @property
    def cost(self) -> Path:
        """Where it is kept what it has cost."""
        return self.beside.with_name(f"{self.beside.name}.cost.json")


def parse_seeds(text: str, first: int) -> tuple[int, ...]:
    """Read `--seeds`: how many, from the first on; or which, with commas.

    Raises:
        ConfigError: If it is neither.
    """
    parts = text.strip().rstrip(",").split(",")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if "," not in text and len(numbers) == 1 and 1 <= numbers[0] <= MOST_SEEDS:
        return tuple(range(first, first + numbers[0]))
    if "," in text and numbers and len({*numbers}) == len(numbers) and all(0 <= seed < 2**32 for seed in numbers):
        return tuple(numbers)
    raise ConfigError(
        f"--seeds: found '{text}'; expected how many seeds (1 to {MOST_SEEDS}), or which ones, each once, as in 1,2,3"
    )


def plan_runs(entries: Sequence[Entry], seeds: Sequence[int], out: Path) -> list[PlannedRun]:
    """Return all runs, each with its own settings: the first seed of every detector before the second of any.

    What every seed gives alike comes first: it is trained in seconds, and fails where the articles are bad.
    """
    runs = []
    ordered = sorted(entries, key=lambda entry: not entry.is_deterministic)
    for place, seed in enumerate(seeds):
        for entry in ordered:
            if not entry.finished and (place == 0 or not entry.is_deterministic):
                name = f"{entry.name}-seed-{seed}"
                folder = out / RUNS / name
                output = entry.config.output.model_copy(update={"dir": str(folder), "progress": False})
                config = entry.config.model_copy(update={"seed": seed, "output": output})
                runs.append(PlannedRun(entry.name, seed, config, folder, folder))
    for entry in entries:
        for run in entry.finished:
            beside = out / RUNS / f"{entry.name}-seed-{run.seed}-as-given"
            runs.append(PlannedRun(entry.name, run.seed, None, run.bundle, beside))
    return runs


@contextmanager
def lock_comparison(
    out: Path, entries: Sequence[Entry], files: Mapping[str, SourceFile], runs: Sequence[PlannedRun], overwrite: bool
) -> Iterator[None]:
    """Make a comparison's folder ready, and keep every other process out of it while the block runs.

    Raises:
        CheckpointError: If the folder holds something else, another process is at work there, or it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise CheckpointError(f"{out}: is a file; expected a folder for the comparison")
    if out.exists() and not (out / PLAN).exists() and any(entry.name != LOCK for entry in out.iterdir()):
        raise CheckpointError(f"{out}: the folder is neither empty nor a comparison's; choose another with --out")
    plan = {
        "detectors": {entry.name: entry.settings() for entry in entries},
        "data": {part: {**asdict(file), "path": str(file.path)} for part, file in files.items()},
    }
    lock = FileLock(out / LOCK, timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with lock:
            if overwrite:
                _check_not_within(runs, out)
                _remove(out)
            elif (out / PLAN).exists():
                _check_same_comparison(out, plan)
                _check_same_runs(runs)
            (out / RUNS).mkdir(exist_ok=True)
            write_json(plan, out / PLAN)
            yield
    except Timeout:
        raise CheckpointError(f"{out}: another process is at work on this comparison; wait for its end") from None
    except OSError as error:
        raise CheckpointError(f"{error.filename or out}: cannot be written: {reason_of(error)}") from None


def detectors_before(out: Path) -> dict[str, Any]:
    """Return the settings of the detectors that a comparison's folder holds, by name; none where it holds none."""
    try:
        detectors = json.loads((out / PLAN).read_text(encoding="utf-8"))["detectors"]
    except (OSError, ValueError, KeyError, TypeError):  # `lock_comparison` says what is wrong
        return {}
    return detectors if isinstance(detectors, dict) else {}


def _check_same_comparison(out: Path, plan: dict[str, Any]) -> None:
    """Refuse to go on where another comparison is kept; more detectors and other seeds are no other comparison."""
    try:
        before = json.loads((out / PLAN).read_text(encoding="utf-8"))
        names, data = {*before["detectors"]}, {part: file["sha256"] for part, file in before["data"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{out / PLAN}: damaged; choose another --out, or start anew with --overwrite") from None
    if gone := sorted(names - plan["detectors"].keys()):
        raise CheckpointError(
            f"{out}: holds another comparison, with '{gone[0]}' in it; name that, too, choose another --out, or start "
            "anew with --overwrite"
        )
    for part in sorted({*data, *plan["data"]}):
        if data.get(part) != plan["data"].get(part, {}).get("sha256"):
            raise CheckpointError(
                f"{out}: holds a comparison on other articles: those of {part} are not the same; choose another --out, "
                "or start anew with --overwrite"
            )


def _check_not_within(runs: Sequence[PlannedRun], out: Path) -> None:
    """Refuse to remove the very runs that are to be judged."""
    for run in runs:
        if run.config is None and run.folder.resolve().is_relative_to(out.resolve()):
            raise CheckpointError(
                f"{run.folder}: is to be judged, and --overwrite would remove it with all that is in {out}; choose "
                "another --out"
            )


def _check_same_runs(runs: Sequence[PlannedRun]) -> None:
    """Refuse to go on with runs of other settings, before the first one is begun."""
    for run in runs:
        if run.config is None or not (run.folder / "config.json").is_file():
            continue
        try:
            saved = Config.load(run.folder / "config.json")
        except ConfigError:  # damaged: the checkpoint has the settings, too
            continue
        check_same_run({"config": saved.to_dict(), "data": {}}, run.config, {}, run.folder)


def _remove(out: Path) -> None:
    """Remove what a comparison leaves, and nothing else."""
    for name in (*RESULTS, PLAN):
        (out / name).unlink(missing_ok=True)
    if (out / RUNS).is_dir():
        shutil.rmtree(out / RUNS)
