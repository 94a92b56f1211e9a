"""The detector as its users meet it: load it, and predict on texts."""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from zhenwei.bundle import Bundle, find_bundle, load_bundle, save_bundle
from zhenwei.bundle.device import check_prediction_precision
from zhenwei.config import check_device
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.inference.explanation import Explanation, explain
from zhenwei.inference.hub.hub import Pushed, fetch, push
from zhenwei.inference.onnx.runtime import OnnxNetwork, is_exported, load_exported
from zhenwei.inference.prediction import Prediction, Verdict
from zhenwei.inference.validate_texts import article_of, articles_of, check_count
from zhenwei.news import Article
from zhenwei.news.similarity.index import Similar

logger = logging.getLogger(__name__)

CHUNK = 1024  # texts in memory at once


class Detector:
    """A trained detector. Prediction does not change it, so that threads may share one."""

    def __init__(
        self, bundle: Bundle, device: str = "auto", precision: str = "float32", *, always: bool = False
    ) -> None:
        """Put a bundle on a device.

        Args:
            bundle: The trained detector.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            precision: `float32`; or `auto`, the fastest of the device, whose probabilities differ by some thousandths.
                An exported detector has the precision of its export.
            always: Whether every text gets the verdict `real` or `fake`, also where there are reasons for none.

        Raises:
            ConfigError: If the device or the precision is unknown.
        """
        self.always = always
        self.precision = check_prediction_precision(precision)
        self.bundle = bundle
        self.folder: Path | None = None  # where it was loaded from
        self.device = _move(bundle, device)
        bundle.network.eval()  # PyTorch's switch: prediction without dropout

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], device: str = "auto", precision: str = "float32", *, always: bool = False
    ) -> "Detector":
        """Load a detector from the folder of a run, a bundle or an exported detector.

        Device, precision and `always` are as for a `Detector`.

        Raises:
            CheckpointError: If there is no detector, or it is damaged or foreign.
            ConfigError: If the device or the precision is unknown, or onnxruntime is missing for an exported detector.
        """
        check_prediction_precision(precision)  # before any file is read
        detector = cls(load_detector(Path(path)), device, precision, always=always)
        detector.folder = find_bundle(Path(path))
        return detector

    @classmethod
    def from_hub(
        cls, repo_id: str, *, revision: str | None = None, token: str | bool | None = None, device: str = "auto",
        precision: str = "float32",
    ) -> "Detector":  # fmt: skip
        """Load a detector from the Hugging Face hub; files that are not in the hub's cache are downloaded.

        Args:
            repo_id: The repository, `USER/NAME`.
            revision: Branch, tag or commit; None: the main branch.
            token: Of the hub, for private repositories; None: that of the logged-in user.
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
            precision: `float32` or `auto`, as for a `Detector`.

        Raises:
            CheckpointError: If there is no such detector, it is damaged or foreign, access is denied, or the hub cannot
                be reached and the detector is not in the cache.
            ConfigError: If the name is not valid, or the device or the precision is unknown.
        """
        check_prediction_precision(precision)
        return cls.load(fetch(repo_id, revision=revision, token=token), device, precision)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        include_known_articles: bool = False,
        license: str | None = None,
        overwrite_card: bool = False,
    ) -> Pushed:
        """Push the detector to the Hugging Face hub: the files of its bundle and a model card, in one commit.

        A card without an evaluation is completed first: the detector is evaluated and audited on the articles it was
        made with, as far as they are available. Absolute paths in settings and facts are cut to their last component.

        Args:
            repo_id: The repository, `USER/NAME`; created if it does not exist.
            private: Whether the repository must be private; an existing public one is refused.
            token: Of the hub; None: that of the logged-in user.
            revision: The branch to push to, created if it does not exist; None: the main branch.
            commit_message: Of the commit.
            include_known_articles: Whether to upload the articles that `zhenwei index` stored in the bundle, which are
                texts of other people. Without it, they are omitted with a warning.
            license: Of the detector, as the hub names it, such as `cc-by-nc-4.0`; None keeps the present one.
            overwrite_card: Whether to replace a model card that a person wrote or edited on the hub.

        Raises:
            CheckpointError: If the hub cannot be reached or refuses, the repository contains something else, or the
                folder no longer holds the detector that was loaded.
            ConfigError: If the name is not valid, the repository is public but must be private, or the hub does not
                accept the card's metadata.
        """
        with ExitStack() as stack:
            folder = self.folder
            if folder is None:
                folder = Path(stack.enter_context(TemporaryDirectory())) / "bundle"
                save_bundle(self.bundle, folder)
            return push(
                self.bundle, folder, repo_id, private=private, token=token, revision=revision,
                commit_message=commit_message, include_known_articles=include_known_articles, license=license,
                overwrite_card=overwrite_card, device=str(self.device),
            )  # fmt: skip

    @property
    def threshold(self) -> float:
        """The probability from which a text is classified as fake."""
        return self.bundle.threshold

    @property
    def has_neighbours(self) -> bool:
        """Whether the bundle has known articles, to find those most similar to a text (`zhenwei index`)."""
        return self.bundle.similar is not None

    def predict(self, texts: str | Iterable[str]) -> list[Prediction]:
        """Predict on texts.

        Args:
            texts: One text, or any number of them.

        Returns:
            One prediction for each text, in the order of the texts.

        Raises:
            DataError: If a text is blank or not a text, or this is not a collection of texts; the message names it.
        """
        return list(self.predict_stream(texts))

    def predict_stream(self, texts: str | Iterable[str]) -> Iterator[Prediction]:
        """Predict on any number of texts, with a limited number of them in memory; see `predict`."""
        return self.predict_articles(articles_of(texts))

    def predict_articles(self, articles: Iterable[Article]) -> Iterator[Prediction]:
        """Predict on any number of articles, with a limited number of them in memory.

        Raises:
            DataError: If an article lacks a field that the detector needs and that cannot be extracted from its text.
        """
        stream, first_row = iter(articles), 1
        while chunk := list(islice(stream, CHUNK)):
            yield from self._predict(chunk, first_row, self.precision)
            first_row += len(chunk)

    def explain(self, text: str | Article) -> Explanation:
        """Predict on a text, and attribute the prediction to its words; always in float32.

        Raises:
            DataError: If the text is blank or not a text.
        """
        article = text if isinstance(text, Article) else article_of(text)
        [prediction] = self._predict([article], 1, "float32")
        return explain(self.bundle, article, prediction, self.device)

    def neighbours(self, text: str, k: int = 5) -> list[Similar]:
        """Return at most `k` known articles that are most similar to a text, the most similar first.

        Raises:
            CheckpointError: If the bundle has no known articles.
            ConfigError: If `k` is not a positive integer.
            DataError: If the text is blank or not a text.
        """
        article = article_of(text)
        check_count(k)
        if self.bundle.similar is None:
            raise CheckpointError("this detector has no known articles; add them with: zhenwei index RUN")
        return self.bundle.similar.nearest(article.content, k)

    def _predict(self, articles: list[Article], first_row: int, precision: str) -> Iterator[Prediction]:
        """Predict on a chunk of articles, in batches of similar length."""
        bundle = self.bundle
        encoded = bundle.featurizer().encode(articles, first_row)
        probabilities = bundle.probabilities(bundle.predict_logits(encoded, self.device, precision)).tolist()
        abstentions = bundle.abstentions(articles, encoded)
        rows = zip(articles, probabilities, abstentions, encoded.truncated, strict=True)
        for article, probability, reasons, truncated in rows:
            verdict: Verdict = "fake" if probability >= self.threshold else "real"
            yield Prediction(
                text=article.content,
                verdict="unsure" if reasons and not self.always else verdict,
                probability=probability,
                threshold=self.threshold,
                warnings=self._warnings(article.content, bool(truncated)),
                reasons=reasons,
                id=article.id,
            )

    def _warnings(self, text: str, truncated: bool) -> tuple[str, ...]:
        """Return why the prediction on a text may be unreliable."""
        max_len = self.bundle.config.data.max_len
        warnings = [f"only the first {max_len} tokens were read: the text is longer"] if truncated else []
        return (*warnings, *self._duplicate_warnings(text))

    def _duplicate_warnings(self, text: str) -> list[str]:
        """Warn if a text is a near-duplicate of a known article."""
        known = None if self.bundle.similar is None else self.bundle.similar.near_duplicate(text)
        if known is None:
            return []
        name = "" if known.id is None else f" '{known.id}'"
        label = "which has no label" if known.label is None else f"labelled {known.label}"
        return [f"nearly the same text as the known article{name}, {label} (similarity {known.similarity:.2f})"]


def load_detector(path: Path) -> Bundle:
    """Load the bundle of a detector for prediction, from the folder of a run, a bundle or an exported detector.

    Raises:
        CheckpointError: If there is no detector, or it is damaged or foreign.
        ConfigError: If it is an exported detector and onnxruntime is not installed.
    """
    return load_exported(path) if is_exported(path) else load_bundle(path)


def _move(bundle: Bundle, device: str) -> torch.device:
    """Move a bundle to a device, and return its device; an exported detector stays on the CPU."""
    if not isinstance(bundle.network, OnnxNetwork):
        return bundle.to(device)
    try:
        checked = check_device(device)
    except ValueError as error:
        raise ConfigError(f"device: {error}") from None
    if checked not in ("auto", "cpu"):
        logger.warning("device is '%s', but an exported detector runs on the CPU", device)
    return torch.device("cpu")
