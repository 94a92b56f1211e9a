"""CED: Weibo rumors and non-rumors of 2010 to 2013, with their reposts (Chinese_Rumor_Dataset).

Song, Yang, Chen, Tu, Liu, Sun: "CED: Credible Early Detection of Social Media Rumors" (TKDE 2019).

    original-microblog/<n>_<post>_<user>.json    the post: {"text": ..., "time": ...}
    rumor-repost/<same name>                     its reposts, if it is a rumor
    non-rumor-repost/<same name>                 its reposts, if it is not

The label is which of the two repost folders has a file of the same name.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from zhenwei.news.article import Article
from zhenwei.news.fields import FieldError
from zhenwei.news.io.validation import BadRowError, parse_article
from zhenwei.news.sources.folders import folder_with, read_object, read_posts

_BEIJING = timezone(timedelta(hours=8))
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def read_ced(source: Path) -> dict[str, Iterable[Article]]:
    """Read CED as published: one part, in order of time (the dataset has no published split).

    Times are Beijing local time, like the dataset's own dates. White space around a post is dropped: it is left over
    from the web page, where a link or picture followed.

    Args:
        source: The folder with the three folders of the dataset, or its parent.

    Raises:
        DataError: The folders are missing, or some posts cannot be used: they have no reposts in either folder, reposts
            in both, or no text.
    """
    root = folder_with(source, ("original-microblog", "rumor-repost", "non-rumor-repost"), "CED")
    rumors, others = (
        {file.name for file in (root / name).glob("*.json")} for name in ("rumor-repost", "non-rumor-repost")
    )
    posts = sorted((root / "original-microblog").glob("*.json"), key=lambda file: _number(file.name))

    def parse(file: Path) -> Article:
        return _article(file, _label(file.name in rumors, file.name in others))

    return {"articles": read_posts(root, posts, parse)}


def _label(is_rumor: bool, is_other: bool) -> str:
    if is_rumor and is_other:
        raise BadRowError("found reposts in rumor-repost and in non-rumor-repost; expected one of them")
    if not is_rumor and not is_other:
        raise BadRowError("found no reposts of the same name; expected them in rumor-repost or non-rumor-repost")
    return "fake" if is_rumor else "real"


def _article(file: Path, label: str) -> Article:
    post = read_object(file)
    text = post.get("text")
    row = {
        "id": f"ced-{_number(file.name)[1]}",
        "content": text.strip() if isinstance(text, str) else text,
        "label": label,
        "time": _beijing_time(post.get("time")),
    }
    return parse_article(row, require_label=True)


def _number(name: str) -> tuple[int, str]:
    """Return the number of a post from its file name (before the first underscore): for sorting, and as written."""
    number = name.removesuffix(".json").split("_")[0]
    return (int(number) if number.isdecimal() else -1), number


def _beijing_time(raw: Any) -> datetime:
    """Return Unix seconds, or text such as `Fri Sep 21 14:19:46 +0800 2012`, as naive Beijing time."""
    try:
        if isinstance(raw, str):
            # Not strptime: it expects the names of months in the language of the locale.
            _, month, day, clock, zone, year = raw.split()
            iso = f"{int(year):04}-{_MONTHS.index(month) + 1:02}-{int(day):02}T{clock}{zone}"
            moment = datetime.fromisoformat(iso)
        elif isinstance(raw, int) and not isinstance(raw, bool):
            moment = datetime.fromtimestamp(raw, UTC)
        else:
            raise ValueError
        return moment.astimezone(_BEIJING).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        expected = "Unix seconds or 'Fri Sep 21 14:19:46 +0800 2012'"
        raise BadRowError(f"field 'time': {FieldError(raw, expected)}") from None
