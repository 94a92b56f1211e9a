"""The bounds of the audit: from where on each check warns and fails, in one place, each with its reason."""

from dataclasses import dataclass
from typing import Literal

from zhenwei.audit.findings import Status
from zhenwei.news.similarity.near_duplicates import GRAM, NEAR_DUPLICATE

Form = Literal["percent", "points", "score", "count"]

_ROUNDING = 1e-9  # 0.6 - 0.5 is a little less than 0.1


@dataclass(frozen=True)
class Bound:
    """From where on a check warns and fails.

    Attributes:
        of: What is held against the bound, in words.
        form: How its values are shown: a share as percent, a difference of shares as points, a score, a count.
        warn: It warns from this value on; 0: above 0.
        fail: It fails from this value on; None: it never fails.
        why: Why the bound is where it is.
        below: Whether small values are the bad ones: it then warns and fails below the values.
    """

    of: str
    form: Form
    warn: float
    fail: float | None
    why: str
    below: bool = False

    def grade(self, value: float | None) -> Status:
        """Return the status of a value; `good` where there was nothing to check."""
        if value is None:
            return "good"
        if self.fail is not None and self._reached(value, self.fail):
            return "fail"
        return "warn" if self._reached(value, self.warn) else "good"

    def shown(self, value: float) -> str:
        """Return a value as people read it."""
        if self.form == "percent":
            return f"{100 * value:.3g}%"
        if self.form == "points":
            return f"{100 * value:.3g} points"
        return f"{value:.2f}" if self.form == "score" else f"{value:,.0f}"

    def __str__(self) -> str:
        word = "below" if self.below else "above" if self.warn == 0 else "from"
        fails = "never fails" if self.fail is None else f"fail {'below' if self.below else 'from'}"
        ends = "" if self.fail is None else f" {self.shown(self.fail)}"
        return f"{self.of}: warn {word} {self.shown(self.warn)}, {fails}{ends}"

    def _reached(self, value: float, limit: float) -> bool:
        if self.below:
            return value < limit - _ROUNDING
        return value > 0 if limit == 0 else value >= limit - _ROUNDING


_ALONE = "one feature that scores so much alone is how the labels were collected, not what makes news fake"

_NEAR = f"Jaccard of character {GRAM}-grams from {NEAR_DUPLICATE}"

