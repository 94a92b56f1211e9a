"""Our cut and our model of names give what jieba's own code gives."""

import random
from typing import Any

import pytest

from zhenwei.news.enrichment.jieba_hmm import NameModel
from zhenwei.news.enrichment.jieba_segmenter import JiebaSegmenter, NewWord, in_dictionary, load_jieba
from zhenwei.news.sources.synthetic import SyntheticDataset

OLD = "杨振宁82时娶了28岁的翁帆如今翁帆68岁的父亲翁云光和杨振宁18岁的孙女喜结连理结婚的和尚未结婚的"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    posts = SyntheticDataset(n_train=40, n_val=0, n_test=0).generate()["train"]
    return [OLD, "iPhone15卖9999元T恤AT&T", "", "𠮷", "𠮷野家abc", *(post.content for post in posts)]


@pytest.fixture(scope="module")
def jiebas_own() -> Any:
    tokenizer = load_jieba().Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


def test_the_dictionary_is_read_as_jieba_reads_it(jiebas_own: Any) -> None:
    words = [word for word, frequency in jiebas_own.FREQ.items() if frequency]
    assert all(map(in_dictionary, words))
    assert not any(in_dictionary(word) for word, frequency in jiebas_own.FREQ.items() if not frequency)


def blocks(text: str) -> list[str]:
    return [block for block in "".join(c if c.isalnum() else " " for c in text).split() if block]


def test_words_are_cut_where_jieba_cuts_them(texts: list[str], jiebas_own: Any) -> None:
    cutter = JiebaSegmenter()
    for block in (block for text in texts for block in blocks(text)):
        assert cutter.cut(block) == list(jiebas_own.cut(block, HMM=False))


def test_new_words_are_kept_together() -> None:
    assert JiebaSegmenter().cut("玄武岩计划") == ["玄武岩", "计划"]
    cutter = JiebaSegmenter([NewWord("玄武岩计划")])
    assert cutter.cut("玄武岩计划") == ["玄武岩计划"]
    assert "玄武岩计划" in cutter
    assert "玄武" in cutter
    assert "玄武岩计" not in cutter


def test_runs_are_cut_and_tagged_as_jieba_does(texts: list[str], jiebas_own: Any) -> None:
    posseg = load_jieba("jieba.posseg")
    theirs = posseg.POSTokenizer(jiebas_own)
    ours = NameModel(posseg)
    chance = random.Random(1)
    characters = sorted({character for text in texts for character in text if "\u4e00" <= character <= "\u9fd5"})
    runs = ["".join(chance.choices(characters, k=length)) for length in range(1, 12) for _ in range(8)]
    for run in [*runs, "劳荣枝", "薛平貴與王寶釧", "龘龘龘", "㐀"]:
        expected = [(word.word, word.flag) for word in theirs._POSTokenizer__cut(run)]
        assert list(ours.cut(run)) == expected, run


def test_a_run_that_the_model_knows_no_way_through_gives_no_words() -> None:
    class Tables:
        """A model whose one character ends every path."""

        trans_P = {("B", "n"): {}, ("S", "v"): {("S", "v"): -1.0}}  # noqa: RUF012
        emit_P = {("B", "n"): {"甲": -1.0}, ("S", "v"): {"乙": -1.0}}  # noqa: RUF012
        start_P = {("B", "n"): -1.0, ("S", "v"): -1.0}  # noqa: RUF012
        char_state_tab_P = {"甲": (("B", "n"),), "乙": (("S", "v"),), "丙": (("B", "n"),)}  # noqa: RUF012

    model = NameModel(Tables)
    assert model.cut("甲乙") == ()
    assert model.cut("乙乙") == (("乙", "v"), ("乙", "v"))
    assert model.cut("甲") == (("甲", "n"),)
    assert model.cut("乙丙") == (("乙", "v"), ("丙", "v"))  # no state of the character's can follow: any may
