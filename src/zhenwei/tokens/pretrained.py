"""Loading of pretrained models and tokenizers from a local folder, the local cache, or the hub, in this order.

Many machines have no access to the hub. The libraries retry for most of a minute before they give up, so one short
request checks the hub first.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from zhenwei.errors import PretrainedModelError

HUB_TIMEOUT = 3.0  # seconds of the request that checks the hub

_SCRATCH = "set model.use_pretrained_bert to false to learn embeddings from scratch"
_ALTERNATIVES = {  # how to train without pretrained files
    "model": _SCRATCH,
    "tokenizer": "omit data.tokenizer to train a vocabulary; if the name is that of model.bert_model_name, " + _SCRATCH,
}

T = TypeVar("T")


def load_pretrained(
    name_or_path: str, load: Callable[[str, bool], T], what: Literal["tokenizer", "model"], needed: str
) -> T:
    """Load a pretrained model or tokenizer from a local folder or by its hub name.

    The local cache is tried before the hub, so that a second run needs no network.

    Args:
        name_or_path: A folder, or the name of a model on the hub.
        load: Called with the name, and whether to use local files only; may raise any exception.
        what: Kind of object, for messages.
        needed: Files that a folder must contain, for messages.

    Raises:
        PretrainedModelError: Loading failed. For a hub name the message says how to work offline.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        result = _attempt(load, str(folder), local_only=True)
        if isinstance(result, _Failure):
            raise PretrainedModelError(f"the folder {folder} has no readable {what} ({result}); expected {needed}")
        return result
    if folder.exists() or name_or_path.startswith(("/", "./", "../", "~")):
        raise PretrainedModelError(f"there is no folder {folder}; expected the folder of a model, or its hub name")
    result = _attempt(load, name_or_path, local_only=True)
    if not isinstance(result, _Failure):
        return result
    _refuse_pickle(name_or_path, result)
    if not hub_answers():
        raise PretrainedModelError(
            _unavailable(name_or_path, what, "it is not in the local cache, and the hub cannot be reached")
        )
    result = _attempt(load, name_or_path, local_only=False)
    if isinstance(result, _Failure):
        _refuse_pickle(name_or_path, result)
        raise PretrainedModelError(_unavailable(name_or_path, what, f"the hub does not provide it ({result})"))
    return result


def hub_answers(timeout: float = HUB_TIMEOUT) -> bool:
    """Return whether the hub (or the mirror in ``HF_ENDPOINT``) answers one short request.

    The request uses the session of the hub library, which respects proxies and ``HF_HUB_OFFLINE``.

    Args:
        timeout: Seconds to wait for the connection, and for the response.
    """
    from huggingface_hub import constants, get_session  # noqa: PLC0415 (heavy: imported on use)

    try:
        get_session().head(constants.ENDPOINT, timeout=timeout)
    except Exception:  # the HTTP library of the session, and so its errors, depend on the version
        return False
    return True


def load_fast_tokenizer(name_or_path: str, local_only: bool) -> Any:
    """Load a fast ``transformers`` tokenizer, which has a ``backend_tokenizer``, without executing code of the model.

    Raises:
        ValueError: The tokenizer is not fast, or has no vocabulary.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 (seconds to import)

    tokenizer = AutoTokenizer.from_pretrained(
        name_or_path, use_fast=True, trust_remote_code=False, local_files_only=local_only
    )
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} has no fast version")
    # With config.json alone, the vocabulary consists of special tokens.
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise ValueError("its vocabulary is missing")
    return tokenizer


class _Failure(str):
    """First line of an error message."""


def _attempt(load: Callable[[str, bool], T], name: str, *, local_only: bool) -> "T | _Failure":
    try:
        return load(name, local_only)
    except Exception as error:  # damaged files raise any exception; `tokenizers` raises bare Exception
        lines = str(error).strip().splitlines()
        return _Failure(lines[0].rstrip(" .:") if lines else type(error).__name__)


def _refuse_pickle(name: str, failure: _Failure) -> None:
    """Explain how to convert a model of the hub that has no safetensors weights."""
    if "does not appear to have a file named model.safetensors" not in failure:
        return
    raise PretrainedModelError(
        f"'{name}' has no model.safetensors; a pickle (pytorch_model.bin) may execute code when loaded, and is "
        'refused. If you trust its source, convert it once: python -c "from transformers import AutoModel, '
        f"AutoTokenizer; [kind.from_pretrained('{name}').save_pretrained('DIR') for kind in (AutoModel, "
        'AutoTokenizer)]", and set model.bert_model_name to DIR'
    )


def _unavailable(name: str, what: str, reason: str) -> str:
    return (
        f"the {what} of '{name}' is not available: {reason}. Give a local folder instead of the name (fetch it "
        f"on another machine: `hf download {name} --local-dir DIR`), or {_ALTERNATIVES[what]}"
    )
