"""N-grams that give many articles of one label away, without deciding the label of all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import finding, spelled, unchecked
from zhenwei.audit.ngram_features import FAMILIES, Family, counted_in, having, in_context
from zhenwei.audit.shortcut_report import COLLECT_ALIKE, NO_TRIAL
from zhenwei.audit.significance import difference_p
from zhenwei.audit.single_feature import Trial
from zhenwei.audit.thresholds import ALPHA, JUDGED, PURE

_LABELS = ("real", "fake")


@dataclass(frozen=True)
class _TellTale:
    gram: str
    target: int  # that it tells
    fitted: float  # share of that label's articles that have it, where it was found
    share: float  # the same where it is judged
    counts: tuple[int, int]  # real articles and fakes that have it, where it is judged


def tell_tales(collection: Collection) -> Finding:
    """Find n-grams that stand in many articles of one label, and in hardly any of the other.

    Such a one need not decide the label of all articles to be learned instead of the news. It counts if, both where
    it was found and where it is judged, at least 95% of its articles would be of its label had both labels the same
    number of articles, and if that is more than chance (Fisher's exact test, over all of its family that are judged).
    """
    names = ("tell_tales", "A phrase gives articles away")
    trial = collection.trial
    if trial is None:
        return unchecked(*names, NO_TRIAL)
    found = [one for family in FAMILIES for one in _of_family(collection, trial, family)]
    found.sort(key=lambda one: -one.share)
    if not found:
        return finding(*names, f"no n-gram gives articles of {trial.on} away", 0.0)
    first = [next(one for one in found if one.target == target) for target in {one.target for one in found}]
    first.sort(key=lambda one: -one.share)
    said = "; ".join(
        f"'{spelled(one.gram)}' is in {100 * one.share:.1f}% of the {_LABELS[one.target]} articles of {trial.on} "
        f"({one.counts[1]:,} fake and {one.counts[0]:,} real ones have it)"
        for one in first
    )
    columns = ("n-gram", "tells", "share where found", f"share in {trial.on}", "fakes with it", "real with it")
    cells = tuple(
        (spelled(one.gram), _LABELS[one.target], one.fitted, one.share, one.counts[1], one.counts[0]) for one in found
    )
    tables = [Table("share of the label's articles", columns, cells)]
    tables += [in_context(collection, one.gram, trial.judge) for one in first]
    return finding(*names, said, found[0].share, advice=COLLECT_ALIKE, tables=tables)


def _of_family(collection: Collection, trial: Trial, family: Family) -> Iterator[_TellTale]:
    """The tell-tales among the purest n-grams of a family."""
    grams = counted_in(collection, family)
    fitted = [counts / n for counts, n in zip((grams.real, grams.fake), collection.n_by_label(trial.fit), strict=True)]
    candidates = []
    for target in (0, 1):
        pure = np.flatnonzero(fitted[target] >= PURE * (fitted[0] + fitted[1]))
        order = pure[np.argsort(-fitted[target][pure], kind="stable")]
        candidates += [(at, target) for at in grams.unlike(order, JUDGED)]
    looks = len(grams.fake) if trial.same else len(candidates)
    n_real, n_fake = collection.n_by_label(trial.judge)
    for at, target in candidates:
        gram = grams.spell(at)
        real, fake = collection.n_by_label(trial.judge[having(collection, gram, trial.judge)])
        shares = real / n_real, fake / n_fake
        sure = difference_p(fake, n_fake, real, n_real) * looks < ALPHA
        if sure and shares[target] >= PURE * (shares[0] + shares[1]):
            yield _TellTale(gram, target, float(fitted[target][at]), shares[target], (real, fake))
