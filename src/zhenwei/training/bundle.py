"""The bundle: what is shipped of a training, to be loaded anywhere; no pickle in it."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as arrays_to_bytes
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

import zhenwei
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError, DataError, PretrainedModelError
from zhenwei.models import DetectorNetwork, Vocabulary, build_network
from zhenwei.news.digests import file_digest
from zhenwei.news.emotion import EmotionExtractor
from zhenwei.news.similar import SimilarArticles
from zhenwei.tokens import SpecialTokens, TextTokenizer
from zhenwei.training.calibration import Calibration
from zhenwei.training.card_mark import CardState, card_state, marked
from zhenwei.training.model_card import model_card
from zhenwei.training.reader import LearnedFields, Reader
from zhenwei.training.scoring import sigmoid
from zhenwei.training.whole_folder import surviving_folder, whole_folder, write_whole

logger = logging.getLogger(__name__)

FORMAT_VERSION = 3
READABLE = (2, 3)  # 2 knew no calibration
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

    def calibrated(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log odds of the detector's probabilities [N] for its network's logits [N]."""
        return logits if self.calibration is None else self.calibration.logits(logits)

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of fake [N] for the network's logits [N]: calibrated, if the detector is."""
        return sigmoid(self.calibrated(logits))

    def reader(self) -> Reader:
        """Return what turns articles into what the network reads; what they lack is made from their text."""
        config = self.config
        return Reader(
            self.tokenizer, config.data.max_len, self.network.needs, self.learned, config.model.domain_kind,
            complete=True,
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
    with whole_folder(folder) as place:
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_weights(weights, place / WEIGHTS)
        write_around(bundle, network, WEIGHTS, place)
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


def write_around(bundle: Bundle, network: DetectorNetwork, model_file: str, place: Path) -> None:
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
        "sha256": {name: file_digest(place / name) for name in files},
    }
    write_json(description, place / DESCRIPTION)
    (place / CARD).write_text(marked(model_card(bundle), whole=False), encoding="utf-8")


def find_bundle(path: Path) -> Path:
    """Return the bundle's folder, given a run's folder or the bundle's own.

    Raises:
        CheckpointError: If there is neither.
    """
    for folder in (path if path.exists() else surviving_folder(path), surviving_folder(path / "checkpoints" / "best")):
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
    bundle = load_around(folder, WEIGHTS, lambda config, vocabulary: _build(config, vocabulary, folder))
    load_weights(bundle.network, folder / WEIGHTS)
    bundle.network.eval()
    return bundle


def load_around(folder: Path, model_file: str, build: Callable[[Config, Vocabulary], DetectorNetwork]) -> Bundle:
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
    description = _read_description(folder, (model_file, TOKENIZER, SETTINGS))
    for name, expected in description["sha256"].items():
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: damaged bundle: {name} is missing")
        if file_digest(folder / name) != expected:
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


def _read_description(folder: Path, hashed: tuple[str, ...]) -> dict[str, Any]:
    """Read detector.json and check that this version understands it, and that it has the digests of these files."""
    path = folder / DESCRIPTION
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = description["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: damaged or foreign: {type(error).__name__}: {error}") from None
    if version not in READABLE:
        raise CheckpointError(
            f"{path}: bundle format {version}, saved by zhenwei {description.get('zhenwei_version')}; "
            f"this is zhenwei {zhenwei.__version__}, which reads formats {' and '.join(map(str, READABLE))}; "
            "train the detector again, or use it with that version"
        )
    digests = f"the digests of {', '.join(hashed)}"
    checks: list[_Check] = [("sha256", digests, partial(_are_digests, hashed)), *_EXPECTED]
    for name, expected, good in checks:
        if name not in description:
            raise CheckpointError(f"{path}: damaged or foreign: it has no '{name}'")
        if not good(description[name]):
            found = json.dumps(description[name], ensure_ascii=False)[:100]
            raise CheckpointError(f"{path}: damaged or foreign: {name}: found {found}; expected {expected}")
    return description


def _is_probability(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0  # not nan either


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_digests(names: tuple[str, ...], value: Any) -> bool:
    return isinstance(value, dict) and {*value} - {SIMILAR} == {*names}


_Check = tuple[str, str, Callable[[Any], bool]]

# What detector.json must hold beside its version and the digests, in words and as a check.
_EXPECTED: tuple[_Check, ...] = (
    ("threshold", "a number from 0 to 1", _is_probability),
    ("calibration", "an object or null", lambda value: value is None or isinstance(value, dict)),
    ("special_tokens", "an object", lambda value: isinstance(value, dict)),
    ("encoder", "an object or null", lambda value: value is None or isinstance(value, dict)),
    ("domain_names", "a list of names", _is_list_of_names),
    ("emotion_size", "a length", lambda value: type(value) is int and value >= 0),
    ("emotion", "an object or null", lambda value: value is None or isinstance(value, dict)),
    ("facts", "an object", lambda value: isinstance(value, dict)),
)


def load_weights(network: torch.nn.Module, path: Path, *further: Path) -> None:
    """Fill a network with saved weights, of one file or of several together.

    Raises:
        CheckpointError: If the file is damaged, or its weights are not those of this network.
    """
    try:
        weights = load_file(path)
        for other in further:
            weights |= load_file(other)
        network.load_state_dict(weights)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path}: these weights are not of this network: {reason}") from None


def save_weights(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    The library's own `save_file` hides the file from everybody but its owner, and the system's errors in its own.

    Raises:
        OSError: If the file cannot be written.
    """
    path.write_bytes(to_bytes(tensors))


def write_json(value: Any, path: Path) -> None:
    """Write readable JSON, whole or not at all: beside, then renamed into place.

    Raises:
        OSError: If it cannot be written; an older file is left as it was.
    """
    write_whole(json.dumps(value, indent=2, ensure_ascii=False) + "\n", path)
