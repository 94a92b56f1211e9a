"""Markup that is separated from the words of a post."""

import pytest

from zhenwei.news.markup import EMOJI, FACE, HASHTAG, LINK, MENTION, without_markup


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("见http://t.cn/zYAeOMo，转发", ["http://t.cn/zYAeOMo"]),
        ("HTTPS://a.cn/b?c=d#e 和 www.x.com/页", ["HTTPS://a.cn/b?c=d#e", "www.x.com/"]),
        ("t.cn/abc", ["t.cn/abc"]),
        ("at.cn 没有链接", []),
    ],
)
def test_links_end_where_chinese_begins(text: str, links: list[str]) -> None:
    assert LINK.findall(text) == links


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("@刘翔：好", ["@刘翔"]),
        ("//@a_b-c: ＠人民日报 @ 谁", ["@a_b-c", "＠人民日报"]),
        ("5@8", []),
    ],
)
def test_mentions_are_accounts(text: str, mentions: list[str]) -> None:
    assert MENTION.findall(text) == mentions


@pytest.mark.parametrize(
    ("text", "hashtags"),
    [
        ("#周杰伦##微博直播# 好", ["#周杰伦#", "#微博直播#"]),
        ("see #news and #Covid19 now", ["#news", "#Covid19"]),
        ("第1# C# #1 &#8217; # #", []),
    ],
)
def test_hashtags_stand_in_a_pair_of_marks_or_behind_one(text: str, hashtags: list[str]) -> None:
    assert HASHTAG.findall(text) == hashtags


def test_faces_are_short_names_in_brackets() -> None:
    text = "[泪][bed凌乱][1][2020] [a b] [这个名字太长了吧啊] []"
    assert FACE.findall(text) == ["[泪]", "[bed凌乱]"]


def test_an_emoji_is_one_whatever_colours_or_joins_it() -> None:
    assert EMOJI.findall("😭👍🏽❤️👨‍👩‍👧🇨🇳🇺🇸☀→①") == ["😭", "👍🏽", "❤️", "👨‍👩‍👧", "🇨🇳", "🇺🇸", "☀"]


def test_what_is_blanked_keeps_the_other_characters_in_place() -> None:
    text = "甲 http://t.cn/abc 乙@刘翔 丙[泪]丁"
    bare = without_markup(text)
    assert len(bare) == len(text)
    assert [bare.index(character) for character in "甲乙丙丁"] == [text.index(character) for character in "甲乙丙丁"]
    assert "".join(bare.split()) == "甲乙丙丁"
