"""The share of fakes by part, month and domain, and how it shifts."""

from collections.abc import Sequence

import numpy as np

from zhenwei.audit.dataset import Collection, Mask, Rows
from zhenwei.audit.findings import Finding, Plot, Table
from zhenwei.audit.format import finding, unchecked
from zhenwei.audit.significance import difference_p, holm
from zhenwei.audit.thresholds import ALPHA, LEAST_GROUP

_SHARE = "share of fakes"
_THRESHOLD = "choose the threshold on the most recent labelled articles, and judge by AUC beside macro-F1"


def label_share_parts(collection: Collection) -> Finding:
    """Compare the share of fakes of each later part with that of train."""
    names = ("label_share_parts", "Share of fakes by part")
    counts = {part.name: (part.n_fake, part.n_labelled) for part in collection.parts if part.n_labelled}
    first = collection.parts[0].name
    if len(counts) < 2 or first not in counts:
        return unchecked(*names, f"at least two parts, {first} among them, need labels")
    later = [name for name in counts if name != first]
    shifts = [abs(_share(counts[name]) - _share(counts[first])) for name in later]
    value = _largest_sure(shifts, [(counts[name], counts[first]) for name in later])
    found = ", ".join(f"{name} {100 * _share(count):.1f}% of {count[1]:,}" for name, count in counts.items())
    plot = Plot("bars", "Share of fakes by part", tuple(counts), _SHARE, {_SHARE: tuple(map(_share, counts.values()))})
    found = f"fakes: {found}; largest shift {100 * max(shifts):.1f} points{_doubt(value, max(shifts))}"
    return finding(*names, found, value, advice=_THRESHOLD, plots=[plot])


def label_share_months(collection: Collection) -> Finding:
    """Compare the share of fakes of each month with that of all other articles."""
    names = ("label_share_months", "Share of fakes by month")
    usable = collection.labelled & ~np.isnat(collection.times)
    if not usable.any():
        return unchecked(*names, "no article has a label and a `time`")
    months = collection.times.astype("datetime64[M]")
    present, place = np.unique(months[usable], return_inverse=True)
    plot = _lines_by_month(collection, usable, months, present)
    words = [str(month) for month in present]
    return _by_group(collection, names, words, place, usable, [plot], "split by time, and " + _THRESHOLD)


def label_share_domains(collection: Collection) -> Finding:
    """Compare the share of fakes of each domain with that of all other articles."""
    names = ("label_share_domains", "Share of fakes by domain")
    usable = collection.labelled & np.array([domain is not None for domain in collection.domains], bool)
    if not usable.any():
        return unchecked(*names, "no article has a label and a `domain`")
    words, place = _domains(collection, usable)
    advice = "report scores by domain, and train with a detector that knows domains (mdfend, eann)"
    plot = _bars_by_domain(collection, words, place, usable)
    return _by_group(collection, names, words, place, usable, [plot], advice)


def label_drift_domains(collection: Collection) -> Finding:
    """Compare the share of fakes of each domain in a later part with the same domain's in train."""
    names = ("label_drift_domains", "Shift of the share of fakes within domains")
    usable = collection.labelled & np.array([domain is not None for domain in collection.domains], bool)
    if len(collection.parts) < 2 or not usable[collection.part == 0].any() or not usable[collection.part > 0].any():
        return unchecked(*names, "at least two parts need labels and a `domain`")
    words, place = _domains(collection, usable)
    rows = np.flatnonzero(usable)
    cells, shifts, tested = [], [], []
    trained = _counts(collection, rows[collection.part[rows] == 0], place[collection.part[rows] == 0], len(words))
    for number, part in enumerate(collection.parts[1:], start=1):
        here = collection.part[rows] == number
        counts = _counts(collection, rows[here], place[here], len(words))
        for word, before, after in zip(words, trained, counts, strict=True):
            if min(before[1], after[1]) >= LEAST_GROUP:
                shifts.append(abs(_share(after) - _share(before)))
                tested.append((after, before))
                cells.append((word, part.name, *before[1:], _share(before), *after[1:], _share(after)))
    if not shifts:
        return unchecked(*names, f"no domain has {LEAST_GROUP} labelled articles in two parts")
    value = _largest_sure(shifts, tested)
    order = np.argsort(shifts)[::-1]
    word, part_name = cells[order[0]][:2]
    found = f"largest shift: {word}, {100 * max(shifts):.1f} points from {collection.parts[0].name} to {part_name}"
    columns = ("domain", "part", "n in train", "fake in train", "n in part", "fake in part")
    table = Table("domains, the largest shift first", columns, tuple(cells[i] for i in order[:20]))
    return finding(*names, found + _doubt(value, max(shifts)), value, advice=_THRESHOLD, tables=[table])


