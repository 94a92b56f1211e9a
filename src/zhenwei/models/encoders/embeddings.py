"""Embeddings of single tokens: learned from scratch, or the embedding layer of a pretrained encoder alone."""

from typing import Any

import torch
from torch import Tensor, nn

from zhenwei.config import EmbeddingConfig
from zhenwei.errors import PretrainedModelError
from zhenwei.models.dropout import Dropout
from zhenwei.models.encoders.loading import check_fit, check_positions, empty_encoder, load_encoder
from zhenwei.models.gru.factored_embeddings import TokenRows
from zhenwei.models.interface import TokenEncoder
from zhenwei.models.registry import Vocabulary


class ScratchEmbedding(TokenEncoder):
    """A table of embeddings that starts random."""

    def __init__(self, vocab_size: int, emb_dim: int, pad_id: int, dropout: float) -> None:
        super().__init__()
        self.features = emb_dim
        self.table = nn.Embedding(vocab_size, emb_dim, padding_idx=pad_id)
        nn.init.normal_(self.table.weight, std=emb_dim**-0.5)
        with torch.no_grad():
            self.table.weight[pad_id].zero_()
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D]; each by itself, so that the mask makes no difference."""
        embedded: Tensor = self.dropout(self.table(tokens))
        return embedded

    def shared(self, tokens: Tensor) -> TokenRows | None:
        """Return the distinct rows of the table, unless dropout makes each token of [B, T] differ."""
        if self.dropout.acts():
            return None
        distinct, index = torch.unique(tokens, return_inverse=True)
        return TokenRows(self.table(distinct), index)


class PretrainedEmbedding(TokenEncoder):
    """The embedding layer of a pretrained encoder (words, positions, types, norm), without the encoder.

    Frozen, it never runs dropout and never gets gradients; finetuned, it trains like any other layer.
    """

    def __init__(self, layer: nn.Module, encoder: dict[str, Any], finetune: bool, dropout: float) -> None:
        super().__init__()
        self.features = int(layer.get_submodule("word_embeddings").embedding_dim)  # type: ignore[arg-type]
        self.layer = layer
        self.encoder = encoder  # the encoder's own configuration: a bundle rebuilds the layer from it
        self.finetune = finetune
        self.dropout = Dropout(dropout)
        self._is_shared: bool | None = None  # whether it is of BERT's kind: not yet known
        layer.requires_grad_(finetune)
        self.train(self.training)

    def train(self, mode: bool = True) -> "PretrainedEmbedding":
        """Switch to training; a frozen layer stays in evaluation, so that its own dropout never runs."""
        super().train(mode)
        if not self.finetune:
            self.layer.eval()  # PyTorch's switch, which the line before turned on again
        return self

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D]; each by itself, so that the mask makes no difference."""
        embedded: Tensor = self.dropout(self.layer(tokens))
        return embedded

    def shared(self, tokens: Tensor) -> TokenRows | None:
        """Return the rows and places of a frozen layer of BERT's kind; None where dropout tells tokens [B, T] apart."""
        if self.dropout.acts() or self.finetune:
            return None
        if self._is_shared is None:
            self._is_shared = _is_of_berts_kind(self.layer)
        return _taken_apart(self.layer, tokens) if self._is_shared else None


def build_embedding(config: EmbeddingConfig, vocabulary: Vocabulary) -> ScratchEmbedding | PretrainedEmbedding:
    """Build the embedding that a detector's settings ask for.

    Args:
        config: The detector's settings.
        vocabulary: What it will read. Where its `encoder` is set, the embedding layer is built empty, for a bundle's
            weights to fill; else the pretrained weights that the settings name are loaded.

    Raises:
        PretrainedModelError: If the pretrained model cannot be had, or does not fit the settings.
    """
    name = config.pretrained
    if name is None:
        return ScratchEmbedding(vocabulary.size, config.emb_dim, vocabulary.pad_id, config.emb_dropout)
    described = vocabulary.encoder
    model, encoder = load_encoder(name, layers=False) if described is None else empty_encoder(described, layers=False)
    layer = _embedding_layer(model, name)
    embedding = PretrainedEmbedding(layer, encoder, config.finetune_bert, config.emb_dropout)
    words = layer.get_submodule("word_embeddings")
    check_fit(words, embedding.features, config.emb_dim, vocabulary.size, name, "has embeddings of size")
    check_positions(getattr(layer, "position_embeddings", None), vocabulary.max_len, name)
    return embedding


def _embedding_layer(model: nn.Module, name: str) -> nn.Module:
    """Take the embedding layer out of an encoder, so that the rest of it is forgotten."""
    layer = getattr(model, "embeddings", None)
    if not isinstance(layer, nn.Module) or not isinstance(getattr(layer, "word_embeddings", None), nn.Embedding):
        raise PretrainedModelError(
            f"'{name}' ({type(model).__name__}) has no embedding layer of BERT's kind; "
            "expected an encoder such as BERT, RoBERTa, ELECTRA or ERNIE"
        )
    return layer


@torch.no_grad()
def _taken_apart(layer: Any, tokens: Tensor) -> TokenRows | None:
    """Take apart what a layer of BERT's kind makes of token ids [B, T]; None where padding stands before a token.

    Such a layer norms the sum of a token's word, its place and a type. Once the mean is taken off each of them, that
    only scales, by what the words, the places and their products tell.
    """
    positions, pad = layer.position_embeddings, layer.word_embeddings.padding_idx
    first = 0 if positions.padding_idx is None else positions.padding_idx + 1  # RoBERTa counts from there,
    if first and ((tokens[:, :-1] == pad) & (tokens[:, 1:] != pad)).any():  # and leaves padding out
        return None
    distinct, index = torch.unique(tokens, return_inverse=True)
    places = torch.arange(tokens.shape[1], device=tokens.device)  # [T]
    with torch.autocast(tokens.device.type, enabled=False):
        words = _centred(layer.word_embeddings(distinct))  # [U, D]
        around = _centred(positions(first + places) + layer.token_type_embeddings.weight[0])  # [T, D]
        products = (words @ around.t())[index, places]  # [B, T]
        squares = words.square().sum(dim=1)[index] + 2 * products + around.square().sum(dim=1)
        norm = layer.LayerNorm
        scale = (squares / words.shape[1] + norm.eps).rsqrt()
        return TokenRows(words.mul_(norm.weight), index, around.mul_(norm.weight), scale, norm.bias)


def _centred(vectors: Tensor) -> Tensor:
    """Take their mean off vectors [N, D], in place."""
    return vectors.sub_(vectors.mean(dim=1, keepdim=True))


@torch.no_grad()
def _is_of_berts_kind(layer: nn.Module) -> bool:
    """Try whether a layer does what `_taken_apart` takes it to do, on a few tokens, each at several places."""
    words: nn.Embedding = layer.get_submodule("word_embeddings")  # type: ignore[assignment]
    real = [token for token in range(words.num_embeddings) if token != words.padding_idx][-9:]
    tokens = torch.tensor([real, real[::-1]], device=words.weight.device)
    try:
        parts = _taken_apart(layer, tokens)
        return parts is not None and torch.allclose(parts.dense(), layer(tokens), rtol=1e-3, atol=1e-5)
    except (AttributeError, IndexError, RuntimeError, TypeError):  # a layer of other parts, or of other sizes
        return False
