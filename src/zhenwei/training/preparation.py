"""From files of articles to arrays of tokens that a network can train on."""

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from zhenwei.bundle.featurizer import Featurizer, LearnedFields
from zhenwei.config import Config
from zhenwei.errors import DataError
from zhenwei.hashing import file_sha256
from zhenwei.models import Vocabulary, network_needs
from zhenwei.news import find_part, iter_articles
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.writing_system import chinese_share
from zhenwei.tokens import EncodedArticles, TextTokenizer, domain_of, load_pretrained_tokenizer, train_tokenizer

logger = logging.getLogger(__name__)

EMOTION_SAMPLE = 50  # training articles whose emotion vectors are made again, to see whether they are ours
EMOTION_TOLERANCE = 1e-4
SCRIPT_SAMPLE = 1000  # training articles that tell in which script they are


@dataclass(frozen=True)
class PreparedData:
    """What a training reads: the tokenizer, and each part's articles as tokens.

    Attributes:
        tokenizer: Text to tokens.
        train: To train on; both labels are there.
        val: To choose the best epoch on; both labels are there.
        test: The future, or None where there is no such file.
        learned: What is known of the optional fields from the training articles.
        files: By part, the file that it was read from, and its digest: `path` and `sha256`.
        chinese_share: Mean share of Chinese characters among the letters of training articles; None where they have
            hardly any letters.
    """

    tokenizer: TextTokenizer
    train: EncodedArticles
    val: EncodedArticles
    test: EncodedArticles | None
    learned: LearnedFields
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    chinese_share: float | None = None

    def vocabulary(self, max_len: int) -> Vocabulary:
        """Return what a network must know of these data."""
        tokenizer, learned = self.tokenizer, self.learned
        return Vocabulary(
            tokenizer.vocab_size, tokenizer.pad_id, max_len,
            domains=learned.domain_names, emotion_size=learned.emotion_size,
        )  # fmt: skip

    def fingerprint(self) -> dict[str, str | None]:
        """Return a digest of each part, to tell whether a resumed run still reads the same data."""
        return {
            "train": self.train.fingerprint(),
            "val": self.val.fingerprint(),
            "test": None if self.test is None else self.test.fingerprint(),
        }


def prepare_data(config: Config) -> PreparedData:
    """Read and encode the articles that a run's settings name.

    Raises:
        DataError: If a file is missing or has bad rows, train or val has one label only, or articles lack a field that
            the detector needs.
        PretrainedModelError: If the pretrained tokenizer cannot be had.
    """
    paths = find_parts(config)
    needs = network_needs(config.model)
    names = domain_names(paths["train"], config) if "domain" in needs else ()
    tokenizer = build_tokenizer(config, paths["train"])
    logger.info("tokenizer: %d entries", tokenizer.vocab_size)
    featurizer = Featurizer(
        tokenizer, config.data.max_len, network_needs(config.model, training=True),
        LearnedFields(names), config.model.domain_kind, config.data.mask_entities,
    )  # fmt: skip
    train = featurizer.encode_file(paths["train"])
    if train.emotion is not None:
        emotion = emotion_extractor(paths["train"], config)
        featurizer = replace(featurizer, learned=LearnedFields(names, train.emotion.shape[1], emotion))
    judged = replace(featurizer, needs=needs)  # nothing is debiased where nothing is trained
    encoded = {part: judged.encode_file(path) for part, path in paths.items() if part != "train"}
    for part, articles in {"train": train, "val": encoded["val"]}.items():
        _check_both_labels(articles, paths[part])
    if "test" not in encoded:
        logger.warning("no test file in '%s': the results will be those of val", config.data.root_path)
    files = {part: {"path": str(path), "sha256": file_sha256(path)} for part, path in paths.items()}
    return PreparedData(
        tokenizer, train, encoded["val"], encoded.get("test"), featurizer.learned, files, _chinese_share(paths["train"])
    )  # fmt: skip


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
    name = config.data.tokenizer or config.model.pretrained
    if name is not None:
        return load_pretrained_tokenizer(name)
    articles = iter_articles(train, require_label=True, report_repeats=False)  # encoding reads it again
    contents = (article.content for article in articles)
    return train_tokenizer(contents, config.data.vocab_size, config.data.min_frequency, config.model.token_unit)


def domain_names(train: Path, config: Config) -> tuple[str, ...]:
    """Return the domains of the training articles, sorted, and say how many articles have none.

    Raises:
        DataError: If the file has bad rows, or no article has a domain.
    """
    kind = config.model.domain_kind
    found: Counter[str | None] = Counter()
    timed = False
    for article in iter_articles(train, require_label=True, report_repeats=False):  # encoding reads it again
        found[domain_of(article, kind) or None] += 1
        timed = timed or article.time is not None
    missing = found.pop(None, 0)
    names = tuple(sorted(name for name in found if name is not None))
    if not names:
        raise DataError(f"{train}: {_without_domains(config, timed)}")
    what = "domain" if kind == "field" else "time"
    if missing:
        logger.warning("%s: %d articles have no '%s': their domain counts as unknown", train, missing, what)
    if len(names) == 1:
        logger.warning("%s: all articles have one domain, '%s': nothing can be learned of domains", train, names[0])
    return names


def _without_domains(config: Config, timed: bool) -> str:
    """Say that no article has a domain, and what can be done about it."""
    detector = config.model.name
    if config.model.domain_kind == "year":
        return (
            f"no article has a 'time', which '{detector}' needs for model.domain 'year'; give each article its 'time', "
            "or take its 'domain' with: zhenwei train CONFIG --set model.domain=field"
        )
    remedy = "take the year of its 'time' with" if timed else "give it a 'time', and take its year with"
    return (
        f"no article has a 'domain', which '{detector}' needs; give each article its topic as 'domain', or {remedy}: "
        "zhenwei train CONFIG --set model.domain=year"
    )


def emotion_extractor(train: Path, config: Config) -> EmotionExtractor | None:
    """Return what makes the emotion vectors of new texts, if it makes those of the training articles, too.

    Vectors that were made elsewhere say nothing of how: then only articles that bring their vector can be judged, and
    the log says so.
    """
    extractor = EmotionExtractor.from_files([Path(file) for file in config.data.emotion_lexicons])
    for article in islice(iter_articles(train, report_repeats=False), EMOTION_SAMPLE):
        given = article.emotion or ()
        if len(extractor) != len(given) or not np.allclose(extractor(article.content), given, atol=EMOTION_TOLERANCE):
            logger.warning(
                "%s: its emotion vectors are not those that zhenwei makes (data.emotion_lexicons: %s): the detector "
                "will judge only articles that bring their own",
                train, config.data.emotion_lexicons or "none",
            )  # fmt: skip
            return None
    return extractor


def _chinese_share(train: Path) -> float | None:
    """Return the mean share of Chinese among the letters of the first training articles."""
    sample = islice(iter_articles(train, report_repeats=False), SCRIPT_SAMPLE)
    shares = [share for article in sample if (share := chinese_share(article.content)) is not None]
    return float(np.mean(shares)) if shares else None


def _check_both_labels(encoded: EncodedArticles, path: Path) -> None:
    """Refuse a part from which nothing can be learned, or on which no score is defined."""
    labels = np.unique(encoded.labels)
    if labels.size < 2:
        only = "fake" if labels[0] == 1 else "real"
        raise DataError(f"{path}: all {len(encoded)} articles are {only}; expected both labels")
