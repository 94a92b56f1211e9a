"""The linear baseline: scikit-learn's TF-IDF and logistic regression to the digit, and whole runs of it."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from zhenwei import Config, Detector, Trainer
from zhenwei.bundle import load_bundle
from zhenwei.config import TfidfConfig
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.evaluation import evaluate
from zhenwei.models import Vocabulary, build_network
from zhenwei.models.linear import logistic as ngram_regression
from zhenwei.models.tfidf import Tfidf
from zhenwei.news import Article, read_articles
from zhenwei.tokens import EncodedArticles, TextTokenizer, collate, encode_articles, train_tokenizer
from zhenwei.tokens.ragged import RaggedInts

Rows = list[dict[str, Any]]
MAX_LEN = 40


@pytest.fixture(scope="module")
def tokenizer(make_posts: Callable[..., Rows]) -> TextTokenizer:
    return train_tokenizer([row["content"] for row in make_posts(80)], 500, min_frequency=1, unit="character")


@pytest.fixture(scope="module")
def articles(make_posts: Callable[..., Rows], tokenizer: TextTokenizer) -> EncodedArticles:
    """80 posts of which a quarter say the contrary of their label, so that no weight runs away; some repeat words."""
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
        found = network(collate(articles, np.arange(len(articles)), pad_id=0)).logits
    return np.asarray(found.numpy())


def tokens_of(articles: EncodedArticles) -> list[list[int]]:
    offsets = articles.tokens.offsets
    return [articles.tokens.ids[offsets[row] : offsets[row + 1]].tolist() for row in range(len(articles))]


def by_scikit_learn(
    articles: EncodedArticles, judged: EncodedArticles, settings: dict[str, Any]
) -> tuple[NDArray[np.float64], int]:
    """The logits that scikit-learn's own pipeline gives, and how many n-grams it knows."""
    shortest, longest = settings.get("ngram_range", [1, 3])

    def ngrams(tokens: list[int]) -> list[str]:
        sizes = range(shortest, longest + 1)
        return [str(tokens[at : at + size]) for size in sizes for at in range(len(tokens) - size + 1)]

    vectorizer = TfidfVectorizer(
        analyzer=ngrams, min_df=settings.get("min_df", 2), sublinear_tf=settings.get("sublinear_tf", True)
    )
    regression = LogisticRegression(C=settings.get("C", 30.0), solver="liblinear", random_state=1, max_iter=1000)
    regression.fit(vectorizer.fit_transform(tokens_of(articles)), articles.labels)
    return regression.decision_function(vectorizer.transform(tokens_of(judged))), len(vectorizer.vocabulary_)


def with_naive_bayes(articles: EncodedArticles, judged: EncodedArticles, strength: float) -> NDArray[np.float64]:
    """The logits of scikit-learn's regression over TF-IDF weighed by the n-grams' log ratios, single tokens alone."""
    vectorizer = TfidfVectorizer(
        analyzer=lambda tokens: [str(token) for token in tokens], min_df=2, sublinear_tf=True, norm=None
    )
    seen = vectorizer.fit_transform(tokens_of(articles))
    fake = articles.labels == 1
    shares = [(seen[of] > 0).sum(axis=0) + 0.1 for of in (fake, ~fake)]
    ratios = np.log(np.asarray(shares[0] / shares[0].sum()) / np.asarray(shares[1] / shares[1].sum())).ravel()
    weighed = [
        normalize(np.asarray(part.todense()) * (1 + strength * np.abs(ratios)))
        for part in (seen, vectorizer.transform(tokens_of(judged)))
    ]
    regression = LogisticRegression(C=30.0, solver="liblinear", random_state=1, max_iter=1000)
    found: NDArray[np.float64] = regression.fit(weighed[0], articles.labels).decision_function(weighed[1])
    return found


