"""Base classes of the detectors' settings, and the registry that `model.name` selects from."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zhenwei.config.section import AtLeastOne, Count, NotNegative, Positive, Section, did_you_mean
from zhenwei.errors import ConfigError

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Weight = Annotated[float, Field(ge=0.0, le=1.0)]
Auto = Literal["auto"]
DomainKind = Literal["field", "year"]
TokenUnit = Literal["piece", "word", "character", "auto"]
SMALLEST_HIDDEN_SIZE = 4
PUBLISHED_EMB_DIM = 768
ENTRY_POINTS = "zhenwei.detectors"


class ModelConfig(Section):
    """Settings of every detector."""

    name: str
    """Name of the detector."""

    published_rates: ClassVar[Mapping[str, float]] = {}
    """Defaults of `training.lr` and `training.pretrained_lr` for this detector."""

    @property
    def title(self) -> str:
        """The name of the detector and of its debiasing: `bigru`, `bigru-endef`."""
        return self.name

    @property
    def pretrained(self) -> str | None:
        """Folder or hub name of the pretrained encoder; None: the detector starts from scratch."""
        return None

    @property
    def domain_kind(self) -> DomainKind:
        """Which field of an article is its domain."""
        return "field"

    @property
    def token_unit(self) -> TokenUnit:
        """What a token is if the vocabulary is trained on the training articles."""
        return "piece"


class NetworkConfig(ModelConfig):
    """Settings of every network that is trained by gradient descent: the head, and ENDEF's debiasing."""

    mlp_dims: list[int] = [384]
    """Hidden sizes of the MLP head; a last entry of 1 is the output layer and is optional."""

    dropout: Share = 0.2
    """Dropout after the encoder, between its layers and in the MLP head."""

    debias: Literal["endef"] | None = None
    """`endef`: train together with a branch that reads only the entities and absorbs their bias; the branch is not part
    of the bundle. The training articles need `entity_list`."""

    endef_base_weight: Weight = 0.9
    """ENDEF: weight of the network's own logit in the combined logit that is trained."""

    endef_entity_weight: Weight = 0.1
    """ENDEF: weight of the entity branch's logit in the combined logit."""

    endef_loss_weight: NotNegative = 0.2
    """ENDEF: weight of the entity branch's cross-entropy in the training loss."""

    @model_validator(mode="after")
    def _check_mlp_dims(self) -> Self:
        for position, size in enumerate(self.mlp_dims):
            is_last = position == len(self.mlp_dims) - 1
            if size < SMALLEST_HIDDEN_SIZE and not (is_last and size == 1):
                entry = (
                    "the last entry is 1 (the output layer: one logit) or a hidden size of"
                    if is_last
                    else "a hidden size is"
                )
                raise ValueError(f"mlp_dims: found {self.mlp_dims}; {entry} at least {SMALLEST_HIDDEN_SIZE}")
        return self

    @property
    def title(self) -> str:
        """The name of the detector and of its debiasing: `bigru-endef`."""
        return self.name if self.debias is None else f"{self.name}-{self.debias}"

    @property
    def mlp_hidden_dims(self) -> list[int]:
        """Sizes of the hidden layers of the head: `mlp_dims` without the output layer."""
        return self.mlp_dims[:-1] if self.mlp_dims[-1:] == [1] else list(self.mlp_dims)


class PretrainableConfig(NetworkConfig):
    """Settings of detectors that can start from a pretrained encoder."""

    use_pretrained_bert: bool = False
    """Start from a pretrained encoder."""

    bert_model_name: str | None = None
    """Folder or hub name of the encoder."""

    emb_dropout: Share = 0.0
    """Dropout on the token embeddings."""

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.use_pretrained_bert and not self.bert_model_name:
            raise ValueError(
                "use_pretrained_bert is true but bert_model_name is not set; "
                "expected a folder or a hub name such as 'bert-base-chinese'"
            )
        return self

    @property
    def pretrained(self) -> str | None:
        """Folder or hub name of the encoder, if one is used."""
        return self.bert_model_name if self.use_pretrained_bert else None


class EmbeddingConfig(PretrainableConfig):
    """Settings of detectors on context-free token embeddings."""

    emb_dim: AtLeastOne = PUBLISHED_EMB_DIM
    """Size of an embedding; with a pretrained BERT it must equal its hidden size."""

    use_pretrained_bert: bool = False
    """Start from the embedding layer of a pretrained BERT; `false`: learn embeddings from scratch."""

    bert_model_name: str | None = None
    """Folder or hub name of the BERT (any encoder of transformers with an embedding layer)."""

    finetune_bert: bool = False
    """Train the pretrained embedding layer at `training.pretrained_lr`; `false`: freeze it."""

    @model_validator(mode="after")
    def _check_finetuning(self) -> Self:
        if self.finetune_bert and not self.use_pretrained_bert:
            raise ValueError(
                "finetune_bert is true but use_pretrained_bert is false: there is no BERT to finetune; "
                "set use_pretrained_bert to true, or finetune_bert to false"
            )
        return self


class EncoderConfig(PretrainableConfig):
    """Settings of detectors on a whole pretrained encoder."""

    emb_dim: AtLeastOne | None = None
    """Size of a token's vector; `null`: the encoder's hidden size, or 768 from scratch. If set, it must equal the
    encoder's hidden size."""

    use_pretrained_bert: bool = True
    """Use a pretrained encoder; `false`, if the detector supports it: learn embeddings from scratch."""

    bert_model_name: str | None = "bert-base-chinese"
    """Folder or hub name of the encoder (any of transformers: BERT, RoBERTa, ELECTRA, ERNIE ...)."""

    finetune_layers: Count | Literal["all"] = 1
    """How many of the encoder's last layers train, at `training.pretrained_lr`; `all`: the embeddings, too. The other
    layers are frozen and run without dropout."""


