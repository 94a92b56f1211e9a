"""The steps of a normalization, in the order in which they should run."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from zhenwei.news.normalize.characters import EMOJI, WIDE, invisible_characters, width_table
from zhenwei.news.normalize.edits import CharacterMap, EdgeTrim, Edit, Substitution
from zhenwei.news.normalize.simplify import Simplify

LINK_TOKEN, MENTION_TOKEN = "🔗", "@"

_WIDTHS = width_table()
_INVISIBLE = re.compile(f"[{invisible_characters()}]+")

_TAGS = (
    "a|abbr|article|b|big|blockquote|body|br|center|cite|code|dd|del|div|dl|dt|em|embed|font|footer|form|h[1-6]|head|"
    "header|hr|html|i|iframe|img|input|ins|label|li|link|main|mark|meta|nav|ol|option|p|pre|q|s|script|section|select|"
    "small|source|span|strike|strong|style|sub|sup|svg|table|tbody|td|th|thead|time|title|tr|tt|u|ul|video|wbr"
)
_ENTITY = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});|&(?:quot|nbsp|amp|lt|gt)(?![A-Za-z0-9])"
)
_TAG = re.compile(
    rf"<!--.{{0,500}}?-->|</?(?:{_TAGS})(?:[\s/][^<>]{{0,500}})?>|<img[^<>]{{0,500}}>?", re.IGNORECASE | re.DOTALL
)
_LINK = re.compile(
    r"(?:https?:/{1,2}|www\.|\b(?:t\.cn|weibo\.c(?:n|om)|m\.weibo\.cn|dwz\.cn|url\.cn|bit\.ly|goo\.gl|youtu\.be)/)"
    r"[!-~]*[A-Za-z0-9/=&#%_~\-]",
    re.IGNORECASE,
)
_MAY_LINK = re.compile(r"/|[wW]{3}\.")
_NAME = r"[\w\-]{1,30}"  # of an account
_MENTION = rf"(?<![A-Za-z0-9.])@{_NAME}"
_SHARED_FROM = re.compile(rf"[(（\[【「]?(?:分享|来|转|转发)自:?\s*@{_NAME}\s*[:：]?[)）\]】」]?")
_FACE = r"\[(?!\d+\])\w{1,8}\]"  # Weibo's emoticons; a number in brackets is a footnote
_SOURCE = (
    r"[(\[【「]?\s*(?:(?:文章|消息|新闻|图片|资料|内容|转载|原文)?(?:来源|来自|出处)|稿源|转自|图自|via|source)"
    r"\s*[:.@]\s*[\w·\-、. ]{1,24}[)\]】」]?"
)
_READ_MORE = r"(?:\.{3}|…{1,2})?\s*(?:展开)?全文c?|(?:\.{3}|…{1,2}|\s)展开c?|收起(?:全文)?d?"
_EDGE = rf"\s+|{LINK_TOKEN}|{_MENTION}(?=[\s:@]|$):?|@|[{EMOJI}]+|{_FACE}|转发微博"
_REPOST = r"(?:快?转发|轉發)微博\s*[:,。]?|转发理由\s*[:,]|[\[(【]转(?:发|载)?[)\]】]|(?:转发?|RT)\s*[:@]\s*"
_HEAD = re.compile(rf"{_REPOST}|{_EDGE}", re.IGNORECASE)
_TAIL = re.compile(rf"(?:{_EDGE}|{_READ_MORE}|{_SOURCE})$", re.IGNORECASE)
_HEAD_FIRST = re.compile(rf"[\s@\[(【快转轉rR{LINK_TOKEN}{EMOJI}]")
_TAIL_LAST = re.compile(rf"[\s@{LINK_TOKEN}{EMOJI}]")
_TAIL_WORDS = re.compile(r"@|\]|全文|展开|收起|来源|来自|出处|稿源|转自|图自|微博|[vV][iI][aA]|[sS][oO][uU][rR]")
_BLANKS = re.compile(r"\s+")
_TIGHT = re.compile(rf"[{WIDE}!-/:-@\[-`{{-~]")  # beside these, a blank says nothing


@dataclass(frozen=True)
class Step:
    """A step of a normalization.

    Attributes:
        name: Its name in `data.normalize`.
        description: The sentence of its documentation.
        edits: Its edits, in order.
    """

    name: str
    description: str
    edits: tuple[Edit, ...]


def _character(entity: re.Match[str]) -> str:
    """Return the character of an entity, as the steps before would have left it."""
    character = html.unescape(entity.group()).translate(_WIDTHS)
    return " " if character == "\xa0" else _INVISIBLE.sub("", character)


def _blank(match: re.Match[str]) -> str:
    """Return the blank that remains of a run of them."""
    text, start, end = match.string, *match.span()
    if start == 0 or end == len(text) or _TIGHT.match(text[start - 1]) or _TIGHT.match(text[end]):
        return ""
    return " "


@cache
def all_steps() -> Mapping[str, Step]:
    """Return all steps by name, in the order in which they should run."""
    steps = (
        Step(
            "invisible", "Delete control characters, zero-width characters and variation selectors.",
            (Substitution(_INVISIBLE),),
        ),
        Step(
            "width", "Replace full-width and half-width forms, compatibility ideographs and mathematical letters.",
            (CharacterMap(_WIDTHS),),
        ),
        Step(
            "html", "Replace entities of HTML such as `&quot;` by their characters, and delete tags.",
            (*[Substitution(_ENTITY, _character, "&")] * 3, Substitution(_TAG, " ", "<")),
        ),
        Step(
            "links", f"Replace each link, and `网页链接`, by {LINK_TOKEN}.",
            (
                Substitution(_LINK, LINK_TOKEN, _MAY_LINK),
                Substitution(re.compile("O?网页链接"), LINK_TOKEN, "网页链接"),
            ),
        ),
        Step(
            "residue",
            "Delete what a platform writes around a text: `（分享自 @...）`, `//@...:`, `回复@...:`, `查看图片`.",
            (
                Substitution(_SHARED_FROM, " ", "自"),
                Substitution(re.compile(r"[(（](?:分享自|来自|來自|下载|via)[^()（）]{1,40}[)）]", re.IGNORECASE), " "),
                Substitution(re.compile(rf"//\s*@{_NAME}:?"), " ", "//"),
                Substitution(re.compile(rf"回复\s*@{_NAME}:"), " ", "回复"),
                Substitution(re.compile(r"[(¡]?\s*(?:查看[图动原]图?片?|评论配图|图片评论|分享图片)\s*\)?"), " ", "图"),
            ),
        ),
        Step(
            "mentions", f"Replace each mention of an account by {MENTION_TOKEN}.",
            (Substitution(re.compile(rf"{_MENTION}:?"), MENTION_TOKEN, "@"),),
        ),
        Step(
            "edges",
            "Delete at the start and at the end, until none is left: links, mentions, emoji, faces such as `[泪]`, "
            "`...全文`, `转发微博`, the named source (`来源：人民日报`).",
            (EdgeTrim(_HEAD, _TAIL, _HEAD_FIRST, _TAIL_LAST, _TAIL_WORDS),),
        ),
        Step("traditional", "Replace Traditional by Simplified characters, with OpenCC's table.", (Simplify(),)),
        Step(
            "emoji", "Delete emoji, private-use characters, and faces such as `[泪]`.",
            (Substitution(re.compile(f"[{EMOJI}]+")), Substitution(re.compile(_FACE), "", "[")),
        ),
        Step("hashtags", "Delete the marks `#` around a topic, and leave its words.", (
            Substitution(re.compile("#+"), " ", "#"),)),
        Step("brackets", "Delete the brackets 【 and 】.", (Substitution(re.compile("[【】〖〗]+"), " "),)),
        Step("runs", "Write runs of the same punctuation mark as one.", (
            Substitution(re.compile(r"([^\w\s])\1+"), r"\1"),)),
        Step(
            "blanks", "Delete blanks beside Chinese characters and punctuation, and at both ends; join others to one.",
            (Substitution(_BLANKS, _blank),),
        ),
    )  # fmt: skip
    return {step.name: step for step in steps}
