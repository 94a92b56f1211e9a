"""Where pretrained things come from: a local folder, the local cache, or the hub, in this order.

Closed networks are common where this project runs. The libraries underneath retry for the better part of a
minute before they give up, so the hub is asked once, briefly, before they are let loose on it.
"""

from pathlib import Path
from typing import Any

from zhenwei.errors import PretrainedModelError

HUB_TIMEOUT = 3.0  # seconds for the one question whether the hub answers at all


def fetch_fast_tokenizer(name_or_path: str) -> Any:
    """Give the fast ``transformers`` tokenizer of a local folder or of a hub name.

    A hub name is looked for in the local cache first, so that a second run needs no network. Code that comes
    with a model is never run.

    Args:
        name_or_path: a folder with ``tokenizer.json``, or with ``config.json`` and ``vocab.txt``; or the name of
            a model on the hub.

    Returns:
        A ``transformers`` tokenizer that has a ``backend_tokenizer``.

    Raises:
        PretrainedModelError: nothing usable is there. For a hub name the message says how to go on offline.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        tokenizer = _load(str(folder), local_only=True)
        if isinstance(tokenizer, Exception):
            raise PretrainedModelError(
                f"The folder {folder} holds no tokenizer that can be read ({_first_line(tokenizer)}). It needs "
                "tokenizer.json, or config.json and vocab.txt, of a model that has a fast tokenizer."
            ) from tokenizer
        return tokenizer
    if folder.exists() or name_or_path.startswith(("/", "./", "../", "~")):
        raise PretrainedModelError(f"There is no folder {name_or_path}: give a model's folder, or its name on the hub.")
    tokenizer = _load(name_or_path, local_only=True)
    if isinstance(tokenizer, Exception) and hub_answers():
        tokenizer = _load(name_or_path, local_only=False)
        if isinstance(tokenizer, Exception):
            reason = f"it is no folder here, and the hub does not give it ({_first_line(tokenizer)})"
            raise PretrainedModelError(_unavailable(name_or_path, reason)) from tokenizer
    if isinstance(tokenizer, Exception):
        reason = "it is no folder here, it is not in the local cache, and the hub cannot be reached"
        raise PretrainedModelError(_unavailable(name_or_path, reason)) from tokenizer
    return tokenizer


def hub_answers(timeout: float = HUB_TIMEOUT) -> bool:
    """Say whether the model hub (or the mirror that ``HF_ENDPOINT`` names) answers one short request.

    Proxies and ``HF_HUB_OFFLINE`` are respected: the request goes through the hub library's own session.

    Args:
        timeout: seconds to wait for the connection, and for the answer.
    """
    from huggingface_hub import constants, get_session  # noqa: PLC0415 (heavy: imported on use)

    try:
        get_session().head(constants.ENDPOINT, timeout=timeout)
    except Exception:  # the session's library changes with its version, and each has errors of its own
        return False
    return True


def _load(name_or_path: str, *, local_only: bool) -> Any:
    """Give the tokenizer, or the exception that says why there is none."""
    from transformers import AutoTokenizer  # noqa: PLC0415 (seconds to import)

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            name_or_path, use_fast=True, trust_remote_code=False, local_files_only=local_only
        )
    except Exception as error:  # damaged files raise what they like; `tokenizers` raises bare Exception
        return error
    if not tokenizer.is_fast:
        return ValueError(f"{type(tokenizer).__name__} has no fast version")
    # A folder or cache with config.json alone gives a tokenizer that knows nothing but its special tokens.
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        return ValueError("its vocabulary is missing")
    return tokenizer


def _unavailable(name: str, reason: str) -> str:
    return (
        f"The tokenizer of '{name}' is not available: {reason}. Give a local folder instead of the name (fetch it "
        f"on another machine: `hf download {name} --local-dir DIR`), or set `use_pretrained_bert: false` to learn "
        "embeddings from scratch."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(error).__name__
