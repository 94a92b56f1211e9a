"""Articles: files of them, importers of public datasets, a synthetic dataset, and splits."""

from zhenwei.news.article import Article
from zhenwei.news.io.files import find_part, iter_articles, read_articles, write_articles
from zhenwei.news.splitting.strategies import Split, chronological_split, grouped_split, random_split

__all__ = [
    "Article",
    "Split",
    "chronological_split",
    "find_part",
    "grouped_split",
    "iter_articles",
    "random_split",
    "read_articles",
    "write_articles",
]
