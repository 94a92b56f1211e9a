"""Files of articles: read as a stream, written whole or not at all.

The suffix names the format: `.json` (an array of objects), `.jsonl` (one object a line), `.csv` and `.parquet`.
"""

import difflib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.fields import format_value
from zhenwei.news.io.emotion_file import open_emotion_file
from zhenwei.news.io.readers import NEEDED, SUFFIXES, RawRow, read_rows
from zhenwei.news.io.row_tracker import RowTracker
from zhenwei.news.io.validation import BadRowError, article_of
from zhenwei.news.io.writers import WRITERS, atomic_file


def iter_articles(
    path: str | os.PathLike[str], *, require_label: bool = False, report_repeats: bool = True
) -> Iterator[Article]:
    """Stream the articles of a file; memory does not grow with its rows, but for sixteen bytes of each id.

    Good rows are yielded as they come. Bad rows are left out, counted, and raised as one error when the file
    ends: who must not use the good rows of a file with bad ones has to read to the end first, as
    `read_articles` does. If `<stem>_emo.npy` stands beside the file (as ENDEF writes it), row i of it becomes
    the emotion of row i, unless the row has its own. Rows that repeat an id are logged as one warning.

    Args:
        path: A `.json`, `.jsonl`, `.csv` or `.parquet` file.
        require_label: Whether a row without a label is a bad row.
        report_repeats: Whether to log repeated ids; False for a second reading of the same file.

    Raises:
        DataError: The file is missing, empty, of another format or encoding, or has no rows (at once); it has
            bad rows, of which the first ten are shown, or the emotion file has another length (at its end).
    """
    # Not a generator itself, so that a wrong path is refused at the call and not at the first article.
    numbered = iter_numbered_articles(path, require_label=require_label, report_repeats=report_repeats)
    return (article for _, article in numbered)


def iter_numbered_articles(
    path: str | os.PathLike[str],
    *,
    require_label: bool = False,
    report_repeats: bool = True,
    on_bad_row: Callable[[RawRow, str], None] | None = None,
) -> Iterator[tuple[int, Article]]:
    """Stream the articles of a file with the numbers of their rows, from 1; see `iter_articles`.

    Args:
        path: A `.json`, `.jsonl`, `.csv` or `.parquet` file.
        require_label: Whether a row without a label is a bad row.
        report_repeats: Whether to log repeated ids; without it, memory does not grow with the ids either.
        on_bad_row: Is told of each bad row, and why it cannot be used, before the next good one comes; the rows that
            it is told of are its own affair, and no error ends the file on their account.

    Raises:
        DataError: As `iter_articles`.
    """
    file = _existing_file(Path(path))
    account = RowTracker(file, open_emotion_file(file), report_repeats, on_bad_row)
    return _stream(file, require_label, account)


def check_article_file(path: str | os.PathLike[str]) -> Path:
    """Check that there is a file to be read as articles, without reading its rows, and return its path.

    Raises:
        DataError: It is missing, empty, a folder, or of another format.
    """
    return _existing_file(Path(path))


def read_articles(path: str | os.PathLike[str], *, require_label: bool = False) -> list[Article]:
    """All articles of a file, or none if a row is bad; see `iter_articles`.

    Raises:
        DataError: The file or one of its rows cannot be used.
    """
    return list(iter_articles(path, require_label=require_label))


def write_articles(path: str | os.PathLike[str], articles: Iterable[Article]) -> int:
    """Write articles to a file in the format that its suffix names, and create its folder if need be.

    The file is written beside and renamed into place: whatever interrupts the writing, the old file (or none)
    is what remains. Reading it back gives equal articles, with one limit: CSV knows only text, so extra fields
    that are no text come back as text, and empty ones not at all.

    Returns:
        How many articles were written.

    Raises:
        DataError: The suffix is none of ours, the disk refuses, or Parquet cannot hold an extra field.
    """
    target = Path(path)
    write = WRITERS[_known_suffix(target)]
    with atomic_file(target) as neighbour:
        return write(neighbour, articles)


