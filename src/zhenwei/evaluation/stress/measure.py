"""Measure an edit: verdicts that change, scores beside the unedited ones, and the worst examples."""

from collections.abc import Sequence

import numpy as np

from zhenwei.bundle.metrics import binary_metrics
from zhenwei.evaluation.intervals import MIN_GROUPS
from zhenwei.evaluation.mistakes import balance_kinds
from zhenwei.evaluation.reliability import Z, wilson_interval
from zhenwei.evaluation.resampling import Floats, Integers, resampled_scores, resampled_weights
from zhenwei.evaluation.stress.predictions import Booleans, StressPredictions
from zhenwei.evaluation.stress.records import EditResult, FlippedArticle, FlipShare, ScoreChange
from zhenwei.news import Article

SCORES = ("macro_f1", "auc")
UNLABELLED = -1
_MAX_UNDEFINED = 0.1  # share of undefined resamples that leaves no interval


class EditMeasure:
    """Measures edits of the same N articles.

    Args:
        articles: The unedited articles.
        before: Their predictions.
        rounds: Number of bootstrap resamples of the paired differences; 0 skips their intervals.
        n_examples: Maximum number of examples per edit.
        seed: Seed of the bootstrap.
    """

    def __init__(
        self, articles: Sequence[Article], before: StressPredictions, rounds: int, n_examples: int, seed: int
    ) -> None:
        self._articles, self._before, self._n_examples = articles, before, n_examples
        self._labels = np.array([UNLABELLED if each.target is None else each.target for each in articles], np.int64)
        self._labelled = self._labels != UNLABELLED
        n = int(self._labelled.sum())
        self._weights = resampled_weights(n, None, rounds if n >= MIN_GROUPS else 0, seed)
        self.unedited = self._scores(before)
        self._resampled = self._resample(before)

    def measure(self, name: str, description: str, texts: Sequence[str], after: StressPredictions) -> EditResult:
        """Compare the predictions after an edit with those before it.

        Args:
            name: Name of the edit.
            description: What it does.
            texts: [N] texts after the edit.
            after: Their predictions.
        """
        fake_before, fake_after = self._before.fake, after.fake
        caught, cleared = (self._labels == 1) & fake_before, (self._labels == 0) & ~fake_before
        to_real, to_fake = fake_before & ~fake_after, ~fake_before & fake_after
        scores, resampled = self._scores(after), self._resample(after)
        changes = {
            key: _change(self.unedited[key], scores[key], self._resampled[key], resampled[key]) for key in SCORES
        }
        pairs = zip(self._articles, texts, strict=True)
        return EditResult(
            name=name,
            description=description,
            n_changed=sum(article.content != text for article, text in pairs),
            missed=_share(caught & to_real, caught),
            false_alarms=_share(cleared & to_fake, cleared),
            to_fake=int(to_fake.sum()),
            to_real=int(to_real.sum()),
            n_unsure=int(after.undecided.sum()),
            macro_f1=scores["macro_f1"],
            auc=scores["auc"],
            macro_f1_change=changes["macro_f1"],
            auc_change=changes["auc"],
            examples=self._examples(texts, after, to_real, to_fake),
        )

    def _scores(self, predictions: StressPredictions) -> dict[str, float | None]:
        """Return the scores of the labelled articles, all at the threshold."""
        labelled = self._labelled
        if not labelled.any():
            return dict.fromkeys(SCORES)
        scores = binary_metrics(self._labels[labelled], predictions.probabilities[labelled], predictions.threshold)
        return {key: scores[key] for key in SCORES}

    def _resample(self, predictions: StressPredictions) -> dict[str, Floats]:
        """Return the scores of the resamples [R], which are the same for all edits."""
        if not len(self._weights):
            return dict.fromkeys(SCORES, np.empty(0))
        labels, probabilities = self._labels[self._labelled], predictions.probabilities[self._labelled]
        return resampled_scores(labels, probabilities, predictions.threshold, self._weights, SCORES)

    def _examples(
        self, texts: Sequence[str], after: StressPredictions, to_real: Booleans, to_fake: Booleans
    ) -> tuple[FlippedArticle, ...]:
        """Return the largest changes that make a right verdict wrong; half of them missed fakes, half false alarms.

        Without labels, every change of a verdict counts.
        """
        flipped = np.flatnonzero((to_real & (self._labels != 0)) | (to_fake & (self._labels != 1)))
        sizes = np.abs(after.logits - self._before.logits)
        flipped = flipped[np.argsort(-sizes[flipped], kind="stable")]
        chosen: Integers = flipped[balance_kinds(to_real[flipped].tolist(), self._n_examples)]
        before, edited = self._before.probabilities, after.probabilities
        return tuple(
            FlippedArticle(
                int(row) + 1, article.id, article.label, article.content, texts[row], float(before[row]),
                float(edited[row]),
            )
            for row, article in ((row, self._articles[row]) for row in chosen)
        )  # fmt: skip


def _share(flipped: Booleans, verdicts: Booleans) -> FlipShare:
    """Return the share of the verdicts that flip, with its interval."""
    n, of = int(flipped.sum()), int(verdicts.sum())
    if of == 0:
        return FlipShare(0, 0, None, None, None)
    return FlipShare(n, of, n / of, *wilson_interval(n, of))


def _change(before: float | None, after: float | None, resampled: Floats, edited: Floats) -> ScoreChange:
    """Return the difference of two scores in points; its interval is from the differences on the same resamples."""
    if before is None or after is None:
        return ScoreChange(None)
    points = 100 * (after - before)
    differences = 100 * (edited - resampled)
    if not len(differences) or np.isnan(differences).mean() >= _MAX_UNDEFINED:
        return ScoreChange(points)
    half_width = Z * float(np.nanstd(differences, ddof=1))
    return ScoreChange(points, points - half_width, points + half_width)
