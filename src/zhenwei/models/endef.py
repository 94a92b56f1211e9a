"""ENDEF: entity debiasing around any network."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from zhenwei.config import NetworkConfig
from zhenwei.errors import ConfigError
from zhenwei.models.interface import DetectorNetwork, Output, Rows, TokenEncoder
from zhenwei.models.layers import MLP, CNNExtractor
from zhenwei.tokens import Batch, EncodedArticles


class ENDEF(DetectorNetwork):
    """A network, with an entity branch beside it in training.

    After "Generalizing to the Future: Mitigating Entity Bias in Fake News Detection" (Zhu et al., SIGIR 2022): the
    branch learns what the entities alone reveal, so that the network does not. The loss is the cross-entropy of
    sigmoid(0.9 base + 0.1 entity), plus 0.2 times that of the entity branch, plus the base's own losses. Prediction
    uses the base alone. The branch shares the base's token encoder.
    """

    def __init__(self, base: DetectorNetwork, config: NetworkConfig) -> None:
        """Build the entity branch around a network.

        Raises:
            ConfigError: If the network has no token encoder to share.
        """
        super().__init__()
        encoder = base.token_encoder()
        if encoder is None:
            raise ConfigError(
                f"model.debias: found 'endef', but '{config.name}' offers no token encoder for the entity branch to "
                "share; leave it out, or return one from the network's token_encoder()"
            )
        self.needs = base.needs | {"entities"}
        self.max_tokens_per_step = base.max_tokens_per_step
        self.base = base
        self.base_weight, self.entity_weight = config.endef_base_weight, config.endef_entity_weight
        self.loss_weight = config.endef_loss_weight
        self.entity_extractor = CNNExtractor(encoder.features)
        self.entity_mlp = MLP(self.entity_extractor.features, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the base's logits; in training, also the mixed logits and the loss of the entity branch."""
        output: Output = self.base(batch, progress)
        if not self.training:
            return output
        encoder = self.base.token_encoder()
        assert encoder is not None
        assert batch.entity_tokens is not None
        assert batch.entity_mask is not None
        assert batch.labels is not None
        encoded = encoder(batch.entity_tokens, batch.entity_mask)  # [B, E, D]
        entity_logits = self.entity_mlp(self.entity_extractor(encoded, batch.entity_mask)).float()  # [B]
        base_logits = (output.logits if output.train_logits is None else output.train_logits).float()  # [B]
        losses = binary_cross_entropy_with_logits(entity_logits, batch.labels, reduction="none")  # [B]
        mean = (losses * batch.weights).sum() / batch.weights.sum().clamp(min=1.0)
        output.train_logits = self.base_weight * base_logits + self.entity_weight * entity_logits
        output.losses = {**output.losses, "entity": self.loss_weight * mean}
        return output

    def for_prediction(self) -> DetectorNetwork:
        """Return the base: the entity branch is only used in training."""
        return self.base.for_prediction()

    @property
    def needs_tuning(self) -> bool:
        """Whether the base has hyperparameters to be tuned."""
        return self.base.needs_tuning

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Tune the base."""
        self.base.tune(articles, folds, seed)

    def fit_linear(self, articles: EncodedArticles, seed: int) -> None:
        """Fit the linear part of the base."""
        self.base.fit_linear(articles, seed)

    def token_encoder(self) -> TokenEncoder | None:
        """Return the base's token encoder."""
        return self.base.token_encoder()

    def pretrained_modules(self) -> Iterator[nn.Module]:
        """Yield the pretrained modules of the base."""
        yield from self.base.pretrained_modules()

    def encoder_config(self) -> dict[str, Any] | None:
        """Return the base's encoder configuration."""
        return self.base.encoder_config()
