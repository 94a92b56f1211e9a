"""Settings of each detector, with the published values as defaults."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zhenwei.config.model import (
    Auto,
    ConvolutionConfig,
    DomainConfig,
    EmbeddingConfig,
    EncoderConfig,
    ModelConfig,
    NgramConfig,
    Share,
    TokenUnit,
    check_ngram_range,
    register_model_config,
)
from zhenwei.config.section import AtLeastOne, Count, NotNegative, Positive

PUBLISHED_BERT_RATES = {"lr": 7e-5, "pretrained_lr": 7e-5}


@register_model_config
class BiGRUConfig(EmbeddingConfig):
    """Settings of the BiGRU detector."""

    name: Literal["bigru"] = "bigru"
    """Name of the detector."""

    hidden_dim: AtLeastOne | None = None
    """Hidden size of the GRU in each direction; `null`: `emb_dim`, as published."""

    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Stacked bidirectional GRU layers."""

    use_residual: bool = False
    """Add the mean embedding, through a linear layer, to the pooled GRU output."""

    pooling: list[Literal["attention", "max", "mean"]] = ["attention"]
    """Pooling of the GRU states; several are concatenated. Published: `attention`."""

    ngram_sizes: list[Annotated[int, Field(ge=2, le=8)]] = []
    """Lengths, in tokens, of n-grams with embeddings of their own, added to the embedding of the n-gram's last token,
    as `[2, 3]`. Published: none."""

    ngram_buckets: AtLeastOne = 200_000
    """Embeddings per n-gram length; n-grams are hashed, and colliding ones share an embedding."""

    ngram_dim: AtLeastOne = 32
    """Size of an n-gram embedding; a linear layer projects it to `emb_dim`."""

    ngram_dropout: Share = 0.5
    """Dropout on the n-gram embeddings."""

    wide_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of a linear n-gram model in the logit (the wide path; Cheng et al., DLRS 2016). It is `tfidf` over the
    network's own tokens, and is fitted before the network is trained. 0: none."""

    wide_ngram_range: list[AtLeastOne] = [1, 4]
    """Wide path: shortest and longest n-gram."""

    wide_naive_bayes: NotNegative | Auto = "auto"
    """Wide path: strength of the naive Bayes weights of n-grams; see `naive_bayes` of `tfidf`."""

    wide_c: Positive | Auto = "auto"
    """Wide path: inverse strength of the logistic regression's L2 penalty; see `C` of `tfidf`."""

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        if not self.pooling or len(set(self.pooling)) < len(self.pooling):
            raise ValueError(f"pooling: found {self.pooling}; expected each once, as ['attention', 'max']")
        if len(set(self.ngram_sizes)) < len(self.ngram_sizes):
            raise ValueError(f"ngram_sizes: found {self.ngram_sizes}; expected each length once, as [2, 3]")
        check_ngram_range("wide_ngram_range", self.wide_ngram_range)
        return self

    @property
    def wide(self) -> NgramConfig | None:
        """The settings of the wide path, or None."""
        if not self.wide_share:
            return None
        return NgramConfig(ngram_range=self.wide_ngram_range, naive_bayes=self.wide_naive_bayes, C=self.wide_c)


@register_model_config
class TextCNNConfig(ConvolutionConfig, EmbeddingConfig):
    """Settings of the TextCNN detector."""

    name: Literal["textcnn"] = "textcnn"
    """Name of the detector."""


@register_model_config
class BertConfig(EncoderConfig):
    """Settings of the BERT detector."""

    published_rates: ClassVar = PUBLISHED_BERT_RATES

    name: Literal["bert"] = "bert"
    """Name of the detector."""

    @model_validator(mode="after")
    def _check_pretrained(self) -> Self:
        if not self.use_pretrained_bert:
            raise ValueError(
                "use_pretrained_bert is false, and 'bert' needs a pretrained encoder; set it to true, "
                "or model.name to 'bigru' or 'textcnn', which can learn from scratch"
            )
        return self


@register_model_config
class BertEmoConfig(EncoderConfig):
    """Settings of the BERT-Emo detector."""

    published_rates: ClassVar = PUBLISHED_BERT_RATES

    name: Literal["bert_emo"] = "bert_emo"
    """Name of the detector."""

    hidden_dim: AtLeastOne | None = None
    """Size of the GRU's state in each direction; `null`: that of a token's vector, as published."""

    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Stacked bidirectional GRU layers."""


@register_model_config
class EANNConfig(DomainConfig, ConvolutionConfig, EmbeddingConfig):
    """Settings of the EANN detector."""

    published_rates: ClassVar = {"lr": 1e-4}

    name: Literal["eann"] = "eann"
    """Name of the detector."""

    reversal: NotNegative | None = None
    """Strength of the gradient reversal before the domain classifier; `null`: max(2 / (1 + exp(-10 p)) - 1, 0.1) at
    training progress p."""

    domain_loss_weight: NotNegative = 1.0
    """Weight of the domain classifier's cross-entropy in the training loss."""


@register_model_config
class MDFENDConfig(DomainConfig, ConvolutionConfig, EncoderConfig):
    """Settings of the MDFEND detector."""

    published_rates: ClassVar = PUBLISHED_BERT_RATES

    name: Literal["mdfend"] = "mdfend"
    """Name of the detector."""

    finetune_layers: Count | Literal["all"] = 0
    """How many of the encoder's last layers train, at `training.pretrained_lr`; `all`: the embeddings, too. Published:
    none."""

    n_experts: AtLeastOne = 5
    """Number of CNN experts, whose features the gate weights."""

    domain_at_prediction: Literal["own", "mean"] | None = None
    """Domain embedding of the gate at prediction: `own`: the article's, or the mean of all if its domain is unknown;
    `mean`: always the mean; `null`: `mean` with ENDEF, else `own`, as published."""

    @property
    def uses_own_domain(self) -> bool:
        """Whether prediction uses an article's own domain."""
        return (self.domain_at_prediction or ("mean" if self.debias else "own")) == "own"


@register_model_config
class TfidfConfig(NgramConfig, ModelConfig):
    """Settings of the linear baseline. It is fitted at once: of `training`, only `device` applies."""

    name: Literal["tfidf"] = "tfidf"
    """Name of the detector."""

    analyzer: Literal["auto", "char", "word"] = "auto"
    """Unit of the n-grams: characters, or words between spaces and punctuation; `auto`: words if most letters of the
    training articles belong to a script with spaces between words, else characters."""

    @property
    def token_unit(self) -> TokenUnit:
        """The unit of the n-grams."""
        return "character" if self.analyzer == "char" else self.analyzer

    @model_validator(mode="before")
    @classmethod
    def _refuse_debias(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("debias") is not None:
            raise ValueError(
                "debias: found 'endef'; ENDEF needs a network that is trained by gradients: remove it for 'tfidf'"
            )
        return values
