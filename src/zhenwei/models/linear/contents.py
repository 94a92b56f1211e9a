"""Contents of several articles in a linear model: one weight, and averaged features."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zhenwei.news.rewrites import content_weights
from zhenwei.tokens import EncodedArticles

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Labels = NDArray[np.int64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Contents:
    """The originals and rewrites among N training articles.

    Attributes:
        groups: [N] content group of each article.
        is_rewrite: [N] whether it is a rewrite.
    """

    groups: Rows
    is_rewrite: NDArray[np.bool_]

    @classmethod
    def of(cls, articles: EncodedArticles) -> "Contents | None":
        """Return the contents of encoded articles; None if there are no rewrites."""
        if articles.contents is None or articles.is_rewrite is None:
            return None
        return cls(articles.contents, articles.is_rewrite)

    def select(self, rows: Rows) -> "Contents":
        """Return the contents of some articles."""
        return Contents(self.groups[rows], self.is_rewrite[rows])

    def average(self, features: "csr_array", labels: Labels) -> tuple["csr_array", Labels, NDArray[np.float64]]:
        """Return the samples to fit on: features [M, F], labels [M] and weights [M].

        The rewrites of a content become one sample, the mean of their features: the model is fitted to what their
        wordings have in common. Weights are those of `content_weights`. Articles of different labels count as
        different contents.

        Args:
            features: Features of each article [N, F].
            labels: 0 (real) or 1 (fake) [N].
        """
        from scipy.sparse import csr_array, vstack  # noqa: PLC0415  # a second to import

        groups = np.unique(2 * self.groups + labels, return_inverse=True)[1]
        weights = content_weights(groups, self.is_rewrite).astype(np.float64)
        kept, rewrites = np.flatnonzero(~self.is_rewrite), np.flatnonzero(self.is_rewrite)
        contents, first, number = np.unique(groups[rewrites], return_index=True, return_inverse=True)
        share = 1 / np.bincount(number)[number]
        mean = csr_array((share, (number, rewrites)), shape=(len(contents), len(groups)))
        samples = csr_array(vstack([features[kept], mean @ features], format="csr"))
        samples.indices, samples.indptr = samples.indices.astype(np.int32), samples.indptr.astype(np.int32)
        return (
            samples,
            np.concatenate([labels[kept], labels[rewrites[first]]]),
            np.concatenate([weights[kept], np.bincount(number, weights[rewrites])]),
        )
