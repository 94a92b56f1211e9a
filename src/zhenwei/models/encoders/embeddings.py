"""Embeddings of single tokens: learned from scratch, or the embedding layer of a pretrained encoder."""

from typing import Any

import torch
from torch import Tensor, nn

from zhenwei.errors import PretrainedModelError
from zhenwei.models.dropout import Dropout
from zhenwei.models.gru.input_projection import FactoredEmbeddings
from zhenwei.models.interface import TokenEncoder


class ScratchEmbedding(TokenEncoder):
    """A table of randomly initialized embeddings."""

    def __init__(self, vocab_size: int, emb_dim: int, pad_id: int, dropout: float) -> None:
        super().__init__()
        self.features = emb_dim
        self.table = nn.Embedding(vocab_size, emb_dim, padding_idx=pad_id)
        nn.init.normal_(self.table.weight, std=emb_dim**-0.5)
        with torch.no_grad():
            self.table.weight[pad_id].zero_()
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D], independently of each other: the mask is not used."""
        embedded: Tensor = self.dropout(self.table(tokens))
        return embedded

    def factorize(self, tokens: Tensor) -> FactoredEmbeddings | None:
        """Return the embeddings of the unique tokens of [B, T]; None while dropout is active."""
        if self.dropout.is_active:
            return None
        unique, index = torch.unique(tokens, return_inverse=True)
        return FactoredEmbeddings(self.table(unique), index)


class PretrainedEmbedding(TokenEncoder):
    """The embedding layer of a pretrained encoder (words, positions, types, norm), without its other layers.

    Frozen, it has no dropout and no gradients; finetuned, it trains like any other layer.
    """

    def __init__(self, model: nn.Module, encoder: dict[str, Any], finetune: bool, dropout: float, name: str) -> None:
        """Take the embedding layer out of an encoder.

        Args:
            model: The encoder.
            encoder: Its configuration, from which a bundle rebuilds the layer.
            finetune: Whether the layer trains.
            dropout: On the tokens' vectors.
            name: The encoder's name, for messages.

        Raises:
            PretrainedModelError: If it has no such layer.
        """
        super().__init__()
        layer = _embedding_layer(model, name)
        self.features = int(layer.get_submodule("word_embeddings").embedding_dim)  # type: ignore[arg-type]
        self.layer = layer
        self.encoder = encoder
        self.finetune = finetune
        self.dropout = Dropout(dropout)
        self._is_bert_like: bool | None = None  # not tested yet
        layer.requires_grad_(finetune)
        self.train(self.training)

    def train(self, mode: bool = True) -> "PretrainedEmbedding":
        """Switch to training or evaluation; a frozen layer stays in evaluation mode, without dropout."""
        super().train(mode)
        if not self.finetune:
            self.layer.eval()  # PyTorch's evaluation mode
        return self

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D], independently of each other: the mask is not used."""
        embedded: Tensor = self.dropout(self.layer(tokens))
        return embedded

    def factorize(self, tokens: Tensor) -> FactoredEmbeddings | None:
        """Factorize a frozen layer like BERT's for tokens [B, T]; None while dropout is active."""
        if self.dropout.is_active or self.finetune:
            return None
        if self._is_bert_like is None:
            self._is_bert_like = _is_bert_like(self.layer)
        return _factorize(self.layer, tokens) if self._is_bert_like else None


def _embedding_layer(model: nn.Module, name: str) -> nn.Module:
    """Return the embedding layer of an encoder."""
    layer = getattr(model, "embeddings", None)
    if not isinstance(layer, nn.Module) or not isinstance(getattr(layer, "word_embeddings", None), nn.Embedding):
        raise PretrainedModelError(
            f"'{name}' ({type(model).__name__}) has no embedding layer like BERT's; "
            "expected an encoder such as BERT, RoBERTa, ELECTRA or ERNIE"
        )
    return layer


@torch.no_grad()
def _factorize(layer: Any, tokens: Tensor) -> FactoredEmbeddings | None:
    """Factorize the output of an embedding layer like BERT's for token ids [B, T]; None if padding precedes a token.

    Such a layer normalizes the sum of a word, a position and a type embedding. Once each of them is centered,
    LayerNorm is a scale per token, which follows from the norms of word and position and their dot product.
    """
    positions, pad = layer.position_embeddings, layer.word_embeddings.padding_idx
    first = 0 if positions.padding_idx is None else positions.padding_idx + 1  # RoBERTa counts from there
    if first and ((tokens[:, :-1] == pad) & (tokens[:, 1:] != pad)).any():  # and skips padding
        return None
    unique, index = torch.unique(tokens, return_inverse=True)
    columns = torch.arange(tokens.shape[1], device=tokens.device)  # [T]
    with torch.autocast(tokens.device.type, enabled=False):
        words = _center(layer.word_embeddings(unique))  # [U, D]
        others = _center(positions(first + columns) + layer.token_type_embeddings.weight[0])  # [T, D]
        products = (words @ others.t())[index, columns]  # [B, T]
        squares = words.square().sum(dim=1)[index] + 2 * products + others.square().sum(dim=1)
        norm = layer.LayerNorm
        scale = (squares / words.shape[1] + norm.eps).rsqrt()
        return FactoredEmbeddings(words.mul_(norm.weight), index, others.mul_(norm.weight), scale, norm.bias)


def _center(vectors: Tensor) -> Tensor:
    """Subtract its mean from each vector [N, D], in place."""
    return vectors.sub_(vectors.mean(dim=1, keepdim=True))


@torch.no_grad()
def _is_bert_like(layer: nn.Module) -> bool:
    """Test on a few tokens, each in several positions, whether `_factorize` gives the output of a layer."""
    words: nn.Embedding = layer.get_submodule("word_embeddings")  # type: ignore[assignment]
    real = [token for token in range(words.num_embeddings) if token != words.padding_idx][-9:]
    tokens = torch.tensor([real, real[::-1]], device=words.weight.device)
    try:
        factored = _factorize(layer, tokens)
        return factored is not None and torch.allclose(factored.dense(), layer(tokens), rtol=1e-3, atol=1e-5)
    except (AttributeError, IndexError, RuntimeError, TypeError):  # other submodules, or other sizes
        return False