class ConvolutionConfig(Section):
    """Settings of a CNN extractor."""

    kernels: list[AtLeastOne] = [1, 2, 3, 5, 10]
    """Widths of the convolutions, in tokens."""

    filters: AtLeastOne = 64
    """Filters per width."""

    @model_validator(mode="after")
    def _check_kernels(self) -> Self:
        if not self.kernels or len(set(self.kernels)) < len(self.kernels):
            raise ValueError(
                f"kernels: found {self.kernels}; expected widths in tokens, each once, as [1, 2, 3, 5, 10]"
            )
        return self


class NgramConfig(Section):
    """N-grams of a linear model, and their weights."""

    ngram_range: list[AtLeastOne] = [1, 3]
    """Shortest and longest n-gram."""

    min_df: AtLeastOne = 2
    """Minimum number of training articles with an n-gram; rarer n-grams are dropped."""

    sublinear_tf: bool = True
    """Use a term frequency of 1 + ln(n) for an n-gram that occurs n times."""

    naive_bayes: NotNegative | Auto = 0.0
    """Multiply each n-gram's TF-IDF by 1 + this x |log ratio of its shares in fake and in real articles|; 0: plain
    TF-IDF. It helps if the future resembles the past (Weibo21), and harms if it does not (CED). `auto`: the value among
    0, 0.25, 0.5 and 1 with the best AUC on held-out training articles (the later ones, if all have a `time`)."""

    C: Positive | Auto = 30.0
    """Inverse strength of the logistic regression's L2 penalty. `auto`: chosen among 10, 30, 100 and 300 in the same
    way."""

    @model_validator(mode="after")
    def _check_ngram_range(self) -> Self:
        check_ngram_range("ngram_range", self.ngram_range)
        return self


def check_ngram_range(setting: str, found: list[int]) -> None:
    """Check that a range is the shortest and the longest n-gram.

    Raises:
        ValueError: If it is not.
    """
    if len(found) != 2 or not found[0] <= found[1]:
        raise ValueError(f"{setting}: found {found}; expected [shortest, longest], as [1, 3]")


class DomainConfig(ModelConfig):
    """Settings of detectors that use an article's domain."""

    domain: DomainKind = "field"
    """The domain of an article: `field`: its `domain` (a topic); `year`: the year of its `time`. The domains are
    those of the training articles."""

    @property
    def domain_kind(self) -> DomainKind:
        """Which field of an article is its domain."""
        return self.domain


_CONFIGS: dict[str, type[ModelConfig]] = {}


def register_model_config(config: type[ModelConfig]) -> type[ModelConfig]:
    """Register the settings class of a detector under the default of its `name`.

    Raises:
        ConfigError: If the class declares no default name, or another class has registered the name.
    """
    name = config.model_fields["name"].default
    if not isinstance(name, str):
        raise ConfigError(f"{config.__name__} declares no default for 'name'; expected the detector's name")
    if _CONFIGS.setdefault(name, config) is not config:
        raise ConfigError(f"two settings classes are named '{name}': {_CONFIGS[name].__name__}, {config.__name__}")
    return config


def model_config_class(name: object) -> type[ModelConfig]:
    """Return the settings class of a detector; one from another package is imported.

    Raises:
        ValueError: If no detector has this name (the message names the nearest), or the package that declares it
            cannot be imported or does not register it.
    """
    if isinstance(name, str) and name not in _CONFIGS:
        _import_detector(name)
    if isinstance(name, str) and name in _CONFIGS:
        return _CONFIGS[name]
    base = str(name).removesuffix("endef").rstrip("_-")
    if str(name).endswith("endef") and base in _CONFIGS:
        raise ValueError(f"name: found {name!r}; set name to '{base}' and debias to 'endef'")
    raise ValueError(f"name: found {name!r}; {did_you_mean(str(name), detector_names())}")


def _import_detector(name: str) -> None:
    """Import the module of another package whose entry point declares this detector; it registers itself."""
    for entry_point in entry_points(group=ENTRY_POINTS, name=name):
        package = "a package" if entry_point.dist is None else f"the package '{entry_point.dist.name}'"
        broken = f"name: found {name!r}, which {package} declares, but its module '{entry_point.value}'"
        try:
            entry_point.load()
        except Exception as error:  # third-party code can raise anything
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(f"{broken} cannot be imported ({reason}); fix or remove the package") from error
        if name not in _CONFIGS:
            raise ValueError(
                f"{broken} registers no detector of this name; expected register_detector(...) with settings whose "
                f"default name is {name!r}"
            )


def detector_names() -> list[str]:
    """Return the names of all detectors: built-in, registered, and declared by installed packages."""
    return sorted({*_CONFIGS, *(found.name for found in entry_points(group=ENTRY_POINTS))})


def parse_model_config(value: Any) -> ModelConfig:
    """Validate the `model` section by the class that `name` selects (`bigru` by default).

    Raises:
        ValueError: If the section is not an object, or names an unknown detector.
        pydantic.ValidationError: If a setting is invalid.
    """
    if isinstance(value, ModelConfig):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"found {value!r}; expected an object of settings")
    return model_config_class(value.get("name", "bigru")).model_validate(dict(value))
