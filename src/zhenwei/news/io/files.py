"""Files of articles: read as a stream, written atomically.

The suffix names the format: `.json` (an array of objects), `.jsonl` (one object a line), `.csv` and `.parquet`.
"""

import difflib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from zhenwei.atomic import atomic_file
from zhenwei.errors import DataError
from zhenwei.news.article import Article
from zhenwei.news.fields import format_value
from zhenwei.news.io.emotion_file import open_emotion_file
from zhenwei.news.io.raw_row import RawRow
from zhenwei.news.io.readers import SUFFIXES
from zhenwei.news.io.row_tracker import RowTracker
from zhenwei.news.io.stream import stream_articles
from zhenwei.news.io.writers import WRITERS


def iter_articles(
    path: str | os.PathLike[str], *, require_label: bool = False, report_repeats: bool = True
) -> Iterator[Article]:
    """Yield the articles of a file. Memory does not grow with its rows, except for sixteen bytes per id.

    Good rows are yielded as they are read. Bad rows are left out, counted, and raised as one error at the end of the
    file; to use no row of a file with bad ones, call `read_articles`, which reads to the end first. If there is a
    `<stem>_emo.npy` beside the file (ENDEF's emotion file), its row i becomes the emotion of row i, unless the row
    has its own. Rows that repeat an id are logged as one warning.

    Args:
        path: A `.json`, `.jsonl`, `.csv` or `.parquet` file.
        require_label: Whether a row without a label is a bad row.
        report_repeats: Whether to log repeated ids; False when the same file is read again.

    Raises:
        DataError: The file is missing, empty, of another format or encoding, or has no rows (at once); it has
            bad rows, of which the first ten are shown, or the emotion file has another number of vectors (at its end).
    """
    # Not a generator function, so that a wrong path raises at the call, not at the first article.
    numbered = iter_numbered_articles(path, require_label=require_label, report_repeats=report_repeats)
    return (article for _, article in numbered)


def iter_numbered_articles(
    path: str | os.PathLike[str],
    *,
    require_label: bool = False,
    report_repeats: bool = True,
    on_bad_row: Callable[[RawRow, str], None] | None = None,
) -> Iterator[tuple[int, Article]]:
    """Yield the articles of a file with their row numbers, from 1; see `iter_articles`.

    Args:
        path: A `.json`, `.jsonl`, `.csv` or `.parquet` file.
        require_label: Whether a row without a label is a bad row.
        report_repeats: Whether to log repeated ids; if not, memory does not grow with the ids either.
        on_bad_row: Called with each bad row and what is wrong with it, before the next good row is yielded; bad rows
            then raise no error at the end of the file.

    Raises:
        DataError: As `iter_articles`.
    """
    file = check_article_file(path)
    tracker = RowTracker(file, open_emotion_file(file), report_repeats, on_bad_row)
    return stream_articles(file, tracker, require_label)


def check_article_file(path: str | os.PathLike[str]) -> Path:
    """Check that a file of articles exists, without reading its rows, and return its path.

    Raises:
        DataError: It is missing, empty, a folder, or of another format.
    """
    file = Path(path)
    if file.is_dir():
        raise DataError(f"{file}: found a folder; expected a file ({_accepted()})")
    if not file.exists():
        raise DataError(f"{file}: no such file{_suggestion(file)}")
    _known_suffix(file)
    try:
        with file.open("rb") as content:
            # Leading white space may be long; a file is empty only if it has nothing else.
            empty = not any(line.strip(b" \t\r\n\xef\xbb\xbf") for line in content)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from None
    if empty:
        raise DataError(f"{file}: the file is empty; expected at least one article")
    return file


def read_articles(path: str | os.PathLike[str], *, require_label: bool = False) -> list[Article]:
    """Return all articles of a file, or none if a row is bad; see `iter_articles`.

    Raises:
        DataError: The file or one of its rows cannot be used.
    """
    return list(iter_articles(path, require_label=require_label))


