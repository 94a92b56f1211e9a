"""The part of a text that an edit may change: outside of links, mentions, faces and HTML entities."""

import re

from zhenwei.news.markup import NOTHING, without_markup

CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
CHINESE_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")

_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]\w{1,30});", re.IGNORECASE)


def editable_text(text: str) -> str:
    """Return the text with links, mentions, faces and HTML entities blanked by line breaks.

    Every other character keeps its position. An edit inside of a link or an entity would break it.
    """
    return _ENTITY.sub(lambda match: NOTHING * len(match.group()), without_markup(text))
