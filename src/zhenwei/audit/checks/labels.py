"""Labels of each part: both classes, no missing labels, enough articles, and class balance."""

import math

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import AuditedPart, Finding, Table
from zhenwei.audit.format import format_share, make_finding, not_checked

_ACCURACY = 0.85  # of a good detector of this field, to estimate the width of an interval


def single_class(dataset: AuditDataset) -> Finding:
    """Find labeled parts whose articles are all real or all fake."""
    names = ("single_class", "Both labels in every part")
    labeled = _labeled_parts(dataset)
    if not labeled:
        return not_checked(*names, "no article has a label")
    classes = {part.name: (part.n_fake > 0) + (part.n_fake < part.n_labeled) for part in labeled}
    sentences = [
        f"{part.name}: all {part.n_labeled:,} are {'fake' if part.n_fake else 'real'}"
        for part in labeled
        if classes[part.name] < 2
    ]
    summary = "; ".join(sentences) or "every part has real and fake articles"
    advice = "split so that every part has both labels, or add articles of the other label"
    rows = tuple((part.name, part.n, part.n_labeled - part.n_fake, part.n_fake) for part in dataset.parts)
    table = Table("labels by part", ("part", "articles", "real", "fake"), rows)
    return make_finding(*names, summary, min(classes.values()), advice=advice, tables=[table])


def unlabeled(dataset: AuditDataset) -> Finding:
    """Count the articles without a label."""
    names = ("unlabeled", "Articles without a label")
    if not _labeled_parts(dataset):
        return not_checked(*names, "no article has a label, so labels could not be checked")
    shares = {part.name: 1 - part.n_labeled / part.n for part in dataset.parts}
    sentences = [
        f"{part.name}: {format_share(part.n - part.n_labeled, part.n)} without a label"
        for part in dataset.parts
        if part.n_labeled < part.n
    ]
    summary = "; ".join(sentences) or "every article has a label"
    advice = "label them, or move them to a separate file for `zhenwei predict --file`"
    return make_finding(*names, summary, max(shares.values()), advice=advice)


def small_parts(dataset: AuditDataset) -> Finding:
    """Say how wide the intervals of scores will be for the smallest part."""
    names = ("small_parts", "Enough articles in every part")
    labeled = _labeled_parts(dataset)
    if not labeled:
        return not_checked(*names, "no article has a label")
    smallest = min(labeled, key=lambda part: part.n_labeled)
    n = smallest.n_labeled
    half = 100 * 1.96 * math.sqrt(_ACCURACY * (1 - _ACCURACY) / n)
    summary = f"{smallest.name} has {n:,} labeled articles: a 95% interval of about ±{half:.1f} points around a score"
    advice = "collect more, or report intervals and do not compare detectors by less than their width"
    return make_finding(*names, summary, n, advice=advice)


def class_imbalance(dataset: AuditDataset) -> Finding:
    """Find the part whose rarer label is the rarest."""
    names = ("class_imbalance", "Class balance")
    labeled = _labeled_parts(dataset)
    if not labeled:
        return not_checked(*names, "no article has a label")
    rarer = {part: min(part.n_fake, part.n_labeled - part.n_fake) / part.n_labeled for part in labeled}
    worst = min(labeled, key=lambda part: rarer[part])
    label = "fake" if 2 * worst.n_fake <= worst.n_labeled else "real"
    n = min(worst.n_fake, worst.n_labeled - worst.n_fake)
    summary = f"{worst.name}: {format_share(n, worst.n_labeled)} are {label}, the rarer label"
    advice = "report macro-F1 and AUC instead of accuracy, and choose the threshold on val"
    return make_finding(*names, summary, rarer[worst], advice=advice)


def _labeled_parts(dataset: AuditDataset) -> list[AuditedPart]:
    return [part for part in dataset.parts if part.n_labeled]
