"""Texts that are blank, very short, or longer than the input of a detector."""

import re

import numpy as np
from numpy.typing import NDArray

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import examples_table, format_share, make_finding
from zhenwei.audit.thresholds import MIN_LETTERS
from zhenwei.config.data import DataConfig

# An estimate of the tokens of a text: a Chinese character, a punctuation mark, or up to four Latin letters.
_TOKEN = re.compile(r"[A-Za-z0-9]{1,4}|\w|[^\w\s]")
_SPECIAL = 2  # [CLS] and [SEP]
_NOT_A_WORD = re.compile(r"[\W_]+")


def blank_texts(dataset: AuditDataset) -> Finding:
    """Count the articles of nothing but punctuation, emoji, links and mentions."""
    rows = np.flatnonzero(_count_letters(dataset) == 0).tolist()
    summary = f"{format_share(len(rows), len(dataset.texts))} have no letter or digit besides links and mentions"
    return _finding(dataset, ("blank_texts", "Blank texts"), rows, summary, "remove them", "blank articles")


def short_texts(dataset: AuditDataset) -> Finding:
    """Count the articles with very few letters."""
    letters = _count_letters(dataset)
    rows = np.flatnonzero((letters > 0) & (letters < MIN_LETTERS)).tolist()
    summary = f"{format_share(len(rows), len(dataset.texts))} have fewer than {MIN_LETTERS} letters or digits"
    return _finding(dataset, ("short_texts", "Very short texts"), rows, summary, "remove them", "very short articles")


def long_texts(dataset: AuditDataset) -> Finding:
    """Count the articles that a detector with default settings truncates."""
    max_len = int(DataConfig().max_len)
    rows = [row for row, text in enumerate(dataset.texts) if _count_tokens(text, max_len) > max_len]
    rows.sort(key=lambda row: -len(dataset.texts[row]))
    n = len(dataset.texts)
    summary = f"{format_share(len(rows), n)} are longer than {max_len} tokens (estimated), and would be truncated"
    advice = "raise `data.max_len` (training takes longer), or move what matters to the beginning"
    return _finding(dataset, ("long_texts", "Over-long texts"), rows, summary, advice, "the longest articles")


def _finding(
    dataset: AuditDataset, names: tuple[str, str], rows: list[int], summary: str, advice: str, caption: str
) -> Finding:
    table = examples_table(dataset, rows, caption)
    return make_finding(*names, summary, len(rows) / len(dataset.texts), advice=advice, tables=[table])


def _count_letters(dataset: AuditDataset) -> NDArray[np.int64]:
    """Return [N] the number of letters and digits of each text, without links and mentions."""
    return np.array([len(_NOT_A_WORD.sub("", text)) for text in dataset.plain_texts], np.int64)


def _count_tokens(text: str, max_len: int) -> int:
    # A token has at least one character, so most texts need not be split.
    return 0 if len(text) + _SPECIAL <= max_len else _SPECIAL + len(_TOKEN.findall(text))
