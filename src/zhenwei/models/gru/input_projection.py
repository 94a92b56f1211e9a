"""What the inputs of a bidirectional GRU say to its gates, and the way back: one product, as small as it can be.

In the comments: N tokens, as `Packing` has them, E features, H hidden units; the directions stand first, [2, ...], and
the second one reads each row from its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from zhenwei.models.gru.factored_embeddings import TokenRows
from zhenwei.models.gru.packing import Packing
from zhenwei.models.gru.segment_sum import sum_rows


@dataclass(frozen=True)
class Spoken:
    """What tokens say to the gates, by what they share: ``scale * (tokens[index] + spots[places]) + constant``.

    Attributes:
        tokens: [2 * U, 3H], the two directions of each distinct token.
        index: [2, N] int64, which of them is read.
        constant: [2, 3H].
        spots: [2 * T, 3H], the two directions of each place of a text; None: nothing.
        places: [2, N] int64, which of them is read.
        scale: [2, N]; None: 1.
    """

    tokens: Tensor
    index: Tensor
    constant: Tensor
    spots: Tensor | None = None
    places: Tensor | None = None
    scale: Tensor | None = None


class Inputs(Protocol):
    """How the gates' inputs come from vectors, which are what autograd knows of."""

    packing: Packing
    all_at_once: bool
    """Whether the gates hear all tokens before the first step, rather than each at its step."""
    n_said: int
    """How many rows the product has, M, where it is held until each is said; or 0."""

    def begin(self, vectors: Tensor, weight: Tensor, bias: Tensor, gates: Tensor, said: Tensor) -> Spoken | None:
        """Take the product with weight [2, 3H, E].

        It is said into gates [2, N, 3H]; or it is held in said [M, 6H], and what is to be said is returned.
        """

    def gradients(
        self, vectors: Tensor, weight: Tensor, entered: Tensor, bias: Tensor, said: Tensor, spare: Tensor, *,
        of_vectors: bool,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Return the gradients of the weight [2, 3H, E] and, if asked for, of the vectors.

        Args:
            vectors: As `begin` had them.
            weight: [2, 3H, E].
            entered: [2, N, 3H], the gradient of what was said to the gates.
            bias: [2, 3H], its sum over all tokens.
            said: As `begin` had it; it may be written.
            spare: [any number], of the type of the vectors: memory that may be written, and returned.
            of_vectors: Whether these are asked for.
        """


class EachToken:
    """Each token of each row has a vector of its own: vectors [B * T, E], with those of padding."""

    all_at_once = True
    n_said = 0

    def __init__(self, packing: Packing) -> None:
        self.packing = packing

    def begin(self, vectors: Tensor, weight: Tensor, bias: Tensor, gates: Tensor, said: Tensor) -> Spoken | None:
        """Say everything."""
        for way, read in enumerate(self._both_ways(vectors)):
            torch.addmm(bias[way], read, weight[way].t(), out=gates[way])
        return None

    def gradients(
        self, vectors: Tensor, weight: Tensor, entered: Tensor, bias: Tensor, said: Tensor, spare: Tensor, *,
        of_vectors: bool,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Go back through the product of each direction."""
        of_weight = torch.stack([told.t() @ read for told, read in zip(entered, self._both_ways(vectors), strict=True)])
        if not of_vectors:
            return of_weight, None
        ahead, back = torch.bmm(entered, weight)
        ahead += back.index_select(0, self.packing.mirror)
        return of_weight, torch.zeros_like(vectors).index_copy_(0, self.packing.places[0], ahead)

    def _both_ways(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Pick the real tokens in the order in which each direction reads them: [N, E] twice."""
        ahead = vectors.index_select(0, self.packing.places[0])
        return ahead, ahead.index_select(0, self.packing.mirror)


class SharedTokens:
    """Tokens share their vectors, as `TokenRows` has it: vectors [U, E] of the distinct ones, then places and shift.

    The product is taken for each distinct token and place, of which a batch has few, and put together at each step.
    """

    all_at_once = False

    def __init__(self, tokens: TokenRows, packing: Packing, dtype: torch.dtype) -> None:
        """Take over tokens, whose scale will be multiplied in a type."""
        self.packing = packing
        self.n_shared = len(tokens.rows)
        self.n_places = 0 if tokens.places is None else len(tokens.places)
        self.shifts = tokens.shift is not None
        self.n_said = self.n_shared + self.n_places + int(self.shifts)
        # Of what is said of a token or place, the two directions stand one after the other.
        self.index = _of_direction(packing.both_ways(tokens.index))
        self.places = _of_direction(packing.places % packing.width) if self.n_places else None
        self.scale = None if tokens.scale is None else packing.both_ways(tokens.scale.to(dtype))

    @staticmethod
    def vectors(tokens: TokenRows, dtype: torch.dtype) -> Tensor:
        """Lay all that tokens share above each other, in a type: [U + T + 1, E], without what there is not."""
        shift = None if tokens.shift is None else tokens.shift.unsqueeze(0)
        return torch.cat([part.to(dtype) for part in (tokens.rows, tokens.places, shift) if part is not None])

    def begin(self, vectors: Tensor, weight: Tensor, bias: Tensor, gates: Tensor, said: Tensor) -> Spoken | None:
        """Take the product."""
        return self._spoken(torch.mm(vectors, weight.flatten(0, 1).t(), out=said), bias)

    def _spoken(self, said: Tensor, bias: Tensor) -> Spoken:
        """Say what came out of the product, [U + T + 1, 6H]."""
        size = bias.shape[1]
        of_tokens, of_places, of_shift = self._parts(said)
        return Spoken(
            of_tokens.view(-1, size),
            self.index,
            bias + of_shift.sum(dim=0).view(2, -1),
            of_places.view(-1, size) if self.n_places else None,
            self.places,
            self.scale,
        )

    def gradients(
        self, vectors: Tensor, weight: Tensor, entered: Tensor, bias: Tensor, said: Tensor, spare: Tensor, *,
        of_vectors: bool,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Add up the gradients of what is shared, and go back through the product of that."""
        of_tokens, of_places, of_shift = self._parts(said)
        scale = None if self.scale is None else self.scale.flatten()
        width = entered.shape[-1]
        sum_rows(entered.flatten(0, 1), self.index.flatten(), scale, of_tokens.view(-1, width))
        if self.places is not None:
            sum_rows(entered.flatten(0, 1), self.places.flatten(), scale, of_places.view(-1, width))
        of_shift.copy_(bias.view(1, -1))
        memory = spare[: weight.numel()] if weight.numel() <= len(spare) else torch.empty_like(weight)
        of_weight = torch.mm(said.t(), vectors, out=memory.view(-1, weight.shape[-1]))
        return of_weight.view_as(weight), said @ weight.flatten(0, 1) if of_vectors else None

    def _parts(self, shared: Tensor) -> Sequence[Tensor]:
        """Tell the tokens, the places and the shift apart in [U + T + 1, ...]: there may be none of one kind."""
        return torch.split(shared, [self.n_shared, self.n_places, int(self.shifts)])


class HeardTokens(SharedTokens):
    """Shared tokens of which the product has been taken before: vectors are what came out of it, [U + T + 1, 6H].

    For scoring alone, where parts of a batch share it.
    """

    def __init__(self, tokens: TokenRows, packing: Packing, dtype: torch.dtype) -> None:
        super().__init__(tokens, packing, dtype)
        self.n_said = 0

    def begin(self, vectors: Tensor, weight: Tensor, bias: Tensor, gates: Tensor, said: Tensor) -> Spoken | None:
        """Say what is known."""
        return self._spoken(vectors, bias)


def _of_direction(index: Tensor) -> Tensor:
    """Turn an index [2, N] of what is said of both directions into one of what is said of each."""
    return 2 * index + torch.arange(2).unsqueeze(1)
