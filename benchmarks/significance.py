"""How far the p-values and intervals of `zhenwei compare` can be trusted, on simulated detectors with a known truth.

    python benchmarks/significance.py                 # 1,000 comparisons for each line; a quarter of an hour
    python benchmarks/significance.py --repeats 200

Articles come in groups of one to three near-duplicates, half of them fakes. The log odds that a run gives an article
are the detector's strength (which differs a little from seed to seed) on the side of the label, plus what makes the
article hard or easy for everybody, for this kind of detector, and for this run alone. The truth is then known: the
accuracy of a detector whose seeds have strengths with mean m and deviation d, on noise of deviation s, is the normal
distribution at m / sqrt(s^2 + d^2), and macro-F1 is equal to it.

False alarms are differences at p < 0.05 between two detectors of equal strength: 5% is right, 6% the most that is
admitted. Coverage is how often the 95% interval of the difference has the true one in it, for equal and for unequal
detectors. Power is how often the true difference of the unequal ones is found.
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
from zhenwei.evaluation.comparison.significance import Sampled, estimate_difference
from zhenwei.evaluation.resampling import resampled_scores, resampled_weights

ROUNDS = 400
STRENGTH = 1.0
BETTER = 0.25  # more strength, of the better one of unequal detectors
SHARED, OF_KIND, OF_RUN = 0.8, 0.4, 0.4  # deviations of what an article is for everybody, a kind of detector, a run


@dataclass(frozen=True)
class Line:
    """What was found of one kind of comparison."""

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
        lines = list(pool.map(measure, kinds, [options.repeats] * len(kinds)))
    rows = [
        (
            str(line.seeds), str(line.n), f"{line.seed_deviation:.2f}", f"{line.kind_deviation:.2f}",
            f"{line.false_alarms:.1%}", f"{line.coverage_equal:.1%}", f"{line.coverage_unequal:.1%}",
            f"{line.power:.1%}",
        )
        for line in lines
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
    print_rows(header, rows, f"{options.repeats:,} comparisons for each line, {ROUNDS} resamples each")
    every = np.array([[line.false_alarms, line.coverage_equal, line.coverage_unequal] for line in lines])
    print(f"most false alarms {every[:, 0].max():.1%}, mean {every[:, 0].mean():.1%}; "
          f"coverage {every[:, 1:].min():.1%} to {every[:, 1:].max():.1%}, mean {every[:, 1:].mean():.1%}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps([asdict(line) for line in lines], indent=2), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="comparisons for each line (1,000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="lines at a time (all cores)")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args()


def measure(kind: tuple[int, int, float, float], repeats: int) -> Line:
    """Compare two equal and two unequal detectors many times."""
    seeds, n, seed_deviation, kind_deviation = kind
    found = []
    for repeat in range(repeats):
        chance = np.random.default_rng([repeat, seeds, n, round(100 * seed_deviation), round(100 * kind_deviation)])
        found.append(compare_once(chance, seeds, n, seed_deviation, kind_deviation, repeat))
    alarms, equal, unequal, power = np.mean(found, axis=0).tolist()
    return Line(seeds, n, seed_deviation, kind_deviation, alarms, equal, unequal, power)


def compare_once(
    chance: np.random.Generator, seeds: int, n: int, seed_deviation: float, kind_deviation: float, number: int
) -> tuple[bool, bool, bool, bool]:
    """Make articles and three detectors, of which two are equal; tell what the comparison says of them.

    Returns:
        Whether the equal ones are told apart, whether their interval has 0 in it, whether that of the unequal ones has
        the true difference, and whether they are told apart.
    """
    groups = np.repeat(np.arange(n), chance.integers(1, 4, n))[:n]
    labels = (chance.random(n) < 0.5).astype(np.int64)[groups]
    weights = resampled_weights(n, groups, ROUNDS, number)
    shared = chance.normal(0.0, SHARED, n)[groups]  # near-duplicates are alike to everybody

    def detector(strength: float) -> Sampled:
        kind = chance.normal(0.0, kind_deviation, n)[groups]
        strengths = chance.normal(strength, seed_deviation, seeds)
        runs = [(2 * labels - 1) * each + shared + kind + chance.normal(0.0, OF_RUN, n) for each in strengths]
        return sampled(labels, runs, weights)

    noise = math.sqrt(SHARED**2 + kind_deviation**2 + OF_RUN**2 + seed_deviation**2)
    truth = normal_share((STRENGTH + BETTER) / noise) - normal_share(STRENGTH / noise)
    one, other, better = detector(STRENGTH), detector(STRENGTH), detector(STRENGTH + BETTER)
    n_groups = int(groups.max()) + 1
    equal, unequal = estimate_difference(one, other, n_groups), estimate_difference(better, one, n_groups)
    (low, high), (from_, to) = equal.interval, unequal.interval
    return equal.p < 0.05, low <= 0.0 <= high, from_ <= truth <= to, unequal.p < 0.05


def sampled(labels: NDArray[np.int64], runs: Sequence[NDArray[np.float64]], weights: NDArray[np.uint8]) -> Sampled:
    """Return the macro-F1 of runs, as measured and in resamples."""
    ones = np.ones((1, len(labels)), np.uint8)
    both = np.concatenate([ones, weights])
    scores = np.array([resampled_scores(labels, sigmoid(run), 0.5, both, {"macro_f1"})["macro_f1"] for run in runs])
    return Sampled(scores[:, 0], scores[:, 1:])


def normal_share(place: float) -> float:
    """Return the standard normal distribution at a place."""
    return 0.5 * (1 + math.erf(place / math.sqrt(2)))


if __name__ == "__main__":
    main()
