"""Template context of one or two evaluations: headline, warnings, charts."""

from typing import Any

from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import DatasetResult
from zhenwei.evaluation.report.plots.reliability import reliability_chart
from zhenwei.evaluation.report.plots.slices import TITLES, slice_chart, time_chart

HEADLINE = "macro_f1"


def evaluation_context(results: tuple[DatasetResult, ...]) -> dict[str, Any]:
    """Return what `evaluation_sections.html` shows of evaluations.

    Returns:
        `results`: the evaluations with their roles; `lead`: the most important result in one sentence; `warnings`: of
        each dataset, with its name; `time`: the chart of scores over time, None where articles have no time; `slices`:
        charts by domain, length and entities; `reliability`: a diagram of each dataset.
    """
    reliability = (reliability_chart(result, f"reliability-{number}") for number, result in enumerate(results))
    return {
        "results": results,
        "lead": _lead(results),
        "warnings": [(result.name, result.evaluation.warnings) for result in results],
        "time": time_chart(results),
        "slices": [*filter(None, (slice_chart(results, kind) for kind in TITLES))],
        "reliability": [*filter(None, reliability)],
    }


def _lead(results: tuple[DatasetResult, ...]) -> str:
    """Return how the headline score changes from the past to the future."""
    scores = {result.role: result.evaluation.scores.get(HEADLINE) for result in results}
    past, future = scores.get("past"), scores.get("future")
    if past is None or future is None:
        return ""
    name = formatting.metric_name(HEADLINE)
    if abs(future - past) < 0.005:
        return f"{name} is stable: {formatting.score(past)} on the past, {formatting.score(future)} on the future."
    verb = "falls" if future < past else "rises"
    return f"{name} {verb} from {formatting.score(past)} on the past to {formatting.score(future)} on the future."
