"""The linear baseline: TF-IDF of token n-grams with logistic regression."""

from zhenwei.models.interface import FittedNetwork, Output
from zhenwei.models.linear.logistic import NgramRegression
from zhenwei.tokens import Batch


class Tfidf(NgramRegression, FittedNetwork):
    """Weighed n-grams, summed up: the baseline that every network must justify itself against."""

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Judge a batch; `progress` makes no difference to this network."""
        return Output(logits=self.logits(batch))
