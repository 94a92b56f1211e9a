"""From files of articles to arrays of tokens that a network can train on."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zhenwei.config import Config
from zhenwei.errors import DataError
from zhenwei.news import find_part, iter_articles
from zhenwei.tokens import (
    EncodedArticles,
    TextTokenizer,
    encode_articles,
    load_pretrained_tokenizer,
    train_tokenizer,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """What a training reads: the tokenizer, and each part's articles as tokens.

    Attributes:
        tokenizer: Text to tokens.
        train: To train on; both labels are there.
        val: To choose the best epoch on; both labels are there.
        test: The future, or None where there is no such file.
        domain_names: The domains of the training articles, sorted, by which `domains` count; empty where the network
            does not ask for them.
    """

    tokenizer: TextTokenizer
    train: EncodedArticles
    val: EncodedArticles
    test: EncodedArticles | None
    domain_names: tuple[str, ...] = ()

    def fingerprint(self) -> dict[str, str | None]:
        """Return a digest of each part, to tell whether a resumed run still reads the same data."""
        return {
            "train": self.train.fingerprint(),
            "val": self.val.fingerprint(),
            "test": None if self.test is None else self.test.fingerprint(),
        }


def prepare_data(config: Config, needs: frozenset[str] = frozenset()) -> PreparedData:
    """Read and encode the articles that a run's settings name.

    Args:
        config: The settings.
        needs: Optional fields that the network needs.

    Raises:
        DataError: If a file is missing or has bad rows, or train or val has one label only.
        PretrainedModelError: If the pretrained tokenizer cannot be had.
    """
    paths = find_parts(config)
    tokenizer = build_tokenizer(config, paths["train"])
    logger.info("tokenizer: %d entries", tokenizer.vocab_size)
    names = domain_names(paths["train"]) if "domain" in needs else ()
    encoded = {part: encode_file(path, tokenizer, config.data.max_len, needs, names) for part, path in paths.items()}
    for part in ("train", "val"):
        _check_both_labels(encoded[part], paths[part])
    if "test" not in encoded:
        logger.warning("no test file in '%s': the results will be those of val", config.data.root_path)
    return PreparedData(tokenizer, encoded["train"], encoded["val"], encoded.get("test"), names)


def find_parts(config: Config) -> dict[str, Path]:
    """Return the files of train, val and, where there is one, test.

    Raises:
        DataError: If train or val is missing, or a file that the settings name is.
    """
    root = Path(config.data.root_path)
    paths: dict[str, Path] = {}
    for part in ("train", "val", "test"):
        named = getattr(config.data, part)
        found = Path(named) if named is not None else find_part(root, part)
        if named is not None and not Path(named).is_file():
            raise DataError(f"data.{part}: no such file: '{named}'")
        if found is not None:
            paths[part] = found
        elif part != "test":
            if not root.is_dir():
                raise DataError(f"data.root_path: no such folder: '{root}'; expected one with train.json and val.json")
            raise DataError(
                f"data.root_path: '{root}' has no {part} file; "
                f"expected {part}.json, {part}.jsonl, {part}.csv or {part}.parquet"
            )
    return paths


def build_tokenizer(config: Config, train: Path) -> TextTokenizer:
    """Load the tokenizer that the settings name, or train a vocabulary on the training articles."""
    bert = (
        getattr(config.model, "bert_model_name", None) if getattr(config.model, "use_pretrained_bert", False) else None
    )
    name = config.data.tokenizer or bert
    if name is not None:
        return load_pretrained_tokenizer(name)
    articles = iter_articles(train, require_label=True, report_repeats=False)  # encoding reads it again
    contents = (article.content for article in articles)
    return train_tokenizer(contents, config.data.vocab_size, min_frequency=config.data.min_frequency)


def domain_names(train: Path) -> tuple[str, ...]:
    """Return the domains of the training articles, sorted.

    Raises:
        DataError: If the file has bad rows, or no article has a domain.
    """
    articles = iter_articles(train, require_label=True, report_repeats=False)  # encoding reads it again
    names = tuple(sorted({article.domain for article in articles if article.domain}))
    if not names:
        raise DataError(f"{train}: no article has a 'domain', which the model needs")
    return names


def encode_file(
    path: Path, tokenizer: TextTokenizer, max_len: int, needs: frozenset[str], domain_names: tuple[str, ...] = ()
) -> EncodedArticles:
    """Read a file of labelled articles into arrays, and say how many were cut.

    Args:
        path: The file.
        tokenizer: Text to tokens.
        max_len: Longest text in tokens.
        needs: Optional fields that the network needs.
        domain_names: The domains of the training articles, where it needs these.

    Raises:
        DataError: If the file is missing or has bad rows.
    """
    articles = iter_articles(path, require_label=True)
    encoded = encode_articles(articles, tokenizer, max_len, fields=needs, domain_names=domain_names)
    cut = int(encoded.truncated.sum())
    logger.info(
        "%s: %d articles (%d fake), %.0f tokens on average, %d (%.1f%%) cut at %d tokens",
        path, len(encoded), int(encoded.labels.sum()), float(encoded.lengths.mean()),
        cut, 100 * cut / len(encoded), max_len,
    )  # fmt: skip
    return encoded


def _check_both_labels(encoded: EncodedArticles, path: Path) -> None:
    """Refuse a part from which nothing can be learned, or on which no score is defined."""
    labels = np.unique(encoded.labels)
    if labels.size < 2:
        only = "fake" if labels[0] == 1 else "real"
        raise DataError(f"{path}: all {len(encoded)} articles are {only}; expected both labels")
