"""What an edit changes: counts, shares, scores and examples, checked against a computation by hand."""

import numpy as np
import pytest

from zhenwei.bundle.calibration import log_odds
from zhenwei.evaluation.reliability import wilson_interval
from zhenwei.evaluation.stress.measure import EditMeasure
from zhenwei.evaluation.stress.predictions import StressPredictions
from zhenwei.evaluation.stress.records import EditResult, ScoreChange
from zhenwei.news import Article

#            caught -> missed, caught, missed -> caught, cleared -> false alarm, cleared, false alarm -> cleared
LABELS = ["fake", "fake", "fake", "real", "real", "real"]
BEFORE = [0.9, 0.8, 0.3, 0.2, 0.1, 0.7]
AFTER = [0.2, 0.7, 0.6, 0.9, 0.1, 0.4]


def predictions(probabilities: list[float], undecided: tuple[int, ...] = ()) -> StressPredictions:
    rows = np.isin(np.arange(len(probabilities)), undecided)
    return StressPredictions(log_odds(np.array(probabilities)), rows, 0.5)


def measured(
    before: list[float] = BEFORE,
    after: list[float] = AFTER,
    labels: list[str] | list[None] = LABELS,
    undecided_before: tuple[int, ...] = (),
    undecided: tuple[int, ...] = (),
    rounds: int = 0,
    n_examples: int = 6,
) -> EditResult:
    articles = [Article(content=f"text {n}", label=label, id=n) for n, label in enumerate(labels)]
    texts = [article.content + (" edited" if n != 1 else "") for n, article in enumerate(articles)]
    measure = EditMeasure(articles, predictions(before, undecided_before), rounds, n_examples, seed=0)
    return measure.measure("link", "a link", texts, predictions(after, undecided))


def test_missed_fakes_are_counted_among_the_fakes_caught_unedited() -> None:
    missed = measured().missed
    assert (missed.n, missed.of, missed.share) == (1, 2, 0.5)
    assert (missed.low, missed.high) == wilson_interval(1, 2)


def test_false_alarms_are_counted_among_the_real_articles_not_called_fake_unedited() -> None:
    alarms = measured().false_alarms
    assert (alarms.n, alarms.of, alarms.share) == (1, 2, 0.5)


def test_changes_of_any_article_are_counted_each_way() -> None:
    result = measured()
    assert (result.to_real, result.to_fake) == (2, 2)
    assert result.n_changed == 5


def test_scores_are_those_of_all_articles_after_the_edit() -> None:
    result = measured()
    assert result.macro_f1 == pytest.approx(2 / 3)
    assert result.auc == pytest.approx(5 / 9)
    assert result.macro_f1_change.points == pytest.approx(0)
    assert result.auc_change.points == pytest.approx(100 * (5 / 9 - 8 / 9))


def test_an_article_without_a_verdict_is_not_called_fake() -> None:
    result = measured(undecided=(0, 1, 3))
    assert (result.missed.n, result.missed.of) == (2, 2)
    assert (result.false_alarms.n, result.false_alarms.of) == (0, 2)
    assert result.n_unsure == 3
    assert result.macro_f1 == measured().macro_f1  # scores count every article at the threshold
    assert measured(undecided_before=(0,)).missed.of == 1
    assert measured(undecided_before=(5,)).false_alarms.of == 3


def test_a_share_of_nothing_is_undefined() -> None:
    only_real = measured(before=[0.1] * 3, after=[0.1] * 3, labels=["real"] * 3)
    assert (only_real.missed.n, only_real.missed.of, only_real.missed.share, only_real.missed.low) == (0, 0, None, None)
    assert only_real.auc is None
    assert only_real.auc_change == ScoreChange(None)


def test_without_labels_verdicts_are_compared_alone() -> None:
    result = measured(labels=[None] * 6)
    assert (result.to_real, result.to_fake) == (2, 2)
    assert (result.missed.of, result.false_alarms.of, result.macro_f1) == (0, 0, None)
    assert {example.row for example in result.examples} == {1, 3, 4, 6}


def test_examples_are_the_largest_changes_that_make_a_right_verdict_wrong() -> None:
    examples = measured().examples
    assert [(each.row, each.id, each.label) for each in examples] == [(1, "0", "fake"), (4, "3", "real")]
    first = examples[0]
    assert (first.text, first.edited) == ("text 0", "text 0 edited")
    assert (first.probability, first.edited_probability) == pytest.approx((0.9, 0.2))
    ranked = measured([0.6, 0.9, 0.7, 0.8], [0.4, 0.1, 0.2, 0.49], ["fake"] * 4, n_examples=2).examples
    assert [each.row for each in ranked] == [2, 3]


def test_the_interval_of_a_change_holds_that_change_and_is_zero_without_one() -> None:
    generator = np.random.default_rng(0)
    labels = ["fake", "real"] * 40
    before = np.clip(np.where(np.arange(80) % 2 == 0, 0.7, 0.3) + generator.normal(0, 0.2, 80), 0.01, 0.99)
    after = np.clip(before + generator.normal(-0.1, 0.1, 80), 0.01, 0.99)
    change = measured(before.tolist(), after.tolist(), labels, rounds=200).macro_f1_change
    assert change.points is not None
    assert change.low is not None
    assert change.high is not None
    assert change.low < change.points < change.high
    same = measured(before.tolist(), before.tolist(), labels, rounds=200)
    assert same.macro_f1_change == same.auc_change == ScoreChange(0.0, 0.0, 0.0)
    assert measured(rounds=200).macro_f1_change.low is None  # too few articles
