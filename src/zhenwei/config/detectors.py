"""The settings of each detector, with the published values as defaults."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zhenwei.config.model import (
    AtLeastOne,
    Auto,
    ConvolutionConfig,
    DomainConfig,
    EmbeddingConfig,
    EncoderConfig,
    ModelConfig,
    NgramConfig,
    NotNegative,
    Positive,
    Share,
    TokenUnit,
    check_ngram_range,
    register_model_config,
)

PUBLISHED_BERT_RATES = {"lr": 7e-5, "pretrained_lr": 7e-5}


@register_model_config
class BiGRUConfig(EmbeddingConfig):
    """Settings of the BiGRU detector."""

    name: Literal["bigru"] = "bigru"
    """Which detector."""

    hidden_dim: AtLeastOne | None = None
    """Size of the GRU's state in each direction; `null`: `emb_dim`, as published."""

    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Stacked bidirectional GRU layers."""

    use_residual: bool = False
    """Add the mean of the embeddings, through a linear layer, to the pooled output of the GRU."""

    pooling: list[Literal["attention", "max", "mean"]] = ["attention"]
    """How the GRU's states become one vector, side by side where there are several; published: `attention`."""

    ngram_sizes: list[Annotated[int, Field(ge=2, le=8)]] = []
    """Lengths, in tokens, of n-grams that have embeddings of their own, which are added to that of the n-gram's last
    token: `[2, 3]`: pairs and triples; published: none."""

    ngram_buckets: AtLeastOne = 200_000
    """Embeddings of the n-grams of each length; n-grams are hashed to them, and those that meet share one."""

    ngram_dim: AtLeastOne = 32
    """Size of an n-gram's embedding; a linear layer brings it to `emb_dim`."""

    ngram_dropout: Share = 0.5
    """Dropout on the embeddings of n-grams."""

    wide_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share in the logit of a linear model of n-grams (the wide path; after Cheng et al., DLRS 2016). It is as `tfidf`,
    over the network's own tokens, and fitted before the network is trained, which learns by itself; 0: none."""

    wide_ngram_range: list[AtLeastOne] = [1, 4]
    """Wide path: shortest and longest n-gram."""

    wide_naive_bayes: NotNegative | Auto = "auto"
    """Wide path: how much more an n-gram counts that tells the labels apart; see `naive_bayes` of `tfidf`."""

    wide_c: Positive | Auto = "auto"
    """Wide path: inverse of the strength of the logistic regression's L2 penalty; see `C` of `tfidf`."""

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
        """The wide path's settings, where there is one."""
        if not self.wide_share:
            return None
        return NgramConfig(ngram_range=self.wide_ngram_range, naive_bayes=self.wide_naive_bayes, C=self.wide_c)


@register_model_config
class TextCNNConfig(ConvolutionConfig, EmbeddingConfig):
    """Settings of the TextCNN detector."""

    name: Literal["textcnn"] = "textcnn"
    """Which detector."""


@register_model_config
class BertConfig(EncoderConfig):
    """Settings of the BERT detector."""

    published_rates: ClassVar = PUBLISHED_BERT_RATES

    name: Literal["bert"] = "bert"
    """Which detector."""

    @model_validator(mode="after")
    def _check_pretrained(self) -> Self:
        if not self.use_pretrained_bert:
            raise ValueError(
                "use_pretrained_bert is false, and 'bert' is nothing without a pretrained encoder; set it to true, "
                "or model.name to 'bigru' or 'textcnn', which can learn from scratch"
            )
        return self


@register_model_config
class BertEmoConfig(EncoderConfig):
    """Settings of the BERT-Emo detector."""

    published_rates: ClassVar = PUBLISHED_BERT_RATES

    name: Literal["bert_emo"] = "bert_emo"
    """Which detector."""

    hidden_dim: AtLeastOne | None = None
    """Size of the GRU's state in each direction; `null`: that of a token's vector, as published."""

    num_layers: Annotated[int, Field(ge=1, le=16)] = 1
    """Stacked bidirectional GRU layers."""


@register_model_config
class EANNConfig(DomainConfig, ConvolutionConfig, EmbeddingConfig):
    """Settings of the EANN detector."""

    published_rates: ClassVar = {"lr": 1e-4}

    name: Literal["eann"] = "eann"
    """Which detector."""

    reversal: NotNegative | None = None
    """Strength of the gradient reversal before the domain classifier; `null`: it grows with the progress p of the
    training, as max(2 / (1 + exp(-10 p)) - 1, 0.1)."""

    domain_loss_weight: NotNegative = 1.0
    """Weight of the domain classifier's cross-entropy in the training loss."""


@register_model_config
class MDFENDConfig(DomainConfig, ConvolutionConfig, EncoderConfig):
    """Settings of the MDFEND detector."""

    published_rates: ClassVar = PUBLISHED_BERT_RATES

    name: Literal["mdfend"] = "mdfend"
    """Which detector."""

    finetune_layers: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    """How many of the encoder's last layers train, at `training.pretrained_lr`; published: none. `all`: the
    embeddings too."""

    n_experts: AtLeastOne = 5
    """CNN experts, whose features the gate weighs."""

    domain_at_prediction: Literal["own", "mean"] | None = None
    """Which domain embedding the gate sees at prediction: the article's `own` where its domain is known, else the
    mean of all; or always the `mean`; `null`: `mean` with ENDEF, else `own`, as published."""

    @property
    def uses_own_domain(self) -> bool:
        """Whether an article's own domain is looked at when predicting."""
        return (self.domain_at_prediction or ("mean" if self.debias else "own")) == "own"


@register_model_config
class TfidfConfig(NgramConfig, ModelConfig):
    """Settings of the linear baseline. It is fitted in one go: of `training`, nothing but `device` concerns it."""

    name: Literal["tfidf"] = "tfidf"
    """Which detector."""

    analyzer: Literal["auto", "char", "word"] = "auto"
    """What n-grams are made of: characters, or words as spaces and marks part them; `auto`: words where most letters
    of the training posts are of a script that puts spaces between words, else characters."""

    @property
    def token_unit(self) -> TokenUnit:
        """What n-grams are made of."""
        return "character" if self.analyzer == "char" else self.analyzer

    @model_validator(mode="before")
    @classmethod
    def _refuse_debias(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("debias") is not None:
            raise ValueError(
                "debias: found 'endef'; ENDEF needs a network that is trained by gradients: leave it out for 'tfidf'"
            )
        return values
