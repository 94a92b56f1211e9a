"""Texts that were decoded wrongly, or that contain leftover markup."""

import re
from collections import Counter
from collections.abc import Callable
from html.entities import html5

from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import examples_table, format_share, make_finding

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# UTF-8's replacement character read as GBK, and uninitialized memory of Windows read as GBK.
_LOST = re.compile("锟斤拷|烫烫烫|屯屯屯")
# UTF-8 bytes read as cp1252 or Latin-1: letters with accents, and the characters of 0x80 to 0xBF.
_WESTERN = re.compile("[\xa0-\xff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\x80-\x9f]{2,}")
_ACCENTED = re.compile("[À-ÖØ-öø-ÿ]")
# First characters of Chinese in UTF-8 read as GBK (的 and 是 become 鐨 and 鏄); they are rare otherwise.
_MISREAD = re.compile("[锛銆鐨鏄涓鍦浜璇鍙鎴涔鏈杩鍚鍒鍥澶浣犲鏃闂鎹]")
_HAN = re.compile("[\u4e00-\u9fff]")

_ENTITY = re.compile(r"&(?:#\d{2,6}|#[xX][0-9a-fA-F]{2,5}|([a-zA-Z]{2,8}));")
_TAG = re.compile(
    r"</?(?:a|b|br|p|i|u|em|div|span|img|font|strong|ul|li|table|td|tr|script|style|h[1-6])(?:\s[^<>]{0,300})?/?>",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}")


def encoding_errors(dataset: AuditDataset) -> Finding:
    """Count the articles with characters of a wrong decoding, or with control characters."""
    advice = "decode the source again in its own encoding (UTF-8, or GB18030 for older Chinese pages)"
    return _count_kinds(dataset, "encoding_errors", "Wrongly decoded texts", encoding_error, advice)


def leftover_markup(dataset: AuditDataset) -> Finding:
    """Count the articles with HTML entities, tags or escapes."""
    advice = "unescape the texts (`html.unescape`) and remove tags, in the same way for both labels"
    return _count_kinds(dataset, "leftover_markup", "Leftover markup", markup_kind, advice)


def encoding_error(text: str) -> str | None:
    """Return the kind of the first encoding error in a text, or None."""
    if text.isascii():  # most texts of some collections, and fast to check
        return "control character" if _CONTROL.search(text) else None
    if "\ufffd" in text:
        return "replacement character U+FFFD"
    if _LOST.search(text):
        return "锟斤拷 or 烫烫烫"
    for run in _WESTERN.findall(text):
        if kind := _western_error(run):
            return kind
    if len(_MISREAD.findall(text)) >= 2 and _is_utf8_read_as_gbk(text):
        return "UTF-8 read as GBK"
    return "control character" if _CONTROL.search(text) else None


def markup_kind(text: str) -> str | None:
    """Return the kind of the first leftover markup in a text, or None."""
    if "&" in text:
        for match in _ENTITY.finditer(text):
            if match[1] is None or f"{match[1]};" in html5:
                return "HTML entity"
    if "<" in text and _TAG.search(text):
        return "HTML tag"
    return "escape \\uXXXX" if "\\u" in text and _ESCAPE.search(text) else None


def _western_error(run: str) -> str | None:
    """Return the kind of error if a run of Western characters is UTF-8 or GBK read as cp1252 or Latin-1."""
    data = b"".join(_as_byte(character) for character in run)
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        letters = set(_ACCENTED.findall(run))
        # No language has five letters with accents in a row; bytes of GBK are such letters.
        return "GBK read as Latin-1" if len(letters) >= 3 and len(_ACCENTED.findall(run)) >= 5 else None
    # An é before a dash may decode to a Chinese character; two in a row, or Ã and â€, are not chance.
    return "UTF-8 read as Latin-1" if len(decoded) >= 2 or run[0] in "ÂÃâï" else None


def _as_byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def _is_utf8_read_as_gbk(text: str) -> bool:
    """Return whether a text becomes Chinese if it is encoded as GBK and decoded as UTF-8; proper Chinese does not."""
    decoded = text.encode("gb18030", "ignore").decode("utf-8", "replace")
    return len(_HAN.findall(decoded)) >= 2 and decoded.count("\ufffd") <= len(decoded) / 5


def _count_kinds(
    dataset: AuditDataset, check: str, title: str, kind_of: Callable[[str], str | None], advice: str
) -> Finding:
    """Count the texts of each kind of error, where `kind_of` returns the kind or None."""
    kinds = {row: kind for row, text in enumerate(dataset.texts) if (kind := kind_of(text))}
    counts = Counter(kinds.values()).most_common()
    n = len(dataset.texts)
    summary = format_share(len(kinds), n) + (": " if counts else "")
    summary += ", ".join(f"{kind} in {count:,}" for kind, count in counts)
    first: dict[str, int] = {}
    for row, kind in kinds.items():
        first.setdefault(kind, row)
    examples = [*first.values(), *(row for row in kinds if row not in first.values())]
    tables = [
        examples_table(dataset, examples, "affected articles, one of each kind first"),
        Table("by kind", ("kind", "articles"), tuple(counts)),
    ]
    return make_finding(check, title, summary, len(kinds) / n, advice=advice, tables=tables)
