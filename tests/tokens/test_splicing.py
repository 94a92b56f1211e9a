"""Many texts at once get, token by token, what the tokenizer gives each of them."""

import sys
import unicodedata
from collections import Counter
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from zhenwei.errors import ConfigError
from zhenwei.tokens.segments import SINGLE, Segments, is_segmentable
from zhenwei.tokens.splicing import MIN_CHARACTERS, SplicingEncoder, StreamEncoder
from zhenwei.tokens.tokenizer import SpecialTokens, TextTokenizer, TokenizedTexts
from zhenwei.tokens.vocabulary import text_normalizer, train_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # thousands of texts

POSTS = [
    "【网传】吃大蒜能治病！http://t.cn/RUnzfKG，真的吗？[泪]",
    "专家：“大蒜 不能治病”，iPhone12 也不能 @小明 #辟谣#",
    "ＮＡＳＡ nasa NASA aaa aab aac 😂😂 é café cafe 2016年8月 か゛が ＝ ㍿ Ångström ẞ",
]
# What hangs together: combining marks, jamo, what composes with a stroke, what normalises to several, what vanishes.
HARSH = "大蒜能。，！？：“” aAb12.:/@é\u0301\u0338\u3099か＝＜ﬁ㍿\u1100\u1161\u11a8가İẞΣ…～—\u200b\u3000\t\n\x00😂🔗[]㐀𠀀豈"  # noqa: E501
LINKS = st.sampled_from(["http://t.cn/Ab1", "HTTPS://x.y/z?q=1", "http:", "[SEP]", "[MASK]", "大蒜", "a" * 101])
harsh_texts = st.lists(st.one_of(st.text(alphabet=HARSH, max_size=12), LINKS, st.text(max_size=4)), max_size=6).map(
    "".join
)


@cache
def tokenizer(kind: Any) -> TextTokenizer:
    if kind != "bert":
        return train_tokenizer(POSTS * 2, vocab_size=200, unit=kind)
    known = [token for token in train_tokenizer(POSTS * 2, 200).backend.get_vocab() if not token.startswith("[")]
    special = [getattr(SpecialTokens(), field.name) for field in fields(SpecialTokens)]
    numbers = {token: number for number, token in enumerate([*special, *sorted(known), "##b", "##a"])}
    backend = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()  # as bert-base-chinese has it: accents are taken away
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"]))
    backend.add_special_tokens(special)
    return TextTokenizer(backend, SpecialTokens())


def assert_equal(found: TokenizedTexts, expected: TokenizedTexts) -> None:
    for name in ("ids", "words", "lengths", "truncated"):
        values, wanted = getattr(found, name), getattr(expected, name)
        assert values.dtype == wanted.dtype
        np.testing.assert_array_equal(values, wanted, err_msg=name)


@pytest.mark.parametrize("kind", ["piece", "word", "bert"])
@given(texts=st.lists(harsh_texts, max_size=8), max_len=st.integers(3, 40))
def test_the_tokens_are_those_of_the_tokenizer(kind: str, texts: list[str], max_len: int) -> None:
    encoder = SplicingEncoder(tokenizer(kind))
    for _ in range(2):  # with nothing remembered, and with all
        assert_equal(encoder.encode_batch(texts, max_len), tokenizer(kind).encode_batch(texts, max_len))


@pytest.mark.parametrize("kind", ["piece", "word", "bert", "character"])
def test_a_stream_of_few_texts_and_of_many(kind: str) -> None:
    encoder = StreamEncoder(tokenizer(kind))
    many = POSTS * 300
    assert sum(map(len, many)) > MIN_CHARACTERS > sum(map(len, POSTS))
    for texts in (POSTS, many, [], [""], ["", *POSTS, ""]):
        assert_equal(encoder.encode_batch(texts, 20), tokenizer(kind).encode_batch(texts, 20))


