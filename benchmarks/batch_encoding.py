"""Compare `StreamEncoder`, which tokenizes each different segment once, with the library's own `encode_batch`.

    python benchmarks/batch_encoding.py                                     # posts of the synthetic dataset
    python benchmarks/batch_encoding.py --file posts.json                   # your own posts
    python benchmarks/batch_encoding.py --file posts.json --vocab vocab.txt  # with BERT's tokenizer and vocabulary, too

Each post is encoded once, as for training or prediction: from its text to token ids and word numbers in flat arrays.
(The library's `encode_batch_fast` gives no word numbers.) `count words` is the first step of learning a vocabulary, by
segments or with the library's splitter. Both ways must give the same result. The seconds are wall-clock times, the
least of some rounds in which the two alternate; the library works in several threads.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from zhenwei.cli.figures import print_rows
from zhenwei.news import read_articles
from zhenwei.news.sources.synthetic import SyntheticDataset
from zhenwei.tokens import SpecialTokens, TextTokenizer, train_tokenizer
from zhenwei.tokens.splicing import StreamEncoder
from zhenwei.tokens.tokenizer import TokenizedTexts
from zhenwei.tokens.vocabulary import count_words, text_normalizer

CHUNK = 4096  # as `encode_articles`
MAX_LEN = 170


def main() -> None:
    options = parse_options()
    texts = read_contents(options.file)
    tokenizers = {"trained": train_tokenizer(texts, vocab_size=8000)}
    if options.vocab:
        tokenizers["BERT"] = bert_tokenizer(options.vocab)
    rows = []
    for name, tokenizer in tokenizers.items():
        ours, library = partial(encode_stream, tokenizer, texts), partial(encode_library, tokenizer, texts)
        rows.append(compare(f"encode ({name})", ours, library, options.rounds))
    rows.append(compare("count words", partial(count_words, texts), partial(split, texts), options.rounds))
    title = f"{len(texts):,} posts, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print_rows(("work", "ours", "library", "times as fast"), rows, title)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="file of articles (default: the synthetic dataset)")
    parser.add_argument("--vocab", type=Path, help="vocab.txt of a Chinese BERT")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the best counts (3)")
    return parser.parse_args()


def read_contents(file: Path | None) -> list[str]:
    articles = SyntheticDataset(n_val=0, n_test=0).generate()["train"] if file is None else read_articles(file)
    return [article.content for article in articles]


def bert_tokenizer(vocab: Path) -> TextTokenizer:
    names = vocab.read_text(encoding="utf-8").splitlines()
    ids = {name: number for number, name in enumerate(names)}
    backend = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    backend.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return TextTokenizer(backend, SpecialTokens())


def compare(work: str, ours: Callable[[], Any], library: Callable[[], Any], rounds: int) -> tuple[str, ...]:
    """Time two ways to do the same work, in turn."""
    seconds = {ours: float("inf"), library: float("inf")}
    for _ in range(rounds):
        results = []
        for way in (ours, library):
            begin = time.perf_counter()
            results.append(way())
            seconds[way] = min(seconds[way], time.perf_counter() - begin)
        if results[0] != results[1]:
            raise SystemExit(f"{work}: the two results differ")
    return work, f"{seconds[ours]:.2f}", f"{seconds[library]:.2f}", f"{seconds[library] / seconds[ours]:.1f}"


def encode_stream(tokenizer: TextTokenizer, texts: list[str]) -> bytes:
    encoder = StreamEncoder(tokenizer)
    return b"".join(as_bytes(encoder.encode_batch(chunk, MAX_LEN)) for chunk in chunks(texts))


def encode_library(tokenizer: TextTokenizer, texts: list[str]) -> bytes:
    return b"".join(as_bytes(tokenizer.encode_batch(chunk, MAX_LEN)) for chunk in chunks(texts))


def as_bytes(texts: TokenizedTexts) -> bytes:
    return np.concatenate([texts.ids, texts.words]).tobytes()


def chunks(texts: list[str]) -> list[list[str]]:
    return [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]


def split(texts: list[str]) -> Counter[str]:
    """Count words as `count_words`, post by post."""
    normalizer, splitter = text_normalizer(), pre_tokenizers.BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    return Counter({word: count for word, count in counts.items() if len(word) <= 100})


if __name__ == "__main__":
    main()
