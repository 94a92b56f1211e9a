"""The interface of detector networks."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from zhenwei.models.gru.input_projection import FactoredEmbeddings
from zhenwei.tokens import Batch, EncodedArticles

Rows = NDArray[np.int64]


@dataclass
class Output:
    """Output of a network for a batch of B articles and T tokens.

    Attributes:
        logits: [B] of fake; only the trainer reads more than these.
        train_logits: [B] to train on instead, where a network trains on other logits than it predicts.
        losses: Additional scalar losses, by name, added to the cross-entropy in training.
        attention: [B, T] weights that sum to 1 over an article's tokens, where the network pools by attention.
        features: [B, D] before the last layers, for neighbors and plots.
    """

    logits: Tensor
    train_logits: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    attention: Tensor | None = None
    features: Tensor | None = None


class TokenEncoder(nn.Module, ABC):
    """Computes a vector for each token of an article."""

    features: int
    """Size of a token's vector."""

    @abstractmethod
    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode token ids [B, T] -> [B, T, features]; mask [B, T] is True at real tokens (None: everywhere)."""

    def factorize(self, tokens: Tensor) -> FactoredEmbeddings | None:  # most encoders have no such form
        """Return the vectors of token ids [B, T] in factored form, equal to those of `forward`; None: no such form."""
        return None


class DetectorNetwork(nn.Module, ABC):
    """A detector's network: a batch in, logits of fake out. It has no trainer of its own."""

    needs: frozenset[str] = frozenset()
    """Optional fields that a batch must have: any of "domain", "entities", "emotion"."""

    cuda_graphable: bool = False
    """Whether a training step can be recorded as a CUDA graph and replayed for each batch of the same shape: it must
    not depend on `progress`, on the values of tensors, on `rows` and `lengths`, and must compute a gradient for each
    trained weight."""

    prediction_batch_size: int = 64
    """Articles per batch in prediction on a CPU; larger batches have more padding."""

    max_tokens_per_step: int | None = None
    """Largest number of tokens, padding included, that are trained at once on a CPU: a larger batch is split, and the
    gradients of its parts are summed. None: no limit."""

    @abstractmethod
    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch.

        Args:
            batch: Tokens [B, T] and the optional fields that the network needs.
            progress: Progress of the training from 0 to 1; 1 at prediction.
        """

    @property
    def needs_tuning(self) -> bool:
        """Whether `tune` must be called before the network is fitted or trained."""
        return False

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Choose the hyperparameters that the settings leave open.

        Args:
            articles: The training articles [N], all with a label.
            folds: Rows to fit on and rows to evaluate of each fold. Evaluated rows are later where the articles have
                times, and never near-duplicates of fitted ones.
            seed: Random seed.
        """

    def fit_linear(self, articles: EncodedArticles, seed: int) -> None:  # most networks have no linear part
        """Fit the linear part to all training articles, before the first training step; all of them have a label.

        Raises:
            DataError: If there is nothing to learn from the articles.
        """

    def token_encoder(self) -> TokenEncoder | None:
        """Return the encoder of the network's tokens, for ENDEF's entity branch to share; None: there is none."""
        return None

    def for_prediction(self) -> "DetectorNetwork":
        """Return the part of the network that predicts; only this part is saved in a bundle."""
        return self

    def pretrained_modules(self) -> Iterator[nn.Module]:
        """Yield the modules with pretrained weights; they have their own learning rate."""
        yield from ()

    def encoder_config(self) -> dict[str, Any] | None:
        """Return the configuration of the network's pretrained encoder, None without one."""
        return None


class FittedNetwork(DetectorNetwork):
    """A network that is fitted to all training articles at once, instead of by gradient steps."""

    @abstractmethod
    def fit(self, articles: EncodedArticles, seed: int) -> None:
        """Fit the weights to the articles; all of them have a label.

        Raises:
            DataError: If there is nothing to learn from the articles.
        """
