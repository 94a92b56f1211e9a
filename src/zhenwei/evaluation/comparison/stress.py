"""Stress tests of the compared detectors: verdicts that change under harmless edits, by family."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from zhenwei.bundle import load_bundle
from zhenwei.bundle.weights import write_json
from zhenwei.evaluation.comparison.predictions import bundle_digest
from zhenwei.evaluation.comparison.records import EditSummary
from zhenwei.evaluation.comparison.runner import FinishedRun
from zhenwei.evaluation.comparison.shared_data import SourceFile
from zhenwei.evaluation.stress import stress
from zhenwei.news import read_articles
from zhenwei.news.edits import EDITS

logger = logging.getLogger(__name__)

SEED = 0  # of the edits, which are the same for all detectors


def stress_runs(finished: Sequence[FinishedRun], file: SourceFile, device: str) -> dict[str, tuple[EditSummary, ...]]:
    """Stress every run with all families of edits of the same articles.

    Results are saved beside the predictions of a run, and loaded if neither its bundle nor the file has changed.

    Args:
        finished: All runs.
        file: The file of labelled articles.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Returns:
        By detector, one summary per family: the means over its runs.
    """
    families: dict[str, list[list[dict[str, Any]]]] = {}
    for each in finished:
        logger.info("stress test of %s", each.run.name)
        families.setdefault(each.run.detector, []).append(_stress_run(each, file, device))
    return {detector: tuple(_summaries(runs)) for detector, runs in families.items()}


def _stress_run(finished: FinishedRun, file: SourceFile, device: str) -> list[dict[str, Any]]:
    """Return the families of the stress test of a run, in JSON form and without examples."""
    run = finished.run
    path = run.stem.with_name(f"{run.stem.name}.stress.json")
    key = {"bundle": bundle_digest(run.bundle), "file": file.sha256, "families": list(EDITS), "seed": SEED}
    stored = _load(path)
    if stored.get("key") == key:
        return list(stored["results"])
    articles = read_articles(file.path, require_label=True)
    result = stress(load_bundle(run.bundle), articles, seed=SEED, device=device, rounds=0, examples=0)
    results: list[dict[str, Any]] = result.to_dict()["families"]
    write_json({"key": key, "results": results}, path)
    return results


def _load(path: Path) -> dict[str, Any]:
    """Return saved results; empty if they are missing or damaged: they can be computed again."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) and isinstance(stored.get("results"), list) else {}


def _summaries(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[EditSummary]:
    """Return the mean shares of each family over the runs of a detector."""
    return [
        EditSummary(
            families[0]["name"],
            _mean([family["missed"]["share"] for family in families]),
            _mean([family["false_alarms"]["share"] for family in families]),
        )
        for families in zip(*runs, strict=True)
    ]


def _mean(shares: Sequence[float | None]) -> float | None:
    defined = [share for share in shares if share is not None]
    return mean(defined) if defined else None
