"""Every family of harmless edits: what it changes, what it leaves, and that equal arguments give equal texts."""

import html
import re
import subprocess
import sys
import unicodedata
from random import Random

import pytest
from pypinyin import Style, lazy_pinyin

from zhenwei.errors import ConfigError
from zhenwei.news.edits import EDITS, characters, edit_text
from zhenwei.news.edits.editable import CHINESE
from zhenwei.news.edits.notation import ZERO_WIDTH
from zhenwei.news.markup import FACE, LINK, MENTION

POST = (
    "【网传】本市自来水3.5小时后停供,请大家储水！详情：http://t.cn/RaB3xYz @云溪发布 [泪]听说张明和好朋友都去超市买，"
    "10:30已经排队很长时间了。据2、3位市民说，iPhone也缺货。"
)
ENGLISH = "The mayor said that the water is safe to drink."


def edit(name: str, text: str = POST, seed: int = 0, key: str = "1") -> str:
    return edit_text(name, text, seed=seed, key=key)


def n_replaced(text: str, edited: str) -> int:
    """How many characters of a text differ from an edited text of the same length."""
    return sum(a != b for a, b in zip(text, edited, strict=True))


@pytest.mark.parametrize("name", EDITS)
class TestEveryFamily:
    def test_equal_arguments_give_equal_texts(self, name: str) -> None:
        assert [edit(name, key=str(key)) for key in range(20)] == [edit(name, key=str(key)) for key in range(20)]

    def test_a_text_is_never_left_blank(self, name: str) -> None:
        for text in ("？", "【】", "a", "水", "http://t.cn/abc", "@小明", "。。。", "😀"):
            assert edit(name, text).strip()

    def test_links_stay_whole(self, name: str) -> None:
        if name != "first_140":
            assert "http://t.cn/RaB3xYz" in edit(name)

    def test_it_has_its_own_name_and_a_description(self, name: str) -> None:
        assert EDITS[name].name == name
        assert EDITS[name].description


def test_draws_depend_on_the_seed_and_on_the_article() -> None:
    assert len({edit("link", key=str(key)) for key in range(20)}) == 20
    assert len({edit("link", seed=seed) for seed in range(20)}) == 20


def test_draws_do_not_depend_on_the_process() -> None:
    script = (
        f"from zhenwei.news.edits import edit_text; print(ascii(edit_text('homophones', {POST!r}, seed=3, key='')))"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert other.strip() == ascii(edit("homophones", seed=3, key=""))


def test_the_registry_loads_neither_opencc_nor_pypinyin() -> None:
    script = "import sys; import zhenwei.news.edits; print({'opencc', 'pypinyin'} & {*sys.modules})"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "set()\n"
    )


def test_an_unknown_family_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="found the family of edits 'mentions'; did you mean 'mention'"):
        edit("mentions")


class TestAdditions:
    def test_a_link_a_mention_a_label_and_a_source_are_appended(self) -> None:
        assert re.fullmatch(r" http://t\.cn/\w{7}", edit("link").removeprefix(POST))
        assert MENTION.fullmatch(edit("mention").removeprefix(f"{POST} "))
        assert edit("full_text") == f"{POST}...全文"
        assert re.fullmatch(" 来源：[\u4e00-\u9fff]{3,5}", edit("source_tail").removeprefix(POST))

    def test_an_emoji_or_a_face_is_appended(self) -> None:
        added = {edit("emoji", key=str(key)).removeprefix(POST) for key in range(200)}
        assert {"[泪]", "😭"} <= added
        assert all(FACE.fullmatch(each) or not each.isascii() for each in added)

    def test_a_prefix_stands_before_the_text(self) -> None:
        prefixes = {edit("reposter_prefix", key=str(key)).removesuffix(POST) for key in range(300)}
        assert {"转发微博：", "【转】", "//@小明："} <= prefixes

    def test_a_topic_stands_before_or_after_the_text(self) -> None:
        edited = {edit("hashtags", key=str(key)) for key in range(100)}
        assert {f"#热点#{POST}", f"{POST}#热点#"} <= edited
        assert all(re.fullmatch("#[^#]+#", each.replace(POST, "")) for each in edited)


