"""Non-lexical features of emotion: punctuation, emoticons, capitals, digits, links and mentions."""

import math
import re
from functools import cache

from zhenwei.news.enrichment.emotion_lexicon import CATEGORIES, built_in_emoticons
from zhenwei.news.markup import EMOJI, FACE, HASHTAG, LINK, MENTION, without_markup

EMOTICON_KINDS = (*CATEGORIES, "other")
SIGNS = (
    "exclamations",
    "questions",
    "ellipses",
    "repeated_marks",
    *(f"emoticons_{kind}" for kind in EMOTICON_KINDS),
    "upper_case",
    "digits",
    "hashtags",
    "mentions",
    "links",
)

_MAX_COUNT = 100
_ELLIPSIS = re.compile(r"…+|\.{3,}|。{2,}")
_REPEATED = re.compile(r"[!！?？]{2,}")


def level(count: int) -> float:
    """Return a count as log(1 + n) / log(101), at most 1."""
    return math.log1p(min(count, _MAX_COUNT)) / math.log1p(_MAX_COUNT)


def count_signs(text: str) -> tuple[float, ...]:
    """Return the values of `SIGNS`, each from 0 to 1."""
    linkless = LINK.sub(" ", text)  # punctuation of links does not count
    bare = without_markup(text)
    emoticons = _count_emoticons(linkless)
    latin = [character for character in bare if character.isascii() and character.isalpha()]
    visible = sum(not character.isspace() for character in bare)
    return (
        level(bare.count("!") + bare.count("！")),
        level(bare.count("?") + bare.count("？")),
        level(len(_ELLIPSIS.findall(bare))),
        level(len(_REPEATED.findall(bare))),
        *(level(emoticons[kind]) for kind in EMOTICON_KINDS),
        sum(map(str.isupper, latin)) / max(len(latin), 1),
        sum(map(str.isdecimal, bare)) / max(visible, 1),
        level(len(HASHTAG.findall(linkless))),
        level(len(MENTION.findall(linkless))),
        level(len(LINK.findall(text))),
    )


def _count_emoticons(text: str) -> dict[str, int]:
    kinds = built_in_emoticons()
    counts = dict.fromkeys(EMOTICON_KINDS, 0)
    for emoticon in _emoticons().findall(text):
        # The first character of an emoji is its kind; modifiers such as skin color follow.
        counts[kinds.get(emoticon) or kinds.get(emoticon[0], "other")] += 1
    return counts


@cache
def _emoticons() -> re.Pattern[str]:
    of_marks = [e for e in built_in_emoticons() if not FACE.fullmatch(e) and not EMOJI.fullmatch(e)]
    faces = "|".join(map(re.escape, sorted(of_marks, key=len, reverse=True)))
    return re.compile(rf"{FACE.pattern}|{EMOJI.pattern}|(?<![a-zA-Z0-9])(?:{faces})(?![a-zA-Z0-9])")
