"""Vectors of tokens by what they share: a batch of posts has few distinct tokens, and each of them one vector."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class TokenRows:
    """Vectors [B, T, D] of tokens, each of which is ``scale * (rows[index] + places) + shift``.

    A linear layer that reads them need only read the rows and the places, and may put together what comes out.

    Attributes:
        rows: [U, D], a vector for each distinct token.
        index: [B, T] int64, which of them a token is.
        places: [T, D] added by where a token stands, and maybe more of them; None: nothing.
        scale: [B, T] of each token; None: 1.
        shift: [D] added to all; None: nothing.
    """

    rows: Tensor
    index: Tensor
    places: Tensor | None = None
    scale: Tensor | None = None
    shift: Tensor | None = None

    def of(self, part: Tensor, width: int) -> "TokenRows":
        """Return the first tokens of some texts, by their numbers [b]: [b, width], of the same rows."""
        scale = None if self.scale is None else self.scale[part, :width]
        return TokenRows(self.rows, self.index[part, :width], self.places, scale, self.shift)

    def dense(self) -> Tensor:
        """Return the vectors themselves [B, T, D]."""
        vectors = self.rows[self.index]
        if self.places is not None:
            vectors = vectors + self.places[: vectors.shape[1]]
        if self.scale is not None:
            vectors = vectors * self.scale.unsqueeze(-1)
        return vectors if self.shift is None else vectors + self.shift
