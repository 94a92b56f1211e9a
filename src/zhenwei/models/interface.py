"""What every detector's network is to the rest of the house."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from zhenwei.models.gru.factored_embeddings import TokenRows
from zhenwei.tokens import Batch, EncodedArticles

Rows = NDArray[np.int64]


@dataclass
class Output:
    """What a network says of a batch of B articles, T tokens wide.

    Attributes:
        logits: [B] of fake; everybody but the trainer reads these alone.
        train_logits: [B] to train on instead, where a network trains on more than it predicts with.
        losses: Further scalar losses, by name, added to the cross-entropy while training.
        attention: [B, T] weights that sum to 1 over an article's tokens, where the network pools by attention.
        features: [B, D] before the last layers, for neighbours and plots.
    """

    logits: Tensor
    train_logits: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)
    attention: Tensor | None = None
    features: Tensor | None = None


class TokenEncoder(nn.Module, ABC):
    """Gives each token of an article a vector."""

    features: int
    """Size of a token's vector."""

    @abstractmethod
    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode token ids [B, T], of which mask [B, T] says which are real (all, unless given) -> [B, T, features]."""

    def shared(self, tokens: Tensor) -> TokenRows | None:  # most know of nothing
        """Return what the vectors of token ids [B, T] have in common, where `forward` gives that; None: nothing."""
        return None


class DetectorNetwork(nn.Module, ABC):
    """A detector's network: one batch in, logits of fake out. It has no trainer of its own."""

    needs: frozenset[str] = frozenset()
    """Optional fields that a batch must have: any of "domain", "entities", "emotion"."""

    repeatable: bool = False
    """Whether training does the same to the tensors of each batch of a shape: whatever `progress` is, without a look at
    their values, without `rows` and `lengths`, and with a gradient for each weight that trains. On an NVIDIA card its
    steps are then recorded and repeated."""

    scored_at_once: int = 64
    """How many articles are best scored at once on a CPU: few, where more of them only mean more padding."""

    trained_at_once: int | None = None
    """How many tokens, padding included, are trained at once on a CPU at most: a batch of more is taken in parts, whose
    gradients are added up. None: any number."""

    @abstractmethod
    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Judge a batch.

        Args:
            batch: Tokens [B, T] and what else the network needs.
            progress: How far training is, from 0 to 1; 1 at prediction.
        """

    @property
    def tunes(self) -> bool:
        """Whether `tune` is to be called before the network is fitted or trained."""
        return False

    def tune(self, articles: EncodedArticles, folds: Iterable[tuple[Rows, Rows]], seed: int) -> None:
        """Choose what the settings leave to the training articles.

        Args:
            articles: The training articles [N], all with a label.
            folds: Parts of them: of each, the rows to fit on and the rows to judge, which are later where the articles
                have times, and never near-duplicates of those.
            seed: Of what is drawn by chance.
        """

    def fit_linear(self, articles: EncodedArticles, seed: int) -> None:  # most have nothing of the kind
        """Fit what is fitted to all training articles at once, before the first step; all of them have a label.

        Raises:
            DataError: If the articles leave nothing to learn from.
        """

    def token_encoder(self) -> TokenEncoder | None:
        """Return what gives the network's tokens their vectors, for ENDEF's entity branch to share; None: nothing."""
        return None

    def for_prediction(self) -> "DetectorNetwork":
        """Return the part of the network that predicts, which is all that a bundle keeps."""
        return self

    def pretrained_modules(self) -> Iterator[nn.Module]:
        """Yield the parts that started from pretrained weights; they train at their own rate."""
        yield from ()

    def encoder_config(self) -> dict[str, Any] | None:
        """Return the configuration of the pretrained encoder that the network is built on, None without one."""
        return None


class FittedNetwork(DetectorNetwork):
    """A network that is fitted to all training articles at once, and not step by step."""

    @abstractmethod
    def fit(self, articles: EncodedArticles, seed: int) -> None:
        """Set the weights to those that fit the articles best; all of them have a label.

        Raises:
            DataError: If the articles leave nothing to learn from.
        """
