"""How many posts a second `zhenwei data enrich --entities` does, from one file to another.

    python benchmarks/entities.py                       # 20,000 posts made of the synthetic dataset
    python benchmarks/entities.py --file posts.json     # of your own
    python benchmarks/entities.py --emotion             # with the emotion features, too

Where there are fewer posts than wanted, they are repeated, each time with a number put in at another place, so that
no two are alike. (Runs of characters that repeat are tagged once: expect less of a file in which nothing does.) The
time counts everything: start of the processes, jieba's dictionary, reading and writing.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path

from zhenwei.cli.figures import print_rows
from zhenwei.news import Article, read_articles, write_articles
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.enrichment.enrich import enrich_file
from zhenwei.news.enrichment.entities import build_tagger
from zhenwei.news.sources.synthetic import SyntheticDataset

SYNTHETIC_POSTS = 2000


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "posts.json"
        contents = [article.content for article in read_posts(options.file)]
        write_articles(source, islice(repeated(contents), options.posts))
        rows, copies = [], []
        for processes in options.processes:
            destination = Path(folder) / f"{processes}.json"
            begun = time.perf_counter()
            enrich_file(
                source,
                destination,
                entities=build_tagger("jieba"),
                emotion=EmotionExtractor() if options.emotion else None,
                processes=processes,
            )
            seconds = time.perf_counter() - begun
            rows.append((str(processes), f"{seconds:.1f}", f"{options.posts / seconds:,.0f}"))
            copies.append(destination.read_bytes())
    length = sum(map(len, contents)) / len(contents)
    what = "entities and emotion" if options.emotion else "entities"
    origin = options.file or "the synthetic dataset"
    title = f"{what} of {options.posts:,} posts made of {len(contents):,} of {origin} ({length:.0f} characters each)"
    print_rows(("processes", "seconds", "posts/s"), rows, title)
    print(f"copies are equal, byte for byte: {'yes' if len(set(copies)) == 1 else 'NO'}")
    print(f"{machine()}; Python {platform.python_version()}, jieba {version('jieba')}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="articles to repeat; the synthetic dataset by default")
    parser.add_argument("--posts", type=int, default=20_000, help="how many posts to tag (20,000)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="how many processes to try (1 2)")
    parser.add_argument("--emotion", action="store_true", help="add the emotion features, too")
    return parser.parse_args()


def read_posts(file: Path | None) -> list[Article]:
    if file is not None:
        return read_articles(file)
    return SyntheticDataset(n_train=SYNTHETIC_POSTS, n_val=0, n_test=0).generate()["train"]


def repeated(contents: list[str]) -> Iterator[Article]:
    for turn in count():
        for number, content in enumerate(contents):
            place = turn * 37 % len(content)
            changed = f"{content[:place]}第{turn}号{content[place:]}" if turn else content
            yield Article(content=changed, id=f"{turn}-{number}")


def machine() -> str:
    """The processor's name, its cores, and how busy they were."""
    names = [platform.processor() or platform.machine()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")] or names
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{names[0]}, {os.cpu_count()} cores{busy}"


if __name__ == "__main__":  # the workers import this file again
    main()
