"""Compare `NameModel`, our hidden Markov model of names, with the library's own, `jieba.posseg`.

    python benchmarks/name_model.py                       # posts of the synthetic dataset
    python benchmarks/name_model.py --file posts.json     # your own posts

`runs`: both tag the runs of single characters that jieba's dictionary leaves over in the posts, and must give the same
words with the same tags. `posts`: `JiebaTagger`, which uses `NameModel`, finds the entities of the posts; jieba.posseg
tags their words. Each works through every chunk in turn, from empty caches; seconds are of processor time.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zhenwei.cli.figures import print_rows
from zhenwei.news import read_articles
from zhenwei.news.enrichment.entities import JiebaTagger
from zhenwei.news.enrichment.jieba_hmm import NameModel
from zhenwei.news.enrichment.jieba_segmenter import JiebaSegmenter, load_jieba
from zhenwei.news.markup import without_markup
from zhenwei.news.sources.synthetic import SyntheticDataset

CHUNK = 100


def main() -> None:
    options = parse_options()
    texts = [without_markup(content) for content in read_contents(options.file)][: options.posts]
    posseg, segmenter = load_jieba("jieba.posseg"), JiebaSegmenter()
    library = posseg.POSTokenizer(segmenter.backend)
    runs = [run for text in texts for run in leftover_runs(text, segmenter)]

    model = NameModel(posseg)
    ours, theirs = seconds_of(runs, lambda run: list(model.cut(run)), lambda run: tagged_words(library, run))
    rows = [("runs", f"{len(runs):,}", f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.1f}")]
    differing = sum(list(model.cut(run)) != tagged_words(library, run) for run in runs[:1000])

    tagger = JiebaTagger()
    tagger("北京")  # loads the dictionary
    ours, theirs = seconds_of(texts, tagger, library.lcut)
    rows.append(("posts", f"{len(texts):,}", f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.1f}"))
    print_rows(("tagged", "number", "ours", "jieba.posseg", "times as fast"), rows, "seconds of processor time")
    print(f"of the first 1,000 runs, {differing} are tagged differently")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="file of articles (default: the synthetic dataset)")
    parser.add_argument("--posts", type=int, default=2000, help="most posts to tag (2,000)")
    return parser.parse_args()


def read_contents(file: Path | None) -> list[str]:
    articles = SyntheticDataset(n_val=0, n_test=0).generate()["train"] if file is None else read_articles(file)
    return [article.content for article in articles]


def leftover_runs(text: str, segmenter: JiebaSegmenter) -> Iterator[str]:
    """Yield the runs of at least two single characters that are left over by the dictionary."""
    run = ""
    for word in (*segmenter.cut(text), ""):
        if len(word) == 1 and "\u4e00" <= word <= "\u9fd5":
            run += word
            continue
        if len(run) > 1 and run not in segmenter:
            yield run
        run = ""


def tagged_words(library: Any, run: str) -> list[tuple[str, str]]:
    return [(pair.word, pair.flag) for pair in library.lcut(run)]


def seconds_of(inputs: Sequence[str], ours: Callable[[str], Any], theirs: Callable[[str], Any]) -> tuple[float, float]:
    """Return the processor seconds of two functions over the same inputs, chunk by chunk in turn."""
    seconds = {ours: 0.0, theirs: 0.0}
    for start in range(0, len(inputs), CHUNK):
        for function in seconds:
            begin = time.process_time()
            for text in inputs[start : start + CHUNK]:
                function(text)
            seconds[function] += time.process_time() - begin
    return seconds[ours], seconds[theirs]


if __name__ == "__main__":
    main()
