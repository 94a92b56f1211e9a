"""Entities as tokens, and every place in the contents where one stands, as an obvious slow version finds them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from zhenwei.tokens.entities import EncodedEntities, encode_entities
from zhenwei.tokens.tokenizer import SpecialTokens, TextTokenizer
from zhenwei.tokens.vocabulary import train_tokenizer

NONE = -1
UNKNOWN = "鱼"  # not in the vocabulary


@st.composite
def articles(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """A content, and entities most of which are stretches of it, so that they overlap."""
    content = draw(st.text(alphabet=st.sampled_from(f"大大蒜 ab{UNKNOWN}"), max_size=12))
    stretches = st.builds(
        lambda start, size: content[start : start + size], st.integers(0, len(content)), st.integers(0, 4)
    )
    return content, tuple(draw(st.lists(stretches | st.sampled_from(["大大", "蒜", "ab"]), max_size=5)))


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    # Characters alone: "app" and "apple" are words of several pieces each.
    return train_tokenizer(["大 蒜 能 治 病 张 三 李 a b p l e aa bb pp ll ee"] * 2, vocab_size=27)


def encode(tokenizer: TextTokenizer, *pairs: tuple[str, tuple[str, ...]], max_len: int = 40) -> EncodedEntities:
    """Encode articles, each a content and its entities."""
    contents = tokenizer.encode_batch([content for content, _ in pairs], max_len)
    return encode_entities([entities for _, entities in pairs], contents, tokenizer, max_len, max_entity_len=12)


def owners(tokenizer: TextTokenizer, content: str, *entities: str) -> list[int]:
    """Give the entity of each of a content's tokens, special tokens left out."""
    of_token = encode(tokenizer, (content, entities)).of_token.tolist()
    assert of_token[0] == of_token[-1] == NONE
    return of_token[1:-1]  # type: ignore[no-any-return]


def spelled(tokenizer: TextTokenizer, encoded: EncodedEntities) -> list[tuple[str | None, int]]:
    tokens = [tokenizer.backend.id_to_token(int(n)) for n in encoded.ids]
    return list(zip(tokens, encoded.numbers.tolist(), strict=True))


class TestPlaces:
    def test_an_entity_is_found_everywhere_it_stands(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "张三治张三病", "张三") == [0, 0, NONE, 0, 0, NONE]

    def test_one_that_stands_nowhere_is_found_nowhere(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "大蒜能治病", "张三") == [NONE] * 5

    def test_each_has_the_number_of_its_place_in_the_list(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "大蒜治张三", "张三", "大蒜") == [1, 1, NONE, 0, 0]

    def test_equal_entities_share_the_first_ones_number(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "ab治张三", "AB", "ab", "张三") == [0, 0, NONE, 1, 1]

    def test_the_longer_of_two_that_overlap_has_the_place(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "大蒜能治大蒜", "大蒜", "蒜能治") == [NONE, 1, 1, 1, 0, 0]

    def test_of_two_equally_long_ones_the_first_named_has_the_place(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "大蒜能", "蒜能", "大蒜") == [NONE, 0, 0]
        assert owners(tokenizer, "大蒜能", "大蒜", "蒜能") == [0, 0, NONE]

    def test_an_entity_does_not_overlap_itself(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "大大大", "大大") == [0, 0, NONE]

    def test_an_entity_is_made_of_whole_words(self, tokenizer: TextTokenizer) -> None:
        pieces = len("apple")
        assert owners(tokenizer, "apple app", "app") == [*[NONE] * pieces, 0, 0, 0]
        assert owners(tokenizer, "大apple", "大app") == [NONE] * (1 + pieces)
        assert owners(tokenizer, "apple大", "e大") == [NONE] * (pieces + 1)

    def test_spaces_within_an_entity_do_not_matter(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, "张 三", "张三") == [0, 0]

    def test_nothing_but_unknown_tokens_stands_nowhere(self, tokenizer: TextTokenizer) -> None:
        assert owners(tokenizer, f"{UNKNOWN}{UNKNOWN}大{UNKNOWN}", UNKNOWN, UNKNOWN * 2) == [NONE] * 4
        assert owners(tokenizer, f"大{UNKNOWN}", f"大{UNKNOWN}") == [0, 0]

    @pytest.mark.parametrize("nothing", ["", " ", "\u200b"])
    def test_an_entity_without_tokens_stands_nowhere(self, tokenizer: TextTokenizer, nothing: str) -> None:
        assert owners(tokenizer, "大蒜", nothing) == [NONE] * 2

    def test_an_entity_is_found_in_its_own_article_alone(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, ("大蒜", ("张三",)), ("张三", ("大蒜", "张三")), ("张三", ()))
        assert encoded.of_token.tolist() == [*[NONE] * 4, NONE, 1, 1, NONE, *[NONE] * 4]

    def test_no_place_reaches_from_one_article_into_the_next(self) -> None:
        vocab = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "x": 5, "y": 6}
        backend = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        without_special_tokens = TextTokenizer(backend, SpecialTokens())
        encoded = encode(without_special_tokens, ("x", ("x y", "x")), ("y", ("x y", "y")))
        assert encoded.of_token.tolist() == [1, 1]

    def test_entities_beyond_the_cut_of_the_list_are_still_found(self, tokenizer: TextTokenizer) -> None:
        long = "大蒜能治病" * 3
        assert owners(tokenizer, f"张三{long}", long, "张三") == [1, 1, *[0] * 15]

    def test_an_entity_that_the_cut_of_the_content_broke_is_not_found(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, ("大蒜能治病张三", ("张三", "大蒜")), max_len=8)
        assert encoded.of_token.tolist() == [NONE, 1, 1, *[NONE] * 5]

    def test_large_token_ids_are_found_too(self) -> None:
        vocab = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "x": 0xD800, "y": 0xDC00, "z": 300_000}
        backend = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        assert encode(TextTokenizer(backend, SpecialTokens()), ("x y z", ("y z", "x"))).of_token.tolist() == [1, 0, 0]

    @pytest.mark.no_cover
    @pytest.mark.slow
    @given(pairs=st.lists(articles(), max_size=4))
    def test_the_places_are_those_that_an_obvious_slow_version_finds(
        self, tokenizer: TextTokenizer, pairs: list[tuple[str, tuple[str, ...]]]
    ) -> None:
        expected = [owner for content, entities in pairs for owner in slow_owners(tokenizer, content, entities)]
        assert encode(tokenizer, *pairs).of_token.tolist() == expected


