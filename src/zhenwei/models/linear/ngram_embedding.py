"""Hashed embeddings of token n-grams."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zhenwei.models.dropout import Dropout

_PRIME = 2**31 - 1
_FACTORS = (  # for the token itself, the one before it, and so on
    1_000_000_007, 1_299_709_153, 1_500_450_271, 982_451_653, 1_190_494_759, 715_225_739, 373_587_883, 633_910_099,
)  # fmt: skip


class NgramEmbedding(nn.Module):
    """The sum of the embeddings of the n-grams that end at a token (after Bojanowski et al., TACL 2017).

    N-grams are hashed to buckets; n-grams in the same bucket share its embedding. Positions before the start of the
    text count as one special token.
    """

    def __init__(self, sizes: Sequence[int], buckets: int, size: int, features: int, dropout: float) -> None:
        """Build the tables.

        Args:
            sizes: Lengths of the n-grams, in tokens.
            buckets: Number of embeddings per length.
            size: Size of an embedding; many small ones are better than few large ones.
            features: Size of the output, by a linear layer.
            dropout: On the embeddings.
        """
        super().__init__()
        self.sizes, self.buckets = tuple(sizes), buckets
        self.tables = nn.ModuleList(nn.Embedding(buckets, size) for _ in sizes)
        for table in self.tables:
            nn.init.normal_(table.weight, std=features**-0.5)  # type: ignore[arg-type]
        self.dropout = Dropout(dropout)
        self.projection = nn.Linear(size, features, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed token ids [B, T] -> [B, T, D]; n-grams look back only, so that padding at the end does not matter."""
        pairs = zip(self.tables, self.bucket_numbers(tokens), strict=True)
        vectors = [table(number) for table, number in pairs]
        embedded: Tensor = self.projection(self.dropout(torch.stack(vectors).sum(dim=0)))
        return embedded

    def bucket_numbers(self, tokens: Tensor) -> list[Tensor]:
        """Return the bucket of the n-gram that ends at each token of [B, T]: one tensor [B, T] per size."""
        width = tokens.shape[1]
        hashed = torch.zeros_like(tokens)
        buckets = {}
        for back in range(max(self.sizes)):
            earlier = nn.functional.pad(tokens + 1, (back, 0))[:, :width]
            hashed = (hashed + earlier * _FACTORS[back]) % _PRIME  # at most 2^53: exact everywhere
            buckets[back + 1] = hashed % self.buckets
        return [buckets[size] for size in self.sizes]
