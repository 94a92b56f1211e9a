"""What an article's domain is: its topic, or the year that it is from."""

from zhenwei.config import DomainKind
from zhenwei.news.article import Article


def domain_of(article: Article, domain: DomainKind = "field") -> str | None:
    """Name an article's domain; None where it has none.

    Args:
        article: the article.
        domain: ``field``: what its field ``domain`` says, a topic as in MDFEND; ``year``: the year of its ``time``,
            "2013", as in ENDEF.
    """
    if domain == "field":
        return article.domain
    return None if article.time is None else str(article.time.year)
