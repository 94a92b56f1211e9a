"""The bundle: the files of a trained detector. It contains no pickle, and loads without its training data."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as arrays_to_bytes

import zhenwei
from zhenwei.atomic import atomic_folder, resolve_folder
from zhenwei.bundle.abstention import AbstentionRules, Reason
from zhenwei.bundle.calibration import Calibration
from zhenwei.bundle.device import resolve_device
from zhenwei.bundle.featurizer import Featurizer, FieldMetadata
from zhenwei.bundle.manifest import FORMAT_VERSION, read_manifest
from zhenwei.bundle.predict_logits import predict_logits, sigmoid
from zhenwei.bundle.weights import load_weights, save_weights, write_json
from zhenwei.config import Config, check_device
from zhenwei.errors import CheckpointError, ConfigError, DataError, PretrainedModelError
from zhenwei.hashing import file_sha256
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.news import Article
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.normalize.normalizer import Normalizer
from zhenwei.news.normalize.simplify import opencc_version
from zhenwei.news.similarity.index import SimilarArticles
from zhenwei.tokens import EncodedArticles, SpecialTokens, TextTokenizer

logger = logging.getLogger(__name__)

LABELS = ("real", "fake")
SIMILAR = "similar.safetensors"  # present only after `zhenwei index`
WEIGHTS, TOKENIZER, DESCRIPTION, SETTINGS = "model.safetensors", "tokenizer.json", "detector.json", "config.json"
GRAPH = "model.onnx"  # an exported detector has a graph instead of weights
CARD = "README.md"
BUNDLE_FILES = frozenset({WEIGHTS, TOKENIZER, DESCRIPTION, SETTINGS, GRAPH, SIMILAR, CARD})


@dataclass
class Bundle:
    """A trained detector: settings, tokenizer, network, and the threshold that its verdicts use.

    Attributes:
        config: The settings of its training.
        tokenizer: Turns text into tokens.
        network: The network, in float32.
        threshold: A text is classified as fake from this probability on.
        facts: Epoch and step of the weights, scores on val, numbers of articles.
        field_metadata: Domains and emotion vectors of the training articles.
        calibration: Maps logits to probabilities; None: the logistic function.
        similar: Index of known articles, to find those most similar to a new text; None: there is no index.
        abstention: When the detector gives no verdict.
    """

    config: Config
    tokenizer: TextTokenizer
    network: DetectorNetwork
    threshold: float = 0.5
    facts: dict[str, Any] = field(default_factory=dict)
    field_metadata: FieldMetadata = field(default_factory=FieldMetadata)
    calibration: Calibration | None = None
    similar: SimilarArticles | None = None
    abstention: AbstentionRules = field(default_factory=AbstentionRules)

    def to(self, device: str) -> torch.device:
        """Move the network to a device, and return that device.

        Args:
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; an unavailable one falls back to the CPU with a warning.

        Raises:
            ConfigError: If the name of the device is unknown.
        """
        try:
            resolved = torch.device(resolve_device(check_device(device), "device"))
        except ValueError as error:
            raise ConfigError(f"device: {error}") from None
        self.network.to(resolved)
        return resolved

    def predict_logits(
        self,
        articles: EncodedArticles,
        device: torch.device | str,
        precision: str = "float32",
        batch_size: int | None = None,
    ) -> NDArray[np.float64]:
        """Return the logits of fake [N] of this detector's network; see `zhenwei.bundle.predict_logits`."""
        return predict_logits(
            self.network, articles, pad_id=self.tokenizer.pad_id, device=device, precision=precision,
            batch_size=batch_size,
        )  # fmt: skip

    def calibrated(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log odds of the detector's probabilities [N] for its network's logits [N]."""
        return logits if self.calibration is None else self.calibration.logits(logits)

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of fake [N] for the network's logits [N], calibrated if the detector is."""
        return sigmoid(self.calibrated(logits))

    @property
    def normalizer(self) -> Normalizer:
        """The normalization of the texts that the detector reads."""
        return Normalizer(tuple(self.config.data.normalize))

    def abstentions(self, articles: Sequence[Article], encoded: EncodedArticles) -> list[tuple[Reason, ...]]:
        """Return why there is no verdict on each of N articles; none if there is one.

        Args:
            articles: N articles.
            encoded: The same articles, encoded by this detector's featurizer.
        """
        texts = [article.content for article in articles]
        unknown = encoded.share_of(self.tokenizer.unk_id)
        return self.abstention.reasons(texts, self.normalizer.all(texts), unknown)

    def featurizer(self) -> Featurizer:
        """Return the featurizer of this detector; it extracts missing fields from the text."""
        config = self.config
        return Featurizer(
            self.tokenizer, config.data.max_len, self.network.needs, self.field_metadata, config.model.domain_kind,
            config.data.mask_entities, self.normalizer, complete=True,
        )  # fmt: skip


def save_bundle(bundle: Bundle, folder: Path, card: str | None = None) -> None:
    """Write a bundle. It replaces an older one only after all of its files are written.

    Args:
        bundle: The detector.
        folder: The target folder.
        card: The model card; None keeps the card of the older bundle, if there is one.

    Raises:
        CheckpointError: If it cannot be written; the older bundle is left as it was.
    """
    network = bundle.network.for_prediction()
    with atomic_folder(folder) as target:
        save_weights(network.state_dict(), target / WEIGHTS)
        save_metadata(bundle, network, WEIGHTS, target)
        _copy_other_files(folder, target)
        if card is not None:
            (target / CARD).write_text(card, encoding="utf-8")
        elif (folder / CARD).exists():
            shutil.copy2(folder / CARD, target / CARD)


def _copy_other_files(old: Path, new: Path) -> None:
    """Copy files that the user added to an older bundle: a license, notes, `.git`."""
    for entry in old.iterdir() if old.is_dir() else ():
        if entry.name in BUNDLE_FILES:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, new / entry.name, follow_symlinks=False)


