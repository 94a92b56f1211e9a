"""Suggest a name for a missing field."""

import difflib

from zhenwei.news.fields import format_value

_OTHER_NAMES = {
    "content": ("text", "title", "body", "post", "news", "tweet", "article", "正文", "内容", "文本"),
    "edited": ("rewrite", "rewritten", "edit", "after", "改写", "编辑后"),
    "label": ("labels", "target", "class", "y", "标签"),
}


def missing_field(name: str, found: list[str], noun: str = "field") -> str:
    """Return the message for a missing field, with the field that was likely meant, if there is one."""
    likely = [other for other in found if other.strip().lower() == name]
    likely += [other for other in found if other.strip().lower() in _OTHER_NAMES[name]]
    likely += difflib.get_close_matches(name, found, n=1, cutoff=0.75)
    if likely:
        return f"no {noun} '{name}'; found {format_value(likely[0])}: rename it"
    names = ", ".join(map(format_value, found[:20])) or "none"
    return f"no {noun} '{name}'; found {names}"