def write_all(files: Mapping[Path, Iterable[Article]]) -> dict[Path, int]:
    """Write several files of articles: all are written beside their places before the first is renamed into place.

    Returns:
        The files, and how many articles are in each.

    Raises:
        DataError: As `write_articles`.
    """
    written = {}
    with ExitStack() as places:
        for target, articles in files.items():
            write = WRITERS[_known_suffix(target)]
            written[target] = write(places.enter_context(atomic_file(target)), articles)
    return written


def check_free_for_file(path: Path, *, overwrite: bool) -> None:
    """Refuse a place where no file of articles can be written, before the work whose fruit it would be.

    Args:
        path: The place.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        DataError: The suffix is none of ours, the place is a folder or taken, or its folder cannot be written to.
    """
    _known_suffix(path)
    if path.is_dir():
        raise DataError(f"{path}: found a folder; expected the name of a file")
    if path.exists() and not overwrite:
        raise DataError(f"{path}: exists already; choose another file, or --overwrite")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise DataError(f"{path}: cannot be written ({folder} is no folder)")
    if not os.access(folder, os.W_OK):
        raise DataError(f"{path}: cannot be written (permission denied)")


def check_free_for_parts(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place that cannot become a folder of train, val and test without harm.

    Args:
        folder: The place.
        overwrite: Whether `train.json`, `val.json` and `test.json` may be replaced. Parts in other formats never
            are: beside the new files, nobody would know which one is meant.

    Raises:
        DataError: It is a file or named like one, or holds a part already.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; expected a folder")
    if not folder.exists() and folder.suffix.lower() in SUFFIXES:
        raise DataError(f"{folder}: is the name of a file; expected a folder for train.json, val.json and test.json")
    for part, suffix in itertools.product(("train", "val", "test"), SUFFIXES):
        file = folder / f"{part}{suffix}"
        if file.exists() and not (overwrite and suffix == ".json"):
            remedy = "remove it, or choose another folder" if overwrite else "choose another folder, or --overwrite"
            raise DataError(f"{file}: exists already; {remedy}")


def find_part(root: str | os.PathLike[str], part: str) -> Path | None:
    """The file of one part of a data set, such as `root/train.json`, in whichever format it is.

    Raises:
        DataError: Two formats stand side by side, so that nobody knows which one is meant.
    """
    found = [file for suffix in SUFFIXES if (file := Path(root) / f"{part}{suffix}").is_file()]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise DataError(f"{root}: found {names}; expected one file for the part '{part}': remove the others")
    return found[0] if found else None


def _stream(path: Path, require_label: bool, account: RowTracker) -> Iterator[tuple[int, Article]]:
    for row in read_rows(path, (*NEEDED, "label") if require_label else NEEDED):
        if not account.enter(row.number):
            continue
        try:
            article = article_of(row, require_label=require_label, emotion=account.emotion(row.number))
        except BadRowError as problem:
            account.bad(row, problem)
            continue
        account.good(row.number, article.id)
        yield row.number, article
    account.close()


def _existing_file(path: Path) -> Path:
    if path.is_dir():
        raise DataError(f"{path}: found a folder; expected a file ({_accepted()})")
    if not path.exists():
        raise DataError(f"{path}: no such file{_suggestion(path)}")
    _known_suffix(path)
    try:
        with path.open("rb") as file:
            # White space may go on for long; only a file of nothing else is empty.
            empty = not any(line.strip(b" \t\r\n\xef\xbb\xbf") for line in file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    if empty:
        raise DataError(f"{path}: the file is empty; expected at least one article")
    return path


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: found the suffix {format_value(path.suffix)}; expected {_accepted()}")
    return suffix


def _suggestion(path: Path) -> str:
    """The names beside a missing file that may be meant: other formats of the same stem, or close spellings."""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    names = sorted(file.name for file in path.parent.iterdir() if file.suffix.lower() in SUFFIXES)
    close = [name for name in names if Path(name).stem == path.stem]
    close += [name for name in difflib.get_close_matches(path.name, names) if name not in close]
    return f"; did you mean {' or '.join(close[:3])}?" if close else ""


def _accepted() -> str:
    return ", ".join(SUFFIXES[:-1]) + f" or {SUFFIXES[-1]}"
