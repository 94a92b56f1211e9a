"""Time the normalization of texts, as a whole and by step, beside the tokenizer that reads its result.

    python benchmarks/normalization.py --file posts.json

One core; every text is normalized once per round, and the cache of the last texts is not used. The figures are
microseconds a text: the minimum over the rounds.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from zhenwei.config.data import DEFAULT_STEPS
from zhenwei.news import read_articles
from zhenwei.news.normalize.normalizer import Normalizer
from zhenwei.news.normalize.steps import all_steps
from zhenwei.tokens import train_tokenizer


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, required=True, help="articles")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    texts = [article.content for article in read_articles(options.file)]
    print(f"{len(texts):,} texts of {sum(map(len, texts)) / len(texts):.0f} characters on average")

    def report(name: str, work: Callable[[str], object]) -> float:
        times = []
        for _ in range(options.rounds):
            start = time.perf_counter()
            for text in texts:
                work(text)
            times.append(time.perf_counter() - start)
        microseconds = min(times) / len(texts) * 1e6
        print(f"{name:12} {microseconds:8.1f}")
        return microseconds

    whole = report("all steps", apply)
    tokenizer = train_tokenizer(texts, 8000)
    print(f"ratio to tokenizing the same texts one by one: {whole / report('tokenizer', tokenizer.tokenize):.2f}")
    report("with offsets", Normalizer(DEFAULT_STEPS).with_offsets)
    for step in DEFAULT_STEPS:
        report(step, one_step(step))


def apply(text: str) -> str:
    """Apply the default steps without the cache."""
    for step in DEFAULT_STEPS:
        for edit in all_steps()[step].edits:
            text = edit(text)
    return text


def one_step(name: str) -> Callable[[str], str]:
    """Return a function that applies one step."""

    def work(text: str) -> str:
        for edit in all_steps()[name].edits:
            text = edit(text)
        return text

    return work


if __name__ == "__main__":
    main()
