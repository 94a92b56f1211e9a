"""When a detector gives no verdict: rules whose bounds come from its training articles."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zhenwei.news.normalize.normalizer import Normalizer
from zhenwei.news.writing_system import SCRIPTS, count_letters_by_script

MAX_WORDS = 5  # the bound of `too_few_words` is never higher
WORDS_QUANTILE = 0.01  # nor than this quantile of the training articles
KNOWN_SHARE = 0.1  # of the training articles' letters, from which a script is known to the detector
FOREIGN_SHARE = 0.1  # of a text's letters: with no more in known scripts, it is foreign
UNKNOWN_SHARE = 0.5  # of a text's tokens
TRADITIONAL_SHARE = 0.1  # of a text's Chinese characters that are Traditional only

# A Chinese character, kana, a Korean syllable; a word of another script.
_WORD = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af\u3041-\u30ff\uac00-\ud7af]"
    r"|[^\W\d_\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af]+"
)
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_ONLY = {"only_link": Normalizer(("links",)), "only_mention": Normalizer(("residue", "mentions"))}
_FOLD = Normalizer(("traditional",))


@dataclass(frozen=True)
class Reason:
    """Why there is no verdict.

    Attributes:
        code: For programs.
        en: The same in English.
        zh: And in Chinese.
    """

    code: str
    en: str
    zh: str

    def to_dict(self) -> dict[str, str]:
        """Return all fields, ready for JSON."""
        return asdict(self)


REASONS = {
    reason.code: reason
    for reason in (
        Reason("no_words", "there are no words to judge", "没有可判断的文字"),
        Reason("only_link", "there is only a link", "只有链接"),
        Reason("only_mention", "there is only a mention of an account", "只有@某个账号"),
        Reason("only_number", "there is only a number", "只有数字"),
        Reason("too_few_words", "there are too few different words to judge", "文字太少，无法判断"),
        Reason(
            "other_language", "the text is in a language that this detector was not trained on",
            "文本的语言不在该模型的训练范围内",
        ),
        Reason(
            "other_script", "the text is in Traditional characters, which this detector was not trained on",
            "文本为繁体字，该模型未用繁体字训练",
        ),
        Reason(
            "mostly_unknown", "most of the text is unknown to this detector: it was trained on other writing",
            "文本的大部分内容是该模型没有见过的",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class AbstentionRules:
    """The rules of a detector.

    Attributes:
        min_words: Fewest different words of a text with a verdict; a Chinese character is a word.
        scripts: Share of each script among the letters of the training articles; empty: unknown.
        traditional_share: Share of Traditional among the Chinese characters of the training articles.
    """

    min_words: int = 1
    scripts: Mapping[str, float] = field(default_factory=dict)
    traditional_share: float = 1.0

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        """Derive the rules from normalized training articles; at most 1% of them have too few words."""
        words = [count_different_words(text) for text in texts]
        letters = count_letters_by_script(texts)
        shares = letters.sum(axis=0) / max(int(letters.sum()), 1)
        return cls(
            min_words=int(np.clip(np.quantile(words, WORDS_QUANTILE, method="lower"), 1, MAX_WORDS)),
            scripts={name: round(float(share), 6) for name, share in zip(SCRIPTS, shares, strict=True) if share > 0},
            traditional_share=round(_traditional_share("".join(texts)), 6),
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the rules from those of `to_dict`.

        Raises:
            ValueError: A value is missing or has a wrong type.
        """
        try:
            scripts = {str(name): float(share) for name, share in values["scripts"].items()}
            return cls(int(values["min_words"]), scripts, float(values["traditional_share"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the rules, ready for JSON."""
        return asdict(self)

    def reasons(
        self, texts: Sequence[str], normalized: Sequence[str], unknown: NDArray[np.float64]
    ) -> list[tuple[Reason, ...]]:
        """Return why there is no verdict on each of N texts; none if there is one.

        Args:
            texts: The texts as they were given.
            normalized: The texts as the detector reads them.
            unknown: [N] share of each text's tokens that the detector does not know.
        """
        foreign = self._foreign(normalized)
        codes = (
            self._code(text, read, float(share), other)
            for text, read, share, other in zip(texts, normalized, unknown, foreign, strict=True)
        )
        return [() if code is None else (REASONS[code],) for code in codes]

    def _code(self, text: str, read: str, unknown: float, foreign: bool) -> str | None:
        words = count_different_words(read)
        if words == 0:
            only = next((code for code, normalizer in _ONLY.items() if normalizer(text) != text), "no_words")
            return "only_number" if any(map(str.isdecimal, read)) else only
        if words < self.min_words:
            return "too_few_words"
        if foreign:
            return "other_language"
        if self.traditional_share < TRADITIONAL_SHARE / 10 and _traditional_share(read) >= TRADITIONAL_SHARE:
            return "other_script"
        return "mostly_unknown" if unknown > UNKNOWN_SHARE else None

    def _foreign(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Return [N] whether hardly a letter of each text is of a script that the detector knows."""
        known = np.array([self.scripts.get(name, 0.0) >= KNOWN_SHARE for name in SCRIPTS])
        letters = count_letters_by_script(texts)
        letters[:, 0] *= letters[:, 1] <= JAPANESE_SHARE * letters.sum(axis=1)  # kana: the characters are Japanese
        total = letters.sum(axis=1)
        foreign: NDArray[np.bool_] = (total > 0) & (letters[:, known].sum(axis=1) <= FOREIGN_SHARE * total)
        return foreign & bool(known.any())


JAPANESE_SHARE = 0.15  # of kana among the letters of a text, from which its Chinese characters are Japanese


def count_different_words(text: str) -> int:
    """Return the number of different words of a text; a Chinese character is a word, a number is not."""
    return len({word.lower() for word in _WORD.findall(text)})


def _traditional_share(text: str) -> float:
    """Return the share of characters that are Traditional only among the Chinese characters of a text."""
    chinese = _CHINESE.findall(text)
    if not chinese:
        return 0.0
    joined = "".join(chinese)
    return sum(a != b for a, b in zip(joined, _FOLD(joined), strict=True)) / len(joined)
