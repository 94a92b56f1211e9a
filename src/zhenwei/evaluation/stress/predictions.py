"""Predictions before and after an edit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.errors import CheckpointError
from zhenwei.evaluation.resampling import Floats
from zhenwei.news import Article

Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class StressPredictions:
    """The predictions of N articles.

    Attributes:
        logits: [N] log odds of the detector's probabilities of fake.
        undecided: [N] whether the detector gives no verdict on an article.
        threshold: Articles with at least this probability count as fake.
    """

    logits: Floats
    undecided: Booleans
    threshold: float

    @property
    def probabilities(self) -> Floats:
        """[N] probabilities of fake."""
        return sigmoid(self.logits)

    @property
    def fake(self) -> Booleans:
        """[N] whether an article is called fake; one without a verdict is not."""
        return (self.probabilities >= self.threshold) & ~self.undecided


class StressPredictor:
    """Predicts articles and their edited forms.

    Entities and emotion features that a file brings along describe the unedited text. They are extracted again from
    each text, edited or not, as for any pasted text; emotion features that cannot be extracted are kept.

    Args:
        bundle: The detector; its network is on the device.
        device: The device of the network.
        always: Whether every article gets a verdict, as with `--always`.
    """

    def __init__(self, bundle: Bundle, device: torch.device, *, always: bool = False) -> None:
        self._bundle, self._device, self._always = bundle, device, always
        self._dropped: dict[str, Any] = {"entity_list": None}
        if bundle.field_metadata.emotion is not None:
            self._dropped["emotion"] = None

    def predict(self, articles: Sequence[Article]) -> StressPredictions:
        """Predict N articles.

        Raises:
            CheckpointError: A logit is not finite.
            DataError: An article lacks a field that the detector needs and that cannot be extracted from its text.
        """
        threshold = self._bundle.threshold
        if not articles:
            return StressPredictions(np.empty(0), np.empty(0, np.bool_), threshold)
        bare = [replace(article, **self._dropped) for article in articles]
        encoded = self._bundle.featurizer().encode(bare)
        logits = self._bundle.calibrated(self._bundle.predict_logits(encoded, self._device))
        if n_bad := int((~np.isfinite(logits)).sum()):
            raise CheckpointError(f"{n_bad} of {len(logits)} texts have no finite logit: the weights are damaged")
        reasons = [()] * len(bare) if self._always else self._bundle.abstentions(bare, encoded)
        undecided = np.array([bool(each) for each in reasons], np.bool_)
        return StressPredictions(logits, undecided, threshold)

    def predict_edited(
        self, articles: Sequence[Article], texts: Sequence[str], before: StressPredictions
    ) -> StressPredictions:
        """Predict N articles after an edit; those whose text is the same keep their prediction.

        Args:
            articles: The unedited articles.
            texts: Their texts after the edit.
            before: The predictions of the unedited articles.
        """
        pairs = zip(articles, texts, strict=True)
        rows = np.array([row for row, (article, text) in enumerate(pairs) if article.content != text], np.int64)
        changed = self.predict([replace(articles[row], content=texts[row]) for row in rows])
        logits, undecided = before.logits.copy(), before.undecided.copy()
        logits[rows], undecided[rows] = changed.logits, changed.undecided
        return StressPredictions(logits, undecided, before.threshold)
