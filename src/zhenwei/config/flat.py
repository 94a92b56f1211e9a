"""The flat configuration of the original ENDEF code, mapped onto the sections."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zhenwei.config.model import detector_names, model_config_class
from zhenwei.config.section import did_you_mean, edit_distance
from zhenwei.errors import ConfigError

logger = logging.getLogger(__name__)

_SAME_NAME = {  # settings that have the same name in a section
    "model": (
        "emb_dim", "num_layers", "dropout", "mlp_dims", "use_pretrained_bert", "bert_model_name", "finetune_bert",
        "use_residual",
    ),
    "data": ("vocab_size", "root_path", "max_len", "aug_prob"),
    "training": ("lr", "weight_decay", "early_stop", "warmup_steps", "grad_clip"),
    "output": ("log_interval",),
}  # fmt: skip
# Flat key -> section and setting.
_RENAMED = {name: f"{section}.{name}" for section, names in _SAME_NAME.items() for name in names} | {
    "batchsize": "training.batch_size",
    "epoch": "training.epochs",
}
# Four more keys need more than a new name: see `from_flat`.
CANONICAL = _RENAMED | {
    "save_param_dir": "output.dir",
    "model_name": "model.name",
    "use_cuda": "training.device",
    "use_amp": "training.precision",
}
DEFAULT_DETECTOR = "bigru"
MAX_TYPO_EDITS = 2


def is_flat(settings: Mapping[str, Any]) -> bool:
    """Return whether settings have the original's flat form: no section, and at least one of its keys."""
    return not _SAME_NAME.keys() & settings.keys() and bool(CANONICAL.keys() & settings.keys())


def from_flat(settings: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Map the original's flat settings onto the sections.

    `save_param_dir` and `model_name` together name the run folder, as in the original. A `model_name` that names a
    detector (`BiGRU`, `mdfend_endef`) selects it; any other name trains a BiGRU under that name. `use_cuda` selects
    the GPU (`false`: the CPU), `use_amp` the best mixed precision of the device. Keys that the detector has no
    setting for are dropped with one warning, because the original serves all detectors by one file.

    Args:
        settings: The flat settings.
        source: The file (or other origin) of the settings, for messages.

    Raises:
        ConfigError: If a key is not of the flat form (the message names the nearest), or one of the four special
            keys has a wrong type.
    """
    sections: dict[str, Any] = {section: {} for section in _SAME_NAME}
    sections["data"]["normalize"] = []  # published results stay reproducible
    for key, value in settings.items():
        if key in _RENAMED:
            section, name = _RENAMED[key].split(".")
            sections[section][name] = value
        elif key == "seed":
            sections["seed"] = value
        elif key not in CANONICAL:
            raise ConfigError(f"{source}: unknown setting '{key}'; {did_you_mean(key, [*CANONICAL, 'seed'])}")
    flag, text = (bool, "true or false"), (str, "text")
    for key, (kind, expected) in {
        "use_cuda": flag,
        "use_amp": flag,
        "save_param_dir": text,
        "model_name": text,
    }.items():
        if not isinstance(settings.get(key, kind()), kind):
            raise ConfigError(f"{source}: {key}: found {settings[key]!r}; expected {expected}")
    run_name = settings.get("model_name", DEFAULT_DETECTOR)
    sections["model"] = _drop_unused(sections["model"] | _detector(run_name, source), source)
    if "save_param_dir" in settings:
        sections["output"]["dir"] = (Path(settings["save_param_dir"]) / run_name).as_posix()
    if "use_cuda" in settings:
        sections["training"]["device"] = "cuda" if settings["use_cuda"] else "cpu"
    if "use_amp" in settings:
        sections["training"]["precision"] = "auto" if settings["use_amp"] else "no"
    return sections


def _detector(model_name: str, source: str) -> dict[str, str]:
    """Return the detector that `model_name` selects: a known one, else the BiGRU, and log that."""
    normalized = model_name.lower().replace("-", "_")
    base = normalized.removesuffix("endef").rstrip("_") or normalized
    name = "bert_emo" if base == "bertemo" else base
    known = detector_names()
    if name in known:
        return {"name": name, "debias": "endef"} if base != normalized else {"name": name}
    message = f"{source}: model_name '{model_name}' names the run, not a detector; the run trains '{DEFAULT_DETECTOR}'"
    similar = min(known, key=lambda detector: edit_distance(name, detector))
    if edit_distance(name, similar) <= MAX_TYPO_EDITS:
        logger.warning("%s; did you mean '%s%s'?", message, similar, "_endef" if base != normalized else "")
    elif base != normalized:
        logger.warning("%s without entity debiasing; '%s_endef' trains with it", message, DEFAULT_DETECTOR)
    else:
        logger.info("%s", message)
    return {"name": DEFAULT_DETECTOR}


def _drop_unused(model: dict[str, Any], source: str) -> dict[str, Any]:
    """Drop the settings that the detector does not have, and warn."""
    known = model_config_class(model["name"]).model_fields
    unused = [key for key in model if key not in known and key != "debias"]
    if unused:
        logger.warning("%s: '%s' has no setting %s: ignored", source, model["name"], ", ".join(unused))
    return {key: value for key, value in model.items() if key not in unused}


def in_flat_words(sentence: str) -> str:
    """Replace canonical setting names in a message by the flat ones: `training.lr` by `lr`."""
    for key, name in CANONICAL.items():
        sentence = re.sub(rf" {re.escape(name)}(?=[: ])", f" {key}", sentence)
    return sentence
