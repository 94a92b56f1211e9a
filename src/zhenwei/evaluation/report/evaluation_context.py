"""Template context of one or two evaluations: headline, scores, charts, mistakes."""

from collections.abc import Iterable
from dataclasses import dataclass

from zhenwei.evaluation.records import Interval, Mistake
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import DatasetResult
from zhenwei.evaluation.report.highlighted_text import HighlightedText, highlight_text
from zhenwei.evaluation.report.plots.reliability import reliability_chart
from zhenwei.evaluation.report.plots.slices import TITLES, slice_chart, time_chart
from zhenwei.evaluation.report.plots.svg import Chart

HEADLINE = "macro_f1"
MAX_MISTAKES = 20


@dataclass(frozen=True)
class ScoreRow:
    """A metric's row in the table of scores: its name and meaning, and its value and interval on each dataset."""

    name: str
    meaning: str
    values: tuple[tuple[float | None, Interval | None], ...]


@dataclass(frozen=True)
class EvaluationContext:
    """Evaluations, ready for a template.

    Attributes:
        results: The evaluations with their roles.
        lead: The most important result in one sentence.
        rows: The table of scores.
        time: Scores over time; None where articles have no time.
        slices: Scores by domain, length and entities.
        reliability: One diagram per dataset.
        mistakes: For each of `results`, the worst mistakes with highlighted words.
        warnings: Of all datasets, each with the dataset's name.
    """

    results: tuple[DatasetResult, ...]
    lead: str
    rows: tuple[ScoreRow, ...]
    time: Chart | None
    slices: tuple[Chart, ...]
    reliability: tuple[Chart, ...]
    mistakes: tuple[tuple[tuple[Mistake, HighlightedText], ...], ...]
    warnings: tuple[tuple[str, str], ...]

    @property
    def contents(self) -> list[tuple[str, str]]:
        """The sections of the page: their ids and names."""
        overlap = any(result.evaluation.overlap is not None for result in self.results)
        sections = (
            ("scores", "Scores", True),
            ("time", "Over time", self.time is not None),
            ("slices", "By slice", bool(self.slices)),
            ("confusion", "Confusion", True),
            ("calibration", "Calibration", True),
            ("mistakes", "Worst mistakes", any(self.mistakes)),
            ("overlap", "Overlap with training", overlap),
        )
        return [(anchor, name) for anchor, name, exists in sections if exists]


def evaluation_context(results: tuple[DatasetResult, ...]) -> EvaluationContext:
    """Return the template context of evaluations."""
    slices = (slice_chart(results, kind) for kind in TITLES)
    reliability = (reliability_chart(result, f"reliability-{number}") for number, result in enumerate(results))
    return EvaluationContext(
        results,
        _lead(results),
        tuple(_rows(results)),
        time_chart(results),
        tuple(chart for chart in slices if chart is not None),
        tuple(chart for chart in reliability if chart is not None),
        tuple(
            tuple(
                (each, highlight_text(each.content, each.words)) for each in result.evaluation.mistakes[:MAX_MISTAKES]
            )
            for result in results
        ),
        tuple((result.name, warning) for result in results for warning in result.evaluation.warnings),
    )


def _rows(results: tuple[DatasetResult, ...]) -> Iterable[ScoreRow]:
    evaluations = [result.evaluation for result in results]
    for key, (name, meaning) in formatting.METRICS.items():
        values = tuple((each.scores.get(key), each.intervals.get(key)) for each in evaluations)
        if any(score is not None for score, _ in values):
            yield ScoreRow(name, meaning, values)


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
