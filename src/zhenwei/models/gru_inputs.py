"""What the inputs of a bidirectional GRU say to its gates, and the way back: one product, as small as it can be.

In the comments: T tokens, B rows, E features, H hidden units; the directions stand first, [2, ...], and the second one
reads from the last token to the first.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from zhenwei.models.token_rows import TokenRows


class Inputs(Protocol):
    """How the gates' inputs come from vectors [N, E], which are what autograd knows of."""

    all_at_once: bool
    """Whether the gates hear all tokens before the first step, rather than each at its step."""
    steps: int
    rows: int

    def begin(self, vectors: Tensor, weight: Tensor, bias: Tensor, gates: Tensor) -> None:
        """Take the product with weight [2, 3H, E], and what can be said at once into gates [2, T, B, 3H]."""

    def say(self, step: int, gates: Tensor) -> None:
        """Say into gates [2, B, 3H] what a step's tokens have to say, unless that has been done."""

    def gradients(
        self, vectors: Tensor, weight: Tensor, entered: Tensor, bias: Tensor, *, of_vectors: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of the weight [2, 3H, E] and, if asked for, of the vectors.

        Args:
            vectors: [N, E].
            weight: [2, 3H, E].
            entered: [2, T, B, 3H], the gradient of what was said to the gates.
            bias: [2, 3H], its sum over all tokens.
            of_vectors: Whether these are asked for.
        """


class EachToken:
    """Each token of each row has a vector of its own: vectors [T * B, E]."""

    all_at_once = True

    def __init__(self, steps: int, rows: int) -> None:
        self.steps, self.rows = steps, rows

    def begin(self, vectors: Tensor, weight: Tensor, bias: Tensor, gates: Tensor) -> None:
        """Say everything, each direction in the order in which it reads."""
        for way, read in enumerate((vectors, self._reversed(vectors))):
            torch.addmm(bias[way], read, weight[way].t(), out=gates[way].flatten(0, 1))

    def say(self, step: int, gates: Tensor) -> None:
        """All has been said."""

    def gradients(
        self, vectors: Tensor, weight: Tensor, entered: Tensor, bias: Tensor, *, of_vectors: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Go back through the product of each direction."""
        told = entered.flatten(1, 2)  # [2, T * B, 3H]
        read = (vectors, self._reversed(vectors))
        of_weight = torch.stack([told[way].t() @ read[way] for way in (0, 1)])
        if not of_vectors:
            return of_weight, None
        ahead, back = torch.bmm(told, weight)
        return of_weight, ahead.add_(self._reversed(back))

    def _reversed(self, vectors: Tensor) -> Tensor:
        """Turn [T * B, E] round in time."""
        return vectors.view(self.steps, self.rows, -1).flip(0).flatten(0, 1)


class SharedTokens:
    """Tokens share their vectors, as `TokenRows` has it: vectors [U, E] of the distinct ones, then places and shift.

    The product is taken for each distinct token and place, of which a batch has few, and put together at each step.
    """

    all_at_once = False

    def __init__(self, tokens: TokenRows, dtype: torch.dtype) -> None:
        """Take over tokens, whose scale will be multiplied in a type."""
        index = tokens.index.t()  # [T, B]
        self.steps, self.rows = index.shape
        self.n_shared = len(tokens.rows)
        self.n_places = 0 if tokens.places is None else len(tokens.places)
        self.shifts = tokens.shift is not None
        # Of what is said of a token, the two directions stand one after the other.
        self.index = torch.stack([2 * index, 2 * index.flip(0) + 1])  # [2, T, B]
        self.scale = None
        if tokens.scale is not None:
            scale = tokens.scale.to(dtype).t()
            self.scale = torch.stack([scale, scale.flip(0)])  # [2, T, B]

    @staticmethod
    def vectors(tokens: TokenRows) -> Tensor:
        """Lay all that tokens share above each other: [N, E]."""
        shift = None if tokens.shift is None else tokens.shift.unsqueeze(0)
        return torch.cat([part for part in (tokens.rows, tokens.places, shift) if part is not None])

    def begin(self, vectors: Tensor, weight: Tensor, bias: Tensor, gates: Tensor) -> None:
        """Take the products, and make what each step picks ready."""
        said = vectors @ weight.flatten(0, 1).t()  # [N, 6H]
        of_tokens, of_places, of_shift = torch.split(said, [self.n_shared, self.n_places, int(self.shifts)])
        constant = bias.flatten() + of_shift.sum(dim=0)  # [6H]
        if self.scale is None:
            of_tokens += constant
        self._tokens = of_tokens.view(2 * self.n_shared, -1)
        self._constant = constant.view(2, 1, -1)
        self._places = [] if not self.n_places else _by_step(of_places)
        self._picks = [way.unbind(0) for way in self.index]
        self._scales = [] if self.scale is None else list(self.scale.transpose(0, 1).unsqueeze(-1).contiguous())

    def say(self, step: int, gates: Tensor) -> None:
        """Put together what a step's tokens say."""
        for picks, told in zip(self._picks, gates.unbind(0), strict=True):
            torch.index_select(self._tokens, 0, picks[step], out=told)
        if self._places:
            gates.add_(self._places[step])
        if self._scales:
            torch.addcmul(self._constant, gates, self._scales[step], out=gates)

    def gradients(
        self, vectors: Tensor, weight: Tensor, entered: Tensor, bias: Tensor, *, of_vectors: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Add up the gradients of what is shared, and go back through the product of that."""
        parts = [self._of_tokens(entered.flatten(0, 2)).view(self.n_shared, -1)]  # [U, 6H]
        if self.n_places:
            parts.append(self._of_places(entered))
        if self.shifts:
            parts.append(bias.view(1, -1))
        told = torch.cat(parts)  # [N, 6H]
        of_weight = (told.t() @ vectors).view_as(weight)
        return of_weight, told @ weight.flatten(0, 1) if of_vectors else None

    def _of_tokens(self, entered: Tensor) -> Tensor:
        """Sum [2 * T * B, 3H] by distinct tokens and direction: [2 * U, 3H]."""
        which, order = self.index.flatten().sort()
        first = torch.searchsorted(which, torch.arange(2 * self.n_shared))
        weights = None if self.scale is None else self.scale.flatten()[order]
        return embedding_bag(order, entered, first, mode="sum", per_sample_weights=weights)

    def _of_places(self, entered: Tensor) -> Tensor:
        """Sum [2, T, B, 3H] by where tokens stand: [T, 6H]."""
        scaled = entered.sum(dim=2) if self.scale is None else (self.scale.unsqueeze(2) @ entered).squeeze(2)
        ahead, back = scaled  # [T, 3H] each
        return torch.cat([ahead, back.flip(0)], dim=1)


def _by_step(of_places: Tensor) -> list[Tensor]:
    """Turn what places say [T, 6H] into what each step hears [2, 1, 3H]: the second direction begins at the end."""
    ahead, back = of_places.chunk(2, dim=1)
    return list(torch.stack([ahead, back.flip(0)], dim=1).unsqueeze(2))
