"""Known articles that are most like a new text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from zhenwei.news import Article
from zhenwei.news.similarity.index import SimilarArticles
from zhenwei.news.similarity.near_duplicates import jaccard, normalize
from zhenwei.news.sources.synthetic import SyntheticDataset

KNOWN = [
    Article(content="云溪市自来水厂宣布全市停水三天，请大家储水", label="fake", id="a"),
    Article(content="记者从教育部门获悉，中小学将按时开学", label="real", id="b"),
    Article(content="听说东河超市的食盐被抢购一空，赶紧去买", label="fake"),
    Article(content="气象台发布明天有雷阵雨的预报"),
]


@pytest.fixture(scope="module")
def news() -> list[Article]:
    return SyntheticDataset(n_train=200, n_val=50, n_test=0).generate()["train"]


def test_the_most_similar_come_first_with_label_text_and_id() -> None:
    found = SimilarArticles.from_articles(KNOWN).nearest("超市里的食盐又被抢购一空了", 2)
    assert (found[0].label, found[0].text, found[0].id) == ("fake", KNOWN[2].content, None)
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    assert SimilarArticles.from_articles(KNOWN).nearest("明天有雷阵雨", 1)[0].label is None


def test_an_article_is_most_similar_to_itself(news: list[Article]) -> None:
    index = SimilarArticles.from_articles(news)
    for article in news[:20]:
        [first] = index.nearest(article.content, 1)
        assert first.id == article.id
        assert first.similarity == pytest.approx(1, abs=2e-3)  # weights are kept in half precision


def test_similarity_is_the_cosine_of_scikit_learns_tfidf(news: list[Article]) -> None:
    plain = [normalize(article.content) for article in news]
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(2, 3), sublinear_tf=True, lowercase=False).fit(plain)
    query = "听说云溪市的自来水出事了，内部消息，赶紧转给家人"
    known = vectors.transform(plain)
    # scikit-learn drops n-grams that no article has; here they make the query longer
    expected = (known @ vectors.transform([normalize(query)]).T).toarray()[:, 0]
    found = SimilarArticles.from_articles(news).nearest(query, 10)
    values = np.array([one.similarity for one in found])
    best = np.sort(expected)[::-1][:10]
    assert values / values[0] == pytest.approx(best / best[0], abs=5e-3)
    assert values[0] < best[0]


def test_a_text_with_nothing_in_common_has_no_similar_article() -> None:
    index = SimilarArticles.from_articles(KNOWN)
    assert index.nearest("xyz", 3) == []
    assert index.near_duplicate("xyz") is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 199), st.integers(0, 60), st.text(max_size=20))
def test_a_near_duplicate_is_one_by_the_jaccard_similarity_of_its_text(row: int, cut: int, more: str) -> None:
    articles = _ARTICLES
    text = articles[row].content[cut:] + more
    found = _INDEX.near_duplicate(text)
    most = max(jaccard(text, article.content) for article in articles)
    assert (found is not None) == (most >= 0.5)
    if found is not None:
        assert found.similarity == pytest.approx(most)


_ARTICLES = SyntheticDataset(n_train=200, n_val=0, n_test=0, seed=5).generate()["train"]
_INDEX = SimilarArticles.from_articles(_ARTICLES)


class TestStored:
    def test_it_is_loaded_as_saved(self) -> None:
        index = SimilarArticles.from_articles(KNOWN)
        again = SimilarArticles.from_tensors(index.to_tensors())
        assert again.nearest("食盐被抢购", 4) == index.nearest("食盐被抢购", 4)
        assert (again.ids, again.texts) == (index.ids, index.texts) == (("a", "b", None, None), index.texts)

    def test_without_texts_no_character_of_them_is_stored(self) -> None:
        index = SimilarArticles.from_articles(KNOWN, with_texts=False)
        stored = b"".join(array.tobytes() for array in index.to_tensors().values())
        assert "食盐".encode() not in stored
        found = SimilarArticles.from_tensors(index.to_tensors()).nearest("食盐被抢购一空", 1)
        assert (found[0].label, found[0].text) == ("fake", None)

    @pytest.mark.parametrize("name", ["ngrams", "rows", "labels", "shingle_starts", "id_starts", "text_bytes"])
    def test_missing_or_truncated_arrays_are_refused(self, name: str) -> None:
        tensors = SimilarArticles.from_articles(KNOWN).to_tensors()
        without = {other: array for other, array in tensors.items() if other != name}
        if name != "text_bytes":  # texts may be left out
            with pytest.raises(ValueError, match=f"it has no '{name}'"):
                SimilarArticles.from_tensors(without)
        if name != "text_bytes":
            with pytest.raises(ValueError, match=r"do not fit|longer|shorter"):
                SimilarArticles.from_tensors(tensors | {name: tensors[name][:-1]})
