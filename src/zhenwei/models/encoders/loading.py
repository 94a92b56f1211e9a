"""Pretrained encoders of transformers: loaded from safetensors alone, rebuilt empty for a bundle, checked for fit."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zhenwei.errors import CheckpointError, PretrainedModelError
from zhenwei.models.encoders.bert_embeddings import KIND, empty_bert_embeddings, load_bert_embeddings
from zhenwei.tokens.pretrained import load_pretrained

_EXPECTED = "expected an encoder such as BERT, RoBERTa or ELECTRA"


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
        raise PretrainedModelError(f"'{name}' ({type(model).__name__}) has a decoder; {_EXPECTED}")
    used = sorted(key for key in missing if "pooler" not in key and (layers or "embeddings." in key))
    if used:  # transformers would go on with random weights in their place
        raise PretrainedModelError(
            f"the weights of '{name}' lack {used[0]}{' and others' if used[1:] else ''}: they are not those of the "
            f"{type(model).__name__} that its config.json describes"
        )
    if layers:
        _check_reads_both_ways(model, name)
    settings = model.config.to_dict()
    settings.pop("_name_or_path", None)  # a folder on this machine is nobody else's business
    return _without_pooler(model), settings


def empty_encoder(settings: dict[str, Any], *, layers: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Build an encoder from its own configuration, its weights still to be filled in; else as `load_encoder`.

    Raises:
        CheckpointError: If the configuration describes nothing that can be built.
    """
    from transformers import AutoConfig  # noqa: PLC0415

    try:
        config = AutoConfig.for_model(**settings)
        if not layers and config.model_type == KIND:
            return empty_bert_embeddings(config), settings
        from transformers import AutoModel  # noqa: PLC0415  # seconds to import

        model = _with_attention(
            layers,
            lambda kind: AutoModel.from_config(  # type: ignore[no-untyped-call]
                config, trust_remote_code=False, attn_implementation=kind
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the encoder described in the bundle cannot be built: {error}") from None
    return _without_pooler(model), settings


def check_fit(words: nn.Module, size: int, emb_dim: int | None, vocab_size: int, name: str, what: str) -> None:
    """Refuse a pretrained model whose sizes contradict the settings.

    Args:
        words: Its table of word embeddings.
        size: That of the vectors that it gives tokens; the table's may be smaller, as in ELECTRA and ALBERT.
        emb_dim: The size that the settings name, if they name one.
        vocab_size: Entries of the tokenizer's vocabulary.
        name: What the model is called.
        what: What has this size, for the message, as in "has embeddings of size".
    """
    entries = int(words.num_embeddings)  # type: ignore[arg-type]
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
    """Load an encoder's weights; return it with the names of weights that were not there, or of another shape."""
    if not layers:
        with _quiet_transformers():
            alone = load_bert_embeddings(name, local_only=local_only)
        if alone is not None:
            return alone, set()

    from transformers import AutoModel  # noqa: PLC0415  # heavy: only detectors that use BERT pay for it

    fewer = {} if layers else {"num_hidden_layers": 0}
    with _quiet_transformers():
        model, info = _with_attention(
            layers,
            lambda kind: AutoModel.from_pretrained(
                name,
                use_safetensors=True,  # never a pickle
                dtype=torch.float32,
                trust_remote_code=False,
                local_files_only=local_only,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # told of here; transformers' own error is "look at the above report"
                attn_implementation=kind,
                **fewer,
            ),
        )
    return model, {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])}


def _with_attention(layers: bool, build: Callable[[str], Any]) -> Any:
    """Build a model with one of transformers' own two attentions: torch's, or the plain one where it knows no other.

    One of them is always named, since a model's configuration may name a third, to be had from the hub.
    """
    if layers:
        with suppress(ValueError):  # MegatronBERT, RoFormer and DeBERTa, for some
            return build("sdpa")
    return build("eager")


def _check_reads_both_ways(model: Any, name: str) -> None:
    """Try a model on two tokens: refuse one that reads none, or whose first token knows nothing of the second.

    No setting tells decoders from encoders: GPT-2's configuration says, as BERT's, that it is none.
    """
    found = f"'{name}' ({type(model).__name__})"
    try:
        with torch.no_grad():
            first, other = (
                model.eval()(  # PyTorch's switch: dropout would make two readings differ
                    input_ids=torch.tensor([[0, n]]), attention_mask=torch.ones(1, 2, dtype=torch.int64)
                ).last_hidden_state[0, 0]
                for n in (1, 2)
            )
    except Exception as error:  # it wants images, or gives something else: each kind has errors of its own
        raise PretrainedModelError(
            f"{found} gives no vectors for tokens ({type(error).__name__}); {_EXPECTED}"
        ) from None
    if torch.equal(first, other):
        raise PretrainedModelError(f"{found} is a decoder: it reads a token without those behind it; {_EXPECTED}")


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
