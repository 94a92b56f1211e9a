"""The bundle: what is shipped of a training, to be loaded anywhere; no pickle in it."""

import logging
import shutil
from collections.abc import Callable
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
from zhenwei.bundle.calibration import Calibration
from zhenwei.bundle.card.card import model_card
from zhenwei.bundle.card.signature import CardState, card_state, marked
from zhenwei.bundle.device import resolve_device
from zhenwei.bundle.featurizer import Featurizer, LearnedFields
from zhenwei.bundle.manifest import FORMAT_VERSION, read_manifest
from zhenwei.bundle.predict_logits import predict_logits, sigmoid
from zhenwei.bundle.weights import load_weights, save_weights, write_json
from zhenwei.config import Config, check_device
from zhenwei.errors import CheckpointError, ConfigError, DataError, PretrainedModelError
from zhenwei.hashing import file_sha256
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.similarity.index import SimilarArticles
from zhenwei.tokens import EncodedArticles, SpecialTokens, TextTokenizer

logger = logging.getLogger(__name__)

LABELS = ("real", "fake")
SIMILAR = "similar.safetensors"  # only where known articles were asked for
WEIGHTS, TOKENIZER, DESCRIPTION, SETTINGS = "model.safetensors", "tokenizer.json", "detector.json", "config.json"
GRAPH = "model.onnx"  # what an exported detector has in place of its weights
CARD = "README.md"
BUNDLE_FILES = frozenset({WEIGHTS, TOKENIZER, DESCRIPTION, SETTINGS, GRAPH, SIMILAR, CARD})


@dataclass
class Bundle:
    """A trained detector: settings, tokenizer, network, and the threshold that its verdicts use.

    Attributes:
        config: The settings that it was trained with.
        tokenizer: Text to tokens.
        network: The network, in float32.
        threshold: A text counts as fake from this probability on.
        facts: What else is known: epoch and step of the weights, scores on val, numbers of articles.
        learned: What it must remember of its training articles' optional fields.
        calibration: How its logits become probabilities; None: by the logistic function alone.
        similar: Its training articles, to find those that are most like a new text; None: they are not shipped.
    """

    config: Config
    tokenizer: TextTokenizer
    network: DetectorNetwork
    threshold: float = 0.5
    facts: dict[str, Any] = field(default_factory=dict)
    learned: LearnedFields = field(default_factory=LearnedFields)
    calibration: Calibration | None = None
    similar: SimilarArticles | None = None

    def to(self, device: str) -> torch.device:
        """Move the network to a device, and return that device.

        Args:
            device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; an absent one logs a warning and falls back to the CPU.

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
        """Return the probabilities of fake [N] for the network's logits [N]: calibrated, if the detector is."""
        return sigmoid(self.calibrated(logits))

    def featurizer(self) -> Featurizer:
        """Return what turns articles into what the network reads; what they lack is made from their text."""
        config = self.config
        return Featurizer(
            self.tokenizer, config.data.max_len, self.network.needs, self.learned, config.model.domain_kind,
            config.data.mask_entities, complete=True,
        )  # fmt: skip


def save_bundle(bundle: Bundle, folder: Path, *, keep_card: bool = False) -> None:
    """Write a bundle; an older one in its place is replaced when the new one is whole.

    A model card that somebody has edited stays as it is.

    Args:
        bundle: The detector.
        folder: Where.
        keep_card: Whether the card that is there still tells the truth: the detector judges as before.

    Raises:
        CheckpointError: If it cannot be written; the older one is left as it was.
    """
    network = bundle.network.for_prediction()
    with atomic_folder(folder) as place:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_weights(weights, place / WEIGHTS)
        save_metadata(bundle, network, WEIGHTS, place)
        _keep_others(folder, place)
        _keep_card(folder / CARD, place / CARD, keep_card)


def _keep_others(folder: Path, place: Path) -> None:
    """Bring along what else somebody has put into an older bundle's folder: a licence, notes, `.git`."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name in BUNDLE_FILES:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, place / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, place / entry.name, follow_symlinks=False)


def _keep_card(old: Path, new: Path, still_true: bool) -> None:
    """Bring along an older bundle's card where somebody has edited it, or where all that it says still holds."""
    state = card_state(old)
    if state is CardState.EDITED and not still_true:
        logger.warning(
            "%s: you have edited it, and it stays as you left it; see whether what it says of the scores, the "
            "threshold and the calibration still holds",
            old,
        )
    if state is CardState.EDITED or (still_true and state is CardState.WHOLE):
        shutil.copy2(old, new)


