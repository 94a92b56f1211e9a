"""The detectors that take part in a comparison: from what stands on the command line to named settings."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count as count_from
from pathlib import Path
from typing import Any

from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError

ENDEF = "+endef"
CALIBRATION = ("calibrate_on", "calibration", "calibration_folds", "threshold_objective")
# As in configs/tfidf.json, which is not in the wheel.
BASELINE: dict[str, Any] = {
    "data": {"max_len": 1000},
    "model": {"name": "tfidf", "analyzer": "auto", "ngram_range": [1, 3], "min_df": 2, "C": 30.0},
    "seed": 2021,
}


@dataclass(frozen=True)
class Finished:
    """A training that has ended before: it is judged as it is.

    Attributes:
        bundle: The folder of its detector.
        given: What was named: a run's folder, or the bundle's own.
        seed: Its seed.
        digests: SHA-256 of the files that it was trained with, by part, as far as it is known.
    """

    bundle: Path
    given: str
    seed: int
    digests: dict[str, str]


@dataclass(frozen=True)
class Entry:
    """A detector that takes part.

    Attributes:
        name: Unique among those of a comparison; good for a folder's name.
        given: What stood on the command line.
        config: Its settings.
        finished: Its runs that have ended before; empty: it is to be trained.
    """

    name: str
    given: str
    config: Config
    finished: tuple[Finished, ...] = ()

    @property
    def is_deterministic(self) -> bool:
        """Whether every seed gives the same detector, so that one run serves them all."""
        return self.config.model.name == "tfidf"

    def settings(self) -> dict[str, Any]:
        """Return what makes it the detector that it is: its settings but for the seed and what its runs leave."""
        settings = self.config.to_dict()
        del settings["seed"], settings["output"]
        return settings


def gather_entries(
    sources: Sequence[str], overrides: Iterable[str] = (), baseline: str | None = None
) -> tuple[list[Entry], str]:
    """Read all that is to be compared.

    Args:
        sources: Each a settings file, one with `+endef` behind it, a run's folder, or a bundle.
        overrides: `section.key=value` texts, applied to every settings file among the sources.
        baseline: Another source, or `none`; None: TF-IDF with logistic regression. It reads the articles of the first
            source, and is not changed by the overrides.

    Returns:
        The entries in their order, the baseline last, and the baseline's name (empty without one).

    Raises:
        CheckpointError: If a folder holds no detector, or the run in it has not ended.
        ConfigError: If settings are wrong, or one detector is named twice.
    """
    overrides = list(overrides)
    entries = _joined([_entry(source, overrides) for source in sources])
    first = entries[0].config
    standard = _baseline(baseline, first)
    if standard is None:
        if len(entries) < 2:
            raise ConfigError("found one detector and no baseline; expected two detectors at least")
        return _named(entries), ""
    same = next((entry for entry in entries if _same(entry, standard)), None)
    if same is not None and standard.finished and standard.finished != same.finished:
        same = None
    others = [entry for entry in entries if entry is not same]
    named = _named([*others, same or standard])
    return named, named[-1].name


def _same(one: Entry, other: Entry) -> bool:
    return _decisive(one) == _decisive(other)


def _decisive(entry: Entry) -> dict[str, Any]:
    """Return the settings of which a change makes another detector."""
    settings = entry.settings()
    del settings["training"]["device"]
    if entry.is_deterministic:  # it is fitted in one go: only what follows upon training concerns it
        settings["training"] = {name: settings["training"][name] for name in CALIBRATION}
    return settings


def _baseline(source: str | None, first: Config) -> Entry | None:
    if source == "none":
        return None
    entry = Entry("", "the baseline", Config.load(BASELINE)) if source is None else _entry(source, [])
    if entry.finished:
        return entry
    paths = {name: getattr(first.data, name) for name in ("root_path", "train", "val", "test")}
    data = entry.config.data.model_copy(update=paths)
    training = entry.config.training.model_copy(update={"device": first.training.device})
    return replace(entry, config=entry.config.model_copy(update={"data": data, "training": training}))


def _entry(source: str, overrides: list[str]) -> Entry:
    """Read one source; its name is given later, when all are known."""
    path = Path(source)
    if path.is_dir():
        return _finished(source, path)
    if source.endswith(ENDEF) and not path.exists():
        path, overrides = Path(source.removesuffix(ENDEF)), [*overrides, "model.debias=endef"]
    return Entry("", source, Config.load(path, overrides))


def _finished(source: str, path: Path) -> Entry:
    """Read a run's folder, or a bundle."""
    from zhenwei.bundle import find_bundle, load_bundle  # noqa: PLC0415  # torch

    folder = find_bundle(path)
    if folder != path and not (path / "results.json").is_file():
        raise CheckpointError(
            f"{path}: this run has not ended: it has no results.json; go on with it by: "
            f"zhenwei train {path / 'config.json'} --resume"
        )
    bundle = load_bundle(folder)
    files = bundle.facts.get("files")
    digests = {part: str(file["sha256"]) for part, file in files.items()} if isinstance(files, dict) else {}
    return Entry("", source, bundle.config, (Finished(folder, source, bundle.config.seed, digests),))