class TestTuning:
    """Strengths that the settings leave to the training articles."""

    FOLDS = ((np.arange(40), np.arange(40, 60)), (np.arange(60), np.arange(60, 80)))

    def test_what_is_chosen_is_fitted(
        self, articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        network = build_network(
            TfidfConfig(naive_bayes="auto", C="auto"), Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN)
        )
        assert isinstance(network, Tfidf)
        assert network.tunes
        network.tune(articles, self.FOLDS, seed=1)
        network.fit(articles, seed=1)
        assert network.chosen is not None
        set_so = fitted(articles, tokenizer, naive_bayes=network.chosen.naive_bayes, C=network.chosen.C)
        assert not set_so.tunes
        np.testing.assert_array_equal(logits(network.eval(), unseen), logits(set_so, unseen))

    def test_what_is_set_is_not_chosen(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        vocabulary = Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN)
        network = build_network(TfidfConfig(naive_bayes="auto", C=7.0), vocabulary)
        assert isinstance(network, Tfidf)
        network.tune(articles, self.FOLDS, seed=1)
        assert network.chosen is not None
        assert network.chosen.C == 7.0

    def test_without_a_choice_it_is_plain(
        self, articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        left, plain = fitted(articles, tokenizer, naive_bayes="auto", C="auto"), fitted(articles, tokenizer)
        np.testing.assert_array_equal(logits(left, unseen), logits(plain, unseen))


class TestFormula:
    @pytest.mark.parametrize("strength", [0.5, 3.0])
    def test_naive_bayes_makes_what_tells_the_labels_apart_count_more(
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
    def test_logits_are_those_of_scikit_learn(
        self, settings: dict[str, Any], articles: EncodedArticles, unseen: EncodedArticles, tokenizer: TextTokenizer
    ) -> None:
        network = fitted(articles, tokenizer, **settings)
        for judged in (articles, unseen):  # of the unseen, some n-grams are new
            expected, n_known = by_scikit_learn(articles, judged, settings)
            assert len(network.keys) == n_known
            np.testing.assert_allclose(logits(network, judged), expected, atol=1e-4)
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

    def test_longer_neighbours_make_no_difference(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        network = fitted(articles, tokenizer)
        together = logits(network, articles)
        alone = [network(collate(articles, np.array([row]), pad_id=0)).logits.item() for row in range(20)]
        np.testing.assert_allclose(alone, together[:20], atol=1e-5)

    def test_a_gap_of_padding_starts_no_ngram(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        network = fitted(articles, tokenizer)
        batch = collate(articles, np.arange(5), pad_id=0, widths=[100])
        assert torch.equal(network(replace(batch, tokens=batch.tokens + 3 * ~batch.mask)).logits, network(batch).logits)


class TestFit:
    def test_counting_in_several_rounds_gives_the_same(
        self, articles: EncodedArticles, tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_once = fitted(articles, tokenizer)
        monkeypatch.setattr(ngram_regression, "ROWS_AT_ONCE", 7)
        in_batches = fitted(articles, tokenizer)
        monkeypatch.setattr(ngram_regression, "MERGED_AT", 50)
        in_rounds = fitted(articles, tokenizer)
        for other in (in_batches, in_rounds):
            assert torch.equal(other.keys, at_once.keys)
            assert torch.equal(other.idf, at_once.idf)
            torch.testing.assert_close(other.weight, at_once.weight, atol=1e-5, rtol=0)

    def test_the_same_articles_give_the_same_weights(self, articles: EncodedArticles, tokenizer: TextTokenizer) -> None:
        one, two = (fitted(articles, tokenizer).state_dict() for _ in range(2))
        assert all(torch.equal(one[name], two[name]) for name in one)

    def test_its_weights_fit_into_an_empty_one(
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
    def test_more_tokens_than_64_bits_tell_apart_are_refused_and_the_advice_is_right(self, longest: int) -> None:
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

    def test_the_largest_ngram_of_the_largest_vocabulary_is_found(self) -> None:
        largest = 55107  # 55108 ** 4 is just below 2 ** 63
        network = build_network(TfidfConfig(min_df=1, ngram_range=[1, 4]), Vocabulary(largest, 0, 10))
        assert isinstance(network, Tfidf)
        tokens = [largest - 1] * 4
        ids = np.array([*tokens, 5, 6, 7, 8], np.int32)
        ragged = RaggedInts(ids, np.array([0, 4, 8]))
        labels, no = np.array([1, 0], np.float32), np.zeros(2, np.bool_)
        network.fit(EncodedArticles(ragged, np.zeros(8, np.int32), labels, no), seed=1)
        assert int(network.keys.max()) == sum(largest * (largest + 1) ** power for power in range(4))


def run_settings(data: Path, run: Path, **model: Any) -> dict[str, Any]:
    return {
        "data": {"root_path": str(data), "min_frequency": 1, "max_len": MAX_LEN},
        "model": {"name": "tfidf", **model},
        "output": {"dir": str(run), "progress": False, "trackers": []},
        "training": {"device": "cpu"},
    }


class TestTunedRun:
    """Runs whose settings leave the strengths to the training articles."""

    OPEN: ClassVar[dict[str, str]] = {"naive_bayes": "auto", "C": "auto"}

    def test_the_training_articles_choose(
        self, data_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="zhenwei"):
            Trainer(run_settings(data_folder, tmp_path / "run", **self.OPEN)).train()
        assert "the best of 16 pairs on articles held back" in caplog.text

    def test_many_articles_are_sampled(
        self, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zhenwei.training.run.TUNED_ON", 50)
        seen: list[set[int]] = []

        def tune(self: Tfidf, articles: EncodedArticles, folds: Any, seed: int) -> None:
            seen.extend({*train.tolist(), *held.tolist()} for train, held in folds)

        monkeypatch.setattr(Tfidf, "tune", tune)
        Trainer(run_settings(data_folder, tmp_path / "run", **self.OPEN)).train()
        articles = read_articles(data_folder / "train.json")
        sample = set(np.linspace(0, len(articles) - 1, 50).astype(int).tolist())
        assert len(sample) == 50
        assert seen
        assert set.union(*seen) <= sample

    def test_too_few_articles_to_hold_some_back_are_fitted_plainly(
        self, make_posts: Callable[..., Rows], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        rows = [{**row, "content": "转给家人" + "看看" * (row["label"] == "fake")} for row in make_posts(4)]
        for part in ("train", "val"):
            (tmp_path / f"{part}.json").write_text(json.dumps(rows), encoding="utf-8")
        with caplog.at_level(logging.WARNING, logger="zhenwei"):
            results, _ = Trainer(run_settings(tmp_path, tmp_path / "run", **self.OPEN)).train()
        assert "too few training articles to hold some back" in caplog.text
        assert results["n"] == 4


class TestMaskedNames:
    def test_a_detector_that_never_saw_names_judges_alike_whatever_they_are(
        self, data_folder: Path, tmp_path: Path
    ) -> None:
        settings = run_settings(data_folder, tmp_path / "run")
        settings["data"]["mask_entities"] = True
        _, best = Trainer(settings).train()
        detector = Detector.load(best)
        here, there, nowhere = detector.predict([f"听说{name}的消息，请转给家人" for name in ("北京", "上海", "好人")])
        assert here.probability == there.probability
        assert here.probability != nowhere.probability


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a run, and what it returned."""
    folder = tmp_path_factory.mktemp("runs") / "tfidf"
    results, _ = Trainer(run_settings(data_folder, folder)).train()
    return folder, results


class TestRun:
    def test_it_leaves_results_and_a_bundle(self, run: tuple[Path, dict[str, Any]]) -> None:
        folder, results = run
        assert json.loads((folder / "results.json").read_text()) == results
        assert (results["split"], results["n"], results["model"], results["best_epoch"]) == ("test", 24, "tfidf", 1)
        assert results["metric"] == results["macro_f1"] > 0.9
        assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best"}
        assert not list(folder.rglob("*.pkl"))
        weights = load_file(folder / "checkpoints" / "best" / "model.safetensors")
        assert weights.keys() == {"keys", "idf", "weight", "bias"}

    def test_a_detector_predicts_and_evaluates_with_it(
        self, run: tuple[Path, dict[str, Any]], data_folder: Path
    ) -> None:
        folder, results = run
        fake, real = Detector.load(folder).predict(["听说食盐出大事了，赶紧转给家人！", "据云溪通报，食盐检测合格。"])
        assert (fake.verdict, real.verdict) == ("fake", "real")
        scores = evaluate(load_bundle(folder), data_folder / "test.json", scores_only=True).scores
        assert scores["loss"] == pytest.approx(results["loss"])
        assert scores["macro_f1"] == results["macro_f1"]

    def test_resumed_it_comes_out_the_same(self, run: tuple[Path, dict[str, Any]], data_folder: Path) -> None:
        folder, results = run
        weights = load_file(folder / "checkpoints" / "best" / "model.safetensors")
        again, model_path = Trainer(run_settings(data_folder, folder), resume=True).train()
        assert again == results
        kept = load_file(model_path / "model.safetensors")
        assert all(torch.equal(kept[name], weights[name]) for name in weights)

    def test_cut_off_before_its_bundle_was_saved_it_is_fitted_again(
        self, run: tuple[Path, dict[str, Any]], data_folder: Path, tmp_path: Path
    ) -> None:
        folder, results = run
        shutil.copytree(folder, tmp_path / "run")
        shutil.rmtree(tmp_path / "run" / "checkpoints" / "best")
        again, _ = Trainer(run_settings(data_folder, tmp_path / "run"), resume=True).train()
        assert again == results

    @pytest.mark.parametrize(
        ("model", "reason"),
        [
            ({"C": 0.01}, "this run was started with model.C = 30.0, found 0.01"),
            ({"name": "textcnn", "emb_dim": 8, "mlp_dims": [8]}, "this run is one of 'tfidf', not of 'textcnn'"),
        ],
    )
    def test_another_run_does_not_take_its_place_by_resuming(
        self, run: tuple[Path, dict[str, Any]], data_folder: Path, model: dict[str, Any], reason: str
    ) -> None:
        folder, _ = run
        before = (folder / "checkpoints" / "best" / "model.safetensors").read_bytes()
        with pytest.raises(CheckpointError, match=reason):
            Trainer(run_settings(data_folder, folder, **model), resume=True).train()
        assert (folder / "checkpoints" / "best" / "model.safetensors").read_bytes() == before
        assert Config.load(folder / "config.json").model.name == "tfidf"

    def test_its_model_card_claims_no_choice(self, run: tuple[Path, dict[str, Any]]) -> None:
        card = (run[0] / "checkpoints" / "best" / "README.md").read_text(encoding="utf-8")
        assert "it was fitted to them in one go" in card
        assert "chose" not in card

    def test_its_scores_stand_in_the_metrics_file(self, run: tuple[Path, dict[str, Any]]) -> None:
        (line,) = (run[0] / "metrics.jsonl").read_text().splitlines()
        assert json.loads(line)["val"]["macro_f1"] == run[1]["val"]["macro_f1"]

    def test_it_cannot_be_debiased(self, data_folder: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            Config.load(run_settings(data_folder, tmp_path, debias="endef"))
        assert str(caught.value) == (
            "config: model.debias: found 'endef'; ENDEF needs a network that is trained by gradients: leave it out for "
            "'tfidf'"
        )


class TestUnits:
    """What n-grams are made of."""

    CHINESE = "据通报大蒜检测合格", "听说大蒜出大事了"
    ENGLISH = "the council says the water is safe today", "shocking secret they hide from the people"

    def detector(self, folder: Path, texts: tuple[str, str], **model: Any) -> Detector:
        rows = [{"content": f"{texts[n % 2]} {n}", "label": n % 2} for n in range(20)]
        for part in ("train", "val"):
            (folder / f"{part}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        settings = run_settings(folder, folder / "run", **model)
        return Detector(load_bundle(Trainer(settings).train()[1]), "cpu")

    def tokens(self, detector: Detector, text: str) -> list[str]:
        return [token.token for token in detector.bundle.tokenizer.tokenize(text)][1:-1]

    def test_words_where_posts_put_spaces_between_them(self, tmp_path: Path) -> None:
        detector = self.detector(tmp_path, self.ENGLISH)
        assert self.tokens(detector, "The water is safe") == ["the", "water", "is", "safe"]
        assert [found.verdict for found in detector.predict(["the water is safe", "they hide it from the people"])] == [
            "real",
            "fake",
        ]

    def test_characters_in_chinese(self, tmp_path: Path) -> None:
        detector = self.detector(tmp_path, self.CHINESE)
        assert self.tokens(detector, "大蒜合格") == list("大蒜合格")
        assert [found.verdict for found in detector.predict(["大蒜合格", "大蒜出事"])] == ["real", "fake"]

    def test_either_where_it_is_said(self, tmp_path: Path) -> None:
        detector = self.detector(tmp_path, self.ENGLISH, analyzer="char")
        assert self.tokens(detector, "is safe") == list("is safe")
