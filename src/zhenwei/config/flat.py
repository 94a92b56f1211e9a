"""The flat configuration of the original code, mapped onto the sections."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zhenwei.config.model import model_config_class
from zhenwei.config.section import did_you_mean
from zhenwei.errors import ConfigError

logger = logging.getLogger(__name__)

# Flat key -> section and name of the same thing here. Four more keys need more than a new name: see `from_flat`.
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


def is_flat(settings: Mapping[str, Any]) -> bool:
    """Tell whether settings are in the original's flat form: no section, and at least one of its keys."""
    return not SECTIONS & settings.keys() and bool(FLAT_KEYS & settings.keys())


def from_flat(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Map the original's flat settings onto the sections.

    `save_param_dir` and `model_name` together name the run folder, as the original joins them;
    `use_cuda` asks for a GPU (`false` refuses one), `use_amp` for the best mixed precision of the device.
    `model_name` may end in `endef`, as the original's do. One file serves all detectors there: keys that the named
    detector has no use for are left out, with one warning.

    Raises:
        ConfigError: If a key is not of the flat form; the message names the nearest that is.
    """
    sections: dict[str, Any] = {"data": {}, "model": {}, "training": {}, "output": {}}
    for key, value in settings.items():
        if key in RENAMED:
            section, name = RENAMED[key]
            sections[section][name] = value
        elif key == "seed":
            sections["seed"] = value
        elif key not in FLAT_KEYS:
            raise ConfigError(f"{where}: unknown setting '{key}'; {did_you_mean(key, FLAT_KEYS | {'seed'})}")
    for key in ("use_cuda", "use_amp"):
        if not isinstance(settings.get(key, False), bool):
            raise ConfigError(f"{where}: {key}: found {settings[key]!r}; expected true or false")
    for key in ("save_param_dir", "model_name"):
        if not isinstance(settings.get(key, ""), str):
            raise ConfigError(f"{where}: {key}: found {settings[key]!r}; expected text")
    name = str(settings.get("model_name", "bigru"))
    sections["model"] = _of_detector(sections["model"] | _detector(name), where)
    if "save_param_dir" in settings:
        sections["output"]["dir"] = (Path(settings["save_param_dir"]) / name).as_posix()
    if "use_cuda" in settings:
        sections["training"]["device"] = "cuda" if settings["use_cuda"] else "cpu"
    if "use_amp" in settings:
        sections["training"]["precision"] = "auto" if settings["use_amp"] else "no"
    return sections


def _detector(name: str) -> dict[str, str]:
    """Read the original's name of a model: `BiGRU`, `bigru_endef`, `bertemo_endef`."""
    plain = name.lower().replace("-", "_")
    base = plain.removesuffix("endef").rstrip("_") or plain
    settings = {"name": "bert_emo" if base == "bertemo" else base}
    return settings | {"debias": "endef"} if base != plain else settings


def _of_detector(model: dict[str, Any], where: str) -> dict[str, Any]:
    """Leave out what the named detector has no setting for."""
    try:
        known = model_config_class(model["name"]).model_fields
    except ValueError:
        return model  # the name is refused when the sections are checked
    unused = [key for key in model if key not in known and key != "debias"]
    if unused:
        logger.warning("%s: '%s' has no use for %s: left out", where, model["name"], ", ".join(unused))
    return {key: value for key, value in model.items() if key not in unused}


def in_flat_words(sentence: str) -> str:
    """Name a setting in a message as the flat form does: `lr` for `training.lr`."""
    for key, name in CANONICAL.items():
        sentence = re.sub(rf" {re.escape(name)}(?=[: ])", f" {key}", sentence)
    return sentence