def _joined(entries: list[Entry]) -> list[Entry]:
    """Make one entry of finished runs that differ in their seeds alone; refuse what is there twice.

    Raises:
        ConfigError: If two entries are one detector.
    """
    joined: list[Entry] = []
    for entry in entries:
        place = next((number for number, other in enumerate(joined) if _same(other, entry)), None)
        if place is None:
            joined.append(entry)
            continue
        other = joined[place]
        seeds = {run.seed for run in other.finished}
        if not entry.finished or not other.finished or entry.finished[0].seed in seeds:
            raise ConfigError(
                f"'{other.given}' and '{entry.given}' are one detector: their settings are the same; give it once "
                "(--seeds says how many times it is trained)"
            )
        joined[place] = replace(other, finished=(*other.finished, *entry.finished))
    return joined


def _named(entries: list[Entry]) -> list[Entry]:
    """Name each by its title, where two are equal by its file, and where these are equal by its folder, too."""
    names = [entry.config.model.title for entry in entries]
    for further in (_stem, _folder_and_stem):
        count = Counter(names)
        names = [name if count[name] == 1 else further(entry) for name, entry in zip(names, entries, strict=True)]
    names = [re.sub(r"[^\w.-]+", "-", name) for name in names]
    count = Counter(names)
    names = [f"{name}-{place}" if count[name] > 1 else name for place, name in enumerate(names, start=1)]
    return [replace(entry, name=name) for name, entry in zip(names, entries, strict=True)]


def with_names_kept(entries: Sequence[Entry], before: Mapping[str, Any]) -> list[Entry]:
    """Name the detectors that a comparison has held already as they were named then, whoever has come since.

    Args:
        entries: The detectors, named by themselves.
        before: Settings by name, as the comparison's plan has them.
    """
    known = {json.dumps(settings, sort_keys=True): name for name, settings in before.items()}
    kept = [known.get(json.dumps(entry.settings(), sort_keys=True)) for entry in entries]
    taken = {name for name in kept if name is not None}
    named = []
    for entry, old in zip(entries, kept, strict=True):
        free = (name for place in count_from(1) if (name := entry.name + f"-{place}" * (place > 1)) not in taken)
        name = next(free) if old is None else old
        taken.add(name)
        named.append(replace(entry, name=name))
    return named


def _stem(entry: Entry) -> str:
    place = Path(entry.given.removesuffix(ENDEF))
    if entry.finished and place.name == "best" and place.parent.name == "checkpoints":
        place = place.parents[1]
    stem = place.stem if not entry.finished else place.name
    return stem + ("-endef" if entry.given.endswith(ENDEF) and not stem.endswith("-endef") else "")


def _folder_and_stem(entry: Entry) -> str:
    return f"{Path(entry.given).resolve().parent.name}-{_stem(entry)}"
