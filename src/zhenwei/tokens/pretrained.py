"""Where pretrained things come from: a local folder, the local cache, or the hub, in this order.

Closed networks are common where this project runs. The libraries underneath retry for the better part of a minute
before they give up, so the hub is asked once, briefly, before they are let loose on it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from zhenwei.errors import PretrainedModelError

HUB_TIMEOUT = 3.0  # seconds for the one question whether the hub answers at all

_SCRATCH = "set model.use_pretrained_bert to false to learn embeddings from scratch"
_WITHOUT = {  # how to go on without anything pretrained
    "model": _SCRATCH,
    "tokenizer": "leave data.tokenizer out to train a vocabulary; where the name is that of model.bert_model_name, "
    + _SCRATCH,
}

T = TypeVar("T")


def load_pretrained(
    name_or_path: str, load: Callable[[str, bool], T], what: Literal["tokenizer", "model"], needed: str
) -> T:
    """Load something pretrained from a local folder or by its hub name.

    A hub name is looked for in the local cache first, so that a second run needs no network.

    Args:
        name_or_path: A folder, or the name of a model on the hub.
        load: Called with the name, and whether only local files may be used; may raise whatever it likes.
        what: What is loaded, for messages.
        needed: The files that a folder must hold, for messages.

    Raises:
        PretrainedModelError: Nothing usable is there. For a hub name the message says how to go on offline.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        found = _attempt(load, str(folder), local_only=True)
        if isinstance(found, _Failure):
            raise PretrainedModelError(
                f"the folder {folder} holds no {what} that can be read ({found}); expected {needed}"
            )
        return found
    if folder.exists() or name_or_path.startswith(("/", "./", "../", "~")):
        raise PretrainedModelError(f"there is no folder {folder}; expected the folder of a model, or its hub name")
    found = _attempt(load, name_or_path, local_only=True)
    if not isinstance(found, _Failure):
        return found
    _refuse_pickle(name_or_path, found)
    if not hub_answers():
        raise PretrainedModelError(
            _unavailable(name_or_path, what, "it is not in the local cache, and the hub cannot be reached")
        )
    found = _attempt(load, name_or_path, local_only=False)
    if isinstance(found, _Failure):
        _refuse_pickle(name_or_path, found)
        raise PretrainedModelError(_unavailable(name_or_path, what, f"the hub does not give it ({found})"))
    return found


def hub_answers(timeout: float = HUB_TIMEOUT) -> bool:
    """Say whether the model hub (or the mirror that ``HF_ENDPOINT`` names) answers one short request.

    Proxies and ``HF_HUB_OFFLINE`` are respected: the request goes through the hub library's own session.

    Args:
        timeout: Seconds to wait for the connection, and for the answer.
    """
    from huggingface_hub import constants, get_session  # noqa: PLC0415 (heavy: imported on use)

    try:
        get_session().head(constants.ENDPOINT, timeout=timeout)
    except Exception:  # the session's library changes with its version, and each has errors of its own
        return False
    return True


def load_fast_tokenizer(name_or_path: str, local_only: bool) -> Any:
    """Load a fast ``transformers`` tokenizer, which has a ``backend_tokenizer``; code of a model is never run.

    Raises:
        ValueError: There is a tokenizer, but none that is fast and has a vocabulary.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 (seconds to import)

    tokenizer = AutoTokenizer.from_pretrained(
        name_or_path, use_fast=True, trust_remote_code=False, local_files_only=local_only
    )
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} has no fast version")
    # A folder or cache with config.json alone gives a tokenizer that knows nothing but its special tokens.
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise ValueError("its vocabulary is missing")
    return tokenizer


class _Failure(str):
    """The first line of what went wrong."""


def _attempt(load: Callable[[str, bool], T], name: str, *, local_only: bool) -> "T | _Failure":
    try:
        return load(name, local_only)
    except Exception as error:  # damaged files raise what they like; `tokenizers` raises bare Exception
        lines = str(error).strip().splitlines()
        return _Failure(lines[0].rstrip(" .:") if lines else type(error).__name__)


def _refuse_pickle(name: str, failure: _Failure) -> None:
    """Say how to convert a model of the hub, where what is missing is its weights in a form that is no program."""
    if "does not appear to have a file named model.safetensors" not in failure:
        return
    raise PretrainedModelError(
        f"'{name}' has no model.safetensors; a pickle (pytorch_model.bin) may run code when it is read, and is "
        'refused. If you trust where it came from, convert it once: python -c "from transformers import AutoModel, '
        f"AutoTokenizer; [kind.from_pretrained('{name}').save_pretrained('DIR') for kind in (AutoModel, "
        'AutoTokenizer)]", and set model.bert_model_name to DIR'
    )


def _unavailable(name: str, what: str, reason: str) -> str:
    return (
        f"the {what} of '{name}' is not available: {reason}. Give a local folder instead of the name (fetch it "
        f"on another machine: `hf download {name} --local-dir DIR`), or {_WITHOUT[what]}"
    )
