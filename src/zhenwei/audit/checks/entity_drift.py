"""Entities that change sides between past and future: ENDEF's Table 1 for the articles at hand."""

from collections.abc import Iterable

import numpy as np

from zhenwei.audit.dataset import Collection, Rows
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import finding, share, unchecked
from zhenwei.audit.significance import holm, normal_p
from zhenwei.audit.thresholds import ALPHA, LEAST_ENTITY

_SHOWN = 100
_ADVICE = "train with entity debiasing (`model.debias`, ENDEF), and judge on articles later than train"


def flipped_entities(collection: Collection) -> Finding:
    """Find the entities that stood in fakes more than others do, and later in real news more than others do.

    The past is every part but the last; the future is the last one that has labels. What is compared is an entity's
    leaning: the log odds of fake among its articles, less those among all articles of the same time, so that a shift
    of all labels flips nothing. An entity counts as flipped if its leanings have opposite signs and differ by more
    than chance (a normal test on log odds with Haldane's correction, Holm's correction over all entities).
    """
    names = ("flipped_entities", "Entities that change sides")
    named = np.array([entities is not None for entities in collection.entities], bool)
    if not named.any():
        why = "no article has `entity_list`; `zhenwei data enrich FILE -o FILE --overwrite --entities` adds it"
        return unchecked(*names, why)
    usable = named & collection.labelled
    labelled = [number for number, part in enumerate(collection.parts) if part.n_labelled]
    if len(labelled) < 2:
        return unchecked(*names, "past and future, two parts with labels, are needed")
    future = usable & (collection.part == labelled[-1])
    past = usable & (collection.part < labelled[-1])
    before, after = _leanings(collection, np.flatnonzero(past)), _leanings(collection, np.flatnonzero(future))
    entities = sorted(name for name in before.keys() & after.keys() if _often(before[name]) and _often(after[name]))
    if not entities:
        return unchecked(*names, f"no entity has {LEAST_ENTITY} labelled articles in the past and in the future")
    counts = np.array([(*before[name], *after[name]) for name in entities], np.float64)
    totals = [collection.n_with_label(np.flatnonzero(rows)) for rows in (past, future)]
    z, opposite = _surprise(counts, totals)
    p = holm(normal_p(z))
    flipped = [i for i in np.argsort(p, kind="stable") if p[i] < ALPHA and opposite[i]]
    name = collection.parts[labelled[-1]].name
    found = f"{len(flipped):,} of {len(entities):,} entities changed sides between the past and {name}"
    if flipped:
        found += _reach(collection, {entities[i] for i in flipped}, np.flatnonzero(future))
    rows = tuple(_row(entities[i], counts[i], float(p[i])) for i in flipped[:_SHOWN])
    columns = ("entity", "past articles", "fake in the past", "future articles", "fake in the future", "p")
    table = Table("the most surprising first", columns, rows)
    return finding(*names, found, len(flipped), advice=_ADVICE, tables=[table])


def _leanings(collection: Collection, rows: Rows) -> dict[str, tuple[int, int]]:
    """By entity: fakes, and labelled articles, that name it."""
    counts: dict[str, list[int]] = {}
    for row in rows:
        for name in set(collection.entities[row] or ()):
            count = counts.setdefault(name, [0, 0])
            count[0] += int(collection.targets[row])
            count[1] += 1
    return {name: (fakes, n) for name, (fakes, n) in counts.items()}


def _often(count: tuple[int, int]) -> bool:
    return count[1] >= LEAST_ENTITY


def _surprise(counts: np.ndarray, totals: Iterable[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return [E] standard scores of the change of leaning, and [E] whether the leanings have opposite signs.

    Args:
        counts: [E, 4] fakes and articles in the past, fakes and articles in the future.
        totals: Fakes and articles, of the past and of the future.
    """
    leanings, variance = [], np.zeros(len(counts))
    for fakes, n, total in zip((counts[:, 0], counts[:, 2]), (counts[:, 1], counts[:, 3]), totals, strict=True):
        usual = np.log((total[0] + 0.5) / (total[1] - total[0] + 0.5))
        leanings.append(np.log((fakes + 0.5) / (n - fakes + 0.5)) - usual)
        variance += 1 / (fakes + 0.5) + 1 / (n - fakes + 0.5)
    return (leanings[1] - leanings[0]) / np.sqrt(variance), leanings[0] * leanings[1] < 0


def _reach(collection: Collection, flipped: set[str], future: Rows) -> str:
    """Say how many articles of the future name a flipped entity."""
    n = sum(not flipped.isdisjoint(collection.entities[row] or ()) for row in future)
    return f"; {share(n, len(future), 'articles of the future')} name one of them"


def _row(name: str, count: np.ndarray, p: float) -> tuple[str | int | float, ...]:
    past_fakes, past, future_fakes, future = count.tolist()
    return (name, int(past), past_fakes / past, int(future), future_fakes / future, f"{p:.1g}")
