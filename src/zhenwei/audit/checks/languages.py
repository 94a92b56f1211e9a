"""Texts in another script than most."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import examples_table, format_share, make_finding, not_checked

SCRIPTS = ("Chinese", "Japanese kana", "Korean", "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Indic", "Thai")
# First and last code point of a range, and its index in SCRIPTS; sorted.
_RANGES = (
    (0x41, 0x5A, 3), (0x61, 0x7A, 3), (0xC0, 0x24F, 3), (0x370, 0x3FF, 5), (0x400, 0x52F, 4), (0x590, 0x5FF, 7),
    (0x600, 0x77F, 6), (0x900, 0xDFF, 8), (0xE00, 0xE7F, 9), (0x1100, 0x11FF, 2), (0x1E00, 0x1EFF, 3),
    (0x3041, 0x30FF, 1), (0x3400, 0x4DBF, 0), (0x4E00, 0x9FFF, 0), (0xAC00, 0xD7AF, 2), (0xF900, 0xFAFF, 0),
    (0x20000, 0x323AF, 0),
)  # fmt: skip
_MIN_LETTERS = 10  # letters that a text needs
_MIN_SHARE = 0.2  # a text with a smaller share of letters of the main script is in another script
_CHUNK_CHARACTERS = 10_000_000


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


def count_letters_by_script(texts: tuple[str, ...]) -> NDArray[np.int64]:
    """Return [N, S] the number of letters of each of S scripts in each of N texts."""
    firsts, lasts, scripts = np.array(_RANGES, np.uint32).T
    size = len(SCRIPTS)
    counts = np.zeros((len(texts), size), np.int64)
    lengths = np.array([len(text) for text in texts])
    chunk = np.cumsum(lengths) // _CHUNK_CHARACTERS
    for number in np.unique(chunk):
        rows = np.flatnonzero(chunk == number)
        joined = "".join(texts[row] for row in rows).encode("utf-32-le", "surrogatepass")
        code_points = np.frombuffer(joined, np.uint32)
        index = np.maximum(np.searchsorted(firsts, code_points, side="right") - 1, 0)
        in_range = (code_points >= firsts[index]) & (code_points <= lasts[index])
        row = np.repeat(np.arange(len(rows)), lengths[rows])[in_range]
        cells = np.bincount(row * size + scripts[index[in_range]], minlength=len(rows) * size)
        counts[rows] = cells.reshape(-1, size)
    return counts
