"""Whole pretrained encoders, of which the last layers train and the others are frozen; and who reads tokens how."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zhenwei.config import EmbeddingConfig, EncoderConfig
from zhenwei.config.model import PUBLISHED_EMB_DIM
from zhenwei.errors import PretrainedModelError
from zhenwei.models.dropout import Dropout
from zhenwei.models.encoders.embeddings import PretrainedEmbedding, ScratchEmbedding, build_embedding
from zhenwei.models.encoders.loading import check_fit, check_positions, empty_encoder, load_encoder
from zhenwei.models.encoders.split import cut_in_two, layer_stack, states_before, why_not_equal, why_padding_matters
from zhenwei.models.interface import DetectorNetwork, TokenEncoder
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch


class PretrainedEncoder(TokenEncoder):
    """A pretrained encoder of transformers.

    What is frozen never runs dropout and never gets gradients; what trains does both. Once `cut` has found that it can
    be had in two halves, `from_frozen(frozen_states(tokens, mask), mask)` is what `forward(tokens, mask)` is.
    """

    def __init__(
        self,
        model: nn.Module,
        encoder: dict[str, Any],
        finetune_layers: int | Literal["all"],
        dropout: float,
        name: str,
    ) -> None:
        """Take over an encoder.

        Args:
            model: The encoder.
            encoder: Its own configuration, from which a bundle rebuilds it.
            finetune_layers: How many of its last layers train; `all`: everything.
            dropout: On the tokens' vectors.
            name: What it is called, for messages.

        Raises:
            PretrainedModelError: If it has not so many layers.
        """
        super().__init__()
        self.features = int(model.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.model = model
        self.encoder = encoder
        self.dropout = Dropout(dropout)
        self.finetune_layers = finetune_layers
        self._trained = _trained_parts(model, finetune_layers, name)
        self._halves: tuple[nn.Module, nn.Module] | None = None  # in a tuple they are no parts of this module
        model.requires_grad_(False)
        for part in self._trained:
            part.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "PretrainedEncoder":
        """Switch to training; frozen parts stay in evaluation, so that their dropout never runs."""
        super().train(mode)
        self.model.eval()  # PyTorch's switch: all is off first, then what trains is turned on
        for part in self._trained:
            part.train(mode)
        return self

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode token ids [B, T] with mask [B, T] -> [B, T, D]; a row without any token gives finite numbers."""
        encoded: Tensor = self.model(input_ids=tokens, attention_mask=_attended(tokens, mask)).last_hidden_state
        return self.dropout(encoded)  # type: ignore[no-any-return]

    def cut(self) -> str | None:
        """Make ready for `frozen_states` and `from_frozen`; where that cannot be, or would spare nothing, say why."""
        if self.finetune_layers == "all":
            return "all of it trains"
        if self.finetune_layers == 0:
            return why_padding_matters(self.model, self.frozen_states)
        if self._halves is not None:
            return None
        if self.finetune_layers == self.model.config.num_hidden_layers:  # type: ignore[union-attr]
            return "all of its layers train"
        try:
            halves = cut_in_two(self.model, self.finetune_layers)
        except ValueError as error:
            return str(error)
        problem = why_not_equal(self.model, halves)
        problem = problem or why_padding_matters(self.model, partial(states_before, halves[0]))
        if problem is None:
            self._halves = halves
        return problem

    @torch.no_grad()
    def frozen_states(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return what comes out of all that is frozen [B, T, D] for token ids [B, T] and mask [B, T]."""
        attended = _attended(tokens, mask)
        if self._halves is None:
            found: Tensor = self.model(input_ids=tokens, attention_mask=attended).last_hidden_state
            return found
        return states_before(self._halves[0], tokens, attended)

    def from_frozen(self, states: Tensor, mask: Tensor) -> Tensor:
        """Go on from `frozen_states` [B, T, D] of texts with mask [B, T] -> [B, T, D]."""
        if self._halves is not None:
            attended = _attended(mask.long(), mask)
            states = self._halves[1](inputs_embeds=states, attention_mask=attended).last_hidden_state
        return self.dropout(states)  # type: ignore[no-any-return]


class EncodedNetwork(DetectorNetwork):
    """A network that begins with a vector for each token, by whichever encoder its settings name.

    Attributes:
        embedding: The encoder.
    """

    def __init__(self, config: EmbeddingConfig | EncoderConfig, vocabulary: Vocabulary) -> None:
        """Build the encoder.

        Raises:
            PretrainedModelError: If the pretrained model cannot be had, or does not fit the settings.
        """
        super().__init__()
        self.embedding = build_token_encoder(config, vocabulary)

    def encode(self, batch: Batch) -> Tensor:
        """Give the tokens of a batch their vectors [B, T, D], from its frozen states where it brings them."""
        if batch.frozen_states is None:
            return self.embedding(batch.tokens, batch.mask)  # type: ignore[no-any-return]
        assert isinstance(self.embedding, PretrainedEncoder)
        return self.embedding.from_frozen(batch.frozen_states, batch.mask)

    def token_encoder(self) -> TokenEncoder:
        """Return the encoder, for ENDEF's entity branch to share."""
        return self.embedding

    def pretrained_modules(self) -> Iterator[nn.Module]:
        """Yield what of the encoder started from pretrained weights."""
        if isinstance(self.embedding, PretrainedEmbedding):
            yield self.embedding.layer
        elif isinstance(self.embedding, PretrainedEncoder):
            yield self.embedding.model

    def encoder_config(self) -> dict[str, Any] | None:
        """Return the pretrained encoder's own configuration where there is one."""
        return None if isinstance(self.embedding, ScratchEmbedding) else self.embedding.encoder


def build_token_encoder(
    config: EmbeddingConfig | EncoderConfig, vocabulary: Vocabulary
) -> ScratchEmbedding | PretrainedEmbedding | PretrainedEncoder:
    """Build what gives tokens their vectors: embeddings, BERT's embedding layer alone, or a whole encoder.

    Raises:
        PretrainedModelError: If the pretrained model cannot be had, or does not fit the settings.
    """
    if isinstance(config, EmbeddingConfig):
        return build_embedding(config, vocabulary)
    name = config.pretrained
    if name is None:
        size = config.emb_dim or PUBLISHED_EMB_DIM
        return ScratchEmbedding(vocabulary.size, size, vocabulary.pad_id, config.emb_dropout)
    described = vocabulary.encoder
    model, encoder = load_encoder(name, layers=True) if described is None else empty_encoder(described, layers=True)
    whole = PretrainedEncoder(model, encoder, config.finetune_layers, config.emb_dropout, name)
    words = model.get_input_embeddings()  # type: ignore[operator]
    check_fit(words, whole.features, config.emb_dim, vocabulary.size, name, "has the hidden size")
    check_positions(getattr(getattr(model, "embeddings", None), "position_embeddings", None), vocabulary.max_len, name)
    return whole


def _trained_parts(model: nn.Module, finetune_layers: int | Literal["all"], name: str) -> list[nn.Module]:
    """Return the parts of an encoder that train: its last layers, or all of it."""
    if finetune_layers == "all":
        return [model]
    if finetune_layers == 0:
        return []
    depth = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    stack = layer_stack(model, depth)
    if finetune_layers > depth or stack is None:  # ALBERT's layers, for one, are one layer used again and again
        advice = f"has {depth} layers: set at most that" if stack else "has no layers of their own weights: set 0"
        raise PretrainedModelError(f"model.finetune_layers: found {finetune_layers}; '{name}' {advice}, or 'all'")
    return list(stack[1][depth - finetune_layers :])


def _attended(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Return the attention mask [B, T] of token ids [B, T]; of a row without any token, its first pad counts."""
    attended = torch.ones_like(tokens) if mask is None else mask.long()
    empty = attended.sum(dim=1, keepdim=True) == 0  # [B, 1]: a softmax over nothing would be NaN
    first = torch.arange(tokens.shape[1], device=tokens.device) == 0  # [T]
    return attended + (empty & first).long()
