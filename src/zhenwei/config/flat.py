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

# Flat key -> section and setting. Four more keys need more than a new name: see `from_flat`.
RENAMED = {
    "emb_dim": ("model", "emb_dim"),
    "num_layers": ("model", "num_layers"),
    "dropout": ("model", "dropout"),
    "mlp_dims": ("model", "mlp_dims"),
    "vocab_size": ("data", "vocab_size"),
    "use_pretrained_bert": ("model", "use_pretrained_bert"),
    "bert_model_name": ("model", "bert_model_name"),
    "finetune_bert": ("model", "finetune_bert"),
    "use_residual": ("model", "use_residual"),
    "lr": ("training", "lr"),
    "weight_decay": ("training", "weight_decay"),
    "early_stop": ("training", "early_stop"),
    "root_path": ("data", "root_path"),
    "max_len": ("data", "max_len"),
    "batchsize": ("training", "batch_size"),
    "aug_prob": ("data", "aug_prob"),
    "epoch": ("training", "epochs"),
    "warmup_steps": ("training", "warmup_steps"),
    "grad_clip": ("training", "grad_clip"),
    "log_interval": ("output", "log_interval"),
}
CANONICAL = {key: f"{section}.{name}" for key, (section, name) in RENAMED.items()} | {
    "save_param_dir": "output.dir",
    "model_name": "model.name",
    "use_cuda": "training.device",
    "use_amp": "training.precision",
}
FLAT_KEYS = frozenset(CANONICAL)
SECTIONS = frozenset({"data", "model", "training", "output"})
DEFAULT_DETECTOR = "bigru"
MAX_TYPO_EDITS = 2


def is_flat(settings: Mapping[str, Any]) -> bool:
    """Return whether settings have the original's flat form: no section, and at least one of its keys."""
    return not SECTIONS & settings.keys() and bool(FLAT_KEYS & settings.keys())


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
    sections: dict[str, Any] = {"data": {}, "model": {}, "training": {}, "output": {}}
    for key, value in settings.items():
        if key in RENAMED:
            section, name = RENAMED[key]
            sections[section][name] = value
        elif key == "seed":
            sections["seed"] = value
        elif key not in FLAT_KEYS:
            raise ConfigError(f"{source}: unknown setting '{key}'; {did_you_mean(key, FLAT_KEYS | {'seed'})}")
    for key in ("use_cuda", "use_amp"):
        if not isinstance(settings.get(key, False), bool):
            raise ConfigError(f"{source}: {key}: found {settings[key]!r}; expected true or false")
    for key in ("save_param_dir", "model_name"):
        if not isinstance(settings.get(key, ""), str):
            raise ConfigError(f"{source}: {key}: found {settings[key]!r}; expected text")
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
    similar = min(known, key=lambda candidate: edit_distance(name, candidate))
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
