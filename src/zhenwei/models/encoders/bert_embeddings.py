"""The embedding layer of BERT, without importing transformers' BERT.

That import takes seconds and loads PyTorch's compiler, which a detector that uses only this layer would pay for
whenever it starts.
"""

from typing import Any

import torch
from torch import Tensor, nn

MODEL_TYPE = "bert"  # in configurations; RoBERTa, ELECTRA and ERNIE have other types, and are left to transformers
FILE = "model.safetensors"
_UNSUPPORTED = ("is_decoder", "is_encoder_decoder", "quantization_config", "transformers_weights")  # settings
_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}  # in early checkpoints


class BertEmbeddings(nn.Module):
    """LayerNorm of word, position and first type embeddings (Devlin et al., NAACL 2019), named as in transformers.

    Args:
        config: The encoder's configuration in transformers.
        weights: By name, with the names of `embedding_shapes`; not copied.
    """

    def __init__(self, config: Any, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.word_embeddings = _table(weights["word_embeddings.weight"], config.pad_token_id)
        self.position_embeddings = _table(weights["position_embeddings.weight"])
        self.token_type_embeddings = _table(weights["token_type_embeddings.weight"])
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.LayerNorm.weight = nn.Parameter(weights["LayerNorm.weight"])
        self.LayerNorm.bias = nn.Parameter(weights["LayerNorm.bias"])
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D]."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        words = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        embedded: Tensor = self.dropout(self.LayerNorm(words + self.position_embeddings(positions)))
        return embedded


class BertWithoutLayers(nn.Module):
    """Replaces transformers' `BertModel` where only its embeddings are needed."""

    def __init__(self, config: Any, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config, weights)


def load_bert_embeddings(name: str, *, local_only: bool) -> BertWithoutLayers | None:
    """Load the embeddings of a BERT in float32; float32 weights stay in the file, which is memory-mapped.

    Args:
        name: Its folder or hub name.
        local_only: Whether to use local files only.

    Returns:
        None where this is not a BERT or anything is unexpected: transformers loads it, or raises the error.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415
    from transformers import AutoConfig  # noqa: PLC0415
    from transformers.utils.hub import cached_file  # noqa: PLC0415

    options: dict[str, Any] = {"local_files_only": local_only}
    try:
        config = AutoConfig.from_pretrained(
            name, trust_remote_code=False, num_hidden_layers=0, dtype=torch.float32, **options
        )
        if config.model_type != MODEL_TYPE or any(getattr(config, name, None) for name in _UNSUPPORTED):
            return None
        path = cached_file(name, FILE, **options)
        if path is None:
            return None
        with safe_open(path, framework="pt") as file:
            weights = _read_weights(config, file)
        return None if weights is None else BertWithoutLayers(config, weights)
    except (AttributeError, OSError, SafetensorError, TypeError, ValueError):
        return None


def empty_bert_embeddings(config: Any) -> BertWithoutLayers:
    """Build the embeddings of a configuration with uninitialized weights."""
    return BertWithoutLayers(config, {name: torch.empty(shape) for name, shape in embedding_shapes(config).items()})


def embedding_shapes(config: Any) -> dict[str, list[int]]:
    """Return the names and shapes of the weights of a configuration."""
    size = config.hidden_size
    return {
        "word_embeddings.weight": [config.vocab_size, size],
        "position_embeddings.weight": [config.max_position_embeddings, size],
        "token_type_embeddings.weight": [config.type_vocab_size, size],
        "LayerNorm.weight": [size],
        "LayerNorm.bias": [size],
    }


def _table(weights: Tensor, padding: int | None = None) -> nn.Embedding:
    """Build a trainable table from its weights, without drawing random ones first."""
    table: nn.Embedding = nn.Embedding.from_pretrained(weights, freeze=False, padding_idx=padding)  # type: ignore[no-untyped-call]
    return table


def _read_weights(config: Any, file: Any) -> dict[str, Tensor] | None:
    """Read the weights from an open file; None where one is missing, has another shape, or exists twice."""
    names, weights = set(file.keys()), {}
    for name, shape in embedding_shapes(config).items():
        aliases = {name, _OLD_NAMES.get(name, name)}
        keys = names & {f"{prefix}embeddings.{alias}" for prefix in ("", "bert.") for alias in aliases}
        if len(keys) != 1 or file.get_slice(*keys).get_shape() != shape:
            return None
        tensor = file.get_tensor(*keys)
        if not tensor.is_floating_point():
            return None
        weights[name] = tensor.float()
    return weights
