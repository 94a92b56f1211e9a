"""Estimating the share of fakes among unlabelled articles."""

import numpy as np
import pytest

from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.errors import DataError
from zhenwei.training.calibration.prior_shift import estimate_share


def recent(n: int, share: float, seed: int = 0) -> np.ndarray:
    """Return true log odds under equal shares, of articles with this share of fakes."""
    chance = np.random.default_rng(seed)
    fake = chance.random(n) < share
    return np.where(fake, 2.0, -2.0) + chance.normal(0, 2, n)  # log likelihood ratio of two normals 2 apart


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_it_estimates_the_share_if_nothing_else_has_changed(share: float) -> None:
    assert estimate_share(recent(20_000, share), 0.5) == pytest.approx(share, abs=0.02)


def test_the_share_of_the_calibration_does_not_matter() -> None:
    logits = recent(20_000, 0.7)
    moved = logits + np.log(0.2 / 0.8)  # the same detector, calibrated where a fifth were fakes
    assert estimate_share(moved, 0.2) == pytest.approx(estimate_share(logits, 0.5), abs=1e-3)


def test_it_needs_a_hundred_articles() -> None:
    assert 0 < estimate_share(recent(100, 0.5), 0.5) < 1
    with pytest.raises(DataError, match="found 99 recent articles; expected at least 100"):
        estimate_share(recent(99, 0.5), 0.5)


@pytest.mark.parametrize(("offset", "end"), [(-9.0, "0"), (9.0, "1")])
def test_an_estimate_that_diverges_is_refused(offset: float, end: str) -> None:
    with pytest.raises(DataError, match=f"diverges to {end}"):
        estimate_share(recent(1000, 0.5) * 0.1 + offset, 0.5)


def test_the_share_is_the_mean_of_the_corrected_probabilities() -> None:
    logits = recent(5_000, 0.3)
    share = estimate_share(logits, 0.5)
    assert float(np.mean(sigmoid(logits + np.log(share / (1 - share))))) == pytest.approx(share, abs=1e-4)


def test_a_small_share_is_not_a_diverged_estimate() -> None:
    """If one in sixty was fake before, one in sixty may be fake now."""
    logits = recent(20_000, 1 / 60) + np.log(1 / 59)  # calibrated where one in sixty was one
    assert estimate_share(logits, 1 / 60) == pytest.approx(1 / 60, abs=0.005)
