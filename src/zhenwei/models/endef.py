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
    """A network, and beside it while training a branch that reads the entities alone.

    After "Generalizing to the Future: Mitigating Entity Bias in Fake News Detection" (Zhu et al., SIGIR 2022): what
    the entities alone give away is learned by their own branch, so that the network need not learn it. Trained on
    sigmoid(0.9 base + 0.1 entity) and on 0.2 x the cross-entropy of the entity branch, beside the base's own losses;
    predicted with the base alone. The branch shares the base's token encoder.
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
        self.trained_at_once = base.trained_at_once
        self.base = base
        self.base_weight, self.entity_weight = config.endef_base_weight, config.endef_entity_weight
        self.loss_weight = config.endef_loss_weight
        self.entity_extractor = CNNExtractor(encoder.features)
        self.entity_mlp = MLP(self.entity_extractor.features, config.mlp_hidden_dims, config.dropout)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Judge a batch by the base; while training, add the mix to train on and the entity branch's loss."""
        output: Output = self.base(batch, progress)
        if not self.training:
            return output
        encoder = self.base.token_encoder()
        assert encoder is not None
        assert batch.entity_tokens is not None
        assert batch.entity_mask is not None
        assert batch.labels is not None
        encoded = encoder(batch.entity_tokens, batch.entity_mask)  # [B, E, D]
        entity = self.entity_mlp(self.entity_extractor(encoded, batch.entity_mask)).float()  # [B]
        base = (output.logits if output.train_logits is None else output.train_logits).float()  # [B]
        each = binary_cross_entropy_with_logits(entity, batch.labels, reduction="none")  # [B]
        mean = (each * batch.weights).sum() / batch.weights.sum().clamp(min=1.0)
        output.train_logits = self.base_weight * base + self.entity_weight * entity
        output.losses = {**output.losses, "entity": self.loss_weight * mean}
        return output

    def for_prediction(self) -> DetectorNetwork:
        """Return the base: the entity branch is for training alone."""
        return self.base.for_prediction()

    @property
    def tunes(self) -> bool:
        """Return the base's."""
        return self.base.tunes

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Tune the base."""
        self.base.tune(articles, folds, seed)

    def fit_linear(self, articles: EncodedArticles, seed: int) -> None:
        """Fit the base's."""
        self.base.fit_linear(articles, seed)

    def token_encoder(self) -> TokenEncoder | None:
        """Return the base's."""
        return self.base.token_encoder()

    def pretrained_modules(self) -> Iterator[nn.Module]:
        """Yield the base's."""
        yield from self.base.pretrained_modules()

    def encoder_config(self) -> dict[str, Any] | None:
        """Return the base's."""
        return self.base.encoder_config()