def save_metadata(bundle: Bundle, network: DetectorNetwork, model_file: str, place: Path) -> None:
    """Write all files of a bundle beside that of its model.

    Args:
        bundle: The detector.
        network: The part of its network that predicts.
        model_file: The name of the model's file, which is in the folder already.
        place: The folder.

    Raises:
        OSError: If a file cannot be written.
    """
    learned = bundle.learned
    bundle.config.save(place / SETTINGS)
    bundle.tokenizer.save(place / TOKENIZER)
    files = [model_file, TOKENIZER, SETTINGS]
    if bundle.similar is not None:
        (place / SIMILAR).write_bytes(arrays_to_bytes(bundle.similar.to_tensors()))
        files.append(SIMILAR)
    description = {
        "format_version": FORMAT_VERSION,
        "zhenwei_version": zhenwei.__version__,
        "labels": list(LABELS),
        "threshold": bundle.threshold,
        "calibration": None if bundle.calibration is None else bundle.calibration.to_dict(),
        "special_tokens": asdict(bundle.tokenizer.special),
        "encoder": network.encoder_config(),
        "domain_names": list(learned.domain_names),
        "emotion_size": learned.emotion_size,
        "emotion": None if learned.emotion is None else learned.emotion.to_dict(),
        "facts": bundle.facts,
        "sha256": {name: file_sha256(place / name) for name in files},
    }
    write_json(description, place / DESCRIPTION)
    (place / CARD).write_text(marked(model_card(bundle), whole=False), encoding="utf-8")


def find_bundle(path: Path) -> Path:
    """Return the bundle's folder, given a run's folder or the bundle's own.

    Raises:
        CheckpointError: If there is neither.
    """
    for folder in (path if path.exists() else resolve_folder(path), resolve_folder(path / "checkpoints" / "best")):
        if (folder / DESCRIPTION).is_file():
            return folder
    if not path.exists():
        if path.parts[:1] == ("hf:",):
            raise CheckpointError(
                f"hf://{'/'.join(path.parts[1:])}: this takes a folder; expected a run folder or a bundle: a detector "
                "on the hub is only read, by predict, explain, evaluate and serve"
            )
        raise CheckpointError(f"{path}: no such folder; expected a run folder or a bundle")
    if (path / SETTINGS).is_file() and (path / "checkpoints").is_dir():
        raise CheckpointError(f"{path}: this run has no best checkpoint yet; it is saved after the first epoch")
    raise CheckpointError(f"{path}: neither a run folder nor a bundle: it has no {DESCRIPTION}")


def load_bundle(path: Path) -> Bundle:
    """Load a bundle from a run's folder or from its own; the network is on the CPU and in evaluation.

    Nothing but the bundle's own files is read: a pretrained encoder is rebuilt from its description.

    Raises:
        CheckpointError: If there is none, or it is damaged, foreign, or of a format from the future.
    """
    folder = find_bundle(path)
    if (folder / GRAPH).is_file():
        raise CheckpointError(
            f"{folder}: an exported detector, which can judge but has no weights; "
            "for this, expected the run or the bundle that it was exported from"
        )
    bundle = load_metadata(folder, WEIGHTS, lambda config, vocabulary: _build(config, vocabulary, folder))
    load_weights(bundle.network, folder / WEIGHTS)
    bundle.network.eval()
    return bundle


def load_metadata(folder: Path, model_file: str, build: Callable[[Config, Vocabulary], DetectorNetwork]) -> Bundle:
    """Load all files of a bundle but that of its model.

    Args:
        folder: The bundle's.
        model_file: The name of the model's file; that it is the one that was saved is checked here.
        build: Makes the network.

    Raises:
        CheckpointError: If a file is missing, damaged, foreign, or of a format from the future.
    """
    for name in (SETTINGS, TOKENIZER, model_file):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: damaged bundle: {name} is missing")
    description = read_manifest(folder / DESCRIPTION, (model_file, TOKENIZER, SETTINGS), SIMILAR)
    for name, expected in description["sha256"].items():
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: damaged bundle: {name} is missing")
        if file_sha256(folder / name) != expected:
            raise CheckpointError(f"{folder / name}: damaged: it is not the file that was saved (sha256 differs)")
    try:
        learned = _learned_fields(description)
        config = Config.load(folder / SETTINGS)
        tokenizer = TextTokenizer.load(folder / TOKENIZER, SpecialTokens(**description["special_tokens"]))
        vocabulary = Vocabulary(
            tokenizer.vocab_size, tokenizer.pad_id, config.data.max_len, description["encoder"],
            learned.domain_names, learned.emotion_size,
        )  # fmt: skip
        network = build(config, vocabulary)
    except (ConfigError, DataError, PretrainedModelError, TypeError) as error:
        raise CheckpointError(f"{folder}: damaged or foreign bundle: {error}") from None
    threshold, calibration = float(description["threshold"]), _calibration(description, folder)
    similar = _similar(folder) if SIMILAR in description["sha256"] else None
    return Bundle(config, tokenizer, network, threshold, description["facts"], learned, calibration, similar)


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


def _calibration(description: dict[str, Any], folder: Path) -> Calibration | None:
    stored = description["calibration"]
    try:
        return None if stored is None else Calibration.from_dict(stored)
    except ValueError as error:
        raise CheckpointError(f"{folder / DESCRIPTION}: damaged or foreign: calibration: {error}") from None


def _learned_fields(description: dict[str, Any]) -> LearnedFields:
    names, size, emotion = tuple(description["domain_names"]), description["emotion_size"], description["emotion"]
    if emotion is None:
        return LearnedFields(names, size)
    try:
        return LearnedFields(names, size, EmotionExtractor.from_dict(emotion))
    except ConfigError as error:  # another lexicon or jieba: articles that bring their vector can be judged still
        return LearnedFields(names, size, emotion_problem=str(error))