@pytest.mark.parametrize("limit", ["_MAX_SEGMENTS", "_MAX_CHARACTERS"])
def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(f"zhenwei.tokens.segments.{limit}", 20)
    encoder = SplicingEncoder(tokenizer("piece"))
    for number in range(30):
        texts = [f"{post}{number}号" for post in POSTS]
        assert_equal(encoder.encode_batch(texts, 90), tokenizer("piece").encode_batch(texts, 90))
        assert len(encoder._segments.names) < 120


def test_a_length_without_room_for_content_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_len is 2"):
        SplicingEncoder(tokenizer("piece")).encode_batch(["大蒜"], 2)


def test_a_segment_is_a_character_that_stands_alone_or_an_unbroken_run_of_others() -> None:
    found = Segments()
    cut = found.cut(["大蒜 iPhone12，", "", "a#b", "b大"])
    assert [found.names[number] for number in cut.numbers] == ["大", "蒜", " ", "iPhone12", "，", "a#b", "b", "大"]
    assert cut.counts.tolist() == [5, 0, 1, 2]


@pytest.mark.nightly
def test_no_character_that_stands_alone_ever_joins_its_neighbour() -> None:
    pairs = [unicodedata.decomposition(chr(code)).split() for code in range(sys.maxunicode + 1)]
    firsts = {chr(int(pair[0], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    seconds = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    for character in SINGLE:
        normal = unicodedata.normalize("NFKC", character)
        assert normal[-1] not in firsts
        assert normal[0] not in seconds
        assert not any(map(unicodedata.combining, normal))
        assert unicodedata.category(normal[0]) in {"Lo", "Zs", "Ps", "Pe", "Pi", "Pf", "Po"}


def with_part(**parts: object) -> Tokenizer:
    """A copy of a tokenizer that cuts around characters, with one part of another kind."""
    backend = Tokenizer.from_str(tokenizer("piece").backend.to_str())
    for name, part in parts.items():
        setattr(backend, name, part)
    return backend


@pytest.mark.parametrize(
    "backend",
    [
        with_part(pre_tokenizer=pre_tokenizers.Whitespace()),
        with_part(pre_tokenizer=pre_tokenizers.Split(Regex("."), "isolated")),
        with_part(normalizer=normalizers.BertNormalizer(handle_chinese_chars=False)),
        with_part(normalizer=normalizers.NFKC()),
        with_part(model=models.BPE()),
    ],
    ids=["white space", "characters", "Chinese as it is", "no spaces", "pieces across characters"],
)
def test_tokenizers_of_other_kinds_are_left_alone(backend: Tokenizer) -> None:
    assert not is_segmentable(backend, text_normalizer())


def test_a_tokenizer_that_knows_further_tokens_is_left_alone() -> None:
    backend = with_part()
    backend.add_tokens([AddedToken("大蒜")])
    assert not is_segmentable(backend, text_normalizer())


@pytest.mark.parametrize("kind", ["piece", "word", "bert"])
def test_those_of_our_own_and_of_bert_are_cut(kind: str) -> None:
    assert is_segmentable(tokenizer(kind).backend, text_normalizer())


@given(posts=st.lists(harsh_texts, min_size=1, max_size=8))
def test_the_words_of_posts_are_counted_as_the_tokenizer_splits_them(posts: list[str]) -> None:
    from zhenwei.tokens.vocabulary import count_words  # noqa: PLC0415

    splitter = pre_tokenizers.BertPreTokenizer()
    expected = Counter(
        word for post in posts for word, _ in splitter.pre_tokenize_str(text_normalizer().normalize_str(post))
    )
    assert count_words(iter(posts)) == {word: count for word, count in expected.items() if len(word) <= 100}


def test_counting_goes_on_where_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    posts = [f"第{number}号{name}" for number in range(50) for name in ("甲", "乙")]
    expected = train_tokenizer(posts, 300, min_frequency=1).backend.to_str()
    monkeypatch.setattr("zhenwei.tokens.segments._MAX_SEGMENTS", 5)
    monkeypatch.setattr("zhenwei.tokens.vocabulary._CHUNK_POSTS", 7)
    assert train_tokenizer(iter(posts), 300, min_frequency=1).backend.to_str() == expected
