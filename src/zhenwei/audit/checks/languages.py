"""Texts in another script than most of their collection."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import examples, finding, share, unchecked

SCRIPTS = ("Chinese", "Japanese kana", "Korean", "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Indic", "Thai")
# First and last code point of the letters of a script, in order.
_RANGES = (
    (0x41, 0x5A, 3), (0x61, 0x7A, 3), (0xC0, 0x24F, 3), (0x370, 0x3FF, 5), (0x400, 0x52F, 4), (0x590, 0x5FF, 7),
    (0x600, 0x77F, 6), (0x900, 0xDFF, 8), (0xE00, 0xE7F, 9), (0x1100, 0x11FF, 2), (0x1E00, 0x1EFF, 3),
    (0x3041, 0x30FF, 1), (0x3400, 0x4DBF, 0), (0x4E00, 0x9FFF, 0), (0xAC00, 0xD7AF, 2), (0xF900, 0xFAFF, 0),
    (0x20000, 0x323AF, 0),
)  # fmt: skip
_LEAST_LETTERS = 10  # of a text, to say what it is written in
_LEAST_SHARE = 0.2  # of a text's letters: with fewer of the usual script, it is of another one
_CHARACTERS_AT_ONCE = 10_000_000


def other_languages(collection: Collection) -> Finding:
    """Count the articles that are hardly written in the script that most of their collection is written in."""
    names = ("other_languages", "Texts in another script")
    letters = letters_by_script(collection.bare_texts)
    usual = int(letters.sum(axis=0).argmax())
    enough = letters.sum(axis=1) >= _LEAST_LETTERS
    if not enough.any():
        return unchecked(*names, f"no article has {_LEAST_LETTERS} letters")
    shares = letters / np.maximum(letters.sum(axis=1, keepdims=True), 1)
    other = enough & (shares[:, usual] < _LEAST_SHARE)
    if usual == 0:  # Japanese has Chinese characters, too
        other |= enough & (shares[:, 1] >= _LEAST_SHARE)
    rows = np.flatnonzero(other)
    without_usual = np.delete(shares[rows], usual, axis=1)
    others = np.delete(np.arange(len(SCRIPTS)), usual)[without_usual.argmax(axis=1)]
    counts = [(SCRIPTS[i], int((others == i).sum())) for i in np.unique(others)]
    found = f"{share(len(rows), len(shares))} are not in the usual script ({SCRIPTS[usual]})"
    found += ": " + ", ".join(f"{name} {n:,}" for name, n in counts) if counts else ""
    tables = [examples(collection, rows.tolist(), "articles in another script"),
              Table("by script", ("script", "articles"), tuple(counts))]  # fmt: skip
    advice = "leave them out, or train on each language alone"
    return finding(*names, found, len(rows) / len(shares), advice=advice, tables=tables)


def letters_by_script(texts: tuple[str, ...]) -> NDArray[np.int64]:
    """Return [N, S] how many letters of each script each text has."""
    starts = np.array([first for first, _, _ in _RANGES], np.uint32)
    lasts = np.array([last for _, last, _ in _RANGES], np.uint32)
    kinds = np.array([kind for _, _, kind in _RANGES])
    size = len(SCRIPTS)
    counts = np.zeros((len(texts), size), np.int64)
    lengths = np.array([len(text) for text in texts])
    stretch = np.cumsum(lengths) // _CHARACTERS_AT_ONCE
    for part in np.unique(stretch):
        rows = np.flatnonzero(stretch == part)
        joined = "".join(texts[row] for row in rows).encode("utf-32-le", "surrogatepass")
        points = np.frombuffer(joined, np.uint32)
        place = np.maximum(np.searchsorted(starts, points, side="right") - 1, 0)
        inside = (points >= starts[place]) & (points <= lasts[place])
        row = np.repeat(np.arange(len(rows)), lengths[rows])[inside]
        counts[rows] = np.bincount(row * size + kinds[place[inside]], minlength=len(rows) * size).reshape(-1, size)
    return counts