class TestPunctuation:
    def test_marks_are_doubled_outside_of_numbers_and_links(self) -> None:
        assert edit("double_punctuation", "3.5吨,停供！见http://t.cn/a:b。") == "3.5吨,,停供！！见http://t.cn/a:b。。"
        assert edit("double_punctuation", "10:30停水。") == "10:30停水。。"

    def test_marks_are_removed(self) -> None:
        assert edit("remove_punctuation", "他说：“停水3.5小时，别慌……”（转）") == "他说停水3.5小时别慌转"
        assert edit("remove_punctuation", "Don't panic, they said.") == "Don't panic they said"

    def test_numbers_do_not_merge_without_their_marks(self) -> None:
        assert edit("remove_punctuation", "2、3位，二、三岁。等到十...") == "2、3位二、三岁等到十"
        assert edit("remove_punctuation", "停水二，三天，真的") == "停水二，三天真的"
        assert edit("remove_punctuation", "1、停水。2.停电。") == "1、停水2.停电"

    def test_half_width_marks_become_full_width(self) -> None:
        assert edit("full_width_punctuation", "停水(3.5小时),10:30起!") == "停水（3.5小时），10:30起！"
        assert edit("full_width_punctuation", "真的?是:对;好.") == "真的？是：对；好。"

    def test_entities_stay_whole(self) -> None:
        assert edit("full_width_punctuation", "a&gt;b,停水") == "a&gt;b，停水"
        assert edit("double_punctuation", "停&amp;水;") == "停&amp;水;;"


class TestBrackets:
    @pytest.mark.parametrize(
        ("text", "edited"),
        [
            ("今天全市停水，请储水。", "【今天全市停水】请储水。"),
            ("今天全市停水！！请储水。", "【今天全市停水！！】请储水。"),
            ("#停水#今天全市停水 请储水", "#停水#【今天全市停水】请储水"),
            ("//@小明：今天全市停水，请储水", "//@小明：【今天全市停水】请储水"),
            ("注意，今天全市停水。", "【注意，今天全市停水。】"),
            ("他说“停水，别慌”，请储水", "【他说“停水，别慌”】请储水"),
            ("今天全市停水http://t.cn/abc", "【今天全市停水】http://t.cn/abc"),
            ("Water is cut off, they say.", "【Water is cut off】 they say."),
        ],
    )
    def test_the_first_clause_is_put_in_brackets(self, text: str, edited: str) -> None:
        assert edit("brackets_added", text) == edited

    @pytest.mark.parametrize("text", ["【停水】今天全市停水", "水" * 41, "停水", "@小明今天全市停水，真的"])
    def test_a_text_with_brackets_or_without_a_clause_is_unchanged(self, text: str) -> None:
        assert edit("brackets_added", text) == text

    def test_brackets_are_removed(self) -> None:
        assert edit("brackets_removed", "【停水】今天【真的】") == "停水今天真的"
        assert edit("brackets_removed", "【iPhone 7】12月上市") == "iPhone 7 12月上市"


