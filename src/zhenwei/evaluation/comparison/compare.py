"""Detectors trained and judged alike, over seeds: the whole of a comparison."""

import logging
import os
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

import zhenwei
from zhenwei.config import Config
from zhenwei.errors import ConfigError
from zhenwei.evaluation.comparison.entries import Entry, gather_entries, with_names_kept
from zhenwei.evaluation.comparison.plan import detectors_before, lock_comparison, parse_seeds, plan_runs
from zhenwei.evaluation.comparison.records import ComparedDetector, ComparedPart, Comparison
from zhenwei.evaluation.comparison.results import write_results
from zhenwei.evaluation.comparison.runner import FinishedRun, run_all
from zhenwei.evaluation.comparison.scores import compared_detector, differences, sample_scores
from zhenwei.evaluation.comparison.shared_data import (
    JUDGED,
    JudgedArticles,
    SourceFile,
    check_both_labels,
    check_fit,
    count_known,
    read_judged,
    same_files,
)

logger = logging.getLogger(__name__)

FEW_GROUPS = 50  # below, the bootstrap itself is not to be trusted


def compare(
    sources: Sequence[str],
    out: str | os.PathLike[str],
    *,
    seeds: str = "5",
    overrides: Iterable[str] = (),
    baseline: str | None = None,
    jobs: int = 1,
    overwrite: bool = False,
) -> Comparison:
    """Train detectors over several seeds, judge all on the same articles, and tell which differences are real.

    Each training is a process of its own. What was finished is not trained again, and what was interrupted goes on.
    In a script, keep the call behind `if __name__ == "__main__":`.

    Args:
        sources: Each a settings file, one with `+endef` behind it, a finished run's folder, or a bundle.
        out: Folder of the runs and of the results: `comparison.json`, `.csv`, `.md` and `.html`.
        seeds: How many, from the first source's on; or which ones, with commas.
        overrides: `section.key=value` texts, applied to every settings file among the sources.
        baseline: Another source that the others must beat, or `none`; None: TF-IDF with logistic regression.
        jobs: How many are trained at a time.
        overwrite: Replace the comparison in the folder.

    Raises:
        CheckpointError: If the folder is taken, or a run in it is of other settings.
        ConfigError: If settings are wrong, or detectors do not read the same articles.
        DataError: If articles are missing, cannot be used, or lack what a detector needs.
        ZhenweiError: If a run fails.
    """
    folder, overrides = Path(out), list(overrides)
    if jobs < 1:
        raise ConfigError(f"--jobs: found {jobs}; expected 1 or more")
    entries, standard = gather_entries(sources, overrides, baseline)
    entries = with_names_kept(entries, {} if overwrite else detectors_before(folder))
    standard = entries[-1].name if standard else ""
    files = same_files(entries)
    numbers = parse_seeds(seeds, _first_trained(entries).seed)
    check_fit(entries, files)
    judged = {part: read_judged(files[part].path) for part in JUDGED if part in files}
    check_both_labels(files["val"].path, judged["val"])
    runs = plan_runs(entries, numbers, folder)
    device = _first_trained(entries).training.device
    with lock_comparison(folder, entries, files, runs, overwrite):
        done = run_all(runs, files, jobs, device)
        logger.info("comparing %d detectors on %s", len(entries), " and ".join(judged))
        samples = sample_scores(entries, done, judged)
        detectors = tuple(compared_detector(entry, done, judged, samples) for entry in entries)
        comparison = Comparison(
            detectors,
            differences(detectors, standard, judged, samples),
            tuple(_part(part, files[part], articles) for part, articles in judged.items()),
            tuple(sorted({each.run.seed for each in done})),
            standard,
            _command(sources, folder, seeds, overrides, baseline, jobs),
            _versions(),
            (*_overlaps(files, judged), *_warnings(detectors, done, judged)),
        )
        write_results(comparison, folder)
    return comparison


def _first_trained(entries: Sequence[Entry]) -> Config:
    return next((entry for entry in entries if not entry.finished), entries[0]).config


def _part(name: str, file: SourceFile, articles: JudgedArticles) -> ComparedPart:
    return ComparedPart(name, str(file.path), len(articles.labels), int(articles.labels.sum()), articles.n_groups)


def _command(
    sources: Sequence[str], out: Path, seeds: str, overrides: Sequence[str], baseline: str | None, jobs: int
) -> str:
    """Return the command that does it again."""
    words = ["zhenwei", "compare", *sources, "--seeds", seeds, "--out", str(out)]
    words += [word for text in overrides for word in ("--set", text)]
    words += ["--baseline", baseline] if baseline is not None else []
    words += ["--jobs", str(jobs)] if jobs > 1 else []
    return shlex.join(words)


def _versions() -> dict[str, str]:
    return {
        "zhenwei": zhenwei.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""),
    }


def _overlaps(files: Mapping[str, SourceFile], judged: Mapping[str, JudgedArticles]) -> Iterable[str]:
    """Say which parts have articles that detectors may know from training."""
    for part, articles in judged.items():
        known = count_known(files[part].path, files["train"].path) if "train" in files else 0
        if known:
            n = len(articles.labels)
            yield (
                f"{part}: {known:,} of {n:,} articles ({known / n:.1%}) have a near-duplicate (or copy) in train: "
                "scores there flatter whoever learns by heart; zhenwei evaluate has each detector's score without them"
            )


def _chosen_by_val(detectors: Sequence[ComparedDetector]) -> str:
    """Say what of the detectors val has chosen, so that its scores flatter them."""
    networks = [each.config["training"] for each in detectors if each.config["model"]["name"] != "tfidf"]
    chosen = ["epoch"] if any(training.get("keep", "best") == "best" for training in networks) else []
    calibrated = [each.config["training"]["calibrate_on"] for each in detectors]
    chosen += ["threshold"] if any("val" in on for on in calibrated) else []
    return f", and val has chosen each detector's {' and '.join(chosen)}" if chosen else ""


def _warnings(
    detectors: Sequence[ComparedDetector], done: Sequence[FinishedRun], judged: Mapping[str, JudgedArticles]
) -> Iterable[str]:
    """Say what makes the figures less trustworthy."""
    fixed = {each.run.detector for each in done if each.run.config is None}
    once = [each for each in detectors if len(each.runs) == 1 and each.config["model"]["name"] != "tfidf"]
    if once:
        yield (
            f"one run alone of {', '.join(each.name for each in once)}: intervals and p-values know nothing of other "
            "seeds there; expected 3 seeds or more"
        )
    if "test" not in judged:
        yield f"no test file: val is all there is{_chosen_by_val(detectors)}"
    for part, articles in judged.items():
        fakes = int(articles.labels.sum())
        if fakes in (0, len(articles.labels)):
            yield f"{part}: all articles are {'fake' if fakes else 'real'}: most scores are undefined there"
        if articles.n_groups < FEW_GROUPS:
            yield f"{part}: {articles.n_groups} articles without near-duplicates are too few for intervals to be right"
    bare = sorted({each.run.detector for each in done if each.predictions.calibration is None})
    if bare:
        yield f"not calibrated: {', '.join(bare)}: of these, ECE and Brier score are those of the network itself"
    if fixed:
        yield f"judged as they were found: {', '.join(sorted(fixed))}: nothing is known of what their training cost"
