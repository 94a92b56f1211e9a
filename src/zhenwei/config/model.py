"""Settings of the networks: one class per detector, picked by `model.name`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from zhenwei.config.section import Section, did_you_mean
from zhenwei.errors import ConfigError

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
SMALLEST_HIDDEN_SIZE = 4


class ModelConfig(Section):
    """What every detector has: a name and a head."""

    name: str
    """Which detector."""

    mlp_dims: list[int] = [384]
    """Hidden sizes of the MLP head; a last entry of 1 is the output layer and may be left out."""

    dropout: Share = 0.2
    """Dropout after the encoder, between its layers and in the MLP head."""

    @model_validator(mode="after")
    def _check_mlp_dims(self) -> Self:
        for position, size in enumerate(self.mlp_dims):
            if size == 1 and position == len(self.mlp_dims) - 1:
                continue
            if size < SMALLEST_HIDDEN_SIZE:
                last = position == len(self.mlp_dims) - 1
                expected = (
                    f"the last entry is 1 (the output layer: one logit) or a hidden size of at least "
                    f"{SMALLEST_HIDDEN_SIZE}"
                    if last
                    else f"a hidden size is at least {SMALLEST_HIDDEN_SIZE}"
                )
                raise ValueError(f"mlp_dims: found {self.mlp_dims}; {expected}")
        return self

    @property
    def mlp_hidden_dims(self) -> list[int]:
        """Sizes of the head's hidden layers: `mlp_dims` without the output layer."""
        return self.mlp_dims[:-1] if self.mlp_dims[-1:] == [1] else list(self.mlp_dims)


class EmbeddingConfig(ModelConfig):
    """What the detectors that start from embeddings of single tokens share."""

    emb_dim: Annotated[int, Field(ge=1)] = 768
    """Size of an embedding; with a pretrained BERT it must be BERT's hidden size."""

    use_pretrained_bert: bool = False
    """Start from the embedding layer of a pretrained BERT; else embeddings are learned from scratch."""

    bert_model_name: str | None = None
    """Folder or hub name of that BERT (any encoder of transformers with an embedding layer)."""

    finetune_bert: bool = False
    """Train the pretrained embedding layer too, at `training.pretrained_lr`; else it is frozen."""

    emb_dropout: Share = 0.0
    """Dropout on the embeddings."""

    @model_validator(mode="after")
    def _check_bert(self) -> Self:
        if self.finetune_bert and not self.use_pretrained_bert:
            raise ValueError(
                "finetune_bert is true but use_pretrained_bert is false: there is no BERT to finetune; "
                "set use_pretrained_bert to true, or finetune_bert to false"
            )
        if self.use_pretrained_bert and not self.bert_model_name:
            raise ValueError(
                "use_pretrained_bert is true but bert_model_name is not set; "
                "expected a folder or a hub name such as 'bert-base-chinese'"
            )
        return self


class BiGRUConfig(EmbeddingConfig):
    """Settings of the BiGRU detector."""

    name: Literal["bigru"] = "bigru"
    """Which detector."""

    hidden_dim: Annotated[int, Field(ge=1)] | None = None
    """Size of the GRU's state in each direction; `null`: `emb_dim`, as published."""

    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Stacked bidirectional GRU layers."""

    use_residual: bool = False
    """Add the mean of the embeddings, through a linear layer, to the pooled output of the GRU."""


_CONFIGS: dict[str, type[ModelConfig]] = {}


def register_model_config(config: type[ModelConfig]) -> type[ModelConfig]:
    """Make a detector's settings known under the name that they declare as default.

    Raises:
        ConfigError: If the class declares no name, or one that another class has.
    """
    name = config.model_fields["name"].default
    if not isinstance(name, str):
        raise ConfigError(f"{config.__name__} declares no default for 'name'; expected the detector's name")
    if _CONFIGS.setdefault(name, config) is not config:
        raise ConfigError(f"two settings classes are named '{name}': {_CONFIGS[name].__name__}, {config.__name__}")
    return config


def model_config_class(name: object) -> type[ModelConfig]:
    """Return the settings class of a detector.

    Raises:
        ValueError: If no detector has this name; the message names the nearest.
    """
    if isinstance(name, str) and name in _CONFIGS:
        return _CONFIGS[name]
    raise ValueError(f"name: found {name!r}; {did_you_mean(str(name), _CONFIGS)}")


def detector_names() -> list[str]:
    """Return the names of all detectors whose settings are known."""
    return sorted(_CONFIGS)


def parse_model_config(value: Any) -> ModelConfig:
    """Read the `model` section: the class is picked by `name` (BiGRU where none is given).

    Raises:
        ValueError: If the section is no object or names no known detector.
        pydantic.ValidationError: If a setting does not fit.
    """
    if isinstance(value, ModelConfig):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"found {value!r}; expected an object of settings")
    return model_config_class(value.get("name", "bigru")).model_validate(dict(value))


register_model_config(BiGRUConfig)
