"""Accuracy of the p-values and intervals of `zhenwei compare`, on simulated detectors with a known true score.

    python benchmarks/significance.py                 # 1,000 comparisons per row; a quarter of an hour
    python benchmarks/significance.py --repeats 200

Articles come in groups of one to three near-duplicates; half of them are fakes. The log odds that a run gives an
article are the strength of the detector (which varies slightly between seeds), with the sign of the label, plus three
normal terms: the difficulty of the article for all detectors, for this kind of detector, and for this run. The true
score is then known: if the strengths of the seeds have mean m and standard deviation d, and the noise has standard
deviation s, the accuracy of the detector is the normal distribution function at m / sqrt(s^2 + d^2), and so is its
macro-F1.

False alarms are differences with p < 0.05 between two detectors of equal strength: 5% is right, 6% the accepted
maximum. Coverage is how often the 95% interval of the difference contains the true one, for equal and for unequal
detectors. Power is how often the difference of the unequal ones is significant.
"""

import argparse
import json
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.cli.figures import print_rows
from zhenwei.evaluation.comparison.significance import ScoreSamples, estimate_difference
from zhenwei.evaluation.resampling import resampled_scores, resampled_weights

ROUNDS = 400
STRENGTH = 1.0
BETTER = 0.25  # additional strength of the better one of unequal detectors
SHARED, OF_KIND, OF_RUN = 0.8, 0.4, 0.4  # standard deviations of the difficulty for all, a kind of detector, a run


@dataclass(frozen=True)
class Row:
    """The results for one kind of comparison."""

    seeds: int
    n: int
    seed_deviation: float
    kind_deviation: float
    false_alarms: float
    coverage_equal: float
    coverage_unequal: float
    power: float


def main() -> None:
    options = parse_options()
    kinds = [
        (seeds, n, seed_deviation if seeds > 1 else 0.0, kind_deviation)
        for seeds, n, seed_deviation, kind_deviation in product(
            (1, 3, 5), (200, 500, 2000), (0.0, 0.08), (0.0, OF_KIND)
        )
        if seeds > 1 or not seed_deviation
    ]
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(measure, kinds, [options.repeats] * len(kinds)))
    rows = [
        (
            str(row.seeds), str(row.n), f"{row.seed_deviation:.2f}", f"{row.kind_deviation:.2f}",
            f"{row.false_alarms:.1%}", f"{row.coverage_equal:.1%}", f"{row.coverage_unequal:.1%}",
            f"{row.power:.1%}",
        )
        for row in results
    ]  # fmt: skip
    header = (
        "seeds",
        "articles",
        "seed sd",
        "kind sd",
        "false alarms",
        "coverage",
        "if unequal",
        "power",
    )
    print_rows(header, rows, f"{options.repeats:,} comparisons per row, {ROUNDS} resamples each")
    rates = np.array([[row.false_alarms, row.coverage_equal, row.coverage_unequal] for row in results])
    print(f"maximum of false alarms {rates[:, 0].max():.1%}, mean {rates[:, 0].mean():.1%}; "
          f"coverage {rates[:, 1:].min():.1%} to {rates[:, 1:].max():.1%}, mean {rates[:, 1:].mean():.1%}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in results], indent=2), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="comparisons per row (1,000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="rows at a time (all cores)")
    parser.add_argument("--json", type=Path, help="output JSON file")
    return parser.parse_args()


def measure(kind: tuple[int, int, float, float], repeats: int, rounds: int = ROUNDS) -> Row:
    """Compare two equal and two unequal detectors many times."""
    seeds, n, seed_deviation, kind_deviation = kind
    outcomes = []
    for repeat in range(repeats):
        generator = np.random.default_rng([repeat, seeds, n, round(100 * seed_deviation), round(100 * kind_deviation)])
        outcomes.append(compare_once(generator, seeds, n, seed_deviation, kind_deviation, repeat, rounds))
    alarms, equal, unequal, power = np.mean(outcomes, axis=0).tolist()
    return Row(seeds, n, seed_deviation, kind_deviation, alarms, equal, unequal, power)


def compare_once(
    generator: np.random.Generator,
    seeds: int,
    n: int,
    seed_deviation: float,
    kind_deviation: float,
    seed: int,
    rounds: int,
) -> tuple[bool, bool, bool, bool]:
    """Simulate articles and three detectors, two of them equal, and compare them.

    Returns:
        Whether the equal ones differ significantly, whether their interval contains 0, whether the interval of the
        unequal ones contains the true difference, and whether these differ significantly.
    """
    groups = np.repeat(np.arange(n), generator.integers(1, 4, n))[:n]
    labels = (generator.random(n) < 0.5).astype(np.int64)[groups]
    weights = resampled_weights(n, groups, rounds, seed)
    shared = generator.normal(0.0, SHARED, n)[groups]  # equal for near-duplicates

    def detector(strength: float) -> ScoreSamples:
        kind = generator.normal(0.0, kind_deviation, n)[groups]
        strengths = generator.normal(strength, seed_deviation, seeds)
        runs = [(2 * labels - 1) * each + shared + kind + generator.normal(0.0, OF_RUN, n) for each in strengths]
        return score_samples(labels, runs, weights)

    noise = math.sqrt(SHARED**2 + kind_deviation**2 + OF_RUN**2 + seed_deviation**2)
    truth = normal_cdf((STRENGTH + BETTER) / noise) - normal_cdf(STRENGTH / noise)
    first, second, better = detector(STRENGTH), detector(STRENGTH), detector(STRENGTH + BETTER)
    n_groups = int(groups.max()) + 1
    equal, unequal = estimate_difference(first, second, n_groups), estimate_difference(better, first, n_groups)
    (low, high), (unequal_low, unequal_high) = equal.interval, unequal.interval
    return equal.p < 0.05, low <= 0.0 <= high, unequal_low <= truth <= unequal_high, unequal.p < 0.05


def score_samples(
    labels: NDArray[np.int64], runs: Sequence[NDArray[np.float64]], weights: NDArray[np.uint8]
) -> ScoreSamples:
    """Return the macro-F1 of runs, as measured and on resamples."""
    ones = np.ones((1, len(labels)), np.uint8)
    both = np.concatenate([ones, weights])
    scores = np.array([resampled_scores(labels, sigmoid(run), 0.5, both, {"macro_f1"})["macro_f1"] for run in runs])
    return ScoreSamples(scores[:, 0], scores[:, 1:])


def normal_cdf(x: float) -> float:
    """Return the standard normal distribution function."""
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


if __name__ == "__main__":
    main()
