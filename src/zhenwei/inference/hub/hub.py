"""Detectors on the Hugging Face hub: a bundle's files up, and nothing else; a bundle's files down, and nothing else."""

import logging
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zhenwei
from zhenwei.bundle import Bundle
from zhenwei.bundle.bundle import BUNDLE_FILES, CARD, DESCRIPTION, SIMILAR
from zhenwei.bundle.card.signature import was_short
from zhenwei.errors import ConfigError
from zhenwei.inference.hub.errors import told_plainly
from zhenwei.inference.hub.remote import check_ours, look
from zhenwei.inference.hub.upload import SharedFiles, checked_description, shared_files

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

logger = logging.getLogger(__name__)

_NAME = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>.+))?")


@dataclass(frozen=True)
class Pushed:
    """A detector that was shared.

    Attributes:
        repo_id: The repository, `USER/NAME`.
        url: Its page.
        revision: The branch.
        commit: What the hub calls this state of it; with it, `from_hub` gets this very detector.
        files: The files that it consists of.
        left_out: What lies in the bundle's folder and was not shared.
        card: `whole`: the model card as zhenwei completed it; `edited`: somebody's own, shared as it is; `edited
            there`: the one that somebody edited on the hub, which stays.
    """

    repo_id: str
    url: str
    revision: str
    commit: str
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    card: str

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return asdict(self)


def fetch_named(name: str) -> Path:
    """Download a detector that a user calls `hf://USER/NAME` or `hf://USER/NAME@REVISION`; see `fetch`.

    Raises:
        CheckpointError: As `fetch` does.
        ConfigError: If the name is not of this form.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(f"'{name}': no name of a detector on the hub; expected hf://USER/NAME[@REVISION]")
    return fetch(found["repo"], revision=found["revision"])


def fetch(repo_id: str, *, revision: str | None = None, token: str | bool | None = None) -> Path:
    """Download the files of a bundle, those that are not in the hub's cache yet, and return their folder.

    Nothing is loaded here, and only files of a bundle's names are downloaded: never a pickle, never code.

    Args:
        repo_id: `USER/NAME`.
        revision: Branch, tag or commit; None: the main branch.
        token: Of the hub; None: the one that the user is logged in with.

    Raises:
        CheckpointError: If there is no such detector, its owners do not let this user in, or the hub cannot be reached
            and it was not downloaded before.
        ConfigError: If the name can be no repository's.
    """
    from huggingface_hub import hf_hub_download, snapshot_download  # noqa: PLC0415

    settings: dict[str, Any] = {"token": token, "library_name": "zhenwei", "library_version": zhenwei.__version__}
    with told_plainly(repo_id, revision):
        # First its description: a repository without one may hold anything, of any size.
        description = Path(hf_hub_download(repo_id, DESCRIPTION, revision=revision, **settings))
        commit = description.parent.name  # all files of one state, whatever is pushed meanwhile
        return Path(snapshot_download(repo_id, revision=commit, allow_patterns=sorted(BUNDLE_FILES), **settings))


def push(
    bundle: Bundle,
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
    include_known_articles: bool = False,
    license: str | None = None,
    device: str = "auto",
) -> Pushed:
    """Share a detector, in one commit.

    Args:
        bundle: The detector, as it was loaded from the folder.
        folder: The bundle's, or an exported detector's.
        repo_id: `USER/NAME`; made if it is not there.
        private: Whether only its owners shall see it.
        token: Of the hub; None: the one that the user is logged in with.
        revision: The branch to push to, made if it is not there; None: the main one.
        commit_message: What the hub shows beside the files.
        include_known_articles: Whether to share the texts that `zhenwei index` stored in the bundle.
        license: The detector's, as the hub names it, such as `cc-by-nc-4.0`; None: as the card has it.
        device: On which the detector is judged for its model card.

    Raises:
        CheckpointError: If the hub cannot be reached or refuses, the repository holds something else, or the folder no
            longer holds what was loaded.
        ConfigError: If the name can be no repository's, the repository is public and shall be private, or the head of
            the model card is none that the hub takes.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415

    checked_description(bundle, folder)
    api = HfApi(token=token, library_name="zhenwei", library_version=zhenwei.__version__)
    with told_plainly(repo_id, revision, writing=True):
        page = api.create_repo(repo_id, private=private or None, exist_ok=True)
        name = page.repo_id  # with the user's name where only the repository's was given
        _check_visibility(api, name, private)
        there = look(api, name, revision)
        check_ours(name, there)
    # Only now, for the card may take minutes: a hub that refuses does so at once.
    shared = shared_files(
        bundle, folder, known_articles=include_known_articles, device=device, there=there.card, licence=license
    )
    if SIMILAR in shared.left_out:
        logger.warning("%s: the known articles stay here: they are texts that people wrote", folder / SIMILAR)
    _tell_of_card(shared, folder / CARD, name)
    with told_plainly(repo_id, revision, writing=True):
        if revision is not None and not there.has_branch:
            api.create_branch(name, branch=revision, revision=there.commit, exist_ok=True)
        commit = api.create_commit(
            name, _operations(shared, there.files), commit_message=commit_message or "Detector shared by zhenwei",
            revision=revision, parent_commit=there.commit,
        )  # fmt: skip
    files = tuple(sorted(shared.contents))
    return Pushed(name, str(page), revision or "main", commit.oid, files, shared.left_out, shared.card)


def _tell_of_card(shared: SharedFiles, card: Path, repo_id: str) -> None:
    """Say whose the card is that the hub will show, where it is not the one that zhenwei completed."""
    if shared.card == "edited there":
        logger.warning(
            "%s: its README.md was edited on the hub, and stays as it is; delete it there to have this detector's",
            repo_id,
        )
    elif shared.card == "edited":
        logger.info("%s: shared as somebody left it; without it, a new one is written", card)
        text = shared.contents[CARD]
        if isinstance(text, bytes) and was_short(text.decode("utf-8", "replace")):
            logger.warning(
                "%s: was edited before it was complete, and lacks the scores and the audit of a whole card; delete it, "
                "and push again to have one (--license sets its licence), then edit that one",
                card,
            )


def _operations(shared: SharedFiles, there: Iterable[str]) -> "list[CommitOperationAdd | CommitOperationDelete]":
    """Return what the commit does: an older detector's files that this one has not go."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete  # noqa: PLC0415

    gone = sorted((BUNDLE_FILES & set(there)) - shared.contents.keys() - {CARD})
    return [
        *(CommitOperationAdd(name, content) for name, content in sorted(shared.contents.items())),
        *(CommitOperationDelete(name) for name in gone),
    ]


def _check_visibility(api: "HfApi", repo_id: str, private: bool) -> None:
    """Refuse to show to everybody what is meant to be private: a repository that is there stays as it is."""
    if private and not api.repo_info(repo_id).private:
        raise ConfigError(
            f"{repo_id}: is public already, and would show the detector to everybody; make it private in its settings "
            "on the hub, or push to another one"
        )
