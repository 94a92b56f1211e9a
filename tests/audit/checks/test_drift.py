"""Shares of fakes by domain."""

from zhenwei.audit.checks.drift import label_balance_domains
from zhenwei.audit.dataset import AuditDataset
from zhenwei.news.article import Article


def test_only_the_largest_domains_are_plotted() -> None:
    """The smaller domains come last in the order of names, and have no fakes."""
    large = {f"domain {number:02}": ["fake", "real"] * 30 for number in range(30)}
    small = {f"domain {number:02}": ["real"] for number in range(30, 35)}
    articles = [
        Article(content=f"{domain}, article {number}", label=label, domain=domain)
        for domain, labels in (large | small).items()
        for number, label in enumerate(labels)
    ]
    (plot,) = label_balance_domains(AuditDataset.from_articles({"train": articles, "test": articles[:60]})).plots
    assert plot.x == tuple(large)
    assert plot.series == {"train": (0.5,) * 30, "test": (0.5, *[None] * 29)}
