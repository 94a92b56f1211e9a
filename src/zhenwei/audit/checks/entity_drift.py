"""Entities that change sides between past and future: Table 1 of ENDEF (Zhu et al., SIGIR 2022) for other articles."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from zhenwei.audit.dataset import AuditDataset, Rows
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import format_share, make_finding, not_checked
from zhenwei.audit.significance import holm, normal_p_values
from zhenwei.audit.thresholds import ALPHA, MIN_ENTITY_SUPPORT

_MAX_ROWS = 100
_ADVICE = "train with entity debiasing (`model.debias`, ENDEF), and evaluate on articles later than train"


def entity_drift(dataset: AuditDataset) -> Finding:
    """Find the entities that are over-represented in fakes of one period and in real news of the other.

    The past is every part but the last; the future is the last part with labels. An entity's leaning is the log odds
    of fake among its articles, minus those among all articles of the same period, so that a shift of all labels does
    not count. An entity changes sides if its leanings have opposite signs and differ significantly (a normal test on
    log odds with Haldane's correction, and Holm's correction over all entities).
    """
    names = ("entity_drift", "Entities that change sides")
    has_entities = np.array([entities is not None for entities in dataset.entities], bool)
    if not has_entities.any():
        reason = "no article has `entity_list`; `zhenwei data enrich FILE -o FILE --overwrite --entities` adds it"
        return not_checked(*names, reason)
    usable = has_entities & dataset.labeled
    labeled = [number for number, part in enumerate(dataset.parts) if part.n_labeled]
    if len(labeled) < 2:
        return not_checked(*names, "past and future, two parts with labels, are needed")
    future = usable & (dataset.part == labeled[-1])
    past = usable & (dataset.part < labeled[-1])
    before, after = _count_entities(dataset, np.flatnonzero(past)), _count_entities(dataset, np.flatnonzero(future))
    entities = sorted(
        name for name in before.keys() & after.keys() if min(before[name][1], after[name][1]) >= MIN_ENTITY_SUPPORT
    )
    if not entities:
        reason = f"no entity has {MIN_ENTITY_SUPPORT} labeled articles in the past and in the future"
        return not_checked(*names, reason)
    counts = np.array([(*before[name], *after[name]) for name in entities], np.float64)
    totals = [(int((dataset.targets[period] == 1).sum()), int(period.sum())) for period in (past, future)]
    z, opposite = _leaning_change(counts, totals)
    p = holm(normal_p_values(z))
    changed = [i for i in np.argsort(p, kind="stable") if p[i] < ALPHA and opposite[i]]
    name = dataset.parts[labeled[-1]].name
    summary = f"{len(changed):,} of {len(entities):,} entities changed sides between the past and {name}"
    if changed:
        changed_names = {entities[i] for i in changed}
        n = sum(not changed_names.isdisjoint(dataset.entities[row] or ()) for row in np.flatnonzero(future))
        summary += f"; {format_share(n, int(future.sum()), 'articles of the future')} name one of them"
    rows = tuple(_row(entities[i], counts[i], float(p[i])) for i in changed[:_MAX_ROWS])
    columns = ("entity", "past articles", "fake in the past", "future articles", "fake in the future", "p")
    table = Table("the most significant first", columns, rows)
    return make_finding(*names, summary, len(changed), advice=_ADVICE, tables=[table])


def _count_entities(dataset: AuditDataset, rows: Rows) -> dict[str, tuple[int, int]]:
    """Count the fake articles and all articles that name each entity."""
    fakes, articles = Counter[str](), Counter[str]()
    for row in rows:
        names = set(dataset.entities[row] or ())
        articles.update(names)
        fakes.update(names if dataset.targets[row] else ())
    return {name: (fakes[name], n) for name, n in articles.items()}


def _leaning_change(counts: np.ndarray, totals: Iterable[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return [E] standard scores of the change of leaning, and [E] whether the leanings have opposite signs.

    Args:
        counts: [E, 4] fakes and articles in the past, fakes and articles in the future.
        totals: Fakes and articles, of the past and of the future.
    """
    leanings, variance = [], np.zeros(len(counts))
    for fakes, n, total in zip((counts[:, 0], counts[:, 2]), (counts[:, 1], counts[:, 3]), totals, strict=True):
        baseline = np.log((total[0] + 0.5) / (total[1] - total[0] + 0.5))
        leanings.append(np.log((fakes + 0.5) / (n - fakes + 0.5)) - baseline)
        variance += 1 / (fakes + 0.5) + 1 / (n - fakes + 0.5)
    return (leanings[1] - leanings[0]) / np.sqrt(variance), leanings[0] * leanings[1] < 0


def _row(name: str, count: np.ndarray, p: float) -> tuple[str | int | float, ...]:
    past_fakes, past, future_fakes, future = count.tolist()
    return (name, int(past), past_fakes / past, int(future), future_fakes / future, f"{p:.1g}")