def save_metadata(bundle: Bundle, network: DetectorNetwork, model_file: str, folder: Path) -> None:
    """Write all files of a bundle except the model and the card.

    Args:
        bundle: The detector.
        network: The part of its network that predicts.
        model_file: Name of the model's file, which must exist in the folder.
        folder: The target folder.

    Raises:
        OSError: If a file cannot be written.
    """
    fields = bundle.field_metadata
    bundle.config.save(folder / SETTINGS)
    bundle.tokenizer.save(folder / TOKENIZER)
    files = [model_file, TOKENIZER, SETTINGS]
    if bundle.similar is not None:
        (folder / SIMILAR).write_bytes(arrays_to_bytes(bundle.similar.to_tensors()))
        files.append(SIMILAR)
    manifest = {
        "format_version": FORMAT_VERSION,
        "zhenwei_version": zhenwei.__version__,
        "labels": list(LABELS),
        "threshold": bundle.threshold,
        "calibration": None if bundle.calibration is None else bundle.calibration.to_dict(),
        "special_tokens": asdict(bundle.tokenizer.special),
        "encoder": network.encoder_config(),
        "domain_names": list(fields.domain_names),
        "emotion_size": fields.emotion_size,
        "emotion": None if fields.emotion is None else fields.emotion.to_dict(),
        "abstention": bundle.abstention.to_dict(),
        "opencc": opencc_version() if "traditional" in bundle.config.data.normalize else None,
        "facts": bundle.facts,
        "sha256": {name: file_sha256(folder / name) for name in files},
    }
    write_json(manifest, folder / DESCRIPTION)


def find_bundle(path: Path) -> Path:
    """Return the folder of a bundle, given the folder of a run or of the bundle itself.

    Raises:
        CheckpointError: If it is neither.
    """
    for folder in (path if path.exists() else resolve_folder(path), resolve_folder(path / "checkpoints" / "best")):
        if (folder / DESCRIPTION).is_file():
            return folder
    if not path.exists():
        if path.parts[:1] == ("hf:",):
            raise CheckpointError(
                f"hf://{'/'.join(path.parts[1:])}: expected the folder of a run or a bundle; only predict, explain, "
                "evaluate and serve read a detector from the hub"
            )
        raise CheckpointError(f"{path}: no such folder; expected a run folder or a bundle")
    if (path / SETTINGS).is_file() and (path / "checkpoints").is_dir():
        raise CheckpointError(f"{path}: this run has no best checkpoint yet; it is saved after the first epoch")
    raise CheckpointError(f"{path}: neither a run folder nor a bundle: it has no {DESCRIPTION}")


