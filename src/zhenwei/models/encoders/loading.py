"""Pretrained encoders of transformers: loaded from safetensors only, built without weights for a bundle, validated."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zhenwei.config import EmbeddingConfig, EncoderConfig
from zhenwei.errors import CheckpointError, PretrainedModelError
from zhenwei.models.encoders.bert_embeddings import MODEL_TYPE, empty_bert_embeddings, load_bert_embeddings
from zhenwei.models.registry import Vocabulary
from zhenwei.tokens.pretrained import load_pretrained

_EXPECTED = "expected an encoder such as BERT, RoBERTa or ELECTRA"


def load_encoder(name: str, *, layers: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Load a pretrained encoder.

    Args:
        name: Its folder or hub name.
        layers: False: load only its embeddings. The weights of its layers stay in the memory-mapped file.

    Returns:
        The encoder, without a pooler, and its configuration, from which `empty_encoder` rebuilds it.

    Raises:
        PretrainedModelError: If it cannot be loaded, is a pickle, is not an encoder, or lacks weights.
    """
    _reject_pickle(Path(name).expanduser())
    (model, missing) = load_pretrained(
        name,
        lambda folder, local_only: _load(folder, local_only, layers),
        what="model",
        needed="config.json and model.safetensors of an encoder",
    )
    if getattr(model.config, "is_encoder_decoder", False) or getattr(model.config, "is_decoder", False):
        raise PretrainedModelError(f"'{name}' ({type(model).__name__}) has a decoder; {_EXPECTED}")
    keys = sorted(key for key in missing if "pooler" not in key and (layers or "embeddings." in key))
    if keys:  # transformers would use random weights instead
        raise PretrainedModelError(
            f"the weights of '{name}' lack {keys[0]}{' and others' if keys[1:] else ''}: they are not those of the "
            f"{type(model).__name__} that its config.json describes"
        )
    if layers:
        _check_bidirectional(model, name)
    settings = model.config.to_dict()
    settings.pop("_name_or_path", None)  # a private path
    return _without_pooler(model), settings


def empty_encoder(settings: dict[str, Any], *, layers: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Build an encoder from its configuration, without weights; otherwise like `load_encoder`.

    Raises:
        CheckpointError: If the configuration is invalid.
    """
    from transformers import AutoConfig  # noqa: PLC0415

    try:
        config = AutoConfig.for_model(**settings)
        if not layers and config.model_type == MODEL_TYPE:
            return empty_bert_embeddings(config), settings
        from transformers import AutoModel  # noqa: PLC0415  # seconds to import

        model = _with_attention(
            layers,
            lambda attention: AutoModel.from_config(  # type: ignore[no-untyped-call]
                config, trust_remote_code=False, attn_implementation=attention
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the encoder described in the bundle cannot be built: {error}") from None
    return _without_pooler(model), settings


def check_fit(
    words: nn.Module, positions: object, size: int, config: EmbeddingConfig | EncoderConfig, vocabulary: Vocabulary
) -> None:
    """Reject a pretrained model whose sizes contradict the settings.

    Args:
        words: Its table of word embeddings.
        positions: Its table of position embeddings; anything else does not limit the length of texts.
        size: Size of a token's vector; that of the table may be smaller, as in ELECTRA and ALBERT.
        config: The detector's settings.
        vocabulary: The tokenizer.
    """
    name, emb_dim = config.pretrained, config.emb_dim
    what = "has embeddings of size" if isinstance(config, EmbeddingConfig) else "has the hidden size"
    entries = int(words.num_embeddings)  # type: ignore[arg-type]
    if emb_dim not in (None, size):
        raise PretrainedModelError(f"model.emb_dim: found {emb_dim}; '{name}' {what} {size}: set that")
    if vocabulary.size > entries:
        raise PretrainedModelError(
            f"the tokenizer of '{name}' has {vocabulary.size} entries, but there are embeddings for {entries}; "
            "expected the tokenizer that the model was trained with"
        )
    if not isinstance(positions, nn.Embedding):
        return
    # RoBERTa and similar models count positions from padding_idx + 1.
    first = 0 if positions.padding_idx is None else positions.padding_idx + 1
    longest = positions.num_embeddings - first
    if vocabulary.max_len > longest:
        raise PretrainedModelError(f"data.max_len: found {vocabulary.max_len}; '{name}' has only {longest} positions")


def _load(name: str, local_only: bool, layers: bool) -> tuple[Any, set[str]]:
    """Load an encoder; return it with the names of weights that are missing or have another shape."""
    if not layers:
        with _quiet_transformers():
            embeddings = load_bert_embeddings(name, local_only=local_only)
        if embeddings is not None:
            return embeddings, set()

    from transformers import AutoModel  # noqa: PLC0415  # a heavy import, for detectors with BERT only

    options = {} if layers else {"num_hidden_layers": 0}
    with _quiet_transformers():
        model, info = _with_attention(
            layers,
            lambda attention: AutoModel.from_pretrained(
                name,
                use_safetensors=True,  # never a pickle
                dtype=torch.float32,
                trust_remote_code=False,
                local_files_only=local_only,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported above; transformers' error is "look at the above report"
                attn_implementation=attention,
                **options,
            ),
        )
    return model, {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])}


def _with_attention(layers: bool, build: Callable[[str], Any]) -> Any:
    """Build a model with PyTorch's attention, or with the eager one where it does not support that.

    One of them is always set, because a model's configuration may name an implementation from the hub.
    """
    if layers:
        with suppress(ValueError):  # e.g. MegatronBERT, RoFormer and DeBERTa
            return build("sdpa")
    return build("eager")


def _check_bidirectional(model: Any, name: str) -> None:
    """Run a model on two tokens: reject it if it fails, or if its first output does not depend on the second token.

    Configurations do not distinguish decoders: that of GPT-2 has `is_decoder` false, like BERT's.
    """
    label = f"'{name}' ({type(model).__name__})"
    try:
        with torch.no_grad():
            first, other = (
                model.eval()(  # PyTorch's evaluation mode: dropout would change the result
                    input_ids=torch.tensor([[0, n]]), attention_mask=torch.ones(1, 2, dtype=torch.int64)
                ).last_hidden_state[0, 0]
                for n in (1, 2)
            )
    except Exception as error:  # it needs images, say; each model raises its own errors
        raise PretrainedModelError(
            f"{label} gives no vectors for tokens ({type(error).__name__}); {_EXPECTED}"
        ) from None
    if torch.equal(first, other):
        raise PretrainedModelError(f"{label} is a decoder: its first token does not depend on the second; {_EXPECTED}")


def _without_pooler(model: Any) -> nn.Module:
    """Remove the pooler: no detector uses it, and it would have no gradient."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model  # type: ignore[no-any-return]


def _reject_pickle(folder: Path) -> None:
    """Reject a folder whose only weights are a pickle, with the command that converts them."""
    if any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors")):
        raise PretrainedModelError(
            f"the folder {folder} holds its weights as a pickle, which may run code when it is read; expected "
            'model.safetensors. If you trust where it came from, convert it once: python -c "from transformers import '
            f"AutoModel; AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Silence transformers' list of unused weights, and its progress bar."""
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
