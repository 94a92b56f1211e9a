"""Embeddings of single tokens: learned from scratch, or the embedding layer of a pretrained encoder alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zhenwei.config import EmbeddingConfig
from zhenwei.errors import CheckpointError, PretrainedModelError
from zhenwei.tokens.pretrained import load_pretrained


class ScratchEmbedding(nn.Module):
    """A table of embeddings that starts random."""

    def __init__(self, vocab_size: int, emb_dim: int, pad_id: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, emb_dim, padding_idx=pad_id)
        nn.init.normal_(self.table.weight, std=emb_dim**-0.5)
        with torch.no_grad():
            self.table.weight[pad_id].zero_()
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D]."""
        embedded: Tensor = self.dropout(self.table(tokens))
        return embedded


class PretrainedEmbedding(nn.Module):
    """The embedding layer of a pretrained encoder (words, positions, types, norm), without the encoder.

    Frozen, it never runs dropout and never gets gradients; finetuned, it trains like any other layer.
    """

    def __init__(self, layer: nn.Module, encoder: dict[str, Any], finetune: bool, dropout: float) -> None:
        super().__init__()
        self.layer = layer
        self.encoder = encoder  # the encoder's own configuration: a bundle rebuilds the layer from it
        self.finetune = finetune
        self.dropout = nn.Dropout(dropout)
        layer.requires_grad_(finetune)
        self.train(self.training)

    def train(self, mode: bool = True) -> "PretrainedEmbedding":
        """Switch to training; a frozen layer stays in evaluation, so that its own dropout never runs."""
        super().train(mode)
        if not self.finetune:
            self.layer.eval()
        return self

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D]."""
        embedded: Tensor = self.dropout(self.layer(tokens))
        return embedded


def build_embedding(
    config: EmbeddingConfig, vocab_size: int, pad_id: int, max_len: int, encoder: dict[str, Any] | None
) -> "ScratchEmbedding | PretrainedEmbedding":
    """Build the embedding that a detector's settings ask for.

    Args:
        config: The detector's settings.
        vocab_size: Entries of the tokenizer's vocabulary.
        pad_id: Id of the padding token.
        max_len: Longest text in tokens.
        encoder: From a bundle: the pretrained encoder's own configuration; its embedding layer is built empty, for
            the bundle's weights to fill. None: the pretrained weights that the settings name are loaded.

    Raises:
        PretrainedModelError: If the pretrained model cannot be had, or does not fit the settings.
    """
    if not config.use_pretrained_bert:
        return ScratchEmbedding(vocab_size, config.emb_dim, pad_id, config.emb_dropout)
    name = str(config.bert_model_name)
    layer, encoder = _empty_layer(encoder) if encoder is not None else _pretrained_layer(name)
    _check_fit(layer, config.emb_dim, vocab_size, max_len, name)
    return PretrainedEmbedding(layer, encoder, config.finetune_bert, config.emb_dropout)


def _pretrained_layer(name: str) -> tuple[nn.Module, dict[str, Any]]:
    """Load the embedding layer of a pretrained encoder and nothing else of it.

    A model of no layers has no use for the encoder's weights, so of the memory-mapped file only the embeddings are
    read into memory.
    """
    _refuse_pickle(Path(name).expanduser())
    model, missing = load_pretrained(
        name, _load_without_layers, what="model", needed="config.json and model.safetensors of an encoder"
    )
    layer = _embedding_layer(model, name)
    absent = sorted(key for key in missing if "embeddings." in key)
    if absent:  # transformers would go on with random weights in their place
        raise PretrainedModelError(
            f"the weights of '{name}' lack {absent[0]}{' and others' if absent[1:] else ''}: they are not those of the "
            f"{type(model).__name__} that its config.json describes"
        )
    encoder = model.config.to_dict()
    encoder.pop("_name_or_path", None)  # a folder on this machine is nobody else's business
    return layer, encoder


def _refuse_pickle(folder: Path) -> None:
    """Refuse a folder that holds its weights as a pickle alone, and say how to convert them."""
    if any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors")):
        raise PretrainedModelError(
            f"the folder {folder} holds its weights as a pickle, which may run code when it is read; expected "
            'model.safetensors. If you trust where it came from, convert it once: python -c "from transformers import '
            f"AutoModel; AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )


def _load_without_layers(name: str, local_only: bool) -> tuple[Any, set[str]]:
    """Load an encoder's weights but for its layers; return it with the names of weights that were not there."""
    from transformers import AutoModel  # noqa: PLC0415  # heavy: only detectors that use BERT pay for it

    with _quiet_transformers():
        model, info = AutoModel.from_pretrained(
            name,
            num_hidden_layers=0,
            use_safetensors=True,  # never a pickle
            dtype=torch.float32,
            trust_remote_code=False,
            local_files_only=local_only,
            output_loading_info=True,
        )
    return model, set(info["missing_keys"])


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keep transformers from listing each layer that is left out on purpose, and from drawing a progress bar."""
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415

    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _empty_layer(encoder: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """Build the embedding layer of an encoder from its configuration, its weights still to be filled in."""
    from transformers import AutoConfig, AutoModel  # noqa: PLC0415

    try:
        settings = AutoConfig.for_model(**encoder)
        model = AutoModel.from_config(  # type: ignore[no-untyped-call]
            settings,
            trust_remote_code=False,
            attn_implementation="eager",  # a description may name another, to be had from the hub
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the encoder described in the bundle cannot be built: {error}") from None
    return _embedding_layer(model, str(encoder.get("model_type"))), encoder


def _embedding_layer(model: nn.Module, name: str) -> nn.Module:
    """Take the embedding layer out of an encoder, so that the rest of it is forgotten."""
    layer = getattr(model, "embeddings", None)
    if not isinstance(layer, nn.Module) or not isinstance(getattr(layer, "word_embeddings", None), nn.Embedding):
        raise PretrainedModelError(
            f"'{name}' ({type(model).__name__}) has no embedding layer of BERT's kind; "
            "expected an encoder such as BERT, RoBERTa, ELECTRA or ERNIE"
        )
    return layer


def _check_fit(layer: nn.Module, emb_dim: int, vocab_size: int, max_len: int, name: str) -> None:
    """Refuse an embedding layer whose sizes contradict the settings."""
    words = layer.get_submodule("word_embeddings")
    entries, size = int(words.num_embeddings), int(words.embedding_dim)  # type: ignore[arg-type]
    if size != emb_dim:
        raise PretrainedModelError(f"model.emb_dim: found {emb_dim}; '{name}' has embeddings of size {size}: set that")
    if vocab_size > entries:
        raise PretrainedModelError(
            f"the tokenizer of '{name}' has {vocab_size} entries, but there are embeddings for {entries}; "
            "expected the tokenizer that the model was trained with"
        )
    positions = getattr(layer, "position_embeddings", None)
    if isinstance(positions, nn.Embedding):
        # RoBERTa's kind counts positions from behind the padding's id.
        first = 0 if positions.padding_idx is None else positions.padding_idx + 1
        longest = positions.num_embeddings - first
        if max_len > longest:
            raise PretrainedModelError(f"data.max_len: found {max_len}; '{name}' knows only {longest} positions")
