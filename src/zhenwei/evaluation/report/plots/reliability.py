"""The reliability diagram: the share of fakes among articles of similar probability."""

from matplotlib.figure import Figure

from zhenwei.evaluation.records import ReliabilityBin
from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.dataset_labels import DatasetResult
from zhenwei.evaluation.report.plots.style import Score, plot_scores
from zhenwei.evaluation.report.plots.svg import COLORS, Chart, render_chart, subplots


def reliability_chart(result: DatasetResult, name: str) -> Chart | None:
    """Return the bins of an evaluation against the diagonal of perfect calibration, above the articles of each bin.

    Returns:
        None where there are no bins.
    """
    bins = [each for each in result.evaluation.reliability if each.n]
    if not bins:
        return None
    threshold, color = result.evaluation.threshold, COLORS[result.role]
    points = [Score(each.probability, each.share, each.interval, _tooltip(each)) for each in bins]

    def draw(width: int) -> Figure:
        figure, (above, below) = subplots(width, 372, nrows=2, sharex=True, height_ratios=(6, 1))
        above.set(title="share of fakes", ylim=(-0.02, 1.02))
        above.plot([0, 1], [0, 1], color=COLORS["muted"], linestyle="dotted", label="perfectly calibrated")
        label = f"threshold {formatting.score(threshold)}"
        above.axvline(threshold, color=COLORS["ink"], linewidth=1, linestyle="dashed", label=label)
        above.plot([each.probability for each in bins], [each.share for each in bins], color=color, alpha=0.4)
        plot_scores(above, points, result.role, vertical=True)
        for each, point in zip(bins, points, strict=True):
            bars = below.bar(each.low, each.n, each.high - each.low - 0.008, align="edge", color=color, alpha=0.55)
            bars[0].set_url(point.tooltip)
        below.set(title="articles", yticks=[0, max(each.n for each in bins)], xlim=(-0.02, 1.02))
        below.set_xlabel("probability of fake")
        return figure

    scores = result.evaluation.scores
    note = (
        f"ECE {formatting.score(scores.get('ece'))}, Brier score {formatting.score(scores.get('brier'))}, "
        f"{formatting.count(result.evaluation.n)} articles; 95% intervals (Wilson)."
    )
    label = f"Reliability on {result.name}: share of fakes by probability of fake"
    return render_chart(name, result.heading, note, label, draw, [360])


def _tooltip(each: ReliabilityBin) -> str:
    return (
        f"{formatting.interval((each.low, each.high), 2)}: {formatting.count(each.n)} articles, "
        f"mean probability {formatting.score(each.probability)}, "
        f"share of fakes {formatting.score_with_interval(each.share, each.interval)}"
    )
