"""How single features that were tried are reported."""

from collections.abc import Iterable, Sequence

from zhenwei.audit.findings import Finding, Plot, Table
from zhenwei.audit.format import finding
from zhenwei.audit.single_feature import Shortcut, Trial
from zhenwei.audit.thresholds import BOUNDS

NO_TRIAL = "too few labelled articles of both labels to fit a rule on some and judge it by others"

COLLECT_ALIKE = (
    "find out why: the labels may come from different accounts, pages or crawls; take the feature out of the texts, "
    "or collect both labels alike"
)


def worded(
    check: str, title: str, tried: Sequence[Shortcut], trial: Trial, *, advice: str, tables: Iterable[Table] = ()
) -> Finding:
    """Report the features that were tried, the most telling first.

    What is held against the bound is what the best one scores at least: a score of few articles may be chance.
    """
    best = max(tried, key=lambda shortcut: shortcut.low)
    found = (
        f"the most telling, '{best.name}' ({best.rule}), alone scores a macro-F1 of {best.score:.3f} on {trial.on} "
        f"(at least {best.low:.3f}, chance allowed for)"
    )
    columns = ("feature", "rule", "macro-F1 where fitted", f"macro-F1 on {trial.on}", "at least")
    ordered = sorted(tried, key=lambda shortcut: -shortcut.low)
    cells = tuple((one.name, one.rule, one.fitted, one.score, one.low) for one in ordered)
    bound = BOUNDS[check]
    lines = {"warn": bound.warn} | ({} if bound.fail is None else {"fail": bound.fail})
    scores = {f"macro-F1 on {trial.on}": tuple(one.score for one in ordered)}
    plot = Plot("bars", title, tuple(one.name for one in ordered), "macro-F1", scores, lines)
    telling = Table("the most telling features", columns, cells)
    return finding(check, title, found, best.low, advice=advice, tables=[*tables, telling], plots=[plot])
