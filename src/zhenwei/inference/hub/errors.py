"""What the hub's errors mean for a user: one sentence each, with what would be right."""

from collections.abc import Iterator
from contextlib import contextmanager

from zhenwei.errors import CheckpointError, ConfigError, ZhenweiError

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


@contextmanager
def told_plainly(repo_id: str, revision: str | None = None, *, writing: bool = False) -> Iterator[None]:
    """Turn what the hub's library raises in the block into errors that a user can act on.

    Args:
        repo_id: The repository, as the user named it.
        revision: The branch, tag or commit; None: the main branch.
        writing: Whether the block changes the repository.

    Raises:
        CheckpointError: If the hub cannot be reached, or has no such thing for this user.
        ConfigError: If the name can be no repository's, or its card has a head that the hub does not take.
    """
    try:
        yield
    except ZhenweiError:
        raise
    except Exception as error:
        plain = _plain(error, repo_id, revision, writing)
        if plain is None:
            raise
        raise plain from None


# The library's errors by name, what each is to us, and what it means; the first that fits is taken.
_MEANINGS: tuple[tuple[str, type[ZhenweiError], str], ...] = (
    (
        "HFValidationError",
        ConfigError,
        "'{repo}': no name of a repository on the hub; expected USER/NAME, of letters, digits, '-', '_' and '.'",
    ),
    (
        "GatedRepoError",
        CheckpointError,
        "{repo}: its owners let in only whom they know; ask for access on its page, then {login}",
    ),
    (
        "RepositoryNotFoundError",
        CheckpointError,
        "{repo}: found no such repository at {hub}; check its name, or, if it is private, {login}",
    ),
    (
        "RevisionNotFoundError",
        CheckpointError,
        "{repo}: found no revision '{revision}'; expected a branch, a tag or a commit",
    ),
    ("RemoteEntryNotFoundError", CheckpointError, "{repo}: holds no detector of zhenwei: it has no detector.json"),
    ("LocalTokenNotFoundError", ConfigError, "{repo}: found no token for the hub; {login}"),
)


def _plain(error: Exception, repo_id: str, revision: str | None, writing: bool) -> ZhenweiError | None:
    """Return what an error of the hub's library means; None: it is none of them."""
    from huggingface_hub import errors as hub  # noqa: PLC0415

    if isinstance(error, hub.LocalEntryNotFoundError) and isinstance(error.__cause__, hub.HfHubHTTPError):
        error = error.__cause__  # the hub was there, and refused
    for name, kind, meaning in _MEANINGS:
        if isinstance(error, getattr(hub, name)):
            return kind(meaning.format(repo=repo_id, revision=revision or "main", hub=_endpoint(), login=LOGIN))
    if isinstance(error, hub.HfHubHTTPError):
        return _refused(error, repo_id)
    local = isinstance(error, hub.LocalEntryNotFoundError | hub.OfflineModeIsEnabled)
    if local or type(error).__module__.startswith("httpx"):  # httpx, or httpx2 in later versions of the library
        return _unreachable(repo_id)
    if isinstance(error, ValueError) and "README.md" in str(error):
        return ConfigError(f"README.md: the hub does not take its head: {_flat(error)}")
    if isinstance(error, RuntimeError) or type(error).__module__.split(".")[0] == "hf_xet":  # of a large file
        broke = "the upload broke off, and nothing was changed there" if writing else "the download broke off"
        return CheckpointError(f"{repo_id}: {broke}; try again: {_flat(error)}")
    return None


def _unreachable(repo_id: str) -> CheckpointError:
    """Say that there is no way to the hub, and whose choice that is."""
    from huggingface_hub import constants  # noqa: PLC0415

    if constants.HF_HUB_OFFLINE:
        return CheckpointError(
            f"{repo_id}: HF_HUB_OFFLINE forbids the network, and this is not in the hub's cache; unset it, or give the "
            "folder of a bundle"
        )
    return CheckpointError(f"{repo_id}: {_endpoint()} cannot be reached; check the network, and try again")


def _refused(error: Exception, repo_id: str) -> CheckpointError:
    """Say why the hub refused, by its own words where it has any."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = getattr(error, "server_message", None) or f"status {status}"
    if status in (401, 403):
        return CheckpointError(f"{repo_id}: not allowed ({_flat(said)}); {LOGIN}, with a token that may do this")
    if status == 412:  # precondition failed: the commit that this one builds upon is not the last any more
        return CheckpointError(f"{repo_id}: somebody else changed it meanwhile, and nothing was written; push again")
    return CheckpointError(f"{repo_id}: {_endpoint()} refused ({_flat(said)}); try again later")


def _endpoint() -> str:
    from huggingface_hub import constants  # noqa: PLC0415

    return str(constants.ENDPOINT)


def _flat(said: object) -> str:
    return " ".join(str(said).split())[:300]
