"""A user's own edits: a file of pairs of a text and its edited form."""

import os
from dataclasses import dataclass

from zhenwei.errors import DataError
from zhenwei.news import Article
from zhenwei.news.fields import FieldError, parse_content
from zhenwei.news.io.field_suggestions import missing_field
from zhenwei.news.io.files import check_article_file
from zhenwei.news.io.readers import read_rows
from zhenwei.news.io.validation import BadRowError, BadRows, parse_article

EDITED = "edited"  # the field of the text after the edit


@dataclass(frozen=True)
class TextPair:
    """An article, and its text after an edit.

    Attributes:
        article: The article; a label is optional.
        edited: The edited text.
    """

    article: Article
    edited: str


def read_pairs(path: str | os.PathLike[str]) -> list[TextPair]:
    """Read a file of pairs: each row has `content` and `edited`, and optionally `label`, `id` and other fields.

    Args:
        path: A `.json`, `.jsonl`, `.csv` or `.parquet` file.

    Raises:
        DataError: The file or one of its rows cannot be used; a missing side is named with its row and field.
    """
    file = check_article_file(path)
    bad, pairs, count = BadRows(file), [], 0
    for row in read_rows(file, ("content", EDITED)):
        count = row.number
        with bad.collect(row.location):
            if row.problem is not None:
                raise BadRowError(row.problem)
            pairs.append(_parse_pair(row.value))
    if not count:
        raise DataError(f"{file}: found no rows; expected at least one pair")
    bad.raise_if_any(count)
    return pairs


def _parse_pair(values: object) -> TextPair:
    article = parse_article(values, require_label=False)
    if EDITED not in article.extra:
        raise BadRowError(missing_field(EDITED, list(values) if isinstance(values, dict) else []))
    try:
        return TextPair(article, parse_content(article.extra[EDITED]))
    except FieldError as problem:
        raise BadRowError(f"field '{EDITED}': {problem}") from None
