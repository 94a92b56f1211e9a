"""Duplicates of val and test."""

from zhenwei.audit.checks.duplicates import duplicates_across, near_duplicates_across
from zhenwei.audit.dataset import AuditDataset
from zhenwei.news.sources.synthetic import SyntheticDataset


def test_duplicates_of_val_in_test_are_finding() -> None:
    """The epoch and the threshold are chosen on val, so test must not repeat it."""
    synthetic = SyntheticDataset(n_train=60, n_val=20, n_test=20).generate()
    parts = {**synthetic, "test": [*synthetic["test"][:19], synthetic["val"][0]]}
    for check in (duplicates_across, near_duplicates_across):
        finding = check(AuditDataset.from_articles(parts))
        assert finding.value == 0.05
        assert "test: 1 of 20 articles (5.0%)" in finding.summary
        assert "val" in finding.summary.split("test: 1 of 20")[1]
