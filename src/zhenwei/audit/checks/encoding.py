"""Texts that were decoded wrongly, or still hold the markup of the page they were on."""

import re
from collections import Counter
from collections.abc import Callable
from html.entities import html5

from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding, Table
from zhenwei.audit.format import examples, finding, share

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# GBK's reading of UTF-8's replacement character, and Windows's unset memory: famous last words of a lost text.
_LOST = re.compile("锟斤拷|烫烫烫|屯屯屯")
# What UTF-8 bytes look like in cp1252 and Latin-1: letters with accents, and the signs of 0x80 to 0xBF.
_WESTERN = re.compile("[\xa0-\xff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\x80-\x9f]{2,}")
_ACCENTED = re.compile("[À-ÖØ-öø-ÿ]")
# Characters that begin what GBK makes of UTF-8's Chinese (的 and 是 become 鐨 and 鏄), and hardly stand elsewhere.
_MISREAD = re.compile("[锛銆鐨鏄涓鍦浜璇鍙鎴涔鏈杩鍚鍒鍥澶浣犲鏃闂鎹]")
_HAN = re.compile("[\u4e00-\u9fff]")

_ENTITY = re.compile(r"&(?:#\d{2,6}|#[xX][0-9a-fA-F]{2,5}|([a-zA-Z]{2,8}));")
_TAG = re.compile(
    r"</?(?:a|b|br|p|i|u|em|div|span|img|font|strong|ul|li|table|td|tr|script|style|h[1-6])(?:\s[^<>]{0,300})?/?>",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}")


def wrong_encoding(collection: Collection) -> Finding:
    """Count the articles with characters that come of a wrong decoding, and with control characters."""
    advice = "read the source again in its own encoding (UTF-8, or GB18030 for older Chinese pages)"
    return _counted(collection, "wrong_encoding", "Wrongly decoded texts", damage, advice)


def markup_left(collection: Collection) -> Finding:
    """Count the articles in which HTML entities, tags or escapes are left over."""
    advice = "unescape the texts (`html.unescape`) and take tags out, for all labels alike"
    return _counted(collection, "markup_left", "Markup left in texts", leftover, advice)


def damage(text: str) -> str | None:
    """Return what is wrong with a text's characters, or None."""
    if text.isascii():  # most texts of some collections, and quick to see
        return "control character" if _CONTROL.search(text) else None
    if "\ufffd" in text:
        return "replacement character U+FFFD"
    if _LOST.search(text):
        return "锟斤拷 or 烫烫烫"
    for run in _WESTERN.findall(text):
        if kind := _western_damage(run):
            return kind
    if len(_MISREAD.findall(text)) >= 2 and _is_utf8_read_as_gbk(text):
        return "UTF-8 read as GBK"
    return "control character" if _CONTROL.search(text) else None


def leftover(text: str) -> str | None:
    """Return what markup is left in a text, or None."""
    if "&" in text:
        for found in _ENTITY.finditer(text):
            if found[1] is None or f"{found[1]};" in html5:
                return "HTML entity"
    if "<" in text and _TAG.search(text):
        return "HTML tag"
    return "escape \\uXXXX" if "\\u" in text and _ESCAPE.search(text) else None


def _western_damage(run: str) -> str | None:
    """Return whether a run of Western characters is what UTF-8 or GBK bytes look like in cp1252 or Latin-1."""
    data = b"".join(_as_byte(character) for character in run)
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        letters = set(_ACCENTED.findall(run))
        # No language has five letters with accents in a row, but GBK's bytes are such letters.
        return "GBK read as Latin-1" if len(letters) >= 3 and len(_ACCENTED.findall(run)) >= 5 else None
    # An é before a dash may pass for a Chinese character; two in a row, or Ã and â€, are no chance.
    return "UTF-8 read as Latin-1" if len(decoded) >= 2 or run[0] in "ÂÃâï" else None


def _as_byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def _is_utf8_read_as_gbk(text: str) -> bool:
    """Whether a text turns into Chinese when it is written as GBK and read as UTF-8; proper Chinese does not."""
    again = text.encode("gb18030", "ignore").decode("utf-8", "replace")
    return len(_HAN.findall(again)) >= 2 and again.count("\ufffd") <= len(again) / 5


def _counted(
    collection: Collection, check: str, title: str, kind_of: Callable[[str], str | None], advice: str
) -> Finding:
    found = {row: kind for row, text in enumerate(collection.texts) if (kind := kind_of(text))}
    counts = Counter(found.values()).most_common()
    n = len(collection.texts)
    said = share(len(found), n) + (": " if counts else "")
    said += ", ".join(f"{kind} in {count:,}" for kind, count in counts)
    first: dict[str, int] = {}
    for row, kind in found.items():
        first.setdefault(kind, row)
    shown = [*first.values(), *(row for row in found if row not in first.values())]
    tables = [
        examples(collection, shown, "affected articles, one of each kind first"),
        Table("by kind", ("kind", "articles"), tuple(counts)),
    ]
    return finding(check, title, said, len(found) / n, advice=advice, tables=tables)
