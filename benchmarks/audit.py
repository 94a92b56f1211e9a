"""Measure the time of each check of `zhenwei data audit`, and its memory.

    python benchmarks/audit.py                       # 100,000 posts made of the synthetic dataset
    python benchmarks/audit.py --file posts.json     # your own posts

Each post is made of sentences of posts of one label, so that n-grams, entities and labels are as in the original posts.
A twentieth of them are copies or near-duplicates of others. They are split by time into train, val and test, 6:2:2.
"""

import argparse
import os
import platform
import random
import re
import resource
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from zhenwei.audit.audit import CHECKS
from zhenwei.audit.dataset import AuditDataset
from zhenwei.cli.figures import print_rows
from zhenwei.news import Article, read_articles, write_articles
from zhenwei.news.sources.synthetic import SyntheticDataset

SYNTHETIC_POSTS = 5000
COPIED = 0.05  # of all posts
_SENTENCE = re.compile(r"[^。！？]+[。！？]?")


def main() -> None:
    options = parse_options()
    posts = splice(read_posts(options.file), options.posts, random.Random(0))
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        first, second = round(0.6 * len(posts)), round(0.8 * len(posts))
        for part, rows in (("train", posts[:first]), ("val", posts[first:second]), ("test", posts[second:])):
            paths[part] = Path(folder) / f"{part}.json"
            write_articles(paths[part], rows)
        start = time.perf_counter()
        dataset = AuditDataset.read(paths)
        rows = [("reading", time.perf_counter() - start, "")]
        for check in CHECKS:
            check_start = time.perf_counter()
            finding = check(dataset)
            rows.append((finding.check, time.perf_counter() - check_start, finding.status))
        total = time.perf_counter() - start
    length = np.mean([len(text) for text in dataset.texts])
    table = [(name, f"{seconds:.1f}", status) for name, seconds, status in [*rows, ("total", total, "")]]
    print_rows(("check", "seconds", "status"), table, f"{len(posts):,} posts of {length:.0f} characters each")
    print("near-duplicates and n-grams are computed by the first check that needs them")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory: {peak:.1f} GiB; {machine()}; Python {platform.python_version()}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="file of labeled articles (default: the synthetic dataset)")
    parser.add_argument("--posts", type=int, default=100_000, help="number of posts to audit (100,000)")
    return parser.parse_args()


def read_posts(file: Path | None) -> list[Article]:
    if file is not None:
        return [article for article in read_articles(file) if article.label is not None]
    return SyntheticDataset(n_train=SYNTHETIC_POSTS, n_val=0, n_test=0).generate()["train"]


def splice(posts: list[Article], count: int, chance: random.Random) -> list[Article]:
    """Join sentences of three posts of one label until the text is as long as the first post."""
    by_label = {label: [post for post in posts if post.label == label] for label in ("real", "fake")}
    made: list[Article] = []
    for number in range(count):
        label = chance.choice(("real", "fake"))
        first = chance.choice(by_label[label])
        if made and chance.random() < COPIED:
            old = chance.choice(made)
            content, label = old.content + chance.choice(("", "！", f"转{number}")), old.label
        else:
            others = chance.choices(by_label[label], k=2)
            sentences = [part for post in (first, *others) for part in _SENTENCE.findall(post.content)]
            chance.shuffle(sentences)
            content = ""
            while sentences and len(content) < len(first.content):
                content += sentences.pop()
        made.append(
            Article(
                id=f"post-{number}",
                content=content.strip() or first.content,
                label=label,
                time=datetime(2016, 1, 1) + timedelta(minutes=25 * number),
                domain=first.domain,
                entity_list=first.entity_list,
            )
        )
    return made


def machine() -> str:
    """Return the number of cores and their load."""
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{os.cpu_count()} cores{busy}"


if __name__ == "__main__":
    main()
