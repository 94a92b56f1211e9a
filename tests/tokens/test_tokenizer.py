"""Vocabulary training, encoding, truncation, and character spans of tokens."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from zhenwei.config import TokenUnit
from zhenwei.errors import CheckpointError, ConfigError, DataError, PretrainedModelError
from zhenwei.tokens.tokenizer import SpecialTokens, TextTokenizer
from zhenwei.tokens.vocabulary import train_tokenizer

POSTS = [
    "【网传】吃大蒜能治病！http://t.cn/RUnzfKG，真的吗？[泪]",
    "专家：大蒜不能治病，iPhone12 也不能 @小明 #辟谣#",
    "iPhone12 发布，网传价格 8888 元 https://weibo.com/a?b=1&c=2",
    "ＮＡＳＡ nasa NASA 发布 aaa aab aac 😂😂 é café cafe",
]

mixed_texts = st.text(alphabet=st.sampled_from("大蒜能病 abcAB12！，.[]#@:/é😂ﬁ\t\u200b"), min_size=0, max_size=40)


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(POSTS * 2, vocab_size=500)


@pytest.fixture(scope="module")
def words() -> TextTokenizer:
    return train_tokenizer(POSTS * 2, vocab_size=500, unit="word")


def names(tokenizer: TextTokenizer, text: str, max_len: int = 100) -> list[str | None]:
    encoded = tokenizer.encode_batch([text], max_len)
    return [tokenizer.backend.id_to_token(int(n)) for n in encoded.ids]


class TestTraining:
    def test_special_tokens_come_first_and_pad_is_zero(self, tokenizer: TextTokenizer) -> None:
        roles = [tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id]
        assert roles == [0, 1, 2, 3, 4]

    def test_chinese_is_read_by_character_and_latin_by_word(self, tokenizer: TextTokenizer) -> None:
        assert names(tokenizer, "大蒜iPhone12能") == ["[CLS]", "大", "蒜", "iphone12", "能", "[SEP]"]

    def test_a_link_is_one_token_and_the_chinese_text_after_it_is_not_part_of_it(
        self, tokenizer: TextTokenizer
    ) -> None:
        text = "看http://t.cn/abc，大蒜https://x.y/z?q=1[泪]"
        assert names(tokenizer, text)[2:] == ["🔗", ",", "大", "蒜", "🔗", "[", "泪", "]", "[SEP]"]

    def test_full_width_letters_and_case_do_not_matter(self, tokenizer: TextTokenizer) -> None:
        assert names(tokenizer, "ＮＡＳＡ") == names(tokenizer, "nasa") == names(tokenizer, "NASA")

    def test_a_character_below_the_minimum_frequency_is_unknown(self) -> None:
        tokenizer = train_tokenizer(["大蒜", "大病"], vocab_size=100)
        assert names(tokenizer, "大蒜") == ["[CLS]", "大", "[UNK]", "[SEP]"]
        assert "蒜" in train_tokenizer(["大蒜", "大病"], 100, min_frequency=1).backend.get_vocab()

    def test_a_word_is_spelled_with_learned_pieces(self) -> None:
        tokenizer = train_tokenizer(["virus viruses viral"] * 3 + ["s s s"], vocab_size=20)
        assert str(names(tokenizer, "virus")[1]).startswith("vir")
        assert "[UNK]" not in names(tokenizer, "virus viruses")

    def test_an_overlong_word_teaches_nothing(self) -> None:
        assert train_tokenizer(["大", "大", "x" * 500], vocab_size=100).vocab_size == 6

    def test_texts_may_be_an_iterator(self, tokenizer: TextTokenizer) -> None:
        streamed = train_tokenizer((post for post in POSTS * 2), vocab_size=500)
        assert streamed.backend.to_str() == tokenizer.backend.to_str()

    @given(texts=st.lists(mixed_texts, min_size=1, max_size=8), size=st.integers(6, 60), least=st.integers(1, 3))
    def test_the_vocabulary_never_exceeds_its_limit(self, texts: list[str], size: int, least: int) -> None:
        texts.append("大大大 ab ab ab")
        tokenizer = train_tokenizer(texts, vocab_size=size, min_frequency=least)
        ids = sorted(tokenizer.backend.get_vocab().values())
        assert ids == list(range(tokenizer.vocab_size))
        assert tokenizer.vocab_size <= size

    def test_the_most_frequent_characters_win_a_short_room(self) -> None:
        tokenizer = train_tokenizer(["病病病蒜蒜大大大大"], vocab_size=7)
        assert set(tokenizer.backend.get_vocab()) >= {"大", "病"}

    @pytest.mark.slow
    @pytest.mark.nightly
    @pytest.mark.parametrize("unit", ["character", "piece", "word"])
    def test_the_file_is_the_same_byte_for_byte_whatever_the_threads(self, tmp_path: Path, unit: TokenUnit) -> None:
        program = (
            "import sys; from zhenwei.tokens.vocabulary import train_tokenizer; "
            f"train_tokenizer({POSTS * 2!r}, vocab_size=500, unit={unit!r}).save(sys.argv[1])"
        )
        written = [tmp_path / "one.json", tmp_path / "many.json"]
        for path, parallel, threads in zip(written, ("false", "true"), ("1", "4"), strict=True):
            threading = {"TOKENIZERS_PARALLELISM": parallel, "RAYON_NUM_THREADS": threads}
            subprocess.run([sys.executable, "-c", program, path], check=True, env={**os.environ, **threading})
        train_tokenizer(POSTS * 2, vocab_size=500, unit=unit).save(tmp_path / "here.json")
        assert written[0].read_bytes() == written[1].read_bytes() == (tmp_path / "here.json").read_bytes()

    @pytest.mark.parametrize("texts", [[], ["", "  \n"]])
    def test_no_texts_are_refused(self, texts: list[str]) -> None:
        with pytest.raises(DataError, match="no texts"):
            train_tokenizer(texts, vocab_size=100)

    def test_texts_without_anything_frequent_are_refused(self) -> None:
        with pytest.raises(DataError, match="No character of the texts occurs 2 times"):
            train_tokenizer(["大蒜"], vocab_size=100)

    def test_a_vocabulary_without_room_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="vocab_size is 5"):
            train_tokenizer(POSTS, vocab_size=5)


class TestWholeWords:
    def test_a_token_is_a_chinese_character_a_whole_word_a_number_or_a_mark(self, words: TextTokenizer) -> None:
        text = "大蒜iPhone12，8888 http://t.cn/x ＮＡＳＡ!"
        assert names(words, text)[1:-1] == ["大", "蒜", "iphone12", ",", "8888", "🔗", "nasa", "!"]

    def test_a_word_that_was_not_learned_is_unknown_as_a_whole(self, words: TextTokenizer) -> None:
        assert names(words, "nas nasal nasa 鱼") == ["[CLS]", "[UNK]", "[UNK]", "nasa", "[UNK]", "[SEP]"]

    def test_there_are_no_pieces(self, words: TextTokenizer) -> None:
        assert not [token for token in words.backend.get_vocab() if token.startswith("##")]

    def test_special_tokens_come_first_and_then_the_most_frequent_words(self) -> None:
        small = train_tokenizer(["bb aa bb 大 大 大 cc aa dd"], vocab_size=8, unit="word")
        assert [small.backend.id_to_token(n) for n in range(small.vocab_size)] == [
            "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "大", "aa", "bb",
        ]  # fmt: skip

    def test_a_word_below_the_minimum_frequency_is_not_learned(self) -> None:
        assert train_tokenizer(["aa aa bb"], 100, unit="word").vocab_size == 6
        assert train_tokenizer(["aa aa bb"], 100, min_frequency=1, unit="word").vocab_size == 7
        with pytest.raises(DataError, match="No word of the texts occurs 3 times"):
            train_tokenizer(["aa aa bb"], 100, min_frequency=3, unit="word")

    def test_a_post_cannot_forge_a_special_token(self, words: TextTokenizer) -> None:
        encoded = words.encode_batch(["大[SEP]蒜[PAD][MASK]"], max_len=50)
        assert not {words.sep_id, words.pad_id, words.mask_id} & set(encoded.ids[1:-1].tolist())

    def test_a_cut_text_still_ends_with_its_separator(self, words: TextTokenizer) -> None:
        assert names(words, "大蒜能治病", max_len=4) == ["[CLS]", "大", "蒜", "[SEP]"]

    @given(text=mixed_texts)
    def test_each_token_is_a_word_of_its_own_with_a_place_in_the_text(self, words: TextTokenizer, text: str) -> None:
        tokens = words.tokenize(text)
        assert [token.id for token in tokens] == words.encode_batch([text], max_len=100).ids.tolist()
        content = [token for token in tokens if token.word >= 0]
        assert [token.word for token in content] == list(range(len(content)))
        assert all(0 <= token.start < token.end <= len(text) for token in content)

    def test_what_is_saved_is_read_back(self, words: TextTokenizer, tmp_path: Path) -> None:
        words.save(tmp_path / "tokenizer.json")
        again = TextTokenizer.load(tmp_path / "tokenizer.json")
        assert again.vocab_size == words.vocab_size
        for post in POSTS:
            assert again.tokenize(post) == words.tokenize(post)


class TestEncoding:
    def test_texts_lie_one_after_the_other_and_are_never_padded(self, tokenizer: TextTokenizer) -> None:
        encoded = tokenizer.encode_batch(["大蒜", "", "大蒜能治病"], max_len=5)
        assert encoded.lengths.tolist() == [4, 2, 5]
        assert encoded.truncated.tolist() == [False, False, True]
        assert len(encoded.ids) == len(encoded.words) == 11
        assert (encoded.ids.dtype, encoded.words.dtype, encoded.lengths.dtype) == ("int32", "int32", "int64")

    def test_a_cut_text_still_ends_with_its_separator(self, tokenizer: TextTokenizer) -> None:
        assert names(tokenizer, "大蒜能治病", max_len=4) == ["[CLS]", "大", "蒜", "[SEP]"]

    def test_a_text_that_just_fits_is_not_cut(self, tokenizer: TextTokenizer) -> None:
        assert tokenizer.encode_batch(["大蒜能治病"], max_len=7).truncated.tolist() == [False]

    def test_a_word_is_a_chinese_character_or_a_whole_latin_word(self, tokenizer: TextTokenizer) -> None:
        encoded = tokenizer.encode_batch(["大 aabaac 蒜"], max_len=20)
        pieces = len(encoded.ids) - 4
        assert pieces > 1
        assert encoded.words.tolist() == [-1, 0, *[1] * pieces, 2, -1]

    def test_no_texts_give_no_tokens(self, tokenizer: TextTokenizer) -> None:
        encoded = tokenizer.encode_batch([], max_len=5)
        assert (len(encoded.ids), len(encoded.lengths), encoded.words.dtype) == (0, 0, "int32")

    def test_a_post_cannot_forge_a_special_token(self, tokenizer: TextTokenizer) -> None:
        encoded = tokenizer.encode_batch(["大[SEP]蒜[PAD][MASK]"], max_len=50)
        assert tokenizer.sep_id not in encoded.ids[1:-1]
        assert not {tokenizer.pad_id, tokenizer.mask_id} & set(encoded.ids.tolist())

    @pytest.mark.parametrize("max_len", [0, 2])
    def test_a_length_without_room_for_content_is_refused(self, tokenizer: TextTokenizer, max_len: int) -> None:
        with pytest.raises(ConfigError, match=f"max_len is {max_len}"):
            tokenizer.encode_batch(["大蒜"], max_len)

    def test_padding_and_truncation_of_the_backend_are_switched_off(self, tokenizer: TextTokenizer) -> None:
        backend = Tokenizer.from_str(tokenizer.backend.to_str())
        backend.enable_padding(length=64)
        backend.enable_truncation(3)
        assert TextTokenizer(backend, SpecialTokens()).encode_batch(["大蒜能治病"], 100).lengths == [7]

    def test_the_size_is_the_largest_id_plus_one_even_with_gaps(self) -> None:
        vocab = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "大": 90}
        backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
        assert TextTokenizer(backend, SpecialTokens()).vocab_size == 91

    def test_a_tokenizer_that_adds_no_special_tokens_is_cut_all_the_same(self) -> None:
        vocab = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
        backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        assert TextTokenizer(backend, SpecialTokens()).encode_batch(["x y z"], 2).ids.tolist() == [1, 1]


class TestPlaces:
    def test_each_token_names_its_stretch_of_the_text(self, tokenizer: TextTokenizer) -> None:
        text = "大蒜 iPhone12，ＮＡＳＡ http://t.cn/abc能"
        stretches = [text[token.start : token.end] for token in tokenizer.tokenize(text)]
        assert stretches == ["", "大", "蒜", "iPhone12", "，", "ＮＡＳＡ", "http://t.cn/abc", "能", ""]

    @given(text=mixed_texts, max_len=st.integers(3, 12))
    def test_tokens_are_those_of_encode_batch_and_their_places_never_go_back(
        self, tokenizer: TextTokenizer, text: str, max_len: int
    ) -> None:
        tokens = tokenizer.tokenize(text, max_len)
        encoded = tokenizer.encode_batch([text], max_len)
        assert [token.id for token in tokens] == encoded.ids.tolist()
        assert [token.word for token in tokens] == encoded.words.tolist()
        content = [token for token in tokens if token.word >= 0]
        assert all(0 <= token.start < token.end <= len(text) for token in content)
        assert all(left.start <= right.start for left, right in pairwise(content))

    def test_a_length_without_room_for_content_is_refused(self, tokenizer: TextTokenizer) -> None:
        with pytest.raises(ConfigError, match="max_len is 1"):
            tokenizer.tokenize("大蒜", max_len=1)


class TestFile:
    def test_what_is_saved_is_read_back(self, tokenizer: TextTokenizer, tmp_path: Path) -> None:
        tokenizer.save(tmp_path / "tokenizer.json")
        again = TextTokenizer.load(tmp_path / "tokenizer.json", tokenizer.special)
        assert again.vocab_size == tokenizer.vocab_size
        for post in POSTS:
            assert again.tokenize(post) == tokenizer.tokenize(post)

    @pytest.mark.parametrize("damage", ["", "{}", "[]", '{"version": "1.0", "truncation"', "\x00\x01"])
    def test_a_damaged_file_is_refused_by_name(self, tmp_path: Path, damage: str) -> None:
        (tmp_path / "tokenizer.json").write_text(damage)
        with pytest.raises(CheckpointError, match=r"tokenizer\.json is not a readable tokenizer"):
            TextTokenizer.load(tmp_path / "tokenizer.json")

    def test_a_file_cut_short_is_refused(self, tokenizer: TextTokenizer, tmp_path: Path) -> None:
        path = tmp_path / "tokenizer.json"
        tokenizer.save(path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(CheckpointError):
            TextTokenizer.load(path)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="no such tokenizer file"):
            TextTokenizer.load(tmp_path / "tokenizer.json")

    def test_a_file_without_the_special_tokens_is_refused(self, tokenizer: TextTokenizer, tmp_path: Path) -> None:
        tokenizer.save(tmp_path / "tokenizer.json")
        with pytest.raises(CheckpointError, match="<mask>"):
            TextTokenizer.load(tmp_path / "tokenizer.json", SpecialTokens(mask="<mask>"))

    def test_a_backend_without_the_special_tokens_is_refused(self) -> None:
        with pytest.raises(PretrainedModelError, match=r"\[PAD\]"):
            TextTokenizer(Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]")), SpecialTokens())
