"""Thresholds of the checks: the values that warn and fail, each with its reason."""

from dataclasses import dataclass
from typing import Literal

from zhenwei.audit.findings import Status
from zhenwei.news.similarity.near_duplicates import GRAM, NEAR_DUPLICATE

Unit = Literal["percent", "points", "score", "count"]

_ROUNDING = 1e-9  # 0.6 - 0.5 is a little less than 0.1


@dataclass(frozen=True)
class Threshold:
    """The values from which a check warns and fails.

    Attributes:
        quantity: The quantity that is compared with the threshold, in words.
        unit: How its values are shown: a share as percent, a difference of shares as points, a score, or a count.
        warn: The check warns from this value on; 0: above 0.
        fail: The check fails from this value on; None: never.
        reason: Reason for the values.
        lower_is_worse: Whether the check warns and fails below the values instead.
    """

    quantity: str
    unit: Unit
    warn: float
    fail: float | None
    reason: str
    lower_is_worse: bool = False

    def status_of(self, value: float | None) -> Status:
        """Return the status of a value; `good` if there was nothing to check."""
        if value is None:
            return "good"
        if self.fail is not None and self._reached(value, self.fail):
            return "fail"
        return "warn" if self._reached(value, self.warn) else "good"

    def format_value(self, value: float) -> str:
        """Return a value with its unit."""
        if self.unit == "percent":
            return f"{100 * value:.3g}%"
        if self.unit == "points":
            return f"{100 * value:.3g} points"
        return f"{value:.2f}" if self.unit == "score" else f"{value:,.0f}"

    def __str__(self) -> str:
        warn = "below" if self.lower_is_worse else "above" if self.warn == 0 else "from"
        text = f"{self.quantity}: warn {warn} {self.format_value(self.warn)}, "
        if self.fail is None:
            return text + "never fails"
        return text + f"fail {'below' if self.lower_is_worse else 'from'} {self.format_value(self.fail)}"

    def _reached(self, value: float, limit: float) -> bool:
        if self.lower_is_worse:
            return value < limit - _ROUNDING
        return value > 0 if limit == 0 else value >= limit - _ROUNDING


_ALONE = "a single feature with such a score reflects how the labels were collected, not what makes news fake"

_NEAR = f"Jaccard similarity of character {GRAM}-grams from {NEAR_DUPLICATE}"

