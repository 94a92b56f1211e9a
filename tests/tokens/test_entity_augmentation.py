"""Half of the articles act on their entities, as an obvious slow version does in pure Python."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhenwei.news import Article
from zhenwei.tokens import Augmentation, EncodedArticles, TextTokenizer, collate, encode_articles, train_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # thousands of draws

LOW = 2**64 - 1
CLS, SEP, MASK = 2, 3, 4

texts = st.text(alphabet=st.sampled_from("大蒜病能 abap鱼"), min_size=1, max_size=16).filter(str.strip)
names = st.text(alphabet=st.sampled_from("大蒜病能abap鱼"), max_size=3)
articles = st.builds(Article, content=texts, entity_list=st.lists(names, max_size=4).map(tuple))

Lists = list[list[int]]


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(["大 蒜 能 治 病 张 三 李 四 a b p aa bb pp"] * 2, vocab_size=26)


def encode(tokenizer: TextTokenizer, articles: list[Article], max_entity_len: int = 50) -> EncodedArticles:
    return encode_articles(
        articles, tokenizer, max_len=40, fields=frozenset({"entities"}), max_entity_len=max_entity_len
    )


def augment(
    encoded: EncodedArticles, rows: list[int], augmentation: Augmentation, epoch: int = 0
) -> tuple[Lists, Lists]:
    """Give the tokens of the contents and of the entity lists that a batch is left with."""
    batch = collate(encoded, np.array(rows, np.int64), pad_id=0, augmentation=augmentation, epoch=epoch)
    assert batch.entity_tokens is not None
    assert batch.entity_mask is not None
    assert batch.mask.sum(1).tolist() == batch.lengths.tolist()
    cut = ((batch.tokens, batch.mask), (batch.entity_tokens, batch.entity_mask))
    contents, lists = ([row[seen].tolist() for row, seen in zip(*part, strict=True)] for part in cut)
    return contents, lists


def fates(tokenizer: TextTokenizer, content: str, *entities: str, rate: float = 0.2, epochs: int = 400) -> Counter[str]:
    """Spell what is left of an article, content and entity list, in each of many epochs."""
    encoded = encode(tokenizer, [Article(content=content, entity_list=entities)])
    left: Counter[str] = Counter()
    for epoch in range(epochs):
        contents, lists = augment(encoded, [0], Augmentation(rate, 1, MASK), epoch)
        spelled = ("".join(tokenizer.backend.id_to_token(n) for n in part[0]) for part in (contents, lists))
        left[" | ".join(spelled)] += 1
    return left


class TestFates:
    def test_an_entity_is_kept_masked_or_deleted_in_the_content_and_in_the_list_alike(
        self, tokenizer: TextTokenizer
    ) -> None:
        on_entities = {
            "[CLS]张三治李[SEP] | [CLS]张三[SEP]李[SEP]",
            "[CLS]张三治[MASK][SEP] | [CLS]张三[SEP]",
            "[CLS]张三治[SEP] | [CLS]张三[SEP]",
            "[CLS][MASK][MASK]治李[SEP] | [CLS]李[SEP]",
            "[CLS][MASK][MASK]治[MASK][SEP] | ",
            "[CLS][MASK][MASK]治[SEP] | ",
            "[CLS]治李[SEP] | [CLS]李[SEP]",
            "[CLS]治[MASK][SEP] | ",
            "[CLS]治[SEP] | ",
        }
        left = fates(tokenizer, "张三治李", "张三", "李", rate=0.3)
        assert on_entities <= left.keys()
        on_words = left.keys() - on_entities
        assert on_words
        assert all(both.endswith(" | [CLS]张三[SEP]李[SEP]") for both in on_words)

    def test_an_entity_shares_one_fate_wherever_it_stands(self, tokenizer: TextTokenizer) -> None:
        left = fates(tokenizer, "李治李病李", "李", "李")
        hidden = {both for both in left if both.endswith(" | ")}
        assert hidden == {"[CLS]治病[SEP] | ", "[CLS][MASK]治[MASK]病[MASK][SEP] | "}

    def test_an_entity_that_the_content_does_not_name_may_leave_the_list(self, tokenizer: TextTokenizer) -> None:
        left = fates(tokenizer, "病", "李")
        assert left.keys() == {"[CLS]病[SEP] | [CLS]李[SEP]", "[CLS]病[SEP] | "}

    def test_without_entities_half_of_the_epochs_change_nothing(self, tokenizer: TextTokenizer) -> None:
        left = fates(tokenizer, "大蒜能治病张三李四" * 3, epochs=1000)
        assert left["[CLS]" + "大蒜能治病张三李四" * 3 + "[SEP] | "] / 1000 == pytest.approx(0.5, abs=0.05)

    def test_a_content_of_entities_alone_keeps_one_of_them(self, tokenizer: TextTokenizer) -> None:
        for both in fates(tokenizer, "张三李四", "张三", "李四", rate=0.9):
            content, entities = both.split(" | ")
            assert set("张三李四") & set(content)
            assert all(name not in content or name in entities for name in ("张三", "李四"))

    def test_entities_beyond_the_cut_of_the_list_are_hidden_in_the_content(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, [Article(content="李治张三", entity_list=("病病病病", "李"))], max_entity_len=5)
        outcomes = [augment(encoded, [0], Augmentation(0.3, 1, MASK), epoch) for epoch in range(200)]
        cut_list = encoded.entity_tokens[0].tolist() if encoded.entity_tokens is not None else []
        assert {len(lists[0]) for _, lists in outcomes} == {0, len(cut_list)}
        content = encoded.tokens[0].tolist()
        without_li = [CLS, *content[2:]]
        assert without_li in [contents[0] for contents, _ in outcomes]

    def test_each_fate_has_the_chance_of_the_rate(self, tokenizer: TextTokenizer) -> None:
        n, rate = 4000, 0.2
        encoded = encode(tokenizer, [Article(content="李治张", entity_list=("李", "张"))] * n)
        (name,) = (int(token) for token in encoded.tokens[0][1:2])
        masked = deleted = unlisted = 0
        for epoch in range(4):
            contents, lists = augment(encoded, list(range(n)), Augmentation(rate, 7, MASK), epoch)
            hit = [content for content, named in zip(contents, lists, strict=True) if name not in named]
            masked += sum(content[1] == MASK for content in hit)
            deleted += sum(content[1] != MASK for content in hit)
            unlisted += len(hit)
        assert masked / (4 * n) == pytest.approx(rate / 2, abs=0.01)  # half of the articles act on entities
        assert deleted / (4 * n) == pytest.approx(rate / 2, abs=0.01)
        assert unlisted / (4 * n) == pytest.approx(rate, abs=0.015)

    def test_rate_zero_changes_nothing(self, tokenizer: TextTokenizer) -> None:
        assert fates(tokenizer, "张三治病", "张三", rate=0.0, epochs=20).keys() == {
            "[CLS]张三治病[SEP] | [CLS]张三[SEP]"
        }


class TestWords:
    def test_articles_that_act_on_words_fare_as_if_entities_were_not_encoded(self, tokenizer: TextTokenizer) -> None:
        posts = [Article(content="大蒜能治病张三李四", entity_list=("张三",))] * 300
        augmentation, rows = Augmentation(0.2, 3, MASK), np.arange(300)
        plain = collate(encode_articles(posts, tokenizer, 40), rows, pad_id=0, augmentation=augmentation, epoch=2)
        on_words = [row[seen].tolist() for row, seen in zip(plain.tokens, plain.mask, strict=True)]
        contents, _ = augment(encode(tokenizer, posts), rows.tolist(), augmentation, epoch=2)
        same = sum(left == words for left, words in zip(contents, on_words, strict=True))
        assert 120 < same < 200


class TestPurity:
    @given(
        posts=st.lists(articles, min_size=1, max_size=8),
        rate=st.sampled_from([0.0, 0.1, 0.3, 0.49, 0.5, 0.7, 0.99]),
        seed=st.integers(0, 2**64),
        epoch=st.integers(0, 2**20),
        data=st.data(),
    )
    def test_a_batch_is_what_an_obvious_slow_version_leaves(
        self,
        tokenizer: TextTokenizer,
        posts: list[Article],
        rate: float,
        seed: int,
        epoch: int,
        data: st.DataObject,
    ) -> None:
        rows = data.draw(st.lists(st.integers(0, len(posts) - 1), min_size=1, max_size=8))
        encoded = encode(tokenizer, posts, max_entity_len=data.draw(st.sampled_from([5, 50])))
        contents, lists = augment(encoded, rows, Augmentation(rate, seed, MASK), epoch)
        expected = [slow_augmentation(encoded, row, rate, seed, epoch) for row in rows]
        assert list(zip(contents, lists, strict=True)) == expected

    def test_an_article_fares_the_same_whoever_its_batch_mates_are(self, tokenizer: TextTokenizer) -> None:
        posts = [Article(content=f"大蒜{name}治病", entity_list=(name, "大蒜")) for name in ("张三", "李四", "a") * 20]
        encoded, augmentation = encode(tokenizer, posts), Augmentation(0.3, 5, MASK)
        contents, lists = augment(encoded, [*range(60)][::-1], augmentation)
        for row in range(60):
            assert augment(encoded, [row], augmentation) == ([contents[59 - row]], [lists[59 - row]])

    def test_seed_epoch_and_article_each_draw_anew(self, tokenizer: TextTokenizer) -> None:
        content = "张三李四ab大蒜治病" * 3
        encoded = encode(tokenizer, [Article(content=content, entity_list=tuple("张三李四大蒜治病"))] * 40)

        def drawn(rows: range, seed: int, epoch: int) -> str:
            return str(augment(encoded, list(rows), Augmentation(0.3, seed, MASK), epoch))

        first, second = range(20), range(20, 40)
        assert drawn(first, 1, 0) == drawn(first, 1, 0)
        assert len({drawn(first, 1, 0), drawn(second, 1, 0), drawn(first, 2, 0), drawn(first, 1, 1)}) == 4

    def test_the_encoded_articles_stay_as_they_are(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, [Article(content="张三治病", entity_list=("张三",))] * 20)
        before = encoded.fingerprint()
        augment(encoded, list(range(20)), Augmentation(0.4, 1, MASK))
        assert encoded.fingerprint() == before

    def test_an_empty_batch_stays_empty(self, tokenizer: TextTokenizer) -> None:
        encoded = encode(tokenizer, [Article(content="张三治病", entity_list=("张三",))])
        assert augment(encoded, [], Augmentation(0.4, 1, MASK)) == ([], [])


def mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & LOW
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & LOW
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & LOW
    return value ^ (value >> 31)


def slow_augmentation(
    encoded: EncodedArticles, row: int, rate: float, seed: int, epoch: int
) -> tuple[list[int], list[int]]:
    """Augment one article, token by token."""
    assert encoded.entity_tokens is not None
    assert encoded.entity_of_token is not None
    assert encoded.entity_of_entity_token is not None
    start, end = encoded.tokens.offsets[row : row + 2]
    ids, words = encoded.tokens[row].tolist(), encoded.words[start:end].tolist()
    entities = encoded.entity_of_token[start:end].tolist()
    start, end = encoded.entity_tokens.offsets[row : row + 2]
    listed = list(zip(encoded.entity_tokens[row].tolist(), encoded.entity_of_entity_token[start:end], strict=True))

    key = mix((mix(mix(seed & LOW) + epoch) + row) & LOW)
    on_entities = mix((key + 2**33) & LOW) >= 2**63

    def draw(thing: int) -> float:
        return (mix((key + thing + (2**32 if on_entities else 0)) & LOW) >> 11) / 2**53

    things = entities if on_entities else words
    spared = max((thing for thing in things if thing >= 0), key=draw, default=None)
    if on_entities and any(word >= 0 > entity for word, entity in zip(words, entities, strict=True)):
        spared = None  # a word that is no entity's stays anyhow

    def fate(thing: int) -> str:
        if thing < 0 or thing == spared or draw(thing) >= 2 * rate:
            return "kept"
        return "deleted" if draw(thing) < rate else "masked"

    content = [
        MASK if fate(thing) == "masked" else token
        for token, thing in zip(ids, things, strict=True)
        if fate(thing) != "deleted"
    ]
    if not on_entities:
        return content, [token for token, _ in listed]
    left = [(token, int(thing)) for token, thing in listed if fate(int(thing)) == "kept"]
    return content, [token for token, _ in left] if any(thing >= 0 for _, thing in left) else []