def write_articles(path: str | os.PathLike[str], articles: Iterable[Article]) -> int:
    """Write articles to a file in the format that its suffix names; create its folder if needed.

    The file is written under a temporary name and renamed: an interrupted write leaves the old file, or none. Reading
    it back gives equal articles, with one limit: CSV holds only text, so other extra values come back as text, and
    empty ones are lost.

    Returns:
        How many articles were written.

    Raises:
        DataError: The suffix is unknown, the file cannot be written, or its format cannot hold an extra field.
    """
    return write_all({Path(path): articles})[Path(path)]


def write_all(files: Mapping[Path, Iterable[Article]]) -> dict[Path, int]:
    """Write several files of articles: all are written under temporary names before the first is renamed.

    Returns:
        The number of articles of each file.

    Raises:
        DataError: As `write_articles`.
    """
    written = {}
    with ExitStack() as stack:
        for target, articles in files.items():
            write = WRITERS[_known_suffix(target)]
            counter = itertools.count()
            write(stack.enter_context(atomic_file(target)), (article for article, _ in zip(articles, counter)))  # noqa: B905
            written[target] = next(counter)  # `zip` ends before it takes another number
    return written


def check_free_for_file(path: Path, *, overwrite: bool) -> None:
    """Check that a file of articles can be written, before the work that produces it.

    Args:
        path: The file.
        overwrite: Whether an existing file may be replaced.

    Raises:
        DataError: The suffix is unknown, the path is a folder, the file exists, or its folder is not writable.
    """
    _known_suffix(path)
    if path.is_dir():
        raise DataError(f"{path}: found a folder; expected the name of a file")
    if path.exists() and not overwrite:
        raise DataError(f"{path}: exists already; choose another file, or --overwrite")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise DataError(f"{path}: cannot be written ({folder} is not a folder)")
    if not os.access(folder, os.W_OK):
        raise DataError(f"{path}: cannot be written (permission denied)")


def check_free_for_parts(folder: Path, *, overwrite: bool) -> None:
    """Check that train, val and test can be written to a folder without losing or hiding a file.

    Args:
        folder: The folder; it need not exist.
        overwrite: Whether `train.json`, `val.json` and `test.json` may be replaced. Parts in other formats are never
            replaced: beside the new files they would be ambiguous.

    Raises:
        DataError: It is a file or has the suffix of one, or holds a part already.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; expected a folder")
    if not folder.exists() and folder.suffix.lower() in SUFFIXES:
        raise DataError(f"{folder}: has the suffix of a file; expected a folder for train.json, val.json and test.json")
    for part, suffix in itertools.product(("train", "val", "test"), SUFFIXES):
        file = folder / f"{part}{suffix}"
        if file.exists() and not (overwrite and suffix == ".json"):
            remedy = "remove it, or choose another folder" if overwrite else "choose another folder, or --overwrite"
            raise DataError(f"{file}: exists already; {remedy}")


def find_part(root: str | os.PathLike[str], part: str) -> Path | None:
    """Return the file of one part of a dataset, such as `root/train.json`, in any format; None if there is none.

    Raises:
        DataError: The part exists in two formats.
    """
    found = [file for suffix in SUFFIXES if (file := Path(root) / f"{part}{suffix}").is_file()]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise DataError(f"{root}: found {names}; expected one file for the part '{part}': remove the others")
    return found[0] if found else None


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: found the suffix {format_value(path.suffix)}; expected {_accepted()}")
    return suffix


def _suggestion(path: Path) -> str:
    """Return a hint to files beside a missing one: other formats of the same stem, or close spellings."""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    names = sorted(file.name for file in path.parent.iterdir() if file.suffix.lower() in SUFFIXES)
    close = [name for name in names if Path(name).stem == path.stem]
    close += [name for name in difflib.get_close_matches(path.name, names) if name not in close]
    return f"; did you mean {' or '.join(close[:3])}?" if close else ""


def _accepted() -> str:
    return ", ".join(SUFFIXES[:-1]) + f" or {SUFFIXES[-1]}"
