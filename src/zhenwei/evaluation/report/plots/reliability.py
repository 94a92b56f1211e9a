"""The reliability diagram: what share of fakes there is among articles of like probability."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from zhenwei.evaluation.records import ReliabilityBin
from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.dataset_labels import Judged
from zhenwei.evaluation.report.plots.style import COLOURS, horizontal_rules, interval_mark
from zhenwei.evaluation.report.plots.svg import INK, MUTED, Drawing, Key, Picture, house_style


def reliability_picture(part: Judged, name: str) -> Picture | None:
    """Show the bins of an assessment against the diagonal of perfect calibration, over how many articles each has.

    Returns:
        None where there are no bins.
    """
    bins = [each for each in part.assessment.reliability if each.n]
    if not bins:
        return None
    scores = part.assessment.scores
    with house_style():
        drawing = Drawing(360, 372)
        above, below = drawing.axes(38, 12, 24, 98), drawing.axes(38, 12, 302, 34)
        drawing.note(above, "share of fakes")
        drawing.note(below, "articles")
        above.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)), zorder=1)
        above.axvline(part.assessment.threshold, color=INK, linewidth=1, linestyle=(0, (5, 4)), zorder=1)
        above.plot(
            [each.probability for each in bins], [each.share for each in bins], color=COLOURS[part.role], linewidth=1,
            alpha=0.4, zorder=1,
        )  # fmt: skip
        for each in bins:
            place = (each.probability, each.share)
            interval_mark(drawing, above, place, each.interval, part.role, _tip(each), upright=True)
        horizontal_rules(above)
        _bars(drawing, below, bins, part)
        for axes in (above, below):
            axes.set_xlim(-0.02, 1.02)
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"] if axes is below else [""] * 5)
        above.set_ylim(-0.02, 1.02)
        above.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        below.set_xlabel("probability of fake", color=MUTED, fontsize=10)
        svg = drawing.svg(name, f"Reliability on {part.name}: share of fakes by probability of fake")
    return Picture(
        svg,
        part.title if part.role == "other" else f"{part.title} ({part.name.split('(')[-1]}",
        f"ECE {wording.score(scores.get('ece'))}, Brier score {wording.score(scores.get('brier'))}, "
        f"{wording.count(part.assessment.n)} articles.",
        (
            Key("dotted", "perfectly calibrated"),
            Key("dashed upright", f"threshold {wording.score(part.assessment.threshold)}"),
            Key("whisker", "95% interval (Wilson)"),
        ),
    )


def _bars(drawing: Drawing, axes: Axes, bins: Sequence[ReliabilityBin], part: Judged) -> None:
    for each in bins:
        (bar,) = axes.bar(
            [each.low], [each.n], each.high - each.low - 0.008, align="edge", color=COLOURS[part.role], alpha=0.55
        )
        bar.set(gid=drawing.tip(_tip(each)), linewidth=0)
    axes.set_yticks([0, max(each.n for each in bins)])


def _tip(each: ReliabilityBin) -> str:
    return (
        f"{wording.score(each.low, 2)} to {wording.score(each.high, 2)}: {wording.count(each.n)} articles, mean "
        f"probability {wording.score(each.probability)}, share of fakes {wording.score(each.share)} "
        f"({wording.interval(each.interval)})"
    )
