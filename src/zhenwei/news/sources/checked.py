"""CHECKED: Weibo posts about Covid-19, December 2019 to August 2020.

Yang, Zhou, Zafarani: "CHECKED: Chinese COVID-19 Fake News Dataset" (SNAM 2021).

    fake_news/<id>.json, real_news/<id>.json    {"label", "id", "date", "text", "comments", ...}
"""

from collections.abc import Iterable
from pathlib import Path

from zhenwei.news.article import Article
from zhenwei.news.io.validation import BadRowError, parse_article
from zhenwei.news.sources.folders import folder_with, read_object, read_posts

_FOLDERS = {"fake_news": "fake", "real_news": "real"}
_ZERO_WIDTH_SPACE = "\u200b"


def read_checked(source: Path) -> dict[str, Iterable[Article]]:
    r"""Read CHECKED as published: one part, in order of time (the dataset has no published split).

    Only `id`, `text`, `date` and `label` of each file are read, not comments and reposts.

    Zero-width spaces (U+200B) and surrounding white space are removed. Weibo's page ends the text of a post with three
    of them, and the way a post was collected decides whether they are kept: 25 of 30 fake posts of our sample have
    them, and 9 of 23 real ones. They are not part of the text, and a detector would learn them.

    Args:
        source: The folder with `fake_news` and `real_news`, or its parent.

    Raises:
        DataError: The folders are missing, or some posts cannot be used: a label that contradicts its folder,
            no text.
    """
    root = folder_with(source, _FOLDERS, "CHECKED")
    files = [file for folder in _FOLDERS for file in sorted((root / folder).glob("*.json"))]
    return {"articles": read_posts(root, files, _article)}


def _article(file: Path) -> Article:
    post, label = read_object(file), _FOLDERS[file.parent.name]
    text = post.get("text")
    row = {
        "id": post.get("id"),
        "content": text.replace(_ZERO_WIDTH_SPACE, "").strip() if isinstance(text, str) else text,
        "label": post.get("label"),
        "time": post.get("date"),
    }
    article = parse_article(row, require_label=True)
    if article.label != label:
        raise BadRowError(f"field 'label': found '{article.label}'; expected '{label}', as its folder says")
    return article
