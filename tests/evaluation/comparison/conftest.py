"""The record of a comparison."""

from typing import Any

import pytest

from zhenwei.evaluation.comparison.records import (
    ComparedDetector,
    ComparedPart,
    ComparedRun,
    Comparison,
    Difference,
    Summary,
)
from zhenwei.evaluation.comparison.scores import METRICS


def _detector(name: str, model: dict[str, Any], mean: float, seeds: tuple[int, ...]) -> ComparedDetector:
    runs = tuple(ComparedRun(seed, f"runs/{name}-{seed}", {}, 90.0, 300 * 2**20, False) for seed in seeds)
    deviation = 0.01 if len(seeds) > 1 else None
    summary = Summary(mean, deviation, (mean - 0.02, mean + 0.02))
    summaries = {part: dict.fromkeys(METRICS, summary) for part in ("val", "test")}
    return ComparedDetector(name, {"model": model, "data": {}, "training": {}}, runs, summaries)


@pytest.fixture
def comparison() -> Comparison:
    """A BiGRU over two seeds, better than TF-IDF on test."""
    return Comparison(
        (
            _detector("bigru", {"name": "bigru", "debias": None}, 0.75, (1, 2)),
            _detector("tfidf", {"name": "tfidf"}, 0.70, (1,)),
        ),
        (
            Difference("val", "macro_f1", "bigru", "tfidf", 0.05, (-0.01, 0.11), 0.09, 0.09, False),
            Difference("test", "macro_f1", "bigru", "tfidf", 0.05, (0.02, 0.08), 0.0001, 0.0002, True),
        ),
        (ComparedPart("val", "data/val.json", 200, 90, 180), ComparedPart("test", "data/test.json", 1300, 600, 1250)),
        (1, 2),
        "tfidf",
        "zhenwei compare bigru.json --seeds 2",
        {"zhenwei": "0.1.0"},
        ("bigru | caution",),
    )
