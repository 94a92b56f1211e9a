"""The curves of a training: loss, scores on val, learning rate."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from zhenwei.evaluation.report import wording
from zhenwei.evaluation.report.plots.style import horizontal_rules
from zhenwei.evaluation.report.plots.svg import (
    FUTURE,
    INK,
    MUTED,
    PAPER,
    PAST,
    Drawing,
    Key,
    Picture,
    house_style,
)  # fmt: skip
from zhenwei.evaluation.report.run_record import Epoch, Step

_SIZE = (300, 220)


def training_pictures(epochs: Sequence[Epoch], steps: Sequence[Step], best: int | None) -> tuple[Picture, ...]:
    """Show how a training went.

    Args:
        epochs: What each epoch came to; less than two make no curve.
        steps: The logged steps.
        best: The epoch whose weights were kept.

    Returns:
        The pictures for which there is enough; none for a detector that is fitted in one go.
    """
    if len(epochs) < 2:
        return ()
    rings = Key("dashed upright", f"best epoch: {best}") if best else None
    keys = () if rings is None else (rings,)
    pictures = [
        Picture(
            _svg("loss", "Loss by epoch", "loss", lambda drawing, axes: _loss(drawing, axes, epochs, steps), best),
            "Loss",
            "Mean cross-entropy.",
            (Key("series-2", "training"), Key("series-1", "val"), Key("line muted", "by step"), *keys),
        ),
        Picture(
            _svg("val", "Scores on val by epoch", "", lambda drawing, axes: _scores(drawing, axes, epochs), best),
            "Scores on val",
            f"{wording.count(epochs[-1].val.get('n'))} articles, before calibration, at 0.5.",
            (Key("series-1", "macro-F1"), Key("series-2", "AUC"), *keys),
        ),
    ]
    if len(steps) > 1:
        svg = _svg("rate", "Learning rate by epoch", "", lambda _, axes: _rates(axes, steps), None)
        pictures.append(Picture(svg, "Learning rate", "As scheduled.", (Key("line ink", "by step"),)))
    return tuple(pictures)


def _svg(name: str, label: str, note: str, draw: Callable[[Drawing, Axes], None], best: int | None) -> str:
    with house_style():
        drawing = Drawing(*_SIZE)
        axes = drawing.axes(44, 12, 24 if note else 14, 38)
        if note:
            drawing.note(axes, note)
        horizontal_rules(axes)
        if best:
            axes.axvline(best, color=INK, linewidth=1, linestyle=(0, (5, 4)), zorder=1)
        draw(drawing, axes)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("epoch", color=MUTED, fontsize=10)
        return drawing.svg(f"training-{name}", label)


def _curve(drawing: Drawing, axes: Axes, points: Sequence[tuple[int, float | None]], colour: str, name: str) -> None:
    known = [(epoch, value) for epoch, value in points if value is not None]
    if not known:
        return
    axes.plot(*zip(*known, strict=True), color=colour, linewidth=1.4, zorder=2)
    for epoch, value in known:
        axes.plot(
            [epoch], [value], "s" if colour == PAST else "o", markersize=5, color=colour, markeredgecolor=PAPER,
            markeredgewidth=0.6, zorder=3, clip_on=False,
            gid=drawing.tip(f"epoch {epoch}: {name} {wording.score(value, 4)}"),
        )  # fmt: skip


def _loss(drawing: Drawing, axes: Axes, epochs: Sequence[Epoch], steps: Sequence[Step]) -> None:
    if steps:
        axes.plot(
            [step.epochs for step in steps],
            [step.loss for step in steps],
            color=MUTED,
            alpha=0.45,
            linewidth=1,
            zorder=1,
        )
    _curve(drawing, axes, [(each.number, each.train_loss) for each in epochs], PAST, "training loss")
    _curve(drawing, axes, [(each.number, each.val.get("loss")) for each in epochs], FUTURE, "loss on val")


def _scores(drawing: Drawing, axes: Axes, epochs: Sequence[Epoch]) -> None:
    _curve(drawing, axes, [(each.number, each.val.get("auc")) for each in epochs], PAST, "AUC on val")
    _curve(drawing, axes, [(each.number, each.val.get("macro_f1")) for each in epochs], FUTURE, "macro-F1 on val")


def _rates(axes: Axes, steps: Sequence[Step]) -> None:
    axes.plot([step.epochs for step in steps], [step.lr for step in steps], color=INK, linewidth=1.4)
    formatter = ScalarFormatter()
    formatter.set_powerlimits((-2, 3))
    axes.yaxis.set_major_formatter(formatter)
    axes.yaxis.get_offset_text().set(color=MUTED, fontsize=9)
    axes.set_ylim(bottom=0)
