"""Duplicates of val and test."""

from dataclasses import replace

from zhenwei.audit.checks.duplicates import duplicates_across, near_duplicates_across, near_duplicates_within
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


def test_a_rewrite_is_a_leak_only_in_another_part() -> None:
    synthetic = SyntheticDataset(n_train=60, n_val=20, n_test=20).generate()
    original = replace(synthetic["train"][0], id="first")
    rewrite = replace(original, content=original.content + "！", id="second", rewrite_of="first")
    parts = {**synthetic, "train": [original, *synthetic["train"][1:59], rewrite]}
    assert near_duplicates_within(AuditDataset.from_articles(parts)).value == 0
    copy = replace(rewrite, rewrite_of=None)
    parts["train"][-1] = copy
    assert near_duplicates_within(AuditDataset.from_articles(parts)).value == 1 / 60
    parts = {**synthetic, "train": [original, *synthetic["train"][1:]]}
    parts["test"] = [*synthetic["test"][:19], replace(rewrite, content="措辞完全不同的一篇")]
    finding = near_duplicates_across(AuditDataset.from_articles(parts))
    assert finding.value == 0.05
    assert "test: 1 of 20 articles (5.0%) have a near-duplicate, copy or rewrite in train" in finding.summary
