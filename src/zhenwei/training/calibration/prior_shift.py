"""Prior shift: estimating the share of fakes among unlabelled articles."""

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.calibration import log_odds
from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.errors import DataError

MIN_RECENT = 100
MAX_ROUNDS = 10_000
CONVERGED = 1e-6
EXTREME = 0.02  # the method ends at a share this close to 0 or 1 if its assumption does not hold

RISK = (
    "this assumes that only the share of fakes has changed since the calibration, and not how articles are written; "
    "writing changes over time, and then an estimated share can make scores worse: compare with and without it on "
    "labelled recent articles before you rely on it"
)


def estimate_share(logits: NDArray[np.float64], fake_share: float) -> float:
    """Estimate the share of fakes among unlabelled articles (EM; Saerens et al., Neural Computation 2002).

    Args:
        logits: [N] log odds of the calibrated probabilities, not corrected for prior shift.
        fake_share: The share of fakes among the articles of the calibration, above 0 and below 1.

    Raises:
        DataError: If there are too few articles, or the estimate ends at a share near 0 or 1.
    """
    if len(logits) < MIN_RECENT:
        raise DataError(
            f"found {len(logits)} recent articles; expected at least {MIN_RECENT} to estimate a share of fakes"
        )
    share = fake_share
    lowest, highest = min(EXTREME, fake_share / 10), max(1 - EXTREME, 1 - (1 - fake_share) / 10)
    for _ in range(MAX_ROUNDS):
        previous = share
        share = float(np.mean(sigmoid(logits + log_odds(share) - log_odds(fake_share))))
        if not lowest < share < highest:
            raise DataError(
                f"the estimated share of fakes diverges to {0 if share < 0.5 else 1}: these articles differ from "
                "those of the calibration; give a known share, or do not correct it"
            )
        if abs(share - previous) < CONVERGED:
            break
    return share
