"""The featurizer: what is encoded, what is extracted from the text, and what is refused."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhenwei.bundle.featurizer import Featurizer, FieldMetadata
from zhenwei.errors import DataError, MissingFieldError
from zhenwei.news import Article, write_articles
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.enrichment.entities import build_tagger
from zhenwei.tokens import EncodedArticles, TextTokenizer, train_tokenizer

TEXT = "听说北京的自来水出大事了，气死我了！"


def featurizer(tokenizer: TextTokenizer, *needs: str, complete: bool = True, **fields: Any) -> Featurizer:
    return Featurizer(tokenizer, 40, frozenset(needs), FieldMetadata(**fields), complete=complete)


class TestMaskedEntities:
    """Entities that are masked."""

    NAMES = ("北京", "自来水公司")

    def masked(
        self, tokenizer: TextTokenizer, article: Article, *needs: str, complete: bool = False
    ) -> EncodedArticles:
        return Featurizer(tokenizer, 60, frozenset(needs), mask_entities=True, complete=complete).encode([article])

    @pytest.mark.parametrize("complete", [False, True])
    def test_each_of_their_tokens_is_a_mask_and_nothing_else_is(self, tokenizer: TextTokenizer, complete: bool) -> None:
        text = "听说北京的自来水公司出大事了，北京！"
        plain = Featurizer(tokenizer, 60).encode([Article(content=text)])
        masked = self.masked(tokenizer, Article(content=text, entity_list=self.NAMES), complete=complete)
        hidden = np.zeros(len(text), bool)
        for start, name in ((2, "北京"), (5, "自来水公司"), (15, "北京")):
            assert text[start : start + len(name)] == name
            hidden[start : start + len(name)] = True
        expected = np.where(hidden, tokenizer.mask_id, plain.content(0))
        assert masked.content(0).tolist() == expected.tolist()
        assert masked.words.tolist() == plain.words.tolist()
        assert masked.entity_tokens is None

    def test_entities_are_extracted_from_articles_without_a_list(self, tokenizer: TextTokenizer) -> None:
        given = self.masked(tokenizer, Article(content=TEXT, entity_list=build_tagger("jieba")(TEXT)))
        found = self.masked(tokenizer, Article(content=TEXT))
        assert found.content(0).tolist() == given.content(0).tolist()
        assert tokenizer.mask_id in found.content(0)

    def test_the_entity_branch_still_reads_them(self, tokenizer: TextTokenizer) -> None:
        article = Article(content=TEXT, entity_list=("北京",))
        encoded, plain = (
            self.masked(tokenizer, article, "entities"), featurizer(tokenizer, "entities").encode([article])
        )  # fmt: skip
        assert encoded.entity_tokens is not None
        assert plain.entity_tokens is not None
        assert encoded.entity_tokens[0].tolist() == plain.entity_tokens[0].tolist()

    def test_emotion_vectors_of_training_articles_are_not_computed(self, tokenizer: TextTokenizer) -> None:
        emotion = EmotionExtractor.from_files([])
        fields = FieldMetadata(emotion_size=len(emotion), emotion=emotion)
        read = Featurizer(tokenizer, 60, frozenset({"emotion"}), fields, mask_entities=True)
        with pytest.raises(MissingFieldError):
            read.encode([Article(content=TEXT)])


class TestNewTexts:
    def test_entities_are_extracted_if_the_network_reads_them(self, tokenizer: TextTokenizer) -> None:
        found = build_tagger("jieba")(TEXT)
        assert "北京" in found
        bare, given = (
            featurizer(tokenizer, "entities").encode([Article(content=TEXT, entity_list=entities)])
            for entities in (None, found)
        )
        assert bare.entity_tokens is not None
        assert len(bare.entity_tokens[0]) > 2
        assert bare.fingerprint() == given.fingerprint()

    def test_given_entities_are_kept(self, tokenizer: TextTokenizer) -> None:
        encoded = featurizer(tokenizer, "entities").encode([Article(content=TEXT, entity_list=())])
        assert encoded.entity_tokens is not None
        assert len(encoded.entity_tokens[0]) == 0

    def test_emotion_is_computed_as_for_the_training_articles(self, tokenizer: TextTokenizer) -> None:
        emotion = EmotionExtractor.from_files([])
        read = featurizer(tokenizer, "emotion", emotion_size=len(emotion), emotion=emotion)
        encoded = read.encode([Article(content=TEXT)])
        assert encoded.emotion is not None
        assert encoded.emotion[0].tolist() == pytest.approx(emotion(TEXT))
        assert encoded.emotion.any()

    def test_without_an_extractor_each_article_needs_its_own_vector(self, tokenizer: TextTokenizer) -> None:
        read = featurizer(tokenizer, "emotion", emotion_size=2)
        with pytest.raises(
            DataError, match=r"row 5: no field 'emotion'.*each article must have its own, of 2 numbers: the vec"
        ):
            read.encode([Article(content=TEXT)], first_row=5)
        assert read.encode([Article(content=TEXT, emotion=[0.5, 1])]).emotion is not None
        with pytest.raises(DataError, match="found 1 values in 'emotion'; expected 2, what this detector reads"):
            read.encode([Article(content=TEXT, emotion=[0.5])])

    def test_an_unknown_domain_is_no_error(self, tokenizer: TextTokenizer) -> None:
        read = featurizer(tokenizer, "domain", domain_names=("健康",))
        encoded = read.encode([Article(content=TEXT, domain=domain) for domain in ("健康", "天文", None)])
        assert encoded.domains is not None
        assert encoded.domains.tolist() == [0, -1, -1]


class TestTrainingArticles:
    def test_missing_fields_of_training_articles_are_not_extracted(self, tokenizer: TextTokenizer) -> None:
        with pytest.raises(MissingFieldError):
            featurizer(tokenizer, "entities", complete=False).encode([Article(content=TEXT)])

    def test_a_file_name_with_a_space_is_quoted_in_the_command(
        self, tokenizer: TextTokenizer, tmp_path: Path, make_posts: Callable[..., list[dict[str, Any]]]
    ) -> None:
        file = tmp_path / "my posts.json"
        file.write_text(json.dumps(make_posts(4)), encoding="utf-8")
        with pytest.raises(DataError) as found:
            featurizer(tokenizer, "emotion", complete=False).encode_file(file)
        assert f"zhenwei data enrich '{file}' -o '{file}' --emotion --overwrite" in str(found.value)


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".parquet"])
def test_a_file_is_encoded_like_its_articles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    names = ["北京", "iPhone12", "大蒜"]
    articles = [
        Article(
            content=f"【网传】{names[n % 3]}在{n}日“爆炸”，http://t.cn/{n * 7919:x}！",
            label="fake" if n % 2 else "real",
            id=str(n),
            time=datetime(2010 + n % 9, 1, 1),
            entity_list=() if n % 5 == 0 else (names[n % 3], "日"),
            emotion=(n / 7, float(n % 4)),
        )
        for n in range(1500)
    ]  # fmt: skip
    path = tmp_path / f"train{suffix}"
    write_articles(path, articles)
    tokenizer = train_tokenizer((article.content for article in articles), 400)
    needs = frozenset({"entities", "domain", "emotion"})
    many = Featurizer(tokenizer, 16, needs, FieldMetadata(("2010", "2012", "2018")), "year")
    found = many.encode_file(path)
    monkeypatch.setattr("zhenwei.tokens.encoding.StreamEncoder", lambda tokenizer: tokenizer)
    assert found.fingerprint() == many.encode(iter(articles)).fingerprint()
    assert found.truncated.tolist() == many.encode(iter(articles)).truncated.tolist()
    assert found.truncated.any()
