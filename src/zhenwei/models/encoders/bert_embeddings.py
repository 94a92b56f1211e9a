"""The embedding layer of BERT by itself.

transformers' own comes with all of its BERT, whose import takes seconds, and brings PyTorch's compiler with it; a
detector that uses nothing but this layer would pay for that whenever it starts to predict.
"""

from typing import Any

import torch
from torch import Tensor, nn

KIND = "bert"  # as configurations name it; RoBERTa, ELECTRA and ERNIE are of other kinds, and left to transformers
FILE = "model.safetensors"
_SPECIAL = ("is_decoder", "is_encoder_decoder", "quantization_config", "transformers_weights")  # settings
_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}  # of the first BERTs


class BertEmbeddings(nn.Module):
    """Words, positions and the first type, added up and normed (Devlin et al., NAACL 2019); named as in transformers.

    Args:
        config: The encoder's configuration, of transformers.
        weights: By name, as `embedding_shapes` has them; they are not copied.
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
        places = torch.arange(tokens.shape[1], device=tokens.device)
        words = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        embedded: Tensor = self.dropout(self.LayerNorm(words + self.position_embeddings(places)))
        return embedded


class BertWithoutLayers(nn.Module):
    """What stands for transformers' `BertModel` where nothing but its embeddings is asked for."""

    def __init__(self, config: Any, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config, weights)


def load_bert_embeddings(name: str, *, local_only: bool) -> BertWithoutLayers | None:
    """Load the embeddings of a BERT in float32; what is in that already stays in the file, which is memory-mapped.

    Args:
        name: Its folder or hub name.
        local_only: Whether the hub may not be asked.

    Returns:
        None where this is no BERT, or where anything is not as it should be: transformers knows better, or says why.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415
    from transformers import AutoConfig  # noqa: PLC0415
    from transformers.utils.hub import cached_file  # noqa: PLC0415

    options: dict[str, Any] = {"local_files_only": local_only}
    try:
        config = AutoConfig.from_pretrained(
            name, trust_remote_code=False, num_hidden_layers=0, dtype=torch.float32, **options
        )
        if config.model_type != KIND or any(getattr(config, name, None) for name in _SPECIAL):
            return None
        found = cached_file(name, FILE, **options)
        if found is None:
            return None
        with safe_open(found, framework="pt") as file:
            weights = _found_weights(config, file)
        return None if weights is None else BertWithoutLayers(config, weights)
    except (AttributeError, OSError, SafetensorError, TypeError, ValueError):
        return None


def empty_bert_embeddings(config: Any) -> BertWithoutLayers:
    """Build the embeddings of a BERT of a configuration; the weights are those that memory happens to hold."""
    return BertWithoutLayers(config, {name: torch.empty(shape) for name, shape in embedding_shapes(config).items()})


def embedding_shapes(config: Any) -> dict[str, list[int]]:
    """Return the names and shapes of the weights that a configuration asks for."""
    size = config.hidden_size
    return {
        "word_embeddings.weight": [config.vocab_size, size],
        "position_embeddings.weight": [config.max_position_embeddings, size],
        "token_type_embeddings.weight": [config.type_vocab_size, size],
        "LayerNorm.weight": [size],
        "LayerNorm.bias": [size],
    }


def _table(weights: Tensor, padding: int | None = None) -> nn.Embedding:
    """Make a table that trains of its weights; built as usual, it would draw random ones first."""
    table: nn.Embedding = nn.Embedding.from_pretrained(weights, freeze=False, padding_idx=padding)  # type: ignore[no-untyped-call]
    return table


def _found_weights(config: Any, file: Any) -> dict[str, Tensor] | None:
    """Pick the weights from an open file; None where one is missing, of another shape, or there twice."""
    there, found = set(file.keys()), {}
    for name, shape in embedding_shapes(config).items():
        known = {name, _OLD_NAMES.get(name, name)}
        keys = there & {f"{prefix}embeddings.{each}" for prefix in ("", "bert.") for each in known}
        if len(keys) != 1 or file.get_slice(*keys).get_shape() != shape:
            return None
        tensor = file.get_tensor(*keys)
        if not tensor.is_floating_point():
            return None
        found[name] = tensor.float()
    return found
