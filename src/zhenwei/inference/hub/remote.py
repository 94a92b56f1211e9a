"""What a repository on the hub holds before a push: whether it may be written over, and what of its card is kept."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zhenwei.bundle.bundle import CARD, DESCRIPTION
from zhenwei.bundle.card.signature import is_marked
from zhenwei.errors import CheckpointError
from zhenwei.inference.hub.license import is_bare

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_HARMLESS = re.compile(r"\.gitattributes|\.gitignore|(licen[cs]e|copying|notice)([-.][\w.-]*)?", re.IGNORECASE)


@dataclass(frozen=True)
class There:
    """The state that a push builds upon.

    Attributes:
        commit: What the hub calls it.
        files: The names of its files.
        has_branch: Whether the branch is there already; else this is the main one, from which it will be made.
        card: The text of its README.md; None: it has none.
    """

    commit: str
    files: frozenset[str]
    has_branch: bool
    card: str | None


def look(api: "HfApi", repo_id: str, revision: str | None) -> There:
    """Find out what a branch holds, or, where it is not there yet, the main one."""
    from huggingface_hub.errors import RevisionNotFoundError  # noqa: PLC0415

    has_branch = True
    try:
        found = api.repo_info(repo_id, revision=revision)
    except RevisionNotFoundError:
        found, has_branch = api.repo_info(repo_id), False
    commit = str(found.sha)
    files = frozenset(api.list_repo_files(repo_id, revision=commit))
    card = None
    if CARD in files:
        path = Path(api.hf_hub_download(repo_id, CARD, revision=commit))
        card = path.read_text(encoding="utf-8", errors="replace")
    return There(commit, files, has_branch, card)


def check_ours(repo_id: str, there: There) -> None:
    """Refuse to write beside or over what is no detector of zhenwei.

    Raises:
        CheckpointError: If there is more than what the hub puts into a new repository, and no detector.
    """
    if DESCRIPTION in there.files:
        return
    foreign = sorted(name for name in there.files - {CARD} if not _HARMLESS.fullmatch(name))
    if there.card is not None and not (is_bare(there.card) or is_marked(there.card)):
        foreign.append(CARD)
    if foreign:
        raise CheckpointError(
            f"{repo_id}: holds something else: it has a {foreign[0]}, but no {DESCRIPTION}; push to another repository"
        )
