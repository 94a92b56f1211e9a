"""Logistic regression over TF-IDF, against scikit-learn."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from zhenwei.config import TfidfConfig
from zhenwei.errors import ConfigError, DataError
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.linear import logistic as ngram_regression
from zhenwei.models.tfidf import Tfidf
from zhenwei.news import Article
from zhenwei.tokens import EncodedArticles, TextTokenizer, collate, encode_articles, train_tokenizer
from zhenwei.tokens.ragged import RaggedInts

Rows = list[dict[str, Any]]
MAX_LEN = 40


@pytest.fixture(scope="module")
def tokenizer(make_posts: Callable[..., Rows]) -> TextTokenizer:
    return train_tokenizer([row["content"] for row in make_posts(80)], 500, min_frequency=1, unit="character")


@pytest.fixture(scope="module")
def articles(make_posts: Callable[..., Rows], tokenizer: TextTokenizer) -> EncodedArticles:
    """Return 80 posts, a quarter with the wrong label, so that weights stay finite; some repeat words."""
    rows = make_posts(80)
    for number, row in enumerate(rows):
        row["content"] += "转给家人" * (number % 3)
        row["label"] = "fake" if (number % 2) ^ (number % 8 < 2) else "real"
    return encode_articles([Article(**row) for row in rows], tokenizer, MAX_LEN)


@pytest.fixture(scope="module")
def unseen(make_posts: Callable[..., Rows], tokenizer: TextTokenizer) -> EncodedArticles:
    return encode_articles([Article(**row) for row in make_posts(30, 5)], tokenizer, MAX_LEN)


def fitted(articles: EncodedArticles, tokenizer: TextTokenizer, **settings: Any) -> Tfidf:
    network = build_network(TfidfConfig(**settings), Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN))
    assert isinstance(network, Tfidf)
    network.fit(articles, seed=1)
    return network.eval()


def logits(network: Tfidf, articles: EncodedArticles) -> NDArray[np.float32]:
    with torch.inference_mode():
        result = network(collate(articles, np.arange(len(articles)), pad_id=0)).logits
    return np.asarray(result.numpy())


def tokens_of(articles: EncodedArticles) -> list[list[int]]:
    offsets = articles.tokens.offsets
    return [articles.tokens.ids[offsets[row] : offsets[row + 1]].tolist() for row in range(len(articles))]


def by_scikit_learn(
    articles: EncodedArticles, predicted: EncodedArticles, settings: dict[str, Any]
) -> tuple[NDArray[np.float64], int]:
    """Return the logits of scikit-learn's pipeline, and its number of n-grams."""
    shortest, longest = settings.get("ngram_range", [1, 3])

    def ngrams(tokens: list[int]) -> list[str]:
        sizes = range(shortest, longest + 1)
        return [str(tokens[at : at + size]) for size in sizes for at in range(len(tokens) - size + 1)]

    vectorizer = TfidfVectorizer(
        analyzer=ngrams, min_df=settings.get("min_df", 2), sublinear_tf=settings.get("sublinear_tf", True)
    )
    regression = LogisticRegression(C=settings.get("C", 30.0), solver="liblinear", random_state=1, max_iter=1000)
    regression.fit(vectorizer.fit_transform(tokens_of(articles)), articles.labels)
    return regression.decision_function(vectorizer.transform(tokens_of(predicted))), len(vectorizer.vocabulary_)


