"""Clean articles, into which tests plant faults."""

import pytest

from zhenwei.news import Article
from zhenwei.news.sources.synthetic import SyntheticDataset

Parts = dict[str, list[Article]]


@pytest.fixture(scope="session")
def clean_dataset() -> Parts:
    """Train, val and test of a synthetic dataset without faults; read only."""
    return SyntheticDataset(n_train=1000, n_val=1000, n_test=400, n_flipped=0).generate()


@pytest.fixture
def clean(clean_dataset: Parts) -> Parts:
    """The same for a single test: the articles are frozen, the lists are copies."""
    return {part: list(articles) for part, articles in clean_dataset.items()}
