"""Texts in another script than most."""

import numpy as np

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import examples_table, format_share, make_finding, not_checked
from zhenwei.news.writing_system import SCRIPTS, count_letters_by_script

_MIN_LETTERS = 10  # letters that a text needs
_MIN_SHARE = 0.2  # a text with a smaller share of letters of the main script is in another script


def other_scripts(dataset: AuditDataset) -> Finding:
    """Count the articles with few letters of the script of most articles."""
    names = ("other_scripts", "Texts in another script")
    letters = count_letters_by_script(dataset.plain_texts)
    main = int(letters.sum(axis=0).argmax())
    enough = letters.sum(axis=1) >= _MIN_LETTERS
    if not enough.any():
        return not_checked(*names, f"no article has {_MIN_LETTERS} letters")
    shares = letters / np.maximum(letters.sum(axis=1, keepdims=True), 1)
    is_other = enough & (shares[:, main] < _MIN_SHARE)
    if main == 0:  # Japanese has Chinese characters, too
        is_other |= enough & (shares[:, 1] >= _MIN_SHARE)
    rows = np.flatnonzero(is_other)
    without_main = np.delete(shares[rows], main, axis=1)
    scripts = np.delete(np.arange(len(SCRIPTS)), main)[without_main.argmax(axis=1)]
    counts = [(SCRIPTS[i], int((scripts == i).sum())) for i in np.unique(scripts)]
    summary = f"{format_share(len(rows), len(shares))} are not in the main script ({SCRIPTS[main]})"
    summary += ": " + ", ".join(f"{name} {n:,}" for name, n in counts) if counts else ""
    tables = [
        examples_table(dataset, rows.tolist(), "articles in another script"),
        Table("by script", ("script", "articles"), tuple(counts)),
    ]
    advice = "remove them, or train on each language separately"
    return make_finding(*names, summary, len(rows) / len(shares), advice=advice, tables=tables)
