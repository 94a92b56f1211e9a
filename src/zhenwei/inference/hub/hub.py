"""Download detectors from the Hugging Face hub, and push them to it; only files of a bundle are transferred."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zhenwei
from zhenwei.bundle import Bundle
from zhenwei.bundle.bundle import BUNDLE_FILES, CARD, DESCRIPTION, SIMILAR
from zhenwei.errors import ConfigError
from zhenwei.inference.hub.card import CardOrigin, choose_card
from zhenwei.inference.hub.errors import translate_errors
from zhenwei.inference.hub.remote import check_is_detector, inspect
from zhenwei.inference.hub.upload import check_unchanged, collect_files

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

logger = logging.getLogger(__name__)

_HUB_NAME = re.compile(r"hf://(?P<repo>[^/@]+/[^/@]+)(@(?P<revision>.+))?")


@dataclass(frozen=True)
class Pushed:
    """The result of a push.

    Attributes:
        repo_id: The repository, `USER/NAME`.
        url: Its page.
        revision: The branch.
        commit: Id of the commit, by which `from_hub` loads exactly this detector.
        files: The files that were uploaded.
        omitted: Entries of the bundle's folder that were not uploaded.
        card: `generated`: the model card is zhenwei's; `edited`: the one that a person edited in the bundle's folder;
            `kept`: the one that a person wrote or edited on the hub was not replaced.
    """

    repo_id: str
    url: str
    revision: str
    commit: str
    files: tuple[str, ...]
    omitted: tuple[str, ...]
    card: CardOrigin

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return asdict(self)


def fetch_named(name: str) -> Path:
    """Download a detector named `hf://USER/NAME` or `hf://USER/NAME@REVISION`; see `fetch`.

    Raises:
        CheckpointError: As `fetch` does.
        ConfigError: If the name has another form.
    """
    match = _HUB_NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"'{name}': not the name of a detector on the hub; expected hf://USER/NAME[@REVISION]")
    return fetch(match["repo"], revision=match["revision"])


def fetch(repo_id: str, *, revision: str | None = None, token: str | bool | None = None) -> Path:
    """Download the files of a bundle that are not in the hub's cache, and return their folder.

    Only files with the names of a bundle's files are downloaded: no pickle and no code. Nothing is loaded here.

    Args:
        repo_id: `USER/NAME`.
        revision: Branch, tag or commit; None: the main branch.
        token: Of the hub; None: that of the logged-in user.

    Raises:
        CheckpointError: If there is no such detector, access is denied, or the hub cannot be reached and the detector
            is not in the cache.
        ConfigError: If the name is not valid.
    """
    from huggingface_hub import hf_hub_download, snapshot_download  # noqa: PLC0415

    settings: dict[str, Any] = {"token": token, "library_name": "zhenwei", "library_version": zhenwei.__version__}
    with translate_errors(repo_id, revision):
        # The manifest comes first: a repository without one may contain anything, of any size.
        manifest = Path(hf_hub_download(repo_id, DESCRIPTION, revision=revision, **settings))
        commit = manifest.parent.name  # all files of one commit, even if somebody pushes meanwhile
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
    overwrite_card: bool = False,
    device: str = "auto",
) -> Pushed:
    """Push a detector to the hub in one commit; see `Detector.push_to_hub`.

    Args:
        bundle: The detector, as loaded from the folder.
        folder: Of a bundle or an exported detector.
        repo_id: `USER/NAME`; created if it does not exist.
        private: Whether the repository must be private.
        token: Of the hub; None: that of the logged-in user.
        revision: The branch to push to, created if it does not exist; None: the main branch.
        commit_message: Of the commit.
        include_known_articles: Whether to upload the articles that `zhenwei index` stored in the bundle.
        license: As the hub names it, such as `cc-by-nc-4.0`; None keeps the present one.
        overwrite_card: Whether to replace a card that a person wrote or edited on the hub.
        device: Where the detector is evaluated for its model card.

    Raises:
        CheckpointError: If the hub cannot be reached or refuses, the repository contains something else, or the folder
            no longer holds the detector that was loaded.
        ConfigError: If the name is not valid, the repository is public but must be private, or the hub does not accept
            the card's metadata.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415

    check_unchanged(bundle, folder)
    api = HfApi(token=token, library_name="zhenwei", library_version=zhenwei.__version__)
    with translate_errors(repo_id, revision, writing=True):
        url = api.create_repo(repo_id, private=private or None, exist_ok=True)
        name = url.repo_id  # with the name of the user, if only that of the repository was given
        _check_visibility(api, name, private)
        remote = inspect(api, name, revision)
        check_is_detector(name, remote)
    # The card may take minutes: it comes after everything that the hub may refuse.
    upload = collect_files(bundle, folder, known_articles=include_known_articles)
    card, origin = choose_card(bundle, folder, remote.card, license=license, overwrite=overwrite_card, device=device)
    contents = upload.contents | ({} if card is None else {CARD: card.encode("utf-8", "surrogateescape")})
    if SIMILAR in upload.omitted:
        logger.warning("%s: known articles are not uploaded: they are texts of other people", folder / SIMILAR)
    with translate_errors(repo_id, revision, writing=True):
        if revision is not None and not remote.has_branch:
            api.create_branch(name, branch=revision, revision=remote.commit, exist_ok=True)
        commit = api.create_commit(
            name, _operations(contents, remote.files), commit_message=commit_message or "Detector pushed by zhenwei",
            revision=revision, parent_commit=remote.commit,
        )  # fmt: skip
    return Pushed(name, str(url), revision or "main", commit.oid, tuple(sorted(contents)), upload.omitted, origin)


def _operations(
    contents: Mapping[str, bytes | Path], remote_files: Iterable[str]
) -> "list[CommitOperationAdd | CommitOperationDelete]":
    """Return the operations of the commit; bundle files that this detector does not have are deleted."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete  # noqa: PLC0415

    obsolete = sorted((BUNDLE_FILES & set(remote_files)) - contents.keys() - {CARD})
    return [
        *(CommitOperationAdd(name, content) for name, content in sorted(contents.items())),
        *(CommitOperationDelete(name) for name in obsolete),
    ]


def _check_visibility(api: "HfApi", repo_id: str, private: bool) -> None:
    """Refuse to push a private detector to a public repository; its visibility is not changed."""
    if private and not api.repo_info(repo_id).private:
        raise ConfigError(
            f"{repo_id}: is public, but --private was given; make it private in its settings on the hub, or push to "
            "another repository"
        )
