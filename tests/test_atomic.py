"""Folders that are there whole or not at all: every state that a killed process can leave behind."""

import errno
from pathlib import Path

import pytest

from zhenwei.atomic import atomic_folder, recover_folder, resolve_folder
from zhenwei.errors import CheckpointError


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "file").write_text(text)
    return folder


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "last"


def content(folder: Path) -> dict[str, str]:
    return {path.name: (path / "file").read_text() for path in folder.parent.iterdir()}


@pytest.mark.parametrize("older", [True, False])
def test_a_folder_takes_the_place_of_the_older_one_when_it_is_whole(final: Path, older: bool) -> None:
    if older:
        write(final, "old")
    with atomic_folder(final) as place:
        (place / "file").write_text("new")
        assert resolve_folder(final) == final
        assert final.exists() is older
    assert content(final) == {"last": "new"}


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_an_error_leaves_the_older_folder_and_goes_on(final: Path, error: BaseException) -> None:
    write(final, "old")

    def save() -> None:
        with atomic_folder(final) as place:
            (place / "file").write_text("half")
            raise error

    with pytest.raises(type(error)):
        save()
    assert content(final) == {"last": "old"}


@pytest.mark.parametrize(
    ("older", "kept"), [(True, "the previous '.*/last' is intact"), (False, "nothing was saved there before")]
)
def test_a_full_disk_is_said_in_one_line_with_what_is_kept(final: Path, older: bool, kept: str) -> None:
    if older:
        write(final, "old")
    with pytest.raises(CheckpointError, match=f"no space left on the device; {kept}") as found, atomic_folder(final):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "\n" not in str(found.value)
    assert [path.name for path in final.parent.iterdir()] == (["last"] if older else [])


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free disk space"),
        (errno.EDQUOT, "Free disk space"),
        (errno.EFBIG, "Fix this"),
        (errno.EIO, "Fix this"),
    ],
)
def test_room_is_asked_for_where_that_helps(final: Path, number: int, advice: str) -> None:
    with pytest.raises(CheckpointError, match=rf"\. {advice}, then rerun with --resume$"), atomic_folder(final):
        raise OSError(number, "what the system says")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be saved"), atomic_folder(tmp_path / "file" / "last"):
        pass


STATES = {
    "killed while writing": ({"last": "old", ".last.new": "half"}, "old"),
    "killed between the two renames": ({".last.old": "old", ".last.new": "new"}, "old"),
    "killed after the second rename": ({"last": "new", ".last.old": "old"}, "new"),
    "killed while writing the first": ({".last.new": "half"}, None),
    "not killed": ({"last": "old"}, "old"),
}


@pytest.mark.parametrize("state", STATES)
def test_what_was_whole_survives_a_kill(final: Path, state: str) -> None:
    there, expected = STATES[state]
    for name, text in there.items():
        write(final.with_name(name), text)
    survivor = resolve_folder(final)
    assert (survivor / "file").read_text() == expected if expected else not survivor.exists()
    recover_folder(final)
    assert content(final) == ({"last": expected} if expected else {})


@pytest.mark.parametrize("state", STATES)
def test_the_next_save_works_after_a_kill(final: Path, state: str) -> None:
    for name, text in STATES[state][0].items():
        write(final.with_name(name), text)
    with atomic_folder(final) as place:
        (place / "file").write_text("next")
    assert content(final) == {"last": "next"}