def with_naive_bayes(articles: EncodedArticles, predicted: EncodedArticles, strength: float) -> NDArray[np.float64]:
    """Return the logits of scikit-learn's regression over unigram TF-IDF weighted by log-count ratios."""
    vectorizer = TfidfVectorizer(
        analyzer=lambda tokens: [str(token) for token in tokens], min_df=2, sublinear_tf=True, norm=None
    )
    seen = vectorizer.fit_transform(tokens_of(articles))
    fake = articles.labels == 1
    shares = [(seen[of] > 0).sum(axis=0) + 0.1 for of in (fake, ~fake)]
    ratios = np.log(np.asarray(shares[0] / shares[0].sum()) / np.asarray(shares[1] / shares[1].sum())).ravel()
    weighed = [
        normalize(np.asarray(part.todense()) * (1 + strength * np.abs(ratios)))
        for part in (seen, vectorizer.transform(tokens_of(predicted)))
    ]
    regression = LogisticRegression(C=30.0, solver="liblinear", random_state=1, max_iter=1000)
    result: NDArray[np.float64] = regression.fit(weighed[0], articles.labels).decision_function(weighed[1])
    return result


class TestTuning:
    """Hyperparameters that the settings leave open."""

    FOLDS = ((np.arange(40), np.arange(40, 60)), (np.arange(60), np.arange(60, 80)))

    def test_tuned_hyperparameters_are_used(
        self, articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        network = build_network(
            TfidfConfig(naive_bayes="auto", C="auto"), Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN)
        )
        assert isinstance(network, Tfidf)
        assert network.needs_tuning
        network.tune(articles, self.FOLDS, seed=1)
        network.fit(articles, seed=1)
        assert network.tuned is not None
        with_settings = fitted(articles, tokenizer, naive_bayes=network.tuned.naive_bayes, C=network.tuned.C)
        assert not with_settings.needs_tuning
        np.testing.assert_array_equal(logits(network.eval(), unseen), logits(with_settings, unseen))

    def test_settings_are_not_tuned(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        vocabulary = Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN)
        network = build_network(TfidfConfig(naive_bayes="auto", C=7.0), vocabulary)
        assert isinstance(network, Tfidf)
        network.tune(articles, self.FOLDS, seed=1)
        assert network.tuned is not None
        assert network.tuned.C == 7.0

    def test_defaults_without_tuning(
        self, articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        left, plain = fitted(articles, tokenizer, naive_bayes="auto", C="auto"), fitted(articles, tokenizer)
        np.testing.assert_array_equal(logits(left, unseen), logits(plain, unseen))


class TestFormula:
    @pytest.mark.parametrize("strength", [0.5, 3.0])
    def test_logits_with_naive_bayes_equal_a_reference(
        self, strength: float, articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        plain, weighed = (fitted(articles, tokenizer, ngram_range=[1, 1], naive_bayes=s) for s in (0.0, strength))
        expected = with_naive_bayes(articles, unseen, strength)
        np.testing.assert_allclose(logits(weighed, unseen), expected, atol=1e-3)
        assert np.abs(logits(plain, unseen) - expected).max() > 0.05

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"sublinear_tf": False},
            {"min_df": 1},
            {"min_df": 9},
            {"ngram_range": [1, 1]},
            {"ngram_range": [2, 3]},
            {"ngram_range": [3, 3], "min_df": 3, "sublinear_tf": False},
            {"C": 0.5},
        ],
        ids=str,
    )
    def test_logits_equal_scikit_learn(
        self, settings: dict[str, Any], articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        network = fitted(articles, tokenizer, **settings)
        for predicted in (articles, unseen):  # some n-grams of the unseen are new
            expected, n_known = by_scikit_learn(articles, predicted, settings)
            assert len(network.keys) == n_known
            np.testing.assert_allclose(logits(network, predicted), expected, atol=1e-4)
        assert np.ptp(logits(network, unseen)) > 0.1

    def test_a_text_without_a_known_ngram_gives_the_bias(
        self, articles: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        network = fitted(articles, tokenizer, ngram_range=[3, 4])
        foreign = encode_articles([Article(content="xyzzy"), Article(content="x")], tokenizer, MAX_LEN)
        assert network.bias.item() != 0
        np.testing.assert_array_equal(logits(network, foreign), [network.bias.item()] * 2)

    def test_a_text_shorter_than_the_shortest_ngram(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        network = fitted(articles, tokenizer, ngram_range=[4, 6])
        short = encode_articles([Article(content="x")], tokenizer, MAX_LEN)  # [CLS] x [SEP]
        np.testing.assert_array_equal(logits(network, short), [network.bias.item()])

    def test_logits_do_not_depend_on_the_batch(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        network = fitted(articles, tokenizer)
        together = logits(network, articles)
        alone = [network(collate(articles, np.array([row]), pad_id=0)).logits.item() for row in range(20)]
        np.testing.assert_allclose(alone, together[:20], atol=1e-5)

    def test_padding_has_no_ngrams(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        network = fitted(articles, tokenizer)
        batch = collate(articles, np.arange(5), pad_id=0, widths=[100])
        assert torch.equal(network(replace(batch, tokens=batch.tokens + 3 * ~batch.mask)).logits, network(batch).logits)


class TestFit:
    def test_counting_in_batches_gives_equal_results(
        self, articles: EncodedArticles, tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_once = fitted(articles, tokenizer)
        monkeypatch.setattr(ngram_regression, "BATCH_SIZE", 7)
        in_batches = fitted(articles, tokenizer)
        monkeypatch.setattr(ngram_regression, "MERGE_SIZE", 50)
        in_rounds = fitted(articles, tokenizer)
        for other in (in_batches, in_rounds):
            assert torch.equal(other.keys, at_once.keys)
            assert torch.equal(other.idf, at_once.idf)
            torch.testing.assert_close(other.weight, at_once.weight, atol=1e-5, rtol=0)

    def test_the_same_articles_give_the_same_weights(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        one, two = (fitted(articles, tokenizer).state_dict() for _ in range(2))
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_its_weights_load_into_a_new_network(
        self, articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        network = fitted(articles, tokenizer)
        empty = build_network(network.config, Vocabulary(tokenizer.vocab_size, 0, MAX_LEN)).eval()
        assert isinstance(empty, Tfidf)
        empty.load_state_dict(network.state_dict())
        np.testing.assert_array_equal(logits(empty, unseen), logits(network, unseen))

    def test_nothing_frequent_enough(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        with pytest.raises(DataError, match=r"none of the \d+ n-grams .* is in 81 of them \(model\.min_df\)"):
            fitted(articles, tokenizer, min_df=81)

    @pytest.mark.parametrize("longest", [2, 3, 4, 7, 9])
    def test_too_large_keys_are_an_error_with_correct_advice(self, longest: int) -> None:
        config = TfidfConfig(ngram_range=[1, longest])
        most, too_many = 0, 2**32  # a token's id + 1 is a digit: (size + 1) ** longest must be below 2 ** 63
        while most + 1 < too_many:
            middle = (most + too_many) // 2
            most, too_many = (middle, too_many) if (middle + 1) ** longest < 2**63 else (most, middle)
        with pytest.raises(ConfigError) as caught:
            build_network(config, Vocabulary(most + 1, 0, 10))
        assert str(caught.value) == (
            f"model.ngram_range: found [1, {longest}] and a vocabulary of {most + 1} tokens; n-grams of {longest} need "
            f"a data.vocab_size of at most {most}"
        )
        build_network(config, Vocabulary(most, 0, 10))

    def test_the_largest_key(self) -> None:
        largest = 55107  # 55108 ** 4 is just below 2 ** 63
        network = build_network(TfidfConfig(min_df=1, ngram_range=[1, 4]), Vocabulary(largest, 0, 10))
        assert isinstance(network, Tfidf)
        tokens = [largest - 1] * 4
        ids = np.array([*tokens, 5, 6, 7, 8], np.int32)
        ragged = RaggedInts(ids, np.array([0, 4, 8]))
        labels, no = np.array([1, 0], np.float32), np.zeros(2, np.bool_)
        network.fit(EncodedArticles(ragged, np.zeros(8, np.int32), labels, no), seed=1)
        assert int(network.keys.max()) == sum(largest * (largest + 1) ** power for power in range(4))
