"""An article's domain is its topic, or the year that it is from."""

import pytest

from zhenwei.config import DomainKind
from zhenwei.news import Article
from zhenwei.tokens import domain_of

DATED = Article(content="大蒜", domain="健康", time="2013-12-31 23:59:59")
PLAIN = Article(content="大蒜")


@pytest.mark.parametrize(
    ("article", "rule", "domain"),
    [(DATED, "field", "健康"), (DATED, "year", "2013"), (PLAIN, "field", None), (PLAIN, "year", None)],
)
def test_the_rule_says_where_the_domain_comes_from(article: Article, rule: DomainKind, domain: str | None) -> None:
    assert domain_of(article, rule) == domain


def test_the_field_is_the_rule_unless_another_is_given() -> None:
    assert domain_of(DATED) == "健康"