def load_bundle(path: Path) -> Bundle:
    """Load a bundle from the folder of a run or its own; the network is on the CPU and in evaluation mode.

    Only the files of the bundle are read: a pretrained encoder is built from its stored configuration.

    Raises:
        CheckpointError: If there is no bundle, or it is damaged, foreign, or of another format.
    """
    folder = find_bundle(path)
    if (folder / GRAPH).is_file():
        raise CheckpointError(
            f"{folder}: an exported detector can predict but has no weights; "
            "expected the run or the bundle that it was exported from"
        )
    bundle = load_metadata(folder, WEIGHTS, lambda config, vocabulary: _build(config, vocabulary, folder))
    load_weights(bundle.network, folder / WEIGHTS)
    bundle.network.eval()
    return bundle


def load_metadata(folder: Path, model_file: str, build: Callable[[Config, Vocabulary], DetectorNetwork]) -> Bundle:
    """Load all files of a bundle except the model.

    Args:
        folder: The folder of the bundle.
        model_file: Name of the model's file, whose SHA-256 is checked here.
        build: Builds the network.

    Raises:
        CheckpointError: If a file is missing, damaged, foreign, or of another format.
    """
    manifest = read_manifest(folder / DESCRIPTION, (model_file, TOKENIZER, SETTINGS), optional=SIMILAR)
    for name, expected in manifest["sha256"].items():
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: damaged bundle: {name} is missing")
        if file_sha256(folder / name) != expected:
            raise CheckpointError(f"{folder / name}: damaged: it is not the file that was saved (sha256 differs)")
    try:
        fields = _field_metadata(manifest)
        config = Config.load(folder / SETTINGS)
        tokenizer = TextTokenizer.load(folder / TOKENIZER, SpecialTokens(**manifest["special_tokens"]))
        vocabulary = Vocabulary(
            tokenizer.vocab_size, tokenizer.pad_id, config.data.max_len, manifest["encoder"],
            fields.domain_names, fields.emotion_size,
        )  # fmt: skip
        network = build(config, vocabulary)
    except (ConfigError, DataError, PretrainedModelError, TypeError) as error:
        raise CheckpointError(f"{folder}: damaged or foreign bundle: {error}") from None
    threshold, calibration = float(manifest["threshold"]), _calibration(manifest, folder)
    similar = _similar(folder) if SIMILAR in manifest["sha256"] else None
    _check_opencc(manifest["opencc"], folder)
    try:
        abstention = AbstentionRules.from_dict(manifest["abstention"])
    except ValueError as error:
        raise CheckpointError(f"{folder / DESCRIPTION}: damaged or foreign: abstention: {error}") from None
    return Bundle(config, tokenizer, network, threshold, manifest["facts"], fields, calibration, similar, abstention)


def _check_opencc(trained: str | None, folder: Path) -> None:
    """Warn if the installed table of Traditional characters is not the one of the training."""
    if trained is not None and trained != (installed := opencc_version()):
        logger.warning(
            "%s: trained with OpenCC's table %s, but %s is installed: Traditional texts may be read differently",
            folder, trained, installed,
        )  # fmt: skip


def _similar(folder: Path) -> SimilarArticles:
    try:
        return SimilarArticles.from_tensors(load_arrays(folder / SIMILAR))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{folder / SIMILAR}: damaged or foreign: {error}") from None


def _build(config: Config, vocabulary: Vocabulary, folder: Path) -> DetectorNetwork:
    """Build the network of a bundle, without its weights."""
    if config.model.pretrained is not None and vocabulary.encoder is None:
        raise CheckpointError(f"{folder / DESCRIPTION}: damaged: the pretrained encoder is not described")
    return build_network(config.model, vocabulary, training=False)


def _calibration(manifest: dict[str, Any], folder: Path) -> Calibration | None:
    stored = manifest["calibration"]
    try:
        return None if stored is None else Calibration.from_dict(stored)
    except ValueError as error:
        raise CheckpointError(f"{folder / DESCRIPTION}: damaged or foreign: calibration: {error}") from None


def _field_metadata(manifest: dict[str, Any]) -> FieldMetadata:
    names, size, emotion = tuple(manifest["domain_names"]), manifest["emotion_size"], manifest["emotion"]
    if emotion is None:
        return FieldMetadata(names, size)
    try:
        return FieldMetadata(names, size, EmotionExtractor.from_dict(emotion))
    except ConfigError as error:  # another lexicon or jieba: articles that bring their own vector can be predicted
        return FieldMetadata(names, size, emotion_problem=str(error))
