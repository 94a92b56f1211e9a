"""p-values, their correction, the lower bound of macro-F1, and counts of n-grams."""

import numpy as np
import pytest

from zhenwei.audit.ngrams import count_ngrams
from zhenwei.audit.significance import fisher_p_value, holm, macro_f1, macro_f1_lower_bound, normal_p_values
from zhenwei.audit.single_feature import ThresholdRule, presence_scores
from zhenwei.bundle.metrics import binary_metrics


def test_holm_corrects_as_published() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1.0, 1.0])


def test_p_values_of_equal_and_unequal_shares() -> None:
    assert fisher_p_value(50, 100, 500, 1000) == pytest.approx(1.0)
    assert fisher_p_value(3, 4, 500, 1000) > 0.3
    assert fisher_p_value(90, 100, 500, 1000) < 1e-12
    assert normal_p_values(np.array([0.0, 1.959964, -1.959964])) == pytest.approx([1.0, 0.05, 0.05], abs=1e-6)


def test_macro_f1_of_counts_equals_the_metric() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, verdicts = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
        cells = [
            float(((labels == label) & (verdicts == verdict)).sum())
            for label, verdict in ((1, 1), (1, 0), (0, 1), (0, 0))
        ]
        expected = binary_metrics(labels, verdicts.astype(np.float64))["macro_f1"]
        assert float(macro_f1(*map(np.array, cells))) == pytest.approx(expected)


def test_the_lower_bound_exceeds_the_true_score_no_more_often_than_alpha() -> None:
    rng = np.random.default_rng(1)
    cells = np.array([0.4, 0.1, 0.15, 0.35])
    true = float(macro_f1(*cells))
    samples = (tuple(rng.multinomial(200, cells)) for _ in range(400))
    above = [macro_f1_lower_bound(sample, n_comparisons=1, alpha=0.05) > true for sample in samples]
    assert 0 < np.mean(above) <= 0.06


def test_the_lower_bound_falls_with_few_articles_and_many_comparisons() -> None:
    few, many = macro_f1_lower_bound((5, 0, 0, 5), 1, 0.01), macro_f1_lower_bound((500, 0, 0, 500), 1, 0.01)
    assert few < 0.9 < 0.98 < many
    assert macro_f1_lower_bound((50, 10, 10, 50), 1000, 0.01) < macro_f1_lower_bound((50, 10, 10, 50), 1, 0.01)


def test_ngrams_are_counted_once_in_a_text_and_never_across_texts() -> None:
    texts = ["水水水", "水😀", "", "火水", "😀"]
    targets = np.array([1, 0, 0, 1, 1], np.int8)
    counts = {n: count_ngrams(texts, targets, n, min_texts=1) for n in (1, 2, 3)}
    by_text = {
        counted.text(i): (int(counted.fake[i]), int(counted.real[i]))
        for counted in counts.values()
        for i in range(len(counted.ngrams))
    }
    assert by_text == {
        "水": (2, 1),
        "😀": (1, 1),
        "火": (1, 0),
        "水水": (1, 0),
        "水😀": (0, 1),
        "火水": (1, 0),
        "水水水": (1, 0),
    }
    assert [counted.text(0) for counted in [count_ngrams(texts, targets, 1, min_texts=3)]] == ["水"]


@pytest.mark.parametrize("seed", range(5))
def test_ngram_counts_equal_those_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("水火木土😀a "), rng.integers(0, 12))) for _ in range(80)]
    targets = rng.integers(0, 2, 80).astype(np.int8)
    for n in (1, 2, 3):
        counted = count_ngrams(texts, targets, n, min_texts=4)
        actual = {counted.text(i): (counted.fake[i], counted.real[i]) for i in range(len(counted.ngrams))}
        ngrams = {text[i : i + n] for text in texts for i in range(len(text) - n + 1)}
        expected = {
            ngram: tuple(
                sum(ngram in text for text, t in zip(texts, targets, strict=True) if t == label) for label in (1, 0)
            )
            for ngram in ngrams
        }
        assert actual == {ngram: counts for ngram, counts in expected.items() if sum(counts) >= 4}


@pytest.mark.slow
def test_the_best_threshold_equals_that_of_a_loop() -> None:
    rng = np.random.default_rng(3)
    targets = rng.integers(0, 2, 60).astype(np.int8)
    values = rng.integers(0, 20, 60) - 3.0 * targets
    rule = ThresholdRule.fit(values, targets)
    scores = [
        binary_metrics(targets.astype(np.int64), ((values >= cut) == above).astype(np.float64))["macro_f1"]
        for cut in values
        for above in (True, False)
    ]
    assert rule.score == pytest.approx(max(scores))
    own = binary_metrics(targets.astype(np.int64), rule.predict(values).astype(np.float64))["macro_f1"]
    assert own == pytest.approx(rule.score)


def test_the_better_of_both_rules_is_scored() -> None:
    scores, means_fake = presence_scores(np.array([40.0, 0.0]), np.array([0.0, 50.0]), 50, 50)
    assert means_fake.tolist() == [True, False]
    assert scores[1] == 1.0
    assert 0.85 < scores[0] < 0.95
