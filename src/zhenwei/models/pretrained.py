"""Pretrained encoders of transformers: loaded from safetensors alone, rebuilt empty for a bundle, checked for fit."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zhenwei.errors import CheckpointError, PretrainedModelError
from zhenwei.tokens.pretrained import load_pretrained

# transformers' own two; a configuration may name another, to be had from the hub
ATTENTION = {True: "sdpa", False: "eager"}


def load_encoder(name: str, *, layers: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Load a pretrained encoder.

    Args:
        name: Its folder or hub name.
        layers: False: leave its layers out. A model of no layers has no use for their weights, so that of the
            memory-mapped file only the embeddings are read into memory.

    Returns:
        The encoder, without a pooler, and its own configuration, from which `empty_encoder` rebuilds it.

    Raises:
        PretrainedModelError: If it cannot be had, is a pickle, is no encoder, or lacks weights.
    """
    _refuse_pickle(Path(name).expanduser())
    (model, missing) = load_pretrained(
        name,
        lambda place, local_only: _load(place, local_only, layers),
        what="model",
        needed="config.json and model.safetensors of an encoder",
    )
    if getattr(model.config, "is_encoder_decoder", False) or getattr(model.config, "is_decoder", False):
        raise PretrainedModelError(
            f"'{name}' ({type(model).__name__}) has a decoder; expected an encoder such as BERT, RoBERTa or ELECTRA"
        )
    used = sorted(key for key in missing if "pooler" not in key and (layers or "embeddings." in key))
    if used:  # transformers would go on with random weights in their place
        raise PretrainedModelError(
            f"the weights of '{name}' lack {used[0]}{' and others' if used[1:] else ''}: they are not those of the "
            f"{type(model).__name__} that its config.json describes"
        )
    settings = model.config.to_dict()
    settings.pop("_name_or_path", None)  # a folder on this machine is nobody else's business
    return _without_pooler(model), settings


def empty_encoder(settings: dict[str, Any], *, layers: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Build an encoder from its own configuration, its weights still to be filled in; else as `load_encoder`.

    Raises:
        CheckpointError: If the configuration describes nothing that can be built.
    """
    from transformers import AutoConfig, AutoModel  # noqa: PLC0415

    try:
        model = AutoModel.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(**settings), trust_remote_code=False, attn_implementation=ATTENTION[layers]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the encoder described in the bundle cannot be built: {error}") from None
    return _without_pooler(model), settings


def check_fit(words: nn.Module, emb_dim: int | None, vocab_size: int, name: str, what: str) -> None:
    """Refuse a table of word embeddings whose sizes contradict the settings.

    Args:
        words: The table.
        emb_dim: The size that the settings name, if they name one.
        vocab_size: Entries of the tokenizer's vocabulary.
        name: Whose table it is.
        what: What has this size, for the message, as in "has embeddings of size".
    """
    entries, size = int(words.num_embeddings), int(words.embedding_dim)  # type: ignore[arg-type]
    if emb_dim not in (None, size):
        raise PretrainedModelError(f"model.emb_dim: found {emb_dim}; '{name}' {what} {size}: set that")
    if vocab_size > entries:
        raise PretrainedModelError(
            f"the tokenizer of '{name}' has {vocab_size} entries, but there are embeddings for {entries}; "
            "expected the tokenizer that the model was trained with"
        )


def check_positions(positions: object, max_len: int, name: str) -> None:
    """Refuse texts longer than a table of position embeddings; what is no such table sets no limit."""
    if not isinstance(positions, nn.Embedding):
        return
    # RoBERTa's kind counts positions from behind the padding's id.
    first = 0 if positions.padding_idx is None else positions.padding_idx + 1
    longest = positions.num_embeddings - first
    if max_len > longest:
        raise PretrainedModelError(f"data.max_len: found {max_len}; '{name}' knows only {longest} positions")


def _load(name: str, local_only: bool, layers: bool) -> tuple[Any, set[str]]:
    """Load an encoder's weights; return it with the names of weights that were not there."""
    from transformers import AutoModel  # noqa: PLC0415  # heavy: only detectors that use BERT pay for it

    fewer = {} if layers else {"num_hidden_layers": 0}
    with _quiet_transformers():
        model, info = AutoModel.from_pretrained(
            name,
            use_safetensors=True,  # never a pickle
            dtype=torch.float32,
            trust_remote_code=False,
            local_files_only=local_only,
            output_loading_info=True,
            attn_implementation=ATTENTION[layers],
            **fewer,
        )
    return model, set(info["missing_keys"])


def _without_pooler(model: Any) -> nn.Module:
    """Drop what sums a text up in one vector: no detector reads it, and it would train without a gradient."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model  # type: ignore[no-any-return]


def _refuse_pickle(folder: Path) -> None:
    """Refuse a folder that holds its weights as a pickle alone, and say how to convert them."""
    if any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors")):
        raise PretrainedModelError(
            f"the folder {folder} holds its weights as a pickle, which may run code when it is read; expected "
            'model.safetensors. If you trust where it came from, convert it once: python -c "from transformers import '
            f"AutoModel; AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )


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
