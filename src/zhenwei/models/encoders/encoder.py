"""Pretrained encoders whose last layers train, and the base class of networks that start with a token encoder."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zhenwei.config import EmbeddingConfig, EncoderConfig
from zhenwei.config.model import PUBLISHED_EMB_DIM
from zhenwei.errors import PretrainedModelError
from zhenwei.models.dropout import Dropout, evaluation_mode
from zhenwei.models.encoders.embeddings import PretrainedEmbedding, ScratchEmbedding
from zhenwei.models.encoders.loading import check_fit, empty_encoder, load_encoder
from zhenwei.models.encoders.split import check_padding, check_split, find_layers, run_frozen_half, split_encoder
from zhenwei.models.interface import DetectorNetwork, TokenEncoder
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens import Batch


class PretrainedEncoder(TokenEncoder):
    """A pretrained encoder of transformers.

    Frozen layers have no dropout and no gradients; trained layers have both. After a successful `split`,
    ``from_frozen(frozen_states(tokens, mask), mask)`` equals ``forward(tokens, mask)``.
    """

    def __init__(
        self,
        model: nn.Module,
        encoder: dict[str, Any],
        finetune_layers: int | Literal["all"],
        dropout: float,
        name: str,
    ) -> None:
        """Wrap an encoder.

        Args:
            model: The encoder.
            encoder: Its configuration, from which a bundle rebuilds it.
            finetune_layers: How many of its last layers train; `all`: everything, embeddings included.
            dropout: On the tokens' vectors.
            name: Its name, for messages.

        Raises:
            PretrainedModelError: If it has fewer layers.
        """
        super().__init__()
        self.features = int(model.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self.model = model
        self.encoder = encoder
        self.dropout = Dropout(dropout)
        self.finetune_layers = finetune_layers
        self._trained = _trained_parts(model, finetune_layers, name)
        self._halves: tuple[nn.Module, nn.Module] | None = None  # in a tuple, so that they are not submodules
        model.requires_grad_(False)
        for part in self._trained:
            part.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "PretrainedEncoder":
        """Switch to training or evaluation; frozen parts stay in evaluation mode, without dropout."""
        super().train(mode)
        self.model.eval()  # PyTorch's evaluation mode, first for everything
        for part in self._trained:
            part.train(mode)
        return self

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode token ids [B, T] with mask [B, T] -> [B, T, D]; a row without tokens gives finite values."""
        encoded: Tensor = self.model(input_ids=tokens, attention_mask=_attention_mask(tokens, mask)).last_hidden_state
        return self.dropout(encoded)  # type: ignore[no-any-return]

    def split(self) -> str | None:
        """Prepare for `frozen_states` and `from_frozen`; return the reason where that is impossible or useless."""
        if self.finetune_layers == "all":
            return "all of it trains"
        if self.finetune_layers == 0:
            with evaluation_mode(self):
                return check_padding(self.model, self.frozen_states)
        if self._halves is not None:
            return None
        if self.finetune_layers == self.model.config.num_hidden_layers:  # type: ignore[union-attr]
            return "all of its layers train"
        try:
            halves = split_encoder(self.model, self.finetune_layers)
        except ValueError as error:
            return str(error)
        with evaluation_mode(self):
            problem = check_split(self.model, halves)
            problem = problem or check_padding(self.model, partial(run_frozen_half, halves[0]))
        if problem is None:
            self._halves = halves
        return problem

    @torch.no_grad()
    def frozen_states(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the output of the frozen layers [B, T, D] for token ids [B, T] and mask [B, T]."""
        attention_mask = _attention_mask(tokens, mask)
        if self._halves is None:
            states: Tensor = self.model(input_ids=tokens, attention_mask=attention_mask).last_hidden_state
            return states
        return run_frozen_half(self._halves[0], tokens, attention_mask)

    def from_frozen(self, states: Tensor, mask: Tensor) -> Tensor:
        """Compute the trained layers from `frozen_states` [B, T, D] and mask [B, T] -> [B, T, D]."""
        if self._halves is not None:
            attention_mask = _attention_mask(mask.long(), mask)
            states = self._halves[1](inputs_embeds=states, attention_mask=attention_mask).last_hidden_state
        return self.dropout(states)  # type: ignore[no-any-return]


class EncodedNetwork(DetectorNetwork):
    """A network that starts with a token encoder, which its settings choose.

    Attributes:
        embedding: The token encoder.
    """

    def __init__(self, config: EmbeddingConfig | EncoderConfig, vocabulary: Vocabulary) -> None:
        """Build the token encoder.

        Raises:
            PretrainedModelError: If the pretrained model cannot be loaded, or does not fit the settings.
        """
        super().__init__()
        self.embedding = build_token_encoder(config, vocabulary)

    def encode(self, batch: Batch) -> Tensor:
        """Encode the tokens of a batch [B, T, D], from its precomputed frozen states where it has them."""
        if batch.frozen_states is None:
            return self.embedding(batch.tokens, batch.mask)  # type: ignore[no-any-return]
        assert isinstance(self.embedding, PretrainedEncoder)
        return self.embedding.from_frozen(batch.frozen_states, batch.mask)

    def token_encoder(self) -> TokenEncoder:
        """Return the token encoder, for ENDEF's entity branch to share."""
        return self.embedding

    def pretrained_modules(self) -> Iterator[nn.Module]:
        """Yield the pretrained part of the token encoder."""
        if isinstance(self.embedding, PretrainedEmbedding):
            yield self.embedding.layer
        elif isinstance(self.embedding, PretrainedEncoder):
            yield self.embedding.model

    def encoder_config(self) -> dict[str, Any] | None:
        """Return the configuration of the pretrained encoder, None without one."""
        return None if isinstance(self.embedding, ScratchEmbedding) else self.embedding.encoder


def build_token_encoder(
    config: EmbeddingConfig | EncoderConfig, vocabulary: Vocabulary
) -> ScratchEmbedding | PretrainedEmbedding | PretrainedEncoder:
    """Build a token encoder: new embeddings, BERT's embedding layer alone, or a complete pretrained encoder.

    Args:
        config: The detector's settings.
        vocabulary: The tokenizer. Where its `encoder` is set, the encoder is built without weights, which a bundle then
            loads; otherwise the pretrained weights that the settings name are loaded.

    Raises:
        PretrainedModelError: If the pretrained model cannot be loaded, or does not fit the settings.
    """
    name, saved = config.pretrained, vocabulary.encoder
    if name is None:
        size = config.emb_dim or PUBLISHED_EMB_DIM
        return ScratchEmbedding(vocabulary.size, size, vocabulary.pad_id, config.emb_dropout)
    layers = isinstance(config, EncoderConfig)
    model, settings = load_encoder(name, layers=layers) if saved is None else empty_encoder(saved, layers=layers)
    encoder: PretrainedEmbedding | PretrainedEncoder
    if isinstance(config, EncoderConfig):
        encoder = PretrainedEncoder(model, settings, config.finetune_layers, config.emb_dropout, name)
        words = model.get_input_embeddings()  # type: ignore[operator]
    else:
        encoder = PretrainedEmbedding(model, settings, config.finetune_bert, config.emb_dropout, name)
        words = encoder.layer.get_submodule("word_embeddings")
    positions = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    check_fit(words, positions, encoder.features, config, vocabulary)
    return encoder


def _trained_parts(model: nn.Module, finetune_layers: int | Literal["all"], name: str) -> list[nn.Module]:
    """Return the modules of an encoder that train: its last layers, or all of it."""
    if finetune_layers == "all":
        return [model]
    if finetune_layers == 0:
        return []
    depth = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    stack = find_layers(model, depth)
    if finetune_layers > depth or stack is None:  # ALBERT, for example, applies one layer repeatedly
        advice = f"has {depth} layers: set at most that" if stack else "has no layers with weights of their own: set 0"
        raise PretrainedModelError(f"model.finetune_layers: found {finetune_layers}; '{name}' {advice}, or 'all'")
    return list(stack[1][depth - finetune_layers :])


def _attention_mask(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Return the attention mask [B, T] of token ids [B, T]; a row without tokens attends to its first padding."""
    attended = torch.ones_like(tokens) if mask is None else mask.long()
    empty = attended.sum(dim=1, keepdim=True) == 0  # [B, 1]: a softmax over nothing would be NaN
    first = torch.arange(tokens.shape[1], device=tokens.device) == 0  # [T]
    return attended + (empty & first).long()
