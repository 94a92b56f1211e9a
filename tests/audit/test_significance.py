"""Chance: p-values, their correction, and the cautious score."""

import numpy as np
import pytest

from zhenwei.audit.ngrams import count_grams
from zhenwei.audit.significance import difference_p, holm, macro_f1, macro_f1_low, normal_p
from zhenwei.audit.single_feature import ThresholdRule, presence_scores
from zhenwei.bundle.metrics import binary_metrics


def test_holm_corrects_as_published() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])


def test_equal_shares_are_chance_and_unequal_ones_are_not() -> None:
    assert difference_p(50, 100, 500, 1000) == pytest.approx(1.0)
    assert difference_p(3, 4, 500, 1000) > 0.3
    assert difference_p(90, 100, 500, 1000) < 1e-12
    assert normal_p(np.array([0.0, 1.959964, -1.959964])) == pytest.approx([1.0, 0.05, 0.05], abs=1e-6)


def test_macro_f1_of_counts_is_that_of_the_metrics() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, verdicts = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
        cells = [
            float(((labels == label) & (verdicts == verdict)).sum())
            for label, verdict in ((1, 1), (1, 0), (0, 1), (0, 0))
        ]
        expected = binary_metrics(labels, verdicts.astype(np.float64))["macro_f1"]
        assert float(macro_f1(*map(np.array, cells))) == pytest.approx(expected)


def test_the_cautious_score_is_above_the_true_one_no_more_often_than_it_promises() -> None:
    rng = np.random.default_rng(1)
    cells = np.array([0.4, 0.1, 0.15, 0.35])
    true = float(macro_f1(*cells))
    above = [macro_f1_low(tuple(rng.multinomial(200, cells)), looks=1, alpha=0.05) > true for _ in range(400)]
    assert 0 < np.mean(above) <= 0.06


def test_the_cautious_score_asks_more_of_few_articles_and_of_many_looks() -> None:
    few, many = macro_f1_low((5, 0, 0, 5), 1, 0.01), macro_f1_low((500, 0, 0, 500), 1, 0.01)
    assert few < 0.9 < 0.98 < many
    assert macro_f1_low((50, 10, 10, 50), 1000, 0.01) < macro_f1_low((50, 10, 10, 50), 1, 0.01)


def test_grams_are_counted_once_in_a_text_and_never_across_texts() -> None:
    texts = ["水水水", "水😀", "", "火水", "😀"]
    targets = np.array([1, 0, 0, 1, 1], np.int8)
    counts = {n: count_grams(texts, targets, n, least=1) for n in (1, 2, 3)}
    spelled = {
        counted.spell(place): (int(counted.fake[place]), int(counted.real[place]))
        for counted in counts.values()
        for place in range(len(counted.grams))
    }
    assert spelled == {
        "水": (2, 1),
        "😀": (1, 1),
        "火": (1, 0),
        "水水": (1, 0),
        "水😀": (0, 1),
        "火水": (1, 0),
        "水水水": (1, 0),
    }
    assert [counted.spell(0) for counted in [count_grams(texts, targets, 1, least=3)]] == ["水"]


@pytest.mark.parametrize("seed", range(5))
def test_gram_counts_are_those_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("水火木土😀a "), rng.integers(0, 12))) for _ in range(80)]
    targets = rng.integers(0, 2, 80).astype(np.int8)
    for n in (1, 2, 3):
        counted = count_grams(texts, targets, n, least=4)
        found = {counted.spell(i): (counted.fake[i], counted.real[i]) for i in range(len(counted.grams))}
        grams = {text[i : i + n] for text in texts for i in range(len(text) - n + 1)}
        expected = {
            gram: tuple(
                sum(gram in text for text, t in zip(texts, targets, strict=True) if t == label) for label in (1, 0)
            )
            for gram in grams
        }
        assert found == {gram: both for gram, both in expected.items() if sum(both) >= 4}


def test_the_best_cut_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 2, 60).astype(np.int8)
    values = rng.integers(0, 20, 60) - 3.0 * targets
    rule = ThresholdRule.fit(values, targets)
    every = [
        binary_metrics(targets.astype(np.int64), ((values >= cut) == above).astype(np.float64))["macro_f1"]
        for cut in values
        for above in (True, False)
    ]
    assert rule.score == pytest.approx(max(every))
    own = binary_metrics(targets.astype(np.int64), rule.verdicts(values).astype(np.float64))["macro_f1"]
    assert own == pytest.approx(rule.score)


def test_a_feature_is_read_in_the_better_way() -> None:
    scores, means_fake = presence_scores(np.array([40.0, 0.0]), np.array([0.0, 50.0]), 50, 50)
    assert means_fake.tolist() == [True, False]
    assert scores[1] == 1.0
    assert 0.85 < scores[0] < 0.95
