"""Compare detectors: train each over several seeds, evaluate all on the same articles, test the differences."""

import logging
import os
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

import zhenwei
from zhenwei.errors import ConfigError
from zhenwei.evaluation.comparison.candidates import first_to_train, keep_names, load_candidates
from zhenwei.evaluation.comparison.plan import lock_comparison, parse_seeds, plan_runs, planned_detectors
from zhenwei.evaluation.comparison.records import ComparedDetector, ComparedPart, Comparison
from zhenwei.evaluation.comparison.results import write_results
from zhenwei.evaluation.comparison.runner import FinishedRun, execute_runs
from zhenwei.evaluation.comparison.scores import bootstrap_scores, compared_detector, pairwise_differences
from zhenwei.evaluation.comparison.shared_data import (
    EVALUATED_PARTS,
    PartArticles,
    SourceFile,
    check_both_labels,
    check_requirements,
    read_part,
    shared_files,
)
from zhenwei.evaluation.comparison.stress import stress_runs
from zhenwei.evaluation.overlap import match_training
from zhenwei.evaluation.report import write_comparison_page
from zhenwei.news import iter_articles

logger = logging.getLogger(__name__)

FEW_GROUPS = 50  # with fewer groups the bootstrap itself is unreliable


def compare(
    sources: Sequence[str],
    out: str | os.PathLike[str],
    *,
    seeds: str = "5",
    overrides: Iterable[str] = (),
    baseline: str | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    stress: bool = False,
) -> Comparison:
    """Train detectors over several seeds, evaluate all on the same articles, and test which differences are real.

    Each training is a process of its own. Finished runs are reused, and interrupted ones resume. In a script, call this
    function inside `if __name__ == "__main__":`.

    Args:
        sources: Each a settings file or a preset, optionally with `+endef` appended; a finished run folder; or a
            bundle.
        out: Folder of the runs and of the results: `comparison.json`, `.csv`, `.md` and `.html`.
        seeds: Number of seeds, from the first source's on; or a comma-separated list.
        overrides: `section.key=value` texts, applied to every settings file among the sources.
        baseline: Another source that all others are compared with, or `none`; by default TF-IDF with logistic
            regression.
        jobs: Number of parallel training runs.
        overwrite: Replace the comparison in the folder.
        stress: Test every run on harmless edits of the last part as well.

    Raises:
        CheckpointError: If the folder is in use, or one of its runs has other settings.
        ConfigError: If settings are invalid, or detectors do not read the same articles.
        DataError: If articles are missing, invalid, or lack a field that a detector needs.
        ZhenweiError: If a run fails.
    """
    folder, overrides = Path(out), list(overrides)
    if jobs < 1:
        raise ConfigError(f"--jobs: found {jobs}; expected 1 or more")
    candidates, baseline_name = load_candidates(sources, overrides, baseline)
    candidates = keep_names(candidates, {} if overwrite else planned_detectors(folder))
    baseline_name = candidates[-1].name if baseline_name else ""
    files = shared_files(candidates)
    seed_list = parse_seeds(seeds, first_to_train(candidates).config.seed)
    check_requirements(candidates, files)
    parts = {part: read_part(files[part].path) for part in EVALUATED_PARTS if part in files}
    check_both_labels(files["val"].path, parts["val"])
    planned = plan_runs(candidates, seed_list, folder)
    device = first_to_train(candidates).config.training.device
    with lock_comparison(folder, candidates, files, planned, overwrite):
        finished = execute_runs(planned, files, jobs, device)
        logger.info("comparing %d detectors on %s", len(candidates), " and ".join(parts))
        samples = bootstrap_scores(candidates, finished, parts)
        detectors = tuple(compared_detector(candidate, finished, parts, samples) for candidate in candidates)
        if stress:
            edits = stress_runs(finished, files[list(parts)[-1]], device)
            detectors = tuple(replace(detector, edits=edits[detector.name]) for detector in detectors)
        comparison = Comparison(
            detectors,
            pairwise_differences(detectors, baseline_name, parts, samples),
            tuple(
                ComparedPart(part, str(files[part].path), len(articles.labels), articles.n_fake, articles.n_groups)
                for part, articles in parts.items()
            ),
            tuple(sorted({each.run.seed for each in finished})),
            baseline_name,
            _command(sources, folder, seeds, overrides, baseline, jobs, stress),
            _versions(),
            (*_overlap_warnings(files, parts), *_warnings(detectors, finished, parts)),
        )
        write_comparison_page(comparison, folder / "comparison.html")
        write_results(comparison, folder)
    return comparison