BOUNDS: dict[str, Bound] = {
    "copies_within": Bound(
        "articles that repeat an earlier one of their part", "percent", 0.01, 0.10,
        "a copy teaches nothing new, and intervals look narrower than they are; collections of posts have 1% to 3%",
    ),
    "copies_across": Bound(
        "articles of a later part that are in an earlier one", "percent", 0.0, 0.05,
        "each one is a question whose answer was given; from 5% on the score of a part moves by whole points",
    ),
    "near_duplicates_within": Bound(
        f"articles with an earlier near-duplicate ({_NEAR}) in their part", "percent", 0.05, 0.30,
        "posts are retold: 8% to 26% in Weibo21 and CED; from 30% on a part holds far less than its size says",
    ),
    "near_duplicates_across": Bound(
        f"articles of a later part with a near-duplicate ({_NEAR}) in train", "percent", 0.01, 0.10,
        "a detector that only remembers gets them right; they are rare (2% in CED) where parts are split by time",
    ),
    "contradictions": Bound(
        "labelled articles whose text also stands under the other label", "percent", 0.0, 0.01,
        "one of the two labels is wrong, and nothing can be learned from them",
    ),
    "near_contradictions": Bound(
        "labelled articles with a near-duplicate of the other label", "percent", 0.01, 0.05,
        "a rumour and its correction may share their wording; more than a few are slips of the labelling",
    ),
    "shortcut_marks": Bound("macro-F1 of a mark alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_characters": Bound("macro-F1 of a character alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_ngrams": Bound("macro-F1 of two or three characters alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_fields": Bound("macro-F1 of a field's value alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_missing_fields": Bound("macro-F1 of a field's presence alone", "score", 0.70, 0.80, _ALONE),
    "shortcut_length": Bound("macro-F1 of the length alone", "score", 0.70, 0.80, _ALONE),
    "tell_tales": Bound(
        "share of a label's articles that one n-gram gives away", "percent", 0.10, 0.25,
        "what is in many articles of one label, and in hardly any of the other, tells where they were collected",
    ),
    "label_share_parts": Bound(
        "shift of the share of fakes between train and a later part", "points", 0.10, 0.25,
        "a threshold that fits one share does not fit another: CED's 35 points cost 0.3 of macro-F1 at 0.5",
    ),
    "label_share_months": Bound(
        "difference between a month's share of fakes and the whole's", "points", 0.25, None,
        "news comes in waves; but where whole months are of one label, the time alone tells it",
    ),
    "label_share_domains": Bound(
        "difference between a domain's share of fakes and the whole's", "points", 0.30, 0.45,
        "some topics draw more fakes (27 points in Weibo21); a topic of one label is learned instead of its news",
    ),
    "label_drift_domains": Bound(
        "shift of a domain's share of fakes between train and a later part", "points", 0.20, None,
        "what was learned of the topic no longer holds",
    ),
    "flipped_entities": Bound(
        "entities that changed sides between past and future", "count", 1, None,
        "names that were in fakes stand in real news later, or the reverse; it is how news goes, and ENDEF's reason",
    ),
    "time_leaks": Bound(
        "train articles later than the first one of a later part", "percent", 0.0, 0.05,
        "a detector that has read the future is judged too well",
    ),
    "blank_texts": Bound(
        "articles without a letter or digit", "percent", 0.001, 0.05,
        "marks and emoji alone: links and mentions left out, nothing remains to be judged",
    ),
    "short_texts": Bound(
        "articles of 1 to 4 letters or digits", "percent", 0.01, 0.05,
        "four characters are no claim that could be true or false (0.7% in Weibo21)",
    ),
    "long_texts": Bound(
        "articles longer than the default `data.max_len`", "percent", 0.25, None,
        "their ends are cut away unseen (8% in Weibo21); raise `data.max_len`, or know it",
    ),
    "wrong_encoding": Bound(
        "articles with wrongly decoded or control characters", "percent", 0.001, 0.02,
        "a wrong decoding happens to whole files; one in a thousand may be as its author wrote it",
    ),
    "markup_left": Bound(
        "articles with HTML entities, tags or escapes", "percent", 0.005, 0.10,
        "left over from the page; where labels come from different pages, it tells them apart",
    ),
    "other_languages": Bound(
        "articles in another script than most", "percent", 0.02, 0.20,
        "a few are quotations; a fifth is another collection mixed in",
    ),
    "repeated_ids": Bound(
        "articles that repeat an id", "percent", 0.0, 0.01,
        "an id that is not one cannot be cited, joined or taken out",
    ),
    "one_class": Bound(
        "least number of labels in a labelled part", "count", 2, 2,
        "nothing can be learned from or measured on one class", below=True,
    ),
    "unlabelled": Bound(
        "articles without a label among labelled ones", "percent", 0.0, None,
        "training and judging refuse the file",
    ),
    "small_parts": Bound(
        "labelled articles in the smallest part", "count", 200, 30,
        "at an accuracy of 85% the 95% interval is 5 points to either side with 200 articles, 13 with 30", below=True,
    ),
    "imbalance": Bound(
        "share of the rarer label in a part", "percent", 0.10, 0.02,
        "scores of the rarer label rest on few articles; at 2% hardly anything can be learned of it", below=True,
    ),
}  # fmt: skip
"""From where on each check warns and fails, by the check's name."""

ALPHA = 0.01  # chance of a false alarm that a check allows itself, over all that it looks at
LEAST_SUPPORT = 10  # training articles that a feature must be in, to be looked at
JUDGED = 5  # features, the best of the training articles, that are judged on the later part
LEAST_GROUP = 50  # labelled articles of a month or domain, to be compared with the whole
LEAST_ENTITY = 5  # labelled articles that name an entity, in the past and in the future each
PURE = 0.95  # how much of one label a tell-tale's articles must be, if there were as many real as fake
SHORT = 5  # letters or digits from which on a text is long enough
MOST_VALUES = 1_000  # distinct values of a field that are looked at, the most frequent ones


def bounds_table() -> str:
    """Return the bounds as a Markdown table, as the documentation has it."""
    rows = [f"| `{name}` | {bound} | {bound.why} |" for name, bound in BOUNDS.items()]
    return "\n".join(["| check | bound | why |", "| --- | --- | --- |", *rows, ""])
