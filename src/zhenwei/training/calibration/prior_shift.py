"""A changed share of fakes: what it is estimated to be among articles that nobody has labelled."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.calibration import log_odds
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.errors import DataError

FEWEST_RECENT = 100
MOST_ROUNDS = 10_000
CONVERGED = 1e-6
EXTREME = 0.02  # a share this near to 0 or 1 is where the method ends up when its assumption does not hold

RISK = (
    "this assumes that fakes and real articles are written as in the articles of the calibration, and only their share "
    "has changed; where the writing has changed, too, as it does over time, an estimated share can make scores worse: "
    "compare with and without on labelled recent articles before you rely on it"
)


def estimate_share(logits: NDArray[np.float64], fake_share: float) -> float:
    """Estimate the share of fakes among unlabelled articles (EM; Saerens et al., Neural Computation 2002).

    Args:
        logits: [N] log odds of the calibrated probabilities, not corrected to any share.
        fake_share: The share of fakes where they were calibrated, above 0 and below 1.

    Raises:
        DataError: If the articles are too few, or the estimate ends at a share of nearly none or nearly all.
    """
    if len(logits) < FEWEST_RECENT:
        raise DataError(
            f"found {len(logits)} recent articles; expected at least {FEWEST_RECENT} to estimate a share of fakes from"
        )
    share = fake_share
    lowest, highest = min(EXTREME, fake_share / 10), max(1 - EXTREME, 1 - (1 - fake_share) / 10)
    for _ in range(MOST_ROUNDS):
        before = share
        share = float(np.mean(sigmoid(logits + log_odds(share) - log_odds(fake_share))))
        if not lowest < share < highest:
            raise DataError(
                f"the estimate of the share of fakes runs off to {'none' if share < 0.5 else 'all'}: these articles "
                "are not written as those of the calibration; give a share that you know, or leave it uncorrected"
            )
        if abs(share - before) < CONVERGED:
            break
    return share
