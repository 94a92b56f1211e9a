"""What the audit takes for wrongly decoded, for markup, and for another language; and what it leaves alone."""

import pytest

from zhenwei.audit.checks.encoding import damage, leftover
from zhenwei.audit.checks.languages import SCRIPTS, letters_by_script, other_languages
from zhenwei.audit.dataset import Collection
from zhenwei.news import Article

POST = "你好，听说云溪市的自来水出问题了，是真的吗？"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("水\ufffd质", "replacement character U+FFFD"),
        ("通报锟斤拷锟斤拷", "锟斤拷 or 烫烫烫"),
        (POST.encode().decode("latin-1"), "UTF-8 read as Latin-1"),
        ("Café".encode().decode("cp1252"), "UTF-8 read as Latin-1"),
        ("It’s".encode().decode("cp1252"), "UTF-8 read as Latin-1"),
        (POST.encode("gbk").decode("latin-1"), "GBK read as Latin-1"),
        (POST.encode().decode("gb18030", "replace").replace("\ufffd", "?"), "UTF-8 read as GBK"),
        ("浣犲ソ锛屾槸鐪熺殑鍚?", "UTF-8 read as GBK"),
        ("水\x00质", "control character"),
        ("plain\x08 ascii", "control character"),
    ],
)
def test_a_wrong_decoding_is_known_by_its_characters(text: str, kind: str) -> None:
    assert damage(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        POST,
        "plain ascii, with\ttabs\nand lines\r\n",
        "café au lait, déjà vu, Señor, Ærøskøbing",
        "他说：“……”——‘好’！~…—",
        "café——一家店",
        "涓涓细流，鍦 is a rare character, 闂 too",
        "温度是25°C±2，价格¥100×3÷2",
        "😀👨‍👩‍👧❤️",
        "Füße größer Öl äöü ÄÖÜ",
        "これは日本語です。한국어도",
        "１２３ＡＢＣ",
    ],
)
def test_proper_texts_are_left_alone(text: str) -> None:
    assert damage(text) is None
    assert leftover(text) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("查看更多-&gt;网页链接", "HTML entity"),
        ("&#20320;好", "HTML entity"),
        ("&#x4f60;好", "HTML entity"),
        ("失眠<br><br>情绪", "HTML tag"),
        ("<a href='http://t.cn/x'>链接</a>", "HTML tag"),
        ("\\u4f60\\u597d", "escape \\uXXXX"),
        ("A&B; 5 < 6 > 4, AT&T; C:\\users", None),
        ("《<三体>》<作者>", None),
    ],
)
def test_markup_is_known_from_marks(text: str, kind: str | None) -> None:
    assert leftover(text) == kind


def collection(*texts: str) -> Collection:
    return Collection.of({"train": [Article(content=text) for text in texts]})


def test_letters_are_counted_by_script() -> None:
    texts = ("水水abc", "かなカナ", "한국", "привет", "x" * 3 + "𠀀", "！？12", "ไทย", "é")
    counts = letters_by_script(texts)
    named = [{SCRIPTS[i]: int(n) for i, n in enumerate(row) if n} for row in counts]
    assert named == [
        {"Chinese": 2, "Latin": 3},
        {"Japanese kana": 4},
        {"Korean": 2},
        {"Cyrillic": 6},
        {"Latin": 3, "Chinese": 1},
        {},
        {"Thai": 3},
        {"Latin": 1},
    ]


def test_the_usual_script_is_the_collections_own() -> None:
    english = "The water of the river is not safe to drink"
    mostly_chinese = other_languages(collection(*[POST] * 8, english, "これは日本語の文章です、水を飲まない"))
    assert "2 of 10 articles (20.0%) are not in the usual script (Chinese)" in mostly_chinese.found
    mostly_english = other_languages(collection(*[english] * 9, POST))
    assert "1 of 10 articles (10.0%) are not in the usual script (Latin): Chinese 1" in mostly_english.found


def test_links_and_mentions_are_of_no_language() -> None:
    short = "转发 http://t.cn/abcdefgh1234567 @some_user_name_here 看看这里发生了什么事"
    assert other_languages(collection(*[POST] * 3, short)).value == 0


def test_texts_of_few_letters_are_of_no_language() -> None:
    assert other_languages(collection("ok!", "？？")).found.startswith("not checked")
