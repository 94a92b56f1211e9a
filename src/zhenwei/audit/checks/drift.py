"""Share of fakes by part, month and domain, and its shifts."""

from collections.abc import Sequence

import numpy as np

from zhenwei.audit.dataset import AuditDataset, Rows
from zhenwei.audit.findings import Finding, Plot, Table
from zhenwei.audit.format import make_finding, not_checked
from zhenwei.audit.significance import fisher_p_value, holm
from zhenwei.audit.thresholds import ALPHA, MIN_GROUP

Count = tuple[int, int]  # fake articles, labeled articles

_SHARE = "share of fakes"
_ADVICE = "choose the threshold on the most recent labeled articles, and report AUC beside macro-F1"
_MAX_GROUPS = 60  # rows of a table
_MAX_DOMAINS = 30  # bars of a plot


def label_shift_parts(dataset: AuditDataset) -> Finding:
    """Compare the share of fakes of each later part with that of train."""
    names = ("label_shift_parts", "Share of fakes by part")
    counts = {part.name: (part.n_fake, part.n_labeled) for part in dataset.parts if part.n_labeled}
    first = dataset.parts[0].name
    if len(counts) < 2 or first not in counts:
        return not_checked(*names, f"at least two parts, including {first}, need labels")
    later = [name for name in counts if name != first]
    shifts = [abs(_share(counts[name]) - _share(counts[first])) for name in later]
    value = _largest_significant(shifts, [(counts[name], counts[first]) for name in later])
    shares = ", ".join(f"{name} {100 * _share(count):.1f}% of {count[1]:,}" for name, count in counts.items())
    plot = Plot("bars", "Share of fakes by part", tuple(counts), _SHARE, {_SHARE: tuple(map(_share, counts.values()))})
    summary = f"fakes: {shares}; largest shift {100 * max(shifts):.1f} points{_chance_note(value, max(shifts))}"
    return make_finding(*names, summary, value, advice=_ADVICE, plots=[plot])


def label_balance_months(dataset: AuditDataset) -> Finding:
    """Compare the share of fakes of each month with that of all other articles."""
    names = ("label_balance_months", "Share of fakes by month")
    rows = np.flatnonzero(dataset.labeled & ~np.isnat(dataset.times))
    if not len(rows):
        return not_checked(*names, "no article has a label and a `time`")
    months = dataset.times[rows].astype("datetime64[M]")
    present, index = np.unique(months, return_inverse=True)
    axis = np.arange(present[0], present[-1] + 1)  # including months without articles
    series = _shares_by_part(dataset, rows, (months - axis[0]).astype(np.int64), np.arange(len(axis)))
    plot = Plot("lines", "Share of fakes by month", tuple(map(str, axis)), _SHARE, series)
    return _compare_groups(dataset, names, list(map(str, present)), index, rows, plot, "split by time, and " + _ADVICE)


def label_balance_domains(dataset: AuditDataset) -> Finding:
    """Compare the share of fakes of each domain with that of all other articles."""
    names = ("label_balance_domains", "Share of fakes by domain")
    domains, rows, index = _domains(dataset)
    if not domains:
        return not_checked(*names, "no article has a label and a `domain`")
    largest = np.sort(np.argsort(-np.bincount(index), kind="stable")[:_MAX_DOMAINS])
    series = _shares_by_part(dataset, rows, index, largest)
    plot = Plot("bars", "Share of fakes by domain", tuple(domains[i] for i in largest), _SHARE, series)
    advice = "report scores by domain, and train a detector that uses domains (mdfend, eann)"
    return _compare_groups(dataset, names, domains, index, rows, plot, advice)


def label_shift_domains(dataset: AuditDataset) -> Finding:
    """Compare the share of fakes of each domain in a later part with that of the same domain in train."""
    names = ("label_shift_domains", "Shift of the share of fakes within domains")
    domains, rows, index = _domains(dataset)
    in_train = dataset.part[rows] == 0
    if in_train.all() or not in_train.any():
        return not_checked(*names, "at least two parts need labels and a `domain`")
    cells, shifts, compared = [], [], []
    train_counts = _count(dataset, rows[in_train], index[in_train], len(domains))
    for number, part in enumerate(dataset.parts[1:], start=1):
        in_part = dataset.part[rows] == number
        part_counts = _count(dataset, rows[in_part], index[in_part], len(domains))
        for domain, before, after in zip(domains, train_counts, part_counts, strict=True):
            if min(before[1], after[1]) >= MIN_GROUP:
                shifts.append(abs(_share(after) - _share(before)))
                compared.append((after, before))
                cells.append((domain, part.name, *before[1:], _share(before), *after[1:], _share(after)))
    if not shifts:
        return not_checked(*names, f"no domain has {MIN_GROUP} labeled articles in two parts")
    value = _largest_significant(shifts, compared)
    order = np.argsort(shifts)[::-1]
    domain, part_name = cells[order[0]][:2]
    summary = f"largest shift: {domain}, {100 * max(shifts):.1f} points from {dataset.parts[0].name} to {part_name}"
    columns = ("domain", "part", "n in train", "fake in train", "n in part", "fake in part")
    table = Table("domains, the largest shift first", columns, tuple(cells[i] for i in order[:20]))
    return make_finding(*names, summary + _chance_note(value, max(shifts)), value, advice=_ADVICE, tables=[table])