def _command(
    sources: Sequence[str],
    out: Path,
    seeds: str,
    overrides: Sequence[str],
    baseline: str | None,
    jobs: int,
    stress: bool,
) -> str:
    """Return the command that reproduces the comparison."""
    words = ["zhenwei", "compare", *sources, "--seeds", seeds, "--out", str(out)]
    words += [word for text in overrides for word in ("--set", text)]
    words += ["--baseline", baseline] if baseline is not None else []
    words += ["--jobs", str(jobs)] if jobs > 1 else []
    words += ["--stress"] if stress else []
    return shlex.join(words)


def _versions() -> dict[str, str]:
    return {
        "zhenwei": zhenwei.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""),
    }


def _overlap_warnings(files: Mapping[str, SourceFile], parts: Mapping[str, PartArticles]) -> Iterable[str]:
    """Yield a warning for each part with near-duplicates of training articles."""
    training = [article.content for article in iter_articles(files["train"].path, report_repeats=False)]
    for part, articles in parts.items():
        _, nearest = match_training(articles.contents, training)
        near, n = int((nearest >= 0).sum()), len(nearest)
        if near:
            yield (
                f"{part}: {near:,} of {n:,} articles ({near / n:.1%}) have a near-duplicate (or copy) in train: scores "
                "favor detectors that memorize; zhenwei evaluate gives each detector's score without these articles"
            )


def _selected_on_val(detectors: Sequence[ComparedDetector]) -> str:
    """Return what was selected on val, so that the scores there are optimistic."""
    networks = [each.config["training"] for each in detectors if each.config["model"]["name"] != "tfidf"]
    selected = ["epoch"] if any(training.get("keep", "best") == "best" for training in networks) else []
    calibrated = [each.config["training"]["calibrate_on"] for each in detectors]
    selected += ["threshold"] if any("val" in on for on in calibrated) else []
    return f", and each detector's {' and '.join(selected)} was selected on it" if selected else ""


def _warnings(
    detectors: Sequence[ComparedDetector], finished: Sequence[FinishedRun], parts: Mapping[str, PartArticles]
) -> Iterable[str]:
    """Yield what makes the results less trustworthy."""
    existing = {each.run.detector for each in finished if each.run.config is None}
    single = [each for each in detectors if len(each.runs) == 1 and each.config["model"]["name"] != "tfidf"]
    if single:
        yield (
            f"a single run of {', '.join(each.name for each in single)}: its intervals and p-values do not include the "
            "variance between seeds; expected 3 seeds or more"
        )
    if "test" not in parts:
        yield f"no test file: there is only val{_selected_on_val(detectors)}"
    for part, articles in parts.items():
        if articles.only_label:
            yield f"{part}: all articles are {articles.only_label}: most metrics are undefined"
        if articles.n_groups < FEW_GROUPS:
            yield (
                f"{part}: {articles.n_groups} groups of near-duplicates are too few for reliable intervals; expected "
                f"{FEW_GROUPS} or more"
            )
    uncalibrated = sorted({each.run.detector for each in finished if each.predictions.calibration is None})
    if uncalibrated:
        yield f"not calibrated: {', '.join(uncalibrated)}: ECE and Brier score are those of the raw network"
    if existing:
        yield f"trained before this comparison: {', '.join(sorted(existing))}: the cost of their training is unknown"