class TestNotation:
    def test_one_blank_is_inserted_for_every_ten_characters_and_one_at_the_end(self) -> None:
        text = "今天全市停水请大家储水备用不要慌张啊真的"  # 20 characters
        edited = edit("blanks", text)
        assert edited[-1] == " "
        assert edited[:-1].count(" ") == 2
        assert edited.replace(" ", "") == text
        assert edit("blanks", ENGLISH) == f"{ENGLISH} "

    def test_html_is_escaped_so_that_it_can_be_read_back(self) -> None:
        edited = edit("html", 'a < b & "c" 停水。是的')
        assert edited == "a&nbsp;&lt;&nbsp;b&nbsp;&amp;&nbsp;&quot;c&quot;&nbsp;停水。<br/>是的"
        assert html.unescape(edit("html").replace("<br/>", "")).replace("\xa0", " ") == POST
        assert edit("html", "停水") == "停水<br/>"

    def test_characters_become_traditional_by_phrase(self) -> None:
        assert edit("traditional", "头发发展，皇后在后面") == "頭髮發展，皇后在後面"

    def test_letters_and_digits_become_full_width(self) -> None:
        assert edit("full_width", "iPhone停产2年 @Tom123 http://t.cn/a") == "ｉＰｈｏｎｅ停产２年 @Tom123 http://t.cn/a"
        outside = re.sub(r"http\S+", "", edit("full_width"))
        assert unicodedata.normalize("NFKC", outside) == unicodedata.normalize("NFKC", re.sub(r"http\S+", "", POST))

    def test_zero_width_characters_stand_between_all_characters(self) -> None:
        edited = edit("zero_width", "今天停水Tom")
        assert re.fullmatch(rf"今[{ZERO_WIDTH}]天[{ZERO_WIDTH}]停[{ZERO_WIDTH}]水" + rf"[{ZERO_WIDTH}]\w" * 3, edited)
        assert "".join(c for c in edit("zero_width") if c not in ZERO_WIDTH) == POST
        assert {c for c in edit("zero_width") if c in ZERO_WIDTH} == {*ZERO_WIDTH}

    def test_the_first_140_characters_stay(self) -> None:
        text = "".join(Random(0).choices("今天全市停水", k=150))
        assert edit("first_140", text) == text[:140]
        assert edit("first_140", text[:140]) == text[:140]


class TestCharacters:
    def test_a_tenth_of_the_chinese_characters_become_homophones(self) -> None:
        text = "听说全市停水请大家储水备用不要慌张医院也关门"  # 22 characters
        edited = edit("homophones", text)
        assert n_replaced(text, edited) == 2
        readings = [lazy_pinyin(each, style=Style.TONE3, neutral_tone_with_five=True) for each in (text, edited)]
        before = [reading for a, b, reading in zip(text, edited, readings[0], strict=True) if a != b]
        replaced = [b for a, b in zip(text, edited, strict=True) if a != b]
        assert [lazy_pinyin(each, style=Style.TONE3, neutral_tone_with_five=True)[0] for each in replaced] == before

    def test_a_reading_is_that_of_the_word(self) -> None:
        found = {edit("homophones", "银行", key=str(key)) for key in range(60)}
        assert "银航" in found
        assert "银形" not in found

    def test_a_tenth_of_the_characters_become_lookalikes(self) -> None:
        text = "听说全市停水请大家储水备用不要慌张医院也关门"
        assert n_replaced(text, edit("lookalikes", text)) == 2
        n = len(re.findall("[A-Za-z]", ENGLISH))
        assert n_replaced(ENGLISH, edit("lookalikes", ENGLISH)) == round(n / 10)
        assert not edit("lookalikes", ENGLISH).isascii()
        assert {edit("lookalikes", "人", key=str(key)) for key in range(30)} == {"入", "\u2f08"}

    def test_a_tenth_of_the_chinese_characters_are_split(self) -> None:
        assert edit("split_characters", "好") == "女子"
        assert edit("split_characters", "张") == "弓长"
        text = "听说全市停水请大家储水备用不要慌张医院也关门"
        assert len(edit("split_characters", text)) == len(text) + 2

    def test_at_least_one_character_is_changed_and_markup_is_not(self) -> None:
        for name in ("homophones", "lookalikes", "split_characters"):
            edited = edit(name)
            assert edited != POST
            assert [*MENTION.findall(edited), *FACE.findall(edited)] == [*MENTION.findall(POST), *FACE.findall(POST)]
            assert LINK.findall(edited) == LINK.findall(POST)
            assert edit(name, "@小明 [泪] 3.5") == "@小明 [泪] 3.5"

    def test_english_has_neither_homophones_nor_parts(self) -> None:
        for name in ("homophones", "split_characters", "traditional", "brackets_removed"):
            assert edit(name, ENGLISH) == ENGLISH

    def test_the_tables_are_of_single_characters(self) -> None:
        for table in (characters._lookalikes(), characters._parts()):
            assert len(table) > 150
            assert all(len(character) == 1 and character not in others for character, others in table.items())
        assert all(len(parts) == 2 and CHINESE.match(character) for character, parts in characters._parts().items())
        lines = [line.split() for line in characters._read_lines("split_characters.txt")]
        entries = [entry[0] for line in lines for entry in line]
        assert len(entries) == len({*entries})
