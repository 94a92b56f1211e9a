"""Clean articles, to plant faults into."""

import pytest

from zhenwei.news import Article
from zhenwei.news.sources.synthetic import SyntheticDataset

Parts = dict[str, list[Article]]


@pytest.fixture(scope="session")
def clean_world() -> Parts:
    """Train, val and test of a synthetic world in which nothing is wrong; only to be read."""
    return SyntheticDataset(n_train=1000, n_val=1000, n_test=400, n_flipped=0).generate()


@pytest.fixture
def clean(clean_world: Parts) -> Parts:
    """The same, for this test alone: articles are frozen, lists are new."""
    return {part: list(articles) for part, articles in clean_world.items()}