THRESHOLDS: dict[str, Threshold] = {
    "duplicates_within": Threshold(
        "articles that repeat an earlier one of their part", "percent", 0.01, 0.10,
        "a copy adds no information and makes confidence intervals too narrow; public collections have 1% to 3%",
    ),
    "duplicates_across": Threshold(
        "articles of a later part that are also in an earlier one", "percent", 0.0, 0.05,
        "the model has seen their labels; from 5% on the score of a part changes by whole points",
    ),
    "near_duplicates_within": Threshold(
        f"articles with an earlier near-duplicate ({_NEAR}) in their part", "percent", 0.05, 0.30,
        "posts are retold: 8% to 26% in Weibo21 and CED; from 30% on the effective size is far below the nominal size",
    ),
    "near_duplicates_across": Threshold(
        f"articles of a later part with a near-duplicate ({_NEAR}) in train", "percent", 0.01, 0.10,
        "a detector that only memorizes gets them right; they are rare (2% in CED) if parts are split by time",
    ),
    "contradictions": Threshold(
        "labeled articles whose text also has the other label", "percent", 0.0, 0.01,
        "one of the two labels is wrong, and nothing can be learned from them",
    ),
    "near_contradictions": Threshold(
        "labeled articles with a near-duplicate of the other label", "percent", 0.01, 0.05,
        "a rumor and its correction may share their wording; more than a few are labeling errors",
    ),
    "shortcut_symbols": Threshold("macro-F1 of a symbol alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_characters": Threshold("macro-F1 of a character alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_ngrams": Threshold("macro-F1 of two or three characters alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_fields": Threshold("macro-F1 of the value of a field alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_missing_fields": Threshold("macro-F1 of the presence of a field alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_length": Threshold("macro-F1 of the length alone", "score", 0.70, 0.80, _ALONE),
    "label_leaks": Threshold(
        "share of a label's articles that contain one n-gram of that label", "percent", 0.10, 0.25,
        "an n-gram of many articles of one label and almost none of the other shows where they were collected",
    ),
    "label_shift_parts": Threshold(
        "shift of the share of fakes between train and a later part", "points", 0.10, 0.25,
        "a decision threshold fits one share only: the 35 points of CED cost 0.3 of macro-F1 at 0.5",
    ),
    "label_balance_months": Threshold(
        "difference between the share of fakes in a month and overall", "points", 0.25, None,
        "news comes in waves; but if whole months have one label, the time alone predicts it",
    ),
    "label_balance_domains": Threshold(
        "difference between the share of fakes in a domain and overall", "points", 0.30, 0.45,
        "some topics attract more fakes (27 points in Weibo21); a topic of one label is learned instead of its content",
    ),
    "label_shift_domains": Threshold(
        "shift of a domain's share of fakes between train and a later part", "points", 0.20, None,
        "what was learned about the topic no longer holds",
    ),
    "entity_drift": Threshold(
        "entities that changed sides between past and future", "count", 1, None,
        "entities of earlier fakes appear in real news later, or the reverse; this is common, and motivates ENDEF",
    ),
    "temporal_leakage": Threshold(
        "train articles later than the first one of a later part", "percent", 0.0, 0.05,
        "a detector that was trained on the future is evaluated too optimistically",
    ),
    "blank_texts": Threshold(
        "articles without a letter or digit", "percent", 0.001, 0.05,
        "punctuation and emoji only: without links and mentions, nothing remains to classify",
    ),
    "short_texts": Threshold(
        "articles of 1 to 4 letters or digits", "percent", 0.01, 0.05,
        "four characters are not a claim that could be true or false (0.7% in Weibo21)",
    ),
    "long_texts": Threshold(
        "articles longer than the default `data.max_len`", "percent", 0.25, None,
        "they are truncated (8% in Weibo21); raise `data.max_len`, or accept it",
    ),
    "encoding_errors": Threshold(
        "articles with wrongly decoded or control characters", "percent", 0.001, 0.02,
        "a wrong decoding affects whole files; one in a thousand may be as its author wrote it",
    ),
    "leftover_markup": Threshold(
        "articles with HTML entities, tags or escapes", "percent", 0.005, 0.10,
        "left over from web pages; if the labels come from different pages, it predicts them",
    ),
    "other_scripts": Threshold(
        "articles in another script than most", "percent", 0.02, 0.20,
        "a few are quotations; a fifth is another collection mixed in",
    ),
    "duplicate_ids": Threshold(
        "articles that repeat an id", "percent", 0.0, 0.01,
        "an id that is not unique cannot be cited, joined or removed",
    ),
    "single_class": Threshold(
        "smallest number of labels in a labeled part", "count", 2, 2,
        "nothing can be learned from or measured on one class", lower_is_worse=True,
    ),
    "unlabeled": Threshold(
        "articles without a label among labeled ones", "percent", 0.0, None,
        "training and evaluation refuse the file",
    ),
    "small_parts": Threshold(
        "labeled articles in the smallest part", "count", 200, 30,
        "at an accuracy of 85% the 95% interval is ±5 points with 200 articles, ±13 with 30", lower_is_worse=True,
    ),
    "class_imbalance": Threshold(
        "share of the rarer label in a part", "percent", 0.10, 0.02,
        "scores of the rarer label rest on few articles; at 2% almost nothing can be learned", lower_is_worse=True,
    ),
}  # fmt: skip
"""The thresholds of each check, by its name."""

ALPHA = 0.01  # significance level of a check, over all its comparisons
MIN_SUPPORT = 10  # training articles that must contain a feature
N_CANDIDATES = 5  # features, the best on the articles for fitting, that are evaluated
MIN_GROUP = 50  # labeled articles of a month or domain, to compare it with the rest
MIN_ENTITY_SUPPORT = 5  # labeled articles with an entity, in the past and in the future each
MIN_PURITY = 0.95  # share of one label among the articles of a label leak, if both labels were equally frequent
MIN_LETTERS = 5  # letters or digits of a text that is not short
MAX_VALUES = 1_000  # most frequent values of a field that a rule distinguishes


def thresholds_table() -> str:
    """Return the thresholds as the Markdown table of the documentation."""
    rows = [f"| `{name}` | {threshold} | {threshold.reason} |" for name, threshold in THRESHOLDS.items()]
    return "\n".join(["| check | threshold | reason |", "| --- | --- | --- |", *rows, ""])