class TestLists:
    def test_an_entity_has_its_separator_and_the_first_token_is_nobodys(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, ("大", ("张三", "病")))
        expected = [("[CLS]", NONE), ("张", 0), ("三", 0), ("[SEP]", 0), ("病", 1), ("[SEP]", 1)]
        assert spelled(tokenizer, encoded) == expected

    def test_the_separator_that_ends_a_cut_list_is_the_cut_entitys(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, ("大", ("张三", "大蒜能治病" * 2, "李")))
        assert encoded.lengths.tolist() == [12]
        assert encoded.numbers.tolist() == [NONE, 0, 0, 0, *[1] * 8]
        assert spelled(tokenizer, encoded)[-1] == ("[SEP]", 1)

    def test_no_entities_give_an_empty_list(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, ("大", ()), ("大", ("病",)), ("大", ()))
        assert encoded.lengths.tolist() == [0, 3, 0]
        assert encoded.numbers.tolist() == [NONE, 0, 0]

    def test_no_articles_give_no_tokens(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer)
        assert [len(part) for part in (encoded.ids, encoded.numbers, encoded.lengths, encoded.of_token)] == [0] * 4

    def test_arrays_have_the_types_that_the_docstring_names(self, tokenizer: TextTokenizer) -> None:
        for encoded in (encode(tokenizer), encode(tokenizer, ("大", ("病",)))):
            assert encoded.ids.dtype == encoded.numbers.dtype == encoded.of_token.dtype == np.int32
            assert encoded.lengths.dtype == np.int64

    @pytest.mark.no_cover
    @pytest.mark.slow
    @given(pairs=st.lists(articles(), max_size=4))
    def test_tokens_carry_their_entitys_number(
        self, tokenizer: TextTokenizer, pairs: list[tuple[str, tuple[str, ...]]]
    ) -> None:
        encoded = encode(tokenizer, *pairs)
        ends = np.cumsum(encoded.lengths)[:-1]
        lists = zip(np.split(encoded.ids, ends), np.split(encoded.numbers, ends), strict=True) if pairs else ()
        for (_, entities), (ids, numbers) in zip(pairs, lists, strict=True):
            expected_ids, expected_numbers = slow_list(tokenizer, entities, max_len=12)
            assert (ids.tolist(), numbers.tolist()) == (expected_ids, expected_numbers)


def tokens_of(tokenizer: TextTokenizer, text: str) -> list[int]:
    return [token.id for token in tokenizer.tokenize(text) if token.word >= 0]


def number_of_each(tokenizer: TextTokenizer, entities: tuple[str, ...]) -> list[int]:
    """Number entities by their first equal: the slow way to number them."""
    different: list[list[int]] = []
    numbers = []
    for entity in entities:
        tokens = tokens_of(tokenizer, entity)
        if tokens not in different:
            different.append(tokens)
        numbers.append(different.index(tokens))
    return numbers


def slow_owners(tokenizer: TextTokenizer, content: str, entities: tuple[str, ...]) -> list[int]:
    """Try each entity, the longest first, at each place."""
    tokens = tokenizer.tokenize(content)
    owner = [NONE] * len(tokens)
    numbered = [
        (number, tokens_of(tokenizer, entity))
        for number, entity in zip(number_of_each(tokenizer, entities), entities, strict=True)
    ]
    for number, wanted in sorted(numbered, key=lambda pair: -len(pair[1])):
        if set(wanted) <= {tokenizer.unk_id}:
            continue
        for start in range(1, len(tokens) - len(wanted)):
            end = start + len(wanted)
            same = [token.id for token in tokens[start:end]] == wanted
            whole = tokens[start].word != tokens[start - 1].word and tokens[end - 1].word != tokens[end].word
            if same and whole and owner[start:end] == [NONE] * len(wanted):
                owner[start:end] = [number] * len(wanted)
    return owner


def slow_list(tokenizer: TextTokenizer, entities: tuple[str, ...], max_len: int) -> tuple[list[int], list[int]]:
    if not entities:
        return [], []
    ids, numbers = [tokenizer.cls_id], [NONE]
    for number, entity in zip(number_of_each(tokenizer, entities), entities, strict=True):
        tokens = [*tokens_of(tokenizer, entity), tokenizer.sep_id]
        ids += tokens
        numbers += [number] * len(tokens)
    return [*ids[: max_len - 1], tokenizer.sep_id][: len(ids)], numbers[:max_len]
