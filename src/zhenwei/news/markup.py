"""Find the markup of a post: links, mentions, hashtags, emoticons and emoji."""

import re

LINK = re.compile(r"(?:https?://|www\.|\bt\.cn/)[!-~]+", re.IGNORECASE)
# An account's name: letters of any script, digits, `_` and `-`, as Weibo allows them.
MENTION = re.compile(r"[@＠][\w-]{2,30}")
# Weibo's pair of # around a topic, or Twitter's single # before a word.
HASHTAG = re.compile(
    r"(?<![a-zA-Z0-9&])#(?=[^#\n]*[^\W\d])[^#\s](?:[^#\n]{0,48}[^#\s&])?#|(?<![\w#&])#(?=\w*[^\W\d])\w{1,50}"
)
# Weibo writes a face as a name in brackets, as in [泪] or [bed凌乱]; a number in brackets is a footnote.
FACE = re.compile(r"\[(?!\d+\])\w{1,8}\]")
# One emoji, with its color modifiers and joiners; two regional letters are one flag.
EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[\u2600-\u27bf\u2b50\u2b55\U0001f004-\U0001faff]"
    "(?:[\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d[\u2600-\u27bf\U0001f300-\U0001faff])*"
)

NOTHING = "\n"  # replaces a character of markup, and separates the words around it

_MARKUP = re.compile("|".join(f"(?:{part.pattern})" for part in (LINK, MENTION, FACE)), re.IGNORECASE)


def without_markup(text: str) -> str:
    """Return the text with links, mentions and bracketed faces blanked; every other character keeps its position."""
    return _MARKUP.sub(lambda match: NOTHING * len(match.group()), text)
