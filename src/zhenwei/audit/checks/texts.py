"""Texts that are blank, very short, or longer than detectors read."""

import re

import numpy as np

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding
from zhenwei.audit.format import examples, finding, share
from zhenwei.audit.thresholds import SHORT
from zhenwei.config.data import DataConfig

# What a tokenizer makes of a text, near enough: a Chinese character or a mark is one token, four letters are another.
_TOKEN = re.compile(r"[A-Za-z0-9]{1,4}|\w|[^\w\s]")
_SPECIAL = 2  # [CLS] and [SEP]
_NOT_A_WORD = re.compile(r"[\W_]+")


def blank_texts(collection: Collection) -> Finding:
    """Count the articles in which nothing but marks, emoji, links and mentions stands."""
    rows = np.flatnonzero(_letters(collection) == 0).tolist()
    found = f"{share(len(rows), len(collection.texts))} have no letter or digit besides links and mentions"
    table = examples(collection, rows, "blank articles")
    value = len(rows) / len(collection.texts)
    return finding("blank_texts", "Blank texts", found, value, advice="leave them out", tables=[table])


def short_texts(collection: Collection) -> Finding:
    """Count the articles of hardly any letters."""
    letters = _letters(collection)
    rows = np.flatnonzero((letters > 0) & (letters < SHORT)).tolist()
    found = f"{share(len(rows), len(collection.texts))} have fewer than {SHORT} letters or digits"
    table = examples(collection, rows, "very short articles")
    value = len(rows) / len(collection.texts)
    return finding("short_texts", "Very short texts", found, value, advice="leave them out", tables=[table])


def long_texts(collection: Collection) -> Finding:
    """Count the articles that a detector of default settings does not read to their end."""
    longest = int(DataConfig().max_len)
    tokens = [_tokens(text, longest) for text in collection.texts]
    rows = [row for row, n in enumerate(tokens) if n > longest]
    found = f"{share(len(rows), len(tokens))} are longer than {longest} tokens (estimated), and would be cut"
    advice = "raise `data.max_len` (training takes longer), or put first what matters"
    rows.sort(key=lambda row: -len(collection.texts[row]))
    table = examples(collection, rows, "the longest articles")
    value = len(rows) / len(tokens)
    return finding("long_texts", "Over-long texts", found, value, advice=advice, tables=[table])


def _letters(collection: Collection) -> np.ndarray:
    """[N] letters and digits that are left of each text after normalising."""
    return np.array([len(_NOT_A_WORD.sub("", text)) for text in collection.bare_texts], np.int64)


def _tokens(text: str, longest: int) -> int:
    # A token has one character at least: most texts need no closer look.
    return 0 if len(text) + _SPECIAL <= longest else _SPECIAL + len(_TOKEN.findall(text))
