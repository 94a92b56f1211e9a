"""The steps of `data.normalize`: the change of each, the result of all, and the offsets into the given text."""

import html
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhenwei.config.data import DEFAULT_STEPS, NORMALIZE_STEPS
from zhenwei.news.normalize.normalizer import Normalizer
from zhenwei.news.normalize.steps import all_steps

POST = "网传本市自来水明天起停供三天，请大家赶紧储水！"
NORMAL = "网传本市自来水明天起停供三天,请大家赶紧储水!"
normalize = Normalizer(DEFAULT_STEPS)


def step(name: str, text: str) -> str:
    return Normalizer((name,))(text)


def test_the_settings_name_the_steps_in_their_order() -> None:
    assert tuple(all_steps()) == NORMALIZE_STEPS
    assert all(each.description.endswith(".") for each in all_steps().values())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("invisible", "停\u200b水\u2060三\ufeff天\u00ad\x00\ufe0f", "停水三天"),
        ("invisible", "a\tb\nc", "a\tb\nc"),
        ("width", "ＡＢＣ１２３，！", "ABC123,!"),
        ("width", "\u3000⽔\uf9ca", " 水流"),
        ("width", "①²㎡½", "①²㎡½"),
        ("html", "&quot;停水&quot;&amp;储水 &gt;&gt; &#20572;&#x6c34;", '"停水"&储水 >> 停水'),
        ("html", "&amp;quot;停水&amp;quot;", '"停水"'),
        ("html", "停水&nbsp;三天<br/>请<b>储水</b><img src='x' alt='y'>", "停水 三天 请 储水  "),
        ("html", "3<5而且a<b，AT&T", "3<5而且a<b，AT&T"),
        ("html", "停水&#8203;三天&#65281;", "停水三天!"),
        ("links", "看 http://t.cn/abc 吧", "看 🔗 吧"),
        ("links", "看https://a.com/b?c=d&e,快", "看🔗,快"),
        ("links", "点击O网页链接和网页链接", "点击🔗和🔗"),
        ("residue", "停水（分享自 @新浪新闻）", "停水 "),
        ("residue", "停水(分享自@新浪新闻)", "停水 "),
        ("residue", "//@小明:停水", " 停水"),
        ("residue", "查看图片", " "),
        ("mentions", "和@人民日报 一起，发到a@b.com", "和@ 一起，发到a@b.com"),
        ("edges", "停水...全文", "停水"),
        ("edges", "停水……展开全文c", "停水"),
        ("edges", "停水。 来源:人民日报", "停水。"),
        ("edges", "停水(来源:新华网)", "停水"),
        ("edges", "转发微博", ""),
        ("edges", "@小明 停水 @小红", "停水"),
        ("edges", "😂停水[泪]😂", "停水"),
        ("edges", "停水[1]", "停水[1]"),
        ("edges", "全文如下", "全文如下"),
        ("traditional", "網傳本市自來水明天起停供三天", "网传本市自来水明天起停供三天"),
        ("emoji", "停😂水[泪]三天", "停水三天"),
        ("hashtags", "#停水#三天", " 停水 三天"),
        ("brackets", "【停水】三天", " 停水 三天"),
        ("runs", "停水！！！，，三天……", "停水！，三天…"),
        ("runs", "哈哈哈 2000", "哈哈哈 2000"),
        ("blanks", " 停 水  3 天 , iPhone  15 Pro ", "停水3天,iPhone 15 Pro"),
    ],
)
def test_a_step(name: str, text: str, expected: str) -> None:
    assert step(name, text) == expected


@pytest.mark.parametrize(
    "edited",
    [
        POST + " http://t.cn/abc",
        POST + "...全文",
        POST + " @小明",
        "@小明 " + POST,
        POST + "😂😂[泪]",
        POST + " 来源：人民日报",
        POST + " http://t.cn/a @小明 😂 ...全文 http://t.cn/b",
        "//@小明：" + POST,
        "转发微博：" + POST,
        POST.replace("，", "，，").replace("！", "！！！"),
        " ".join(POST),
        "\u200b".join(POST),
        html.escape("“" + POST + "”")[1:-1],
        POST.replace("，", ",").replace("！", "!"),
        "【" + POST[:4] + "】" + POST[4:],
        "网傳本市自來水明天起停供三天，請大家趕緊儲水！",
    ],
)
def test_harmless_edits_leave_the_normalized_text(edited: str) -> None:
    assert normalize(edited) == NORMAL


@pytest.mark.parametrize(
    "text", ["转发微博", "@某某", "http://t.cn/abc", "[泪][泪]", "😂", "...全文", "//@小明:", "\u200b"]
)
def test_of_a_text_without_words_nothing_is_left(text: str) -> None:
    assert normalize(text) == ""


def test_without_steps_a_text_stays_as_it_is() -> None:
    assert Normalizer()("＠ http://t.cn/abc\u200b") == "＠ http://t.cn/abc\u200b"


class TestOffsets:
    def test_every_character_stands_for_a_part_of_the_given_text(self) -> None:
        text = "@小明 網傳&quot;停 水&quot;！！ http://t.cn/abc"
        read = normalize.with_offsets(text)
        assert read.text == '网传"停水"!'
        parts = [text[start:end] for start, end in zip(read.starts, read.ends, strict=True)]
        assert parts == ["網", "傳", "&quot;", "停", "水", "&quot;", "！！"]

    @given(st.text("停水A1，！。@#&;quotgl<b>http://t.cn/[泪]😂網\u200b\u3000 　…全文【】：", max_size=40))
    def test_offsets_are_ordered_and_the_text_is_that_of_a_call(self, text: str) -> None:
        read = normalize.with_offsets(text)
        assert read.text == normalize(text)
        assert len(read.starts) == len(read.ends) == len(read.text)
        assert all(0 <= start < end <= len(text) for start, end in zip(read.starts, read.ends, strict=True))
        assert list(read.starts) == sorted(read.starts)

    def test_long_texts_take_time_in_proportion_to_their_length(self) -> None:
        rng = random.Random(0)
        for part in ("<", "<a ", "&", "http", "http:/", "(来自", "@", " ", "…", "[", "。", "//@a"):
            text = "".join(rng.choice((part, "停")) for _ in range(8_000)) + part * 8_000 + "a"
            assert len(normalize(text)) <= len(text) + 2
