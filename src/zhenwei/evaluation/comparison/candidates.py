"""The candidates of a comparison: from command-line arguments to named settings."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from itertools import count as count_from
from pathlib import Path
from typing import Any

from zhenwei.config import Config, preset_path
from zhenwei.errors import CheckpointError, ConfigError

ENDEF = "+endef"
CALIBRATION = ("calibrate_on", "calibration", "calibration_folds", "threshold_objective")
BASELINE = "tfidf"  # a preset


@dataclass(frozen=True)
class TrainedRun:
    """A run that was trained before the comparison.

    Attributes:
        bundle: The folder of its bundle.
        source: The argument that names it: a run folder, or the bundle.
        seed: Its seed.
        digests: SHA-256 of the files that it was trained with, by part, as far as the bundle records them.
    """

    bundle: Path
    source: str
    seed: int
    digests: dict[str, str]


@dataclass(frozen=True)
class Candidate:
    """A detector in a comparison.

    Attributes:
        name: Name, unique in the comparison and valid as a folder name.
        source: The argument that names it.
        config: Its settings.
        trained: Its existing runs; empty if it is to be trained.
    """

    name: str
    source: str
    config: Config
    trained: tuple[TrainedRun, ...] = ()

    @property
    def is_deterministic(self) -> bool:
        """Whether the seed has no effect, so that one run is enough."""
        return self.config.model.name == "tfidf"

    def settings(self) -> dict[str, Any]:
        """Return the settings that define the detector: without seed and output."""
        settings = self.config.to_dict()
        del settings["seed"], settings["output"]
        return settings


def load_candidates(
    sources: Sequence[str], overrides: Iterable[str] = (), baseline: str | None = None
) -> tuple[list[Candidate], str]:
    """Load the candidates of a comparison.

    Args:
        sources: Each a settings file or a preset, optionally with `+endef` appended; a finished run folder; or a
            bundle.
        overrides: `section.key=value` texts, applied to every settings file among the sources.
        baseline: Another source, or `none`; by default TF-IDF with logistic regression. It reads the articles of the
            first source; the overrides do not apply to it.

    Returns:
        The candidates in order, the baseline last, and the name of the baseline (empty without one).

    Raises:
        CheckpointError: If a folder contains no detector, or its run has not finished.
        ConfigError: If settings are invalid, or a detector is named twice.
    """
    overrides = list(overrides)
    candidates = _merge_seeds([_load(source, overrides) for source in sources])
    reference = _load_baseline(baseline, candidates[0].config)
    if reference is None:
        if len(candidates) < 2:
            raise ConfigError("found one detector and no baseline; expected at least two detectors")
        return _with_names(candidates), ""
    equal = [each for each in candidates if _identity(each) == _identity(reference)]
    same = next((each for each in equal if reference.trained in ((), each.trained)), None)
    named = _with_names([*(each for each in candidates if each is not same), same or reference])
    return named, named[-1].name


def _identity(candidate: Candidate) -> dict[str, Any]:
    """Return the settings that change the detector."""
    settings = candidate.settings()
    del settings["training"]["device"]
    if candidate.is_deterministic:  # fitted in one step: of the training settings only the calibration applies
        settings["training"] = {name: settings["training"][name] for name in CALIBRATION}
    return settings


def _load_baseline(source: str | None, first: Config) -> Candidate | None:
    if source == "none":
        return None
    candidate = (
        Candidate("", "the baseline", Config.load(preset_path(BASELINE))) if source is None else _load(source, [])
    )
    if candidate.trained:
        return candidate
    paths = {name: getattr(first.data, name) for name in ("root_path", "train", "val", "test")}
    data = candidate.config.data.model_copy(update=paths)
    training = candidate.config.training.model_copy(update={"device": first.training.device})
    return replace(candidate, config=candidate.config.model_copy(update={"data": data, "training": training}))


def _load(source: str, overrides: list[str]) -> Candidate:
    """Load one source; it gets its name when all are known."""
    path = Path(source)
    if path.is_dir():
        return _load_trained(source, path)
    if source.endswith(ENDEF) and not path.exists():
        path, overrides = Path(source.removesuffix(ENDEF)), [*overrides, "model.debias=endef"]
    return Candidate("", source, Config.load(path, overrides))


def _load_trained(source: str, path: Path) -> Candidate:
    """Load a run folder, or a bundle."""
    from zhenwei.bundle import find_bundle, load_bundle  # noqa: PLC0415  # torch

    folder = find_bundle(path)
    if folder != path and not (path / "results.json").is_file():
        raise CheckpointError(
            f"{path}: this run has not finished: it has no results.json; resume it with: "
            f"zhenwei train {path / 'config.json'} --resume"
        )
    bundle = load_bundle(folder)
    files = bundle.facts.get("files")
    digests = {part: str(file["sha256"]) for part, file in files.items()} if isinstance(files, dict) else {}
    return Candidate("", source, bundle.config, (TrainedRun(folder, source, bundle.config.seed, digests),))


def _merge_seeds(candidates: list[Candidate]) -> list[Candidate]:
    """Merge trained runs that differ only in their seeds into one candidate.

    Raises:
        ConfigError: If two candidates are the same detector.
    """
    merged: list[Candidate] = []
    for candidate in candidates:
        other = next((each for each in merged if _identity(each) == _identity(candidate)), None)
        if other is None:
            merged.append(candidate)
            continue
        seeds = {run.seed for run in other.trained}
        if not candidate.trained or not other.trained or candidate.trained[0].seed in seeds:
            raise ConfigError(
                f"'{other.source}' and '{candidate.source}' are the same detector: their settings are equal; name it "
                "once (--seeds is the number of training runs)"
            )
        merged[merged.index(other)] = replace(other, trained=(*other.trained, *candidate.trained))
    return merged


def _with_names(candidates: list[Candidate]) -> list[Candidate]:
    """Name each candidate by its title; if two are equal, by its file; if these are equal, by its folder, too."""
    names = [each.config.model.title for each in candidates]
    for longer_name in (_stem, _folder_and_stem):
        count = Counter(names)
        names = [name if count[name] == 1 else longer_name(each) for name, each in zip(names, candidates, strict=True)]
    names = [re.sub(r"[^\w.-]+", "-", name) for name in names]
    count = Counter(names)
    names = [f"{name}-{number}" if count[name] > 1 else name for number, name in enumerate(names, start=1)]
    return [replace(each, name=name) for name, each in zip(names, candidates, strict=True)]


def first_to_train(candidates: Sequence[Candidate]) -> Candidate:
    """Return the first candidate that is to be trained; the first of all if all are trained."""
    return next((each for each in candidates if not each.trained), candidates[0])


def keep_names(candidates: Sequence[Candidate], planned: Mapping[str, Any]) -> list[Candidate]:
    """Give candidates the names that they have in an earlier plan of the comparison; the others avoid these names.

    Args:
        candidates: The candidates with their new names.
        planned: Settings by name, as in the comparison's plan.
    """
    known = {json.dumps(settings, sort_keys=True): name for name, settings in planned.items()}
    earlier = [known.get(json.dumps(each.settings(), sort_keys=True)) for each in candidates]
    taken = {name for name in earlier if name is not None}
    named = []
    for candidate, old in zip(candidates, earlier, strict=True):
        numbered = (f"{candidate.name}-{number}" for number in count_from(2))
        name = old or next(name for name in chain([candidate.name], numbered) if name not in taken)
        taken.add(name)
        named.append(replace(candidate, name=name))
    return named


def _stem(candidate: Candidate) -> str:
    path = Path(candidate.source.removesuffix(ENDEF))
    stem = run_folder(path).name if candidate.trained else path.stem
    return stem + ("-endef" if candidate.source.endswith(ENDEF) and not stem.endswith("-endef") else "")


def run_folder(folder: Path) -> Path:
    """Return the run folder of the best checkpoint; other folders as they are."""
    return folder.parents[1] if folder.name == "best" and folder.parent.name == "checkpoints" else folder


def _folder_and_stem(candidate: Candidate) -> str:
    return f"{Path(candidate.source).resolve().parent.name}-{_stem(candidate)}"
