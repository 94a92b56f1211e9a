"""Encoding errors and leftover markup of texts."""

import pytest

from zhenwei.audit.checks.encoding import encoding_error, markup_kind

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
def test_kinds_of_encoding_errors(text: str, kind: str) -> None:
    assert encoding_error(text) == kind


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
def test_proper_texts_have_no_error(text: str) -> None:
    assert encoding_error(text) is None
    assert markup_kind(text) is None


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
def test_kinds_of_markup(text: str, kind: str | None) -> None:
    assert markup_kind(text) == kind
