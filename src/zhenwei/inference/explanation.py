"""Explain a prediction: word attributions, and the attention of the network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.bundle.attribution import word_attributions, words_with_tokens
from zhenwei.inference.prediction import Prediction
from zhenwei.news import Article
from zhenwei.tokens import collate

Words = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Explanation:
    """A prediction on a text, attributed to its words.

    Attributes:
        prediction: The prediction.
        words: The words of the text, which concatenate to it, each with its attribution: how much the network's logit
            of fake falls if the word is removed. Positive: the word is evidence of fake; 0: it was not read, or makes
            no difference.
        method: How the attributions were computed: `occlusion`.
        attention: The same words, each with its share of the network's attention; the shares of the words that were
            read sum to 1. None if the network pools without attention. Attention shows where the network looked,
            **not** why it predicts what it does (Jain & Wallace, NAACL 2019).
    """

    prediction: Prediction
    words: Words
    method: str = "occlusion"
    attention: Words | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return {
            "prediction": self.prediction.to_dict(),
            "method": self.method,
            "words": [{"word": word, "attribution": attribution} for word, attribution in self.words],
            "attention": None
            if self.attention is None
            else [{"word": word, "weight": weight} for word, weight in self.attention],
        }


def explain(bundle: Bundle, article: Article, prediction: Prediction, device: torch.device) -> Explanation:
    """Explain the prediction of a detector on an article.

    Args:
        bundle: The detector.
        article: The article.
        prediction: The detector's prediction on it.
        device: The device of the network.
    """
    [attributions] = word_attributions(bundle, [article], device)
    attention = _attention(bundle, article, device)
    return Explanation(prediction, tuple(attributions), attention=attention)


def _attention(bundle: Bundle, article: Article, device: torch.device) -> Words | None:
    """Return each word's share of the network's attention; None if the network has no attention."""
    encoded = bundle.featurizer().encode([article])
    batch = collate(encoded, np.zeros(1, np.int64), pad_id=bundle.tokenizer.pad_id).to(device)
    bundle.network.eval()  # PyTorch's switch: attention as in prediction, without dropout
    with torch.inference_mode():
        attention = bundle.network(batch).attention
    if attention is None:
        return None
    weights: NDArray[np.float64] = attention[0].float().cpu().numpy().astype(np.float64)  # [T]
    words, masks = words_with_tokens(bundle, article.content)
    shares = [float(weights[: len(mask)][mask].sum()) for mask in masks]
    total = sum(shares) or 1.0  # without the attention of special tokens
    return tuple((word, share / total) for word, share in zip(words, shares, strict=True))
