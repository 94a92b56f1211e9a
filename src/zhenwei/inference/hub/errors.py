"""Translate errors of `huggingface_hub` into errors of one sentence that says how to fix the cause."""

from collections.abc import Iterator
from contextlib import contextmanager

from zhenwei.errors import CheckpointError, ConfigError, ZhenweiError

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"

# Names of the library's errors, and our message; the first match is used.
_MESSAGES = {
    "HFValidationError": (
        "'{repo}': not a valid repository name; expected USER/NAME, of letters, digits, '-', '_' and '.'"
    ),
    "GatedRepoError": "{repo}: access is restricted; request it on the repository's page, then {login}",
    "RepositoryNotFoundError": "{repo}: no such repository at {hub}; check the name, or, if it is private, {login}",
    "RevisionNotFoundError": "{repo}: no revision '{revision}'; expected a branch, a tag or a commit",
    "RemoteEntryNotFoundError": "{repo}: not a zhenwei detector: it has no detector.json",
    "LocalTokenNotFoundError": "{repo}: no token for the hub; {login}",
}
_IN_SETTINGS = {"HFValidationError", "LocalTokenNotFoundError"}  # a `ConfigError`; others are a `CheckpointError`


@contextmanager
def translate_errors(repo_id: str, revision: str | None = None, *, writing: bool = False) -> Iterator[None]:
    """Translate errors of the hub's library that are raised in the block.

    Args:
        repo_id: The repository, as the user named it.
        revision: The branch, tag or commit; None: the main branch.
        writing: Whether the block changes the repository.

    Raises:
        CheckpointError: If the hub cannot be reached, refuses, or lacks the requested content.
        ConfigError: If the name is not valid, or the hub does not accept the card's metadata.
    """
    try:
        yield
    except ZhenweiError:
        raise
    except Exception as error:
        translated = _translate(error, repo_id, revision, writing)
        if translated is None:
            raise
        raise translated from None


def _translate(error: Exception, repo_id: str, revision: str | None, writing: bool) -> ZhenweiError | None:
    """Return our error for one of the hub's library; None if it is not one of them."""
    from huggingface_hub import errors as hub  # noqa: PLC0415

    if isinstance(error, hub.LocalEntryNotFoundError) and isinstance(error.__cause__, hub.HfHubHTTPError):
        error = error.__cause__  # the hub was reached, and refused
    for name, message in _MESSAGES.items():
        if isinstance(error, getattr(hub, name)):
            kind = ConfigError if name in _IN_SETTINGS else CheckpointError
            return kind(message.format(repo=repo_id, revision=revision or "main", hub=_endpoint(), login=LOGIN))
    if isinstance(error, hub.HfHubHTTPError):
        return _refused(error, repo_id)
    local = isinstance(error, hub.LocalEntryNotFoundError | hub.OfflineModeIsEnabled)
    if local or type(error).__module__.startswith("httpx"):  # httpx, or httpx2 in later versions of the library
        return _unreachable(repo_id)
    if isinstance(error, ValueError) and "README.md" in str(error):
        return ConfigError(f"README.md: the hub does not accept its metadata: {_one_line(error)}")
    if isinstance(error, RuntimeError) or type(error).__module__.split(".")[0] == "hf_xet":  # of a large file
        failure = "the upload failed, and nothing was changed" if writing else "the download failed"
        return CheckpointError(f"{repo_id}: {failure}; try again: {_one_line(error)}")
    return None


def _unreachable(repo_id: str) -> CheckpointError:
    from huggingface_hub import constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        return CheckpointError(
            f"{repo_id}: not in the hub's cache, and HF_HUB_OFFLINE forbids the network; unset it, or name the folder "
            "of a bundle"
        )
    return CheckpointError(f"{repo_id}: cannot reach {_endpoint()}; check the network, and try again")


def _refused(error: Exception, repo_id: str) -> CheckpointError:
    """Return an error with the hub's own message, if it has one."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    reason = _one_line(getattr(error, "server_message", None) or f"status {status}")
    if status in (401, 403):
        return CheckpointError(f"{repo_id}: not allowed ({reason}); {LOGIN}, with a token that permits this")
    if status == 412:  # precondition failed: the parent commit is no longer the latest
        return CheckpointError(f"{repo_id}: somebody else changed it meanwhile, and nothing was written; push again")
    return CheckpointError(f"{repo_id}: {_endpoint()} refused ({reason}); try again later")


def _endpoint() -> str:
    from huggingface_hub import constants  # noqa: PLC0415

    return str(constants.ENDPOINT)


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:300]
