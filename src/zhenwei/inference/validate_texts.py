"""What a program hands to a detector, checked as a file's rows would be checked."""

from collections.abc import Iterable, Iterator, Mapping

from zhenwei.errors import ConfigError, DataError
from zhenwei.news.article import Article, ArticleError
from zhenwei.news.fields import format_value


def articles_of(texts: str | Iterable[str]) -> Iterator[Article]:
    """Return one text, or any number of them, as articles; of many, one at a time.

    Raises:
        DataError: At once, if this is neither a text nor a collection of texts; and when its turn comes, if a text is
            blank or is no text. The message says which.
    """
    if isinstance(texts, str):
        texts = [texts]
    # Bytes are a collection of numbers, and a dict one of its keys; neither was meant.
    if isinstance(texts, bytes | bytearray | memoryview | Mapping | Article) or not isinstance(texts, Iterable):
        raise DataError(f"texts: found {format_value(texts)}; expected a text, or any number of texts{_meant(texts)}")
    return (article_of(text, number) for number, text in enumerate(texts, start=1))


def article_of(text: object, number: int = 1) -> Article:
    """Return a text as an article.

    Raises:
        DataError: If it is blank or no text; the message names it by its number.
    """
    try:
        return Article(content=text)
    except ArticleError as error:
        raise DataError(f"text {number}: {error.problems[0]}{_meant(text)}") from None


def check_count(k: int) -> None:
    """Check how many neighbours are asked for.

    Raises:
        ConfigError: If it is no whole number from 1 on.
    """
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise ConfigError(f"k: found {format_value(k)}; expected a whole number from 1 on")


def _meant(given: object) -> str:
    """Say what would do instead of articles and bytes."""
    if isinstance(given, Article):
        return "; predict_articles takes articles"
    return "; decode bytes first" if isinstance(given, bytes | bytearray) else ""