def _by_group(
    collection: Collection,
    names: tuple[str, str],
    words: Sequence[str],
    place: Rows,
    usable: Mask,
    plots: list[Plot],
    advice: str,
) -> Finding:
    """Compare each group's share of fakes with that of the articles outside it."""
    rows = np.flatnonzero(usable)
    counts = _counts(collection, rows, place, len(words))
    total = collection.n_with_label(rows)
    large = [i for i, (_, n) in enumerate(counts) if LEAST_GROUP <= n <= total[1] - LEAST_GROUP]
    if not large:
        return unchecked(*names, f"no group of {LEAST_GROUP} articles stands beside as many others")
    shifts = [abs(_share(counts[i]) - _share(total)) for i in large]
    value = _largest_sure(shifts, [(counts[i], (total[0] - counts[i][0], total[1] - counts[i][1])) for i in large])
    top = large[int(np.argmax(shifts))]
    found = (
        f"fakes: {100 * _share(total):.1f}% of all; furthest from it: {words[top]} "
        f"with {100 * _share(counts[top]):.1f}% of {counts[top][1]:,}{_doubt(value, max(shifts))}"
    )
    table = Table(
        f"all {len(words)} groups" if len(words) <= 60 else "the 60 largest groups",
        ("group", "articles", "fake", _SHARE),
        tuple(
            (words[i], counts[i][1], counts[i][0], _share(counts[i]))
            for i in sorted(np.argsort([-n for _, n in counts], kind="stable")[:60])
        ),
    )
    return finding(*names, found, value, advice=advice, tables=[table], plots=plots)


def _largest_sure(shifts: list[float], tested: list[tuple[tuple[int, int], tuple[int, int]]]) -> float:
    """Return the largest shift that is not chance, after Holm's correction; 0 where all may be."""
    p = holm(np.array([difference_p(*one, *other) for one, other in tested]))
    return max((shift for shift, chance in zip(shifts, p, strict=True) if chance < ALPHA), default=0.0)


def _doubt(value: float, largest: float) -> str:
    return "" if value >= largest else " (may be chance)"


def _share(count: tuple[int, int]) -> float:
    return count[0] / count[1]


def _counts(collection: Collection, rows: Rows, place: Rows, size: int) -> list[tuple[int, int]]:
    """Per group: fakes, and articles with a label."""
    articles = np.bincount(place, minlength=size)
    fakes = np.bincount(place[collection.targets[rows] == 1], minlength=size)
    return list(zip(fakes.tolist(), articles.tolist(), strict=True))


def _domains(collection: Collection, usable: Mask) -> tuple[list[str], Rows]:
    """The domains in order of their names, and the place of each usable article's."""
    words, place = np.unique([str(collection.domains[row]) for row in np.flatnonzero(usable)], return_inverse=True)
    return [str(word) for word in words], place


def _lines_by_month(collection: Collection, usable: Mask, months: np.ndarray, present: np.ndarray) -> Plot:
    """The share of fakes of each part over all months, the empty ones too."""
    axis = np.arange(present[0], present[-1] + 1)
    series: dict[str, tuple[float | None, ...]] = {}
    for number, part in enumerate(collection.parts):
        rows = np.flatnonzero(usable & (collection.part == number))
        counts = _counts(collection, rows, (months[rows] - axis[0]).astype(np.int64), len(axis))
        series[part.name] = tuple(fakes / n if n else None for fakes, n in counts)
    return Plot("lines", "Share of fakes by month", tuple(map(str, axis)), _SHARE, series)


def _bars_by_domain(collection: Collection, words: list[str], place: Rows, usable: Mask) -> Plot:
    """The share of fakes of the thirty largest domains, by part."""
    largest = np.sort(np.argsort(-np.bincount(place, minlength=len(words)), kind="stable")[:30])
    rows = np.flatnonzero(usable)
    series: dict[str, tuple[float | None, ...]] = {}
    for number, part in enumerate(collection.parts):
        here = collection.part[rows] == number
        counts = _counts(collection, rows[here], place[here], len(words))
        series[part.name] = tuple(counts[i][0] / counts[i][1] if counts[i][1] else None for i in largest)
    return Plot("bars", "Share of fakes by domain", tuple(words[i] for i in largest), _SHARE, series)
