"""The state of a repository on the hub before a push."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zhenwei.bundle.bundle import CARD, DESCRIPTION
from zhenwei.errors import CheckpointError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_ALLOWED = re.compile(r"\.gitattributes|\.gitignore|README\.md|(licen[cs]e|copying|notice)([-.][\w.-]*)?", re.I)


@dataclass(frozen=True)
class RemoteRepo:
    """The commit that a push builds on.

    Attributes:
        commit: Its id.
        files: Names of its files.
        has_branch: Whether the target branch exists; otherwise this is the main branch, from which it is created.
        card: Text of its README.md; None if it has none.
    """

    commit: str
    files: frozenset[str]
    has_branch: bool
    card: str | None


def inspect(api: "HfApi", repo_id: str, revision: str | None) -> RemoteRepo:
    """Read the state of a branch, or of the main branch if it does not exist yet."""
    from huggingface_hub.errors import RevisionNotFoundError  # noqa: PLC0415

    has_branch = True
    try:
        info = api.repo_info(repo_id, revision=revision)
    except RevisionNotFoundError:
        info, has_branch = api.repo_info(repo_id), False
    commit = str(info.sha)
    files = frozenset(api.list_repo_files(repo_id, revision=commit))
    card = None
    if CARD in files:
        path = Path(api.hf_hub_download(repo_id, CARD, revision=commit))
        card = path.read_text(encoding="utf-8", errors="replace")
    return RemoteRepo(commit, files, has_branch, card)


def check_is_detector(repo_id: str, remote: RemoteRepo) -> None:
    """Refuse to push to a repository of something else.

    Raises:
        CheckpointError: If it contains other files than a card and a license, and no detector.
    """
    foreign = sorted(name for name in remote.files if not _ALLOWED.fullmatch(name))
    if foreign and DESCRIPTION not in remote.files:
        raise CheckpointError(
            f"{repo_id}: contains something else: it has {foreign[0]}, but no {DESCRIPTION}; push to another repository"
        )