def _compare_groups(
    dataset: AuditDataset,
    names: tuple[str, str],
    groups: Sequence[str],
    index: Rows,
    rows: Rows,
    plot: Plot,
    advice: str,
) -> Finding:
    """Compare the share of fakes of each group with that of the articles outside it.

    Args:
        dataset: All articles.
        names: Name and title of the check.
        groups: Names of the groups.
        index: [R] group of each row.
        rows: [R] articles to compare.
        plot: The plot of the finding.
        advice: The advice of the finding.
    """
    counts = _count(dataset, rows, index, len(groups))
    total = (int((dataset.targets[rows] == 1).sum()), len(rows))
    large = [i for i, (_, n) in enumerate(counts) if MIN_GROUP <= n <= total[1] - MIN_GROUP]
    if not large:
        return not_checked(*names, f"there is no group of {MIN_GROUP} articles with as many others outside it")
    shifts = [abs(_share(counts[i]) - _share(total)) for i in large]
    others = [(total[0] - counts[i][0], total[1] - counts[i][1]) for i in large]
    value = _largest_significant(shifts, [(counts[i], other) for i, other in zip(large, others, strict=True)])
    furthest = large[int(np.argmax(shifts))]
    summary = (
        f"fakes: {100 * _share(total):.1f}% of all; furthest from it: {groups[furthest]} "
        f"with {100 * _share(counts[furthest]):.1f}% of {counts[furthest][1]:,}{_chance_note(value, max(shifts))}"
    )
    largest = sorted(np.argsort([-n for _, n in counts], kind="stable")[:_MAX_GROUPS])
    table = Table(
        f"all {len(groups)} groups" if len(groups) <= _MAX_GROUPS else f"the {_MAX_GROUPS} largest groups",
        ("group", "articles", "fake", _SHARE),
        tuple((groups[i], counts[i][1], counts[i][0], _share(counts[i])) for i in largest),
    )
    return make_finding(*names, summary, value, advice=advice, tables=[table], plots=[plot])


def _largest_significant(shifts: list[float], compared: list[tuple[Count, Count]]) -> float:
    """Return the largest significant shift after Holm's correction, or 0."""
    p = holm(np.array([fisher_p_value(*one, *other) for one, other in compared]))
    return max((shift for shift, p_value in zip(shifts, p, strict=True) if p_value < ALPHA), default=0.0)


def _chance_note(value: float, largest: float) -> str:
    return "" if value >= largest else " (may be chance)"


def _share(count: Count) -> float:
    return count[0] / count[1]


def _count(dataset: AuditDataset, rows: Rows, index: Rows, n_groups: int) -> list[Count]:
    """Count the fake and the labeled articles of each group."""
    articles = np.bincount(index, minlength=n_groups)
    fakes = np.bincount(index[dataset.targets[rows] == 1], minlength=n_groups)
    return list(zip(fakes.tolist(), articles.tolist(), strict=True))


def _domains(dataset: AuditDataset) -> tuple[list[str], Rows, Rows]:
    """Return the D domains, sorted, [R] the labeled articles with a domain, and [R] the index of their domain."""
    rows = [row for row in np.flatnonzero(dataset.labeled).tolist() if dataset.domains[row] is not None]
    names, index = np.unique([str(dataset.domains[row]) for row in rows], return_inverse=True)
    return [str(name) for name in names], np.array(rows, np.int64), index


def _shares_by_part(
    dataset: AuditDataset, rows: Rows, index: Rows, groups: Rows
) -> dict[str, tuple[float | None, ...]]:
    """Return the share of fakes of some groups in each part, where `index` is the group of each row."""
    series = {}
    for number, part in enumerate(dataset.parts):
        inside = dataset.part[rows] == number
        counts = _count(dataset, rows[inside], index[inside], int(index.max()) + 1)
        series[part.name] = tuple(counts[i][0] / counts[i][1] if counts[i][1] else None for i in groups)
    return series
