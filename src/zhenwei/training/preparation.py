"""Preparing the training data: read files of articles, and encode them as tokens."""

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from zhenwei.bundle.abstention import AbstentionRules
from zhenwei.bundle.featurizer import Featurizer, FieldMetadata
from zhenwei.config import Config
from zhenwei.errors import DataError
from zhenwei.hashing import file_sha256
from zhenwei.models import Vocabulary, network_needs
from zhenwei.news import find_part, iter_articles
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.normalize.normalizer import Normalizer
from zhenwei.news.training_files import TrainingFiles
from zhenwei.news.writing_system import chinese_share
from zhenwei.tokens import EncodedArticles, TextTokenizer, domain_of, load_pretrained_tokenizer, train_tokenizer

logger = logging.getLogger(__name__)

EMOTION_SAMPLE = 50  # training articles whose emotion vectors are computed again, to check that they are ours
EMOTION_TOLERANCE = 1e-4
WRITING_SAMPLE = 10_000  # training articles from which the share of Chinese and the rules of abstention are estimated


@dataclass(frozen=True)
class PreparedData:
    """The data of a training: the tokenizer, and the articles of each part as tokens.

    Attributes:
        tokenizer: Turns text into tokens.
        train: Training articles of both labels.
        val: Articles of both labels, to choose the best epoch on.
        test: Later articles; None if there is no such file.
        field_metadata: Domains and emotion vectors of the training articles.
        files: `path` and `sha256` of the file of each part.
        rewrites: `path` and `sha256` of each file of rewrites.
        chinese_share: Mean share of Chinese characters among the letters of training articles; None if they have too
            few letters.
        abstention: When the detector gives no verdict.
    """

    tokenizer: TextTokenizer
    train: EncodedArticles
    val: EncodedArticles
    test: EncodedArticles | None
    field_metadata: FieldMetadata
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    rewrites: list[dict[str, str]] = field(default_factory=list)
    chinese_share: float | None = None
    abstention: AbstentionRules = field(default_factory=AbstentionRules)

    def vocabulary(self, max_len: int) -> Vocabulary:
        """Return the vocabulary that a network is built for."""
        tokenizer, fields = self.tokenizer, self.field_metadata
        return Vocabulary(
            tokenizer.vocab_size, tokenizer.pad_id, max_len,
            domains=fields.domain_names, emotion_size=fields.emotion_size,
        )  # fmt: skip

    @cached_property
    def fingerprint(self) -> dict[str, str | None]:
        """A digest of each part, to check that a resumed run reads the same data."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: None if part is None else part.fingerprint() for name, part in parts.items()}


def prepare_data(config: Config) -> PreparedData:
    """Read and encode the articles of a run.

    Raises:
        DataError: If a file is missing or has bad rows, train or val has only one label, or articles lack a field that
            the detector needs.
        PretrainedModelError: If the pretrained tokenizer cannot be loaded.
    """
    paths = find_parts(config)
    needs, training_needs = network_needs(config.model), network_needs(config.model, training=True)
    training_files = find_training_files(config, paths["train"])
    names = domain_names(paths["train"], config) if "domain" in needs else ()
    tokenizer = build_tokenizer(config, training_files)
    logger.info("tokenizer: %d entries", tokenizer.vocab_size)
    featurizer = Featurizer(
        tokenizer, config.data.max_len, training_needs,
        FieldMetadata(names), config.model.domain_kind, config.data.mask_entities,
        Normalizer(tuple(config.data.normalize)),
    )  # fmt: skip
    train = featurizer.encode_file(paths["train"], training_files.articles(report=True))
    if train.contents is not None:
        n_contents = train.contents.max() + 1
        logger.info("training on %d articles, rewrites and edited copies of %d contents", len(train), n_contents)
    if train.emotion is not None:
        emotion = emotion_extractor(paths["train"], config)
        featurizer = replace(featurizer, field_metadata=FieldMetadata(names, train.emotion.shape[1], emotion))
    featurizer_at_prediction = replace(featurizer, needs=needs)  # debiasing needs its fields only in training
    encoded = {part: featurizer_at_prediction.encode_file(path) for part, path in paths.items() if part != "train"}
    for part, articles in {"train": train, "val": encoded["val"]}.items():
        _check_both_labels(articles, paths[part])
    if "test" not in encoded:
        logger.warning("no test file in '%s': results are those of val", config.data.root_path)
    files = {part: _recorded_file(path) for part, path in paths.items()}
    return PreparedData(
        tokenizer, train, encoded["val"], encoded.get("test"), featurizer.field_metadata, files,
        [_recorded_file(path) for path in training_files.rewrites],
        *_writing(paths["train"], Normalizer(tuple(config.data.normalize))),
    )  # fmt: skip


def find_parts(config: Config) -> dict[str, Path]:
    """Return the files of train, val and, if there is one, test.

    Raises:
        DataError: If train or val, or a file that the settings name, is missing.
    """
    root = Path(config.data.root_path)
    paths: dict[str, Path] = {}
    for part in ("train", "val", "test"):
        setting = getattr(config.data, part)
        path = Path(setting) if setting is not None else find_part(root, part)
        if setting is not None and not Path(setting).is_file():
            raise DataError(f"data.{part}: no such file: '{setting}'")
        if path is not None:
            paths[part] = path
        elif part != "test":
            if not root.is_dir():
                raise DataError(f"data.root_path: no such folder: '{root}'; expected one with train.json and val.json")
            raise DataError(
                f"data.root_path: '{root}' has no {part} file; "
                f"expected {part}.json, {part}.jsonl, {part}.csv or {part}.parquet"
            )
    return paths


def find_training_files(config: Config, train: Path) -> TrainingFiles:
    """Return the files of a run's training articles.

    Raises:
        DataError: If a file of rewrites is missing.
    """
    for name in config.data.rewrites:
        if not Path(name).is_file():
            raise DataError(f"data.rewrites: no such file: '{name}'")
    needs = network_needs(config.model, training=True)
    rewrites = tuple(Path(name) for name in config.data.rewrites)
    return TrainingFiles(train, rewrites, needs, tuple(config.data.aug_edits), config.seed)


def _recorded_file(path: Path) -> dict[str, str]:
    return {"path": str(path), "sha256": file_sha256(path)}


def build_tokenizer(config: Config, files: TrainingFiles) -> TextTokenizer:
    """Load the tokenizer that the settings name, or train a vocabulary on the training articles."""
    name = config.data.tokenizer or config.model.pretrained
    if name is not None:
        return load_pretrained_tokenizer(name)
    articles = files.articles(edited=False)  # encoding reads them again
    contents = map(Normalizer(tuple(config.data.normalize)), (article.content for article in articles))
    return train_tokenizer(contents, config.data.vocab_size, config.data.min_frequency, config.model.token_unit)


def domain_names(train: Path, config: Config) -> tuple[str, ...]:
    """Return the sorted domains of the training articles, and log how many articles have none.

    Raises:
        DataError: If the file has bad rows, or no article has a domain.
    """
    kind = config.model.domain_kind
    counts: Counter[str | None] = Counter()
    has_times = False
    for article in iter_articles(train, require_label=True, report_repeats=False):  # encoding reads it again
        counts[domain_of(article, kind) or None] += 1
        has_times = has_times or article.time is not None
    missing = counts.pop(None, 0)
    names = tuple(sorted(name for name in counts if name is not None))
    if not names:
        raise DataError(f"{train}: {_no_domains(config, has_times)}")
    field_name = "domain" if kind == "field" else "time"
    if missing:
        logger.warning("%s: %d articles have no '%s': their domain is treated as unknown", train, missing, field_name)
    if len(names) == 1:
        logger.warning("%s: all articles have one domain, '%s': nothing can be learned from domains", train, names[0])
    return names


def _no_domains(config: Config, has_times: bool) -> str:
    """Return the message that no article has a domain, and how to fix it."""
    detector = config.model.name
    if config.model.domain_kind == "year":
        return (
            f"no article has a 'time', which '{detector}' needs for model.domain 'year'; give each article its 'time', "
            "or take its 'domain' with: zhenwei train CONFIG --set model.domain=field"
        )
    remedy = "take the year of its 'time' with" if has_times else "give it a 'time', and take its year with"
    return (
        f"no article has a 'domain', which '{detector}' needs; give each article its topic as 'domain', or {remedy}: "
        "zhenwei train CONFIG --set model.domain=year"
    )


def emotion_extractor(train: Path, config: Config) -> EmotionExtractor | None:
    """Return the extractor of emotion vectors, if it reproduces those of the training articles.

    Vectors of unknown origin cannot be computed for new texts: then the detector needs articles with their own vector,
    and a warning is logged.
    """
    extractor = EmotionExtractor.from_files([Path(file) for file in config.data.emotion_lexicons])
    for article in islice(iter_articles(train, report_repeats=False), EMOTION_SAMPLE):
        vector = article.emotion or ()
        if len(extractor) != len(vector) or not np.allclose(extractor(article.content), vector, atol=EMOTION_TOLERANCE):
            logger.warning(
                "%s: its emotion vectors are not those of zhenwei (data.emotion_lexicons: %s): the detector can only "
                "predict articles that have their own",
                train, config.data.emotion_lexicons or "none",
            )  # fmt: skip
            return None
    return extractor


def _writing(train: Path, normalizer: Normalizer) -> tuple[float | None, AbstentionRules]:
    """Return the mean share of Chinese among the letters of the first training articles, and the rules of abstention.

    Both describe the articles as the detector reads them.
    """
    sample = islice(iter_articles(train, report_repeats=False), WRITING_SAMPLE)
    texts = normalizer.all(article.content for article in sample)
    shares = [share for text in texts if (share := chinese_share(text)) is not None]
    return float(np.mean(shares)) if shares else None, AbstentionRules.fit(texts)


def _check_both_labels(encoded: EncodedArticles, path: Path) -> None:
    """Refuse a part with only one label: it cannot be trained on, and most metrics are undefined."""
    labels = np.unique(encoded.labels)
    if labels.size < 2:
        only = "fake" if labels[0] == 1 else "real"
        raise DataError(f"{path}: all {len(encoded)} articles are {only}; expected both labels")
