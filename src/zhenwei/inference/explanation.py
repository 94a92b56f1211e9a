"""Why a detector says what it says of one text: the words that swayed it, and where it looked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zhenwei.bundle import Bundle
from zhenwei.evaluation.attribution import word_attributions, word_token_masks
from zhenwei.inference.prediction import Prediction
from zhenwei.news import Article
from zhenwei.tokens import collate

Words = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Explanation:
    """Why a detector says what it says of a text.

    Attributes:
        prediction: What it says.
        words: The text cut into words, which joined give it back, each with its attribution: by how much the network's
            logit of fake falls when the word is taken out; positive: it spoke for fake; 0: it was not read, or made no
            difference.
        method: How the attributions were found: `occlusion`.
        attention: The same words, each with the share of the network's attention that it got; they sum to 1 over what
            was read. None where the network pools without attention. It says where the network looked, **not** what
            its verdict rests on (Jain & Wallace, NAACL 2019).
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


def explained(bundle: Bundle, article: Article, prediction: Prediction, device: torch.device) -> Explanation:
    """Explain what a detector says of an article.

    Args:
        bundle: The detector; its network is on the device.
        article: The article.
        prediction: What the detector says of it.
        device: Where the network is.
    """
    [attributions] = word_attributions(bundle, [article], device)
    attention = _attention(bundle, article, [word for word, _ in attributions], device)
    return Explanation(prediction, tuple(attributions), attention=attention)


def _attention(bundle: Bundle, article: Article, words: Sequence[str], device: torch.device) -> Words | None:
    """Return the share of the network's attention that each word got; None where it has no attention."""
    encoded = bundle.featurizer().encode([article])
    batch = collate(encoded, np.zeros(1, np.int64), pad_id=bundle.tokenizer.pad_id).to(device)
    bundle.network.eval()  # PyTorch's switch: attention as at prediction, without dropout
    with torch.inference_mode():
        attention = bundle.network(batch).attention
    if attention is None:
        return None
    weights: NDArray[np.float64] = attention[0].float().cpu().numpy().astype(np.float64)  # [T]
    shares = [float(weights[: len(mask)][mask].sum()) for mask in word_token_masks(bundle, article.content, words)]
    whole = sum(shares) or 1.0  # what the special tokens got is left out
    return tuple((word, share / whole) for word, share in zip(words, shares, strict=True))
