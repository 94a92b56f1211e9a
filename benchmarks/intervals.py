"""Coverage of the 95% intervals of `zhenwei evaluate`, on simulated test sets with a known true score.

    python benchmarks/intervals.py                       # every scenario, 1,000 test sets each: some three minutes
    python benchmarks/intervals.py --repeats 200         # faster, to within 1.5 points
    python benchmarks/intervals.py --metrics auc spauc   # other metrics

A scenario consists of a size, a share of fakes, the distance between the scores of fakes and real articles, and a share
of near-duplicates, whose errors are correlated. The true scores are those on a million articles. `ece` is compared with
its mean over all test sets of that size, because its interval is for test sets of that size. For comparison, the table
has the percentile bootstrap from the same resamples, and how often the true score was below and above each interval.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zhenwei.bundle.predict_logits import sigmoid
from zhenwei.cli.figures import print_rows
from zhenwei.evaluation.intervals import bootstrap_intervals
from zhenwei.evaluation.resampling import METRICS, resampled_scores, resampled_weights

MILLION = 1_000_000
DEFAULT_METRICS = ("macro_f1", "auc", "acc", "brier", "f1_fake", "recall_fake", "ece")


@dataclass(frozen=True)
class Scenario:
    """A distribution of test sets.

    Attributes:
        n: Number of articles of a test set.
        share: Share of fakes.
        distance: Between the mean scores of fakes and of real articles, in standard deviations.
        singles: Share of groups with a single article; the other groups have near-duplicates.
        spread: Mean number of near-duplicates of the first article of such a group.
    """

    n: int
    share: float
    distance: float
    singles: float = 1.0
    spread: float = 2.0

    @property
    def title(self) -> str:
        """Description for the table."""
        copies = "" if self.singles == 1 else f", {1 - self.singles:.0%} of groups with {self.spread:g} copies"
        return f"{self.n} articles, {self.share:.0%} fakes, {self.distance:g} apart{copies}"

    def draw(
        self, generator: np.random.Generator, n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Return labels, logits and groups, each [n]."""
        alone = generator.random(n) < self.singles
        sizes = np.where(alone, 1, 1 + generator.geometric(1 / self.spread, n))
        groups = np.repeat(np.arange(n), sizes)[:n]
        labels = (generator.random(n) < self.share)[groups].astype(np.int64)
        if self.singles < 1:
            labels = np.where(generator.random(n) < 0.03, 1 - labels, labels)  # copies with another label
        common, own = generator.normal(size=n)[groups], generator.normal(size=n)
        noise = own if self.singles == 1 else 0.95 * common + np.sqrt(1 - 0.95**2) * own
        prior = np.log(self.share / (1 - self.share))
        return labels, self.distance * (self.distance * (labels - 0.5) + noise) * 0.9 + prior, groups


SCENARIOS = (
    Scenario(200, 0.4, 2.0),
    Scenario(200, 0.25, 1.2),
    Scenario(300, 0.75, 3.2),
    Scenario(500, 0.4, 2.5),
    Scenario(200, 0.4, 2.0, singles=0.9),
    Scenario(500, 0.7, 3.0, singles=0.9),
    Scenario(500, 0.4, 2.0, singles=0.7, spread=3.0),
)


def main() -> None:
    options = parse_options()
    for scenario in SCENARIOS:
        start = time.perf_counter()
        rows = coverage(scenario, options.repeats, options.rounds, options.metrics)
        title = f"{scenario.title}: {options.repeats} test sets in {time.perf_counter() - start:.0f} s"
        print_rows(("metric", "truth", "covered", "below, above", "percentile", "below, above"), rows, title)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="test sets per scenario (1,000)")
    parser.add_argument("--rounds", type=int, default=1000, help="resamples per test set (1,000)")
    parser.add_argument(
        "--metrics", nargs="+", choices=METRICS, default=DEFAULT_METRICS, help=f"metrics ({' '.join(DEFAULT_METRICS)})"
    )
    return parser.parse_args()


def coverage(scenario: Scenario, repeats: int, rounds: int, metrics: tuple[str, ...]) -> list[list[str]]:
    """Return the rows of the table of one scenario."""
    generator = np.random.default_rng(0)
    labels, logits, _ = scenario.draw(generator, MILLION)
    truth = resampled_scores(labels, sigmoid(logits), 0.5, np.ones((1, MILLION), np.uint8), metrics, logits)
    ends = {name: np.full((2, repeats, 2), np.nan) for name in metrics}  # by method, repeat, low and high
    points = {name: np.empty(repeats) for name in metrics}
    for repeat in range(repeats):
        labels, logits, groups = scenario.draw(generator, scenario.n)
        intervals = bootstrap_intervals(
            labels, sigmoid(logits), 0.5, groups=groups, logits=logits, metrics=metrics, rounds=rounds, seed=repeat
        )
        weights = resampled_weights(scenario.n, groups, rounds, repeat)
        resampled = resampled_scores(labels, sigmoid(logits), 0.5, weights, metrics, logits)
        measured = resampled_scores(labels, sigmoid(logits), 0.5, np.ones((1, scenario.n), np.uint8), metrics, logits)
        for name in metrics:
            points[name][repeat] = measured[name][0]
            ends[name][0, repeat] = intervals[name] or np.nan
            ends[name][1, repeat] = np.nanquantile(resampled[name], [0.025, 0.975])
    return [_row(name, points[name].mean() if name == "ece" else truth[name][0], ends[name]) for name in metrics]


def _row(name: str, truth: float, ends: NDArray[np.float64]) -> list[str]:
    row = [name, f"{truth:.3f}"]
    for low, high in (method.T for method in ends):
        below, above = float((truth < low).mean()), float((truth > high).mean())
        row += [f"{1 - below - above:.1%}", f"{below:.1%}, {above:.1%}"]
    return row


if __name__ == "__main__":
    main()
