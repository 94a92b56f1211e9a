"""Validate the texts that a program passes to a detector, as rows of a file are validated."""

from collections.abc import Iterable, Iterator, Mapping

from zhenwei.errors import ConfigError, DataError
from zhenwei.news.article import Article, ArticleError
from zhenwei.news.fields import format_value


def articles_of(texts: str | Iterable[str]) -> Iterator[Article]:
    """Return one text, or any number of them, as a stream of articles.

    Raises:
        DataError: Immediately, if this is neither a text nor a collection of texts; and while iterating, if a text is
            blank or not a text. The message gives its number.
    """
    if isinstance(texts, str):
        texts = [texts]
    # Bytes are a collection of numbers, and a dict is one of its keys; neither is intended.
    if isinstance(texts, bytes | bytearray | memoryview | Mapping | Article) or not isinstance(texts, Iterable):
        raise DataError(f"texts: found {format_value(texts)}; expected a text, or any number of texts{_hint(texts)}")
    return (article_of(text, number) for number, text in enumerate(texts, start=1))


def article_of(text: object, number: int = 1) -> Article:
    """Return a text as an article.

    Raises:
        DataError: If it is blank or not a text; the message gives its number.
    """
    try:
        return Article(content=text)
    except ArticleError as error:
        raise DataError(f"text {number}: {error.problems[0]}{_hint(text)}") from None


def check_count(k: int) -> None:
    """Check the requested number of neighbours.

    Raises:
        ConfigError: If it is not a positive integer.
    """
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise ConfigError(f"k: found {format_value(k)}; expected a positive integer")


def _hint(value: object) -> str:
    """Return how to pass articles and bytes."""
    if isinstance(value, Article):
        return "; predict_articles takes articles"
    return "; decode bytes first" if isinstance(value, bytes | bytearray) else ""
