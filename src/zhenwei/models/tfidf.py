"""The linear baseline: TF-IDF of token n-grams with logistic regression."""

from zhenwei.models.interface import FittedNetwork, Output
from zhenwei.models.linear.logistic import NgramLogisticRegression
from zhenwei.tokens import Batch


class Tfidf(NgramLogisticRegression, FittedNetwork):
    """Logistic regression over TF-IDF: the baseline that every neural network has to beat."""

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Compute the logits of a batch; `progress` is ignored."""
        return Output(logits=self.logits(batch))
