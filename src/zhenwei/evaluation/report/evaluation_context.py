"""What pages show of one or two assessments: headline, scores, pictures, mistakes."""

from collections.abc import Iterable
from dataclasses import dataclass

from zhenwei.evaluation.records import Mistake
from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.dataset_labels import Judged
from zhenwei.evaluation.report.highlighted_text import HighlightedText, highlighted_text
from zhenwei.evaluation.report.plots.reliability import reliability_picture
from zhenwei.evaluation.report.plots.slices import slice_picture, time_picture
from zhenwei.evaluation.report.plots.svg import Picture

HEADLINE = "macro_f1"
MOST_MISTAKES = 20


@dataclass(frozen=True)
class Value:
    """A score with its interval, each None where undefined."""

    score: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class ScoreRow:
    """A metric's row in the table of scores: its key, name and meaning, and its value in each part."""

    key: str
    name: str
    meaning: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Assessed:
    """Assessments, ready for a template.

    Attributes:
        parts: The assessments in their roles.
        lead: The most important thing about them in one sentence.
        rows: The table of scores.
        time: Scores over time; None where articles have no time.
        slices: Scores by domain, length and entities.
        reliability: One diagram per part.
        mistakes: By part, as many as `parts`.
        warnings: Of all parts, each with the part's name.
    """

    parts: tuple[Judged, ...]
    lead: str
    rows: tuple[ScoreRow, ...]
    time: Picture | None
    slices: tuple[Picture, ...]
    reliability: tuple[Picture, ...]
    mistakes: tuple[tuple[tuple[Mistake, HighlightedText], ...], ...]
    warnings: tuple[tuple[str, str], ...]

    @property
    def contents(self) -> list[tuple[str, str]]:
        """The sections that there are: their ids and names."""
        overlap = any(part.assessment.overlap is not None for part in self.parts)
        sections = (
            ("scores", "Scores", True),
            ("time", "Over time", self.time is not None),
            ("slices", "Strong and weak", bool(self.slices)),
            ("verdicts", "Right and wrong", True),
            ("calibration", "Probabilities", True),
            ("mistakes", "Worst mistakes", any(self.mistakes)),
            ("overlap", "Seen before", overlap),
        )
        return [(anchor, name) for anchor, name, there in sections if there]


def assessed(parts: tuple[Judged, ...]) -> Assessed:
    """Gather what pages show of assessments."""
    slices = (slice_picture(parts, kind) for kind in ("domain", "length", "entities"))
    reliability = (reliability_picture(part, f"reliability-{number}") for number, part in enumerate(parts))
    return Assessed(
        parts,
        _lead(parts),
        tuple(_rows(parts)),
        time_picture(parts),
        tuple(picture for picture in slices if picture is not None),
        tuple(picture for picture in reliability if picture is not None),
        tuple(
            tuple((mistake, highlighted_text(mistake)) for mistake in part.assessment.mistakes[:MOST_MISTAKES])
            for part in parts
        ),
        tuple((part.name, warning) for part in parts for warning in part.assessment.warnings),
    )


def _rows(parts: tuple[Judged, ...]) -> Iterable[ScoreRow]:
    for key, (name, meaning) in wording.METRICS.items():
        values = tuple(Value(part.assessment.scores.get(key), part.assessment.intervals.get(key)) for part in parts)
        if any(value.score is not None for value in values):
            yield ScoreRow(key, name, meaning, values)


def _lead(parts: tuple[Judged, ...]) -> str:
    """Say how the headline's score changes from the past to the future."""
    by_role = {part.role: part.assessment for part in parts}
    past, future = by_role.get("past"), by_role.get("future")
    if past is None or future is None:
        return ""
    before, after = past.scores.get(HEADLINE), future.scores.get(HEADLINE)
    if before is None or after is None:
        return ""
    name, change = wording.metric_name(HEADLINE), after - before
    if abs(change) < 0.005:
        return f"{name} holds from the past ({wording.score(before)}) to the future ({wording.score(after)})."
    verb = "falls" if change < 0 else "rises"
    return f"{name} {verb} from {wording.score(before)} in the past to {wording.score(after)} in the future."
