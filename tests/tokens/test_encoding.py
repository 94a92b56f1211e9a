"""Articles become flat arrays once, whatever the chunks they come in."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from zhenwei.config import DomainKind
from zhenwei.errors import ConfigError, DataError, MissingFieldError
from zhenwei.news import Article
from zhenwei.tokens import encoding
from zhenwei.tokens.encoding import EncodedArticles, domain_of, encode_articles
from zhenwei.tokens.ragged import positions
from zhenwei.tokens.tokenizer import TextTokenizer
from zhenwei.tokens.vocabulary import train_tokenizer

ALL_FIELDS = frozenset({"entities", "domain", "emotion"})
ARTICLES = [
    Article(content="大蒜能治病", label="fake", domain="健康", entity_list=("大蒜", "ab"), emotion=(0.5, 1)),
    Article(content="ab大", label="real", domain="科技", entity_list=(), emotion=(0, 2)),
    Article(content="病", domain="没见过", entity_list=("大蒜能治病大蒜能治病",), emotion=(1, 1)),
    Article(content="大病", label="real", entity_list=("[SEP]", "病"), emotion=(3, 4)),
]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(["大蒜能治病 ab [SEP]"] * 2, vocab_size=100)


def encode(tokenizer: TextTokenizer, chunk_size: int = 4096, max_entity_len: int = 8) -> EncodedArticles:
    return encode_articles(
        iter(ARTICLES),
        tokenizer,
        max_len=6,
        fields=ALL_FIELDS,
        domain_names=["科技", "健康"],
        max_entity_len=max_entity_len,
        chunk_size=chunk_size,
    )


def spelled(tokenizer: TextTokenizer, ids: np.ndarray) -> list[str | None]:
    return [tokenizer.backend.id_to_token(int(n)) for n in ids]


def test_each_row_holds_the_tokens_of_its_article(tokenizer: TextTokenizer) -> None:
    encoded = encode(tokenizer)
    assert len(encoded) == 4
    assert spelled(tokenizer, encoded.tokens[1]) == ["[CLS]", "ab", "大", "[SEP]"]
    assert encoded.lengths.tolist() == [6, 4, 3, 4]
    assert encoded.words.tolist() == [-1, 0, 1, 2, 3, -1, -1, 0, 1, -1, -1, 0, -1, -1, 0, 1, -1]


def test_arrays_have_the_types_that_the_docstrings_name(tokenizer: TextTokenizer) -> None:
    encoded = encode(tokenizer)
    assert encoded.tokens.ids.dtype == encoded.words.dtype == np.int32
    assert encoded.tokens.offsets.dtype == encoded.lengths.dtype == np.int64
    assert encoded.labels.dtype == np.float32
    assert encoded.domains is not None
    assert encoded.domains.dtype == np.int64
    assert encoded.emotion is not None
    assert encoded.emotion.dtype == np.float32


def test_cut_articles_are_counted(tokenizer: TextTokenizer) -> None:
    assert encode(tokenizer).truncated.sum() == 1


def test_labels_are_zero_one_and_nan(tokenizer: TextTokenizer) -> None:
    np.testing.assert_array_equal(encode(tokenizer).labels, [1, 0, np.nan, 0])


def test_a_domain_is_its_index_and_an_unknown_or_missing_one_is_minus_one(tokenizer: TextTokenizer) -> None:
    domains = encode(tokenizer).domains
    assert domains is not None
    assert domains.tolist() == [1, 0, -1, -1]


def test_a_domain_may_be_the_year_of_the_time(tokenizer: TextTokenizer) -> None:
    articles = [
        Article(content="大", domain="2014", time="2013-05-01"),
        Article(content="大", domain="2013"),
        Article(content="大", time="2014-01-01 08:00"),
        Article(content="大", time="1999-01-01"),
    ]
    domains = encode_articles(
        articles, tokenizer, 6, fields=frozenset({"domain"}), domain="year", domain_names=["2013", "2014"]
    ).domains
    assert domains is not None
    assert domains.tolist() == [0, -1, 1, -1]


def test_emotion_is_one_row_per_article(tokenizer: TextTokenizer) -> None:
    emotion = encode(tokenizer).emotion
    assert emotion is not None
    assert emotion.tolist() == [[0.5, 1], [0, 2], [1, 1], [3, 4]]


def test_entities_are_joined_by_the_separator_and_cut(tokenizer: TextTokenizer) -> None:
    entities = encode(tokenizer).entity_tokens
    assert entities is not None
    assert spelled(tokenizer, entities[0]) == ["[CLS]", "大", "蒜", "[SEP]", "ab", "[SEP]"]
    assert spelled(tokenizer, entities[1]) == []
    assert spelled(tokenizer, entities[2]) == ["[CLS]", *"大蒜能治病大", "[SEP]"]
    assert spelled(tokenizer, entities[3])[-3:] == ["[SEP]", "病", "[SEP]"]


def test_each_token_names_the_entity_that_it_belongs_to(tokenizer: TextTokenizer) -> None:
    encoded = encode(tokenizer)
    assert encoded.entity_of_token is not None
    assert encoded.entity_of_token.tolist() == [-1, 0, 0, -1, -1, -1, *[-1] * 4, *[-1] * 3, -1, -1, 1, -1]
    assert encoded.entity_of_entity_token is not None
    assert encoded.entity_of_entity_token[:6].tolist() == [-1, 0, 0, 0, 1, 1]
    assert encoded.entity_tokens is not None
    assert len(encoded.entity_of_entity_token) == len(encoded.entity_tokens.ids)
    assert encoded.entity_of_token.dtype == encoded.entity_of_entity_token.dtype == np.int32


def test_entities_cut_in_the_middle_of_the_list_end_with_the_separator(tokenizer: TextTokenizer) -> None:
    entities = encode(tokenizer, max_entity_len=5).entity_tokens
    assert entities is not None
    assert spelled(tokenizer, entities[0]) == ["[CLS]", "大", "蒜", "[SEP]", "[SEP]"]
    assert entities.lengths.max() == 5


def test_an_entity_that_spells_the_separator_is_ordinary_text(tokenizer: TextTokenizer) -> None:
    entities = encode(tokenizer).entity_tokens
    assert entities is not None
    assert spelled(tokenizer, entities[3])[1:4] == ["[", "sep", "]"]


def test_articles_without_any_entity_give_empty_rows(tokenizer: TextTokenizer) -> None:
    articles = [Article(content="大", entity_list=())] * 3
    entities = encode_articles(articles, tokenizer, 6, fields=frozenset({"entities"})).entity_tokens
    assert entities is not None
    assert entities.lengths.tolist() == [0, 0, 0]


def test_fields_that_are_not_asked_for_are_not_encoded(tokenizer: TextTokenizer) -> None:
    encoded = encode_articles(ARTICLES, tokenizer, max_len=6)
    assert (encoded.entity_tokens, encoded.domains, encoded.emotion) == (None, None, None)
    assert (encoded.entity_of_token, encoded.entity_of_entity_token) == (None, None)


@pytest.mark.parametrize("chunk_size", [1, 2, 3])
def test_chunks_leave_no_trace(tokenizer: TextTokenizer, chunk_size: int) -> None:
    assert encode(tokenizer, chunk_size).fingerprint() == encode(tokenizer).fingerprint()


def test_long_articles_end_a_chunk_early(tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode(tokenizer).fingerprint()
    monkeypatch.setattr(encoding, "_CHUNK_CHARACTERS", 4)
    assert encode(tokenizer).fingerprint() == whole


def test_the_fingerprint_changes_with_the_data(tokenizer: TextTokenizer) -> None:
    prints = {
        encode(tokenizer).fingerprint(),
        encode_articles(ARTICLES, tokenizer, 6).fingerprint(),
        encode_articles(ARTICLES, tokenizer, 5).fingerprint(),
        encode_articles(ARTICLES[:3], tokenizer, 6).fingerprint(),
        encode_articles([*ARTICLES[:3], Article(content="大病", label="fake")], tokenizer, 6).fingerprint(),
    }
    assert len(prints) == 5


@pytest.mark.parametrize("name", ["entity_of_token", "entity_of_entity_token", "domains", "emotion"])
def test_the_fingerprint_covers_what_is_optional(tokenizer: TextTokenizer, name: str) -> None:
    encoded = encode(tokenizer)
    changed = getattr(encoded, name).copy()
    changed[1] += 1
    assert replace(encoded, **{name: changed}).fingerprint() != encoded.fingerprint()


def test_no_articles_give_empty_arrays(tokenizer: TextTokenizer) -> None:
    encoded = encode_articles([], tokenizer, 6, fields=ALL_FIELDS)
    assert len(encoded) == 0
    assert encoded.emotion is not None
    assert encoded.emotion.shape == (0, 0)
    assert len(encoded.fingerprint()) == 64


def test_emotion_of_another_length_is_refused_with_its_row(tokenizer: TextTokenizer) -> None:
    articles = [*ARTICLES, Article(content="大", emotion=(1.0, 2.0, 3.0))]
    with pytest.raises(
        DataError, match="row 5: found 3 values in 'emotion'; expected 2, those of the articles before it"
    ):
        encode_articles(articles, tokenizer, 6, fields=frozenset({"emotion"}), chunk_size=2)


@pytest.mark.parametrize("chunk_size", [1, 4096])
def test_emotion_of_another_length_than_the_detector_reads_is_refused(
    tokenizer: TextTokenizer, chunk_size: int
) -> None:
    emotion = frozenset({"emotion"})
    with pytest.raises(DataError, match="row 7: found 2 values in 'emotion'; expected 55, what this detector reads"):
        encode_articles(ARTICLES, tokenizer, 6, fields=emotion, emotion_size=55, first_row=7, chunk_size=chunk_size)
    encoded = encode_articles(ARTICLES, tokenizer, 6, fields=emotion, emotion_size=2, chunk_size=chunk_size)
    assert encoded.emotion is not None
    assert encoded.emotion.shape == (4, 2)
    nobody = encode_articles([], tokenizer, 6, fields=emotion, emotion_size=55)
    assert nobody.emotion is not None
    assert nobody.emotion.shape == (0, 55)


@pytest.mark.parametrize(
    ("field", "named"), [("emotion", "emotion.*a list of finite numbers"), ("entities", "entity_list.*or of strings")]
)
def test_a_missing_field_is_refused_with_its_row(tokenizer: TextTokenizer, field: str, named: str) -> None:
    articles = [*ARTICLES, Article(content="大")]
    with pytest.raises(DataError, match=f"row 5: no field '{named}"):
        encode_articles(articles, tokenizer, 6, fields=frozenset({field}), chunk_size=2)
    with pytest.raises(DataError, match="row 1029: "):
        encode_articles(articles, tokenizer, 6, fields=frozenset({field}), first_row=1025)


def test_a_missing_field_is_told_in_parts_that_survive_pickling(tokenizer: TextTokenizer) -> None:
    with pytest.raises(MissingFieldError) as caught:
        encode_articles([Article(content="大")], tokenizer, 6, fields=frozenset({"entities"}), first_row=3)
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # processes of one training share errors
        assert (error.field, error.row) == ("entity_list", 3)
        assert str(error).startswith("row 3: no field 'entity_list', which this detector needs; expected a list")


def test_an_unknown_field_is_refused(tokenizer: TextTokenizer) -> None:
    with pytest.raises(ConfigError, match="mood"):
        encode_articles(ARTICLES, tokenizer, 6, fields=frozenset({"mood"}))


def test_positions_count_from_zero_in_each_row() -> None:
    assert positions(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]


DATED = Article(content="大蒜", domain="健康", time="2013-12-31 23:59:59")
PLAIN = Article(content="大蒜")


@pytest.mark.parametrize(
    ("article", "kind", "domain"),
    [(DATED, "field", "健康"), (DATED, "year", "2013"), (PLAIN, "field", None), (PLAIN, "year", None)],
)
def test_the_domain_is_the_field_or_the_year(article: Article, kind: DomainKind, domain: str | None) -> None:
    assert domain_of(article, kind) == domain


def test_the_domain_is_the_field_by_default() -> None:
    assert domain_of(DATED) == "健康"
