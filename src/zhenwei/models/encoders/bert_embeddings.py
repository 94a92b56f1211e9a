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
        config: The encoder's configuration in transformers. The weights are on the "meta" device: they have no memory.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        size = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, size, config.pad_token_id, device="meta")
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, size, device="meta")
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, size, device="meta")
        self.LayerNorm = nn.LayerNorm(size, eps=config.layer_norm_eps, device="meta")
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D]."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        words = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        embedded: Tensor = self.dropout(self.LayerNorm(words + self.position_embeddings(positions)))
        return embedded


class BertWithoutLayers(nn.Module):
    """Replaces transformers' `BertModel` where only its embeddings are needed."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)


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
        model = BertWithoutLayers(config)
        with safe_open(path, framework="pt") as file:
            weights = _read_weights(model.embeddings.state_dict(), file)
        model.embeddings.load_state_dict(weights, assign=True)
        return model
    except (AttributeError, OSError, RuntimeError, SafetensorError, TypeError, ValueError):
        return None


def empty_bert_embeddings(config: Any) -> BertWithoutLayers:
    """Build the embeddings of a configuration with uninitialized weights."""
    return BertWithoutLayers(config).to_empty(device="cpu")


def _read_weights(expected: dict[str, Tensor], file: Any) -> dict[str, Tensor]:
    """Read the expected weights from an open file.

    Raises:
        ValueError: One is missing, exists twice, has another shape, or is not floating point.
    """
    names, weights = set(file.keys()), {}
    for name, weight in expected.items():
        aliases = {name, _OLD_NAMES.get(name, name)}
        keys = names & {f"{prefix}embeddings.{alias}" for prefix in ("", "bert.") for alias in aliases}
        if len(keys) != 1 or file.get_slice(*keys).get_shape() != [*weight.shape]:
            raise ValueError(f"found {len(keys)} weights of the expected shape for {name}; expected 1")
        tensor = file.get_tensor(*keys)
        if not tensor.is_floating_point():
            raise ValueError(f"{name} is not floating point")
        weights[name] = tensor.float()
    return weights
