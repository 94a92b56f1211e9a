"""What the labels of each part allow: both classes, all labelled, enough articles, not all too unequal."""

import math

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import AuditedPart, Finding, Table
from zhenwei.audit.format import finding, share, unchecked

_ACCURACY = 0.85  # of a good detector of this field, to say how wide an interval will be


def one_class(collection: Collection) -> Finding:
    """Find labelled parts whose articles are all real or all fake."""
    names = ("one_class", "Both labels in every part")
    labelled = _labelled_parts(collection)
    if not labelled:
        return unchecked(*names, "no article has a label")
    classes = {part.name: (part.n_fake > 0) + (part.n_fake < part.n_labelled) for part in labelled}
    alone = [part for part in labelled if classes[part.name] < 2]
    found = "; ".join(f"{part.name}: all {part.n_labelled:,} are {'fake' if part.n_fake else 'real'}" for part in alone)
    advice = "split so that every part has both labels, or add articles of the other"
    said = found or "every part has real and fake articles"
    return finding(*names, said, min(classes.values()), advice=advice, tables=[_table(collection)])


def unlabelled(collection: Collection) -> Finding:
    """Count the articles without a label."""
    names = ("unlabelled", "Articles without a label")
    labelled = _labelled_parts(collection)
    if not labelled:
        return unchecked(*names, "no article has a label, so nothing about labels could be checked")
    shares = {part.name: 1 - part.n_labelled / part.n for part in collection.parts}
    missing = [part for part in collection.parts if part.n_labelled < part.n]
    found = "; ".join(f"{part.name}: {share(part.n - part.n_labelled, part.n)} without a label" for part in missing)
    advice = "label them, or keep them in a file of their own for `zhenwei predict --file`"
    return finding(*names, found or "every article has a label", max(shares.values()), advice=advice)


def small_parts(collection: Collection) -> Finding:
    """Say how wide the intervals of scores will be for the smallest part."""
    names = ("small_parts", "Enough articles in every part")
    labelled = _labelled_parts(collection)
    if not labelled:
        return unchecked(*names, "no article has a label")
    smallest = min(labelled, key=lambda part: part.n_labelled)
    n = smallest.n_labelled
    half = 100 * 1.96 * math.sqrt(_ACCURACY * (1 - _ACCURACY) / n)
    found = f"{smallest.name} has {n:,} labelled articles: a 95% interval of about ±{half:.1f} points around a score"
    advice = "collect more, or report intervals and do not compare detectors by less than their width"
    return finding(*names, found, n, advice=advice)


def imbalance(collection: Collection) -> Finding:
    """Find the part whose rarer label is the rarest."""
    names = ("imbalance", "Balance of the labels")
    labelled = _labelled_parts(collection)
    if not labelled:
        return unchecked(*names, "no article has a label")
    rarer = {part: min(part.n_fake, part.n_labelled - part.n_fake) / part.n_labelled for part in labelled}
    worst = min(labelled, key=lambda part: rarer[part])
    label = "fake" if 2 * worst.n_fake <= worst.n_labelled else "real"
    n = min(worst.n_fake, worst.n_labelled - worst.n_fake)
    found = f"{worst.name}: {share(n, worst.n_labelled)} are {label}, the rarer label"
    advice = "judge by macro-F1 and AUC, not accuracy, and choose the threshold on val"
    return finding(*names, found, rarer[worst], advice=advice)


def _labelled_parts(collection: Collection) -> list[AuditedPart]:
    return [part for part in collection.parts if part.n_labelled]


def _table(collection: Collection) -> Table:
    rows = tuple((part.name, part.n, part.n_labelled - part.n_fake, part.n_fake) for part in collection.parts)
    return Table("labels by part", ("part", "articles", "real", "fake"), rows)
