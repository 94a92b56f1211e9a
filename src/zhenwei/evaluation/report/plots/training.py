"""Training curves: loss, scores on val, learning rate."""

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zhenwei.evaluation.report import formatting
from zhenwei.evaluation.report.plots.style import plot_line
from zhenwei.evaluation.report.plots.svg import COLORS, Chart, render_chart, subplots
from zhenwei.evaluation.report.run_record import Epoch, Step

Points = Sequence[tuple[float, float]]

_LOOKS = (("past", "s"), ("future", "o"))  # color and marker of the first and of the second curve


def training_charts(epochs: Sequence[Epoch], steps: Sequence[Step], best: int | None) -> tuple[Chart, ...]:
    """Return the charts of a training.

    Args:
        epochs: The results of each epoch; fewer than two make no curve.
        steps: The logged steps.
        best: The epoch whose weights were saved.

    Returns:
        The charts for which there is enough data; none for a detector that is fitted without epochs.
    """
    if len(epochs) < 2:
        return ()
    val = {key: [epoch.val.get(key) for epoch in epochs] for key in ("loss", "auc", "macro_f1")}
    losses: Mapping[str, Sequence[float | None]] = {
        "training": [epoch.train_loss for epoch in epochs],
        "val": val["loss"],
    }
    scores = {"AUC": val["auc"], "macro-F1": val["macro_f1"]}
    step_losses, rates = [(step.epochs, step.loss) for step in steps], [(step.epochs, step.lr) for step in steps]
    n_val = formatting.count(epochs[-1].val.get("n"))
    charts = [
        ("loss", "Loss", "Mean cross-entropy.", partial(_draw, epochs, losses, step_losses, best)),
        ("val", "Scores on val", f"{n_val} articles, before calibration, at threshold 0.5.",
         partial(_draw, epochs, scores, [], best)),
        ("rate", "Learning rate", "As scheduled.", partial(_draw, epochs, {}, rates, None)),
    ]  # fmt: skip
    return tuple(
        render_chart(f"training-{name}", title, note, f"{title} by epoch", draw, [300])
        for name, title, note, draw in charts[: 3 if len(steps) > 1 else 2]
    )


def _draw(
    epochs: Sequence[Epoch], curves: Mapping[str, Sequence[float | None]], steps: Points, best: int | None, width: int
) -> Figure:
    figure, axes = subplots(width, 220)
    if steps:
        axes.plot(*zip(*steps, strict=True), color=COLORS["muted"], alpha=0.6, linewidth=1, zorder=1, label="by step")
    numbers = [epoch.number for epoch in epochs]
    for (name, values), (color, marker) in zip(curves.items(), _LOOKS, strict=False):
        scores = [formatting.score(value, 4) for value in values]
        tooltips = [f"epoch {number}: {name} {score}" for number, score in zip(numbers, scores, strict=True)]
        plot_line(axes, numbers, values, tooltips, (color, marker), name)
    if best:
        axes.axvline(best, color=COLORS["ink"], linewidth=1, linestyle="dashed", label=f"best epoch: {best}")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.ticklabel_format(axis="y", style="scientific", scilimits=(-2, 3))
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=None if curves else 0)
    return figure
