"""A bidirectional GRU over padded batches, in which padding never reaches the state."""

import importlib.util

import torch
from torch import Tensor, nn

from zhenwei.models.dropout import Dropout, is_traced
from zhenwei.models.gru.autograd import BiGRUFunction, read_both_ways
from zhenwei.models.gru.buffers import Workspace
from zhenwei.models.gru.factored_embeddings import TokenRows
from zhenwei.models.gru.input_projection import EachToken, HeardTokens, Inputs, SharedTokens
from zhenwei.models.gru.int8 import multiplies_int8
from zhenwei.models.gru.packing import Packing

WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")  # of a layer of PyTorch
FIRST_CARDS = (8, 0)  # compute capability from which our kernels for NVIDIA cards run
SEVERAL_ROWS = 8  # from which on float32 is scored faster by distinct tokens than by PyTorch's layers
LEAST_UNITS = 16  # hidden units come in multiples of this for them


class MaskedBiGRU(nn.Module):
    """Stacked bidirectional GRU (Cho et al., EMNLP 2014) that reads every row as if it had no padding.

    The backward direction waits at padding with a state of zero, so that no packing is needed: on a CPU, packed
    sequences take about three times as long as padded ones. There, both directions are read together while training, in
    mixed precision, and by what the tokens share (`gru_function`, which passes by the hooks of the inner layers);
    elsewhere, where float32 is scored by the tokens' vectors (there PyTorch is as fast, and faster for one text), and
    where the network is compiled or exported, they are two layers of PyTorch, the second of which reads each row
    reversed within its own length. On an NVIDIA card they are trained together, too, in mixed precision
    (`BiGRUTriton`). All ways give the same numbers but for rounding; within
    `int8_states`, where the processor can, those of states that are multiplied in 8 bits.

    Args:
        features: D.
        hidden: Units of one direction.
        num_layers: How many layers there are.
        dropout: Between layers.
        states_stay: False: states whose gradients have been walked back may be overwritten by the next batch, and may
            not be changed in place.
    """

    def __init__(
        self, features: int, hidden: int, num_layers: int, dropout: float, *, states_stay: bool = True
    ) -> None:  # fmt: skip
        super().__init__()
        self.states_stay = states_stay
        self.hidden = hidden
        sizes = [features] + [2 * hidden] * (num_layers - 1)
        self.forward_layers = nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for size in sizes)
        self.backward_layers = nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for size in sizes)
        self.dropout = Dropout(dropout)
        self.workspaces = [Workspace() for _ in sizes]  # of each layer

    def train(self, mode: bool = True) -> "MaskedBiGRU":
        """Switch to training or back; what the other one computed in is let go."""
        super().train(mode)
        for workspace in self.workspaces:
            workspace.clear()
        return self

    def forward(
        self, inputs: Tensor | TokenRows, mask: Tensor, heard: Tensor | None = None,
        workspace: Workspace | None = None,
    ) -> Tensor:  # fmt: skip
        """Read each row both ways.

        Args:
            inputs: [B, T, D], or where `shares_tokens` has said so, what these have in common.
            mask: [B, T] bool, True at real tokens, which stand at the start of each row.
            heard: What `hear` has given for the rows that the inputs have in common, if it was asked.
            workspace: Where no gradients are asked for: what to compute in; who uses it next overwrites the states.

        Returns:
            [B, T, 2 * hidden]; what stands at padding has no meaning.
        """
        if isinstance(inputs, TokenRows) or (inputs.device.type == "cpu" and self._reads_together(inputs)):
            return self._read_together(inputs, mask, heard, workspace)
        if inputs.device.type == "cuda" and not is_traced() and self._trains(inputs) and self._has_kernels(inputs):
            return self._read_by_kernels(inputs, mask)
        mirror = mirrored_positions(mask)
        outputs = inputs
        for depth, (ahead, back) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
            outputs = _read_apart(self.dropout(outputs) if depth else outputs, mirror, ahead, back)
        return outputs

    def shares_tokens(self, tokens: Tensor) -> bool:
        """Whether token ids [B, T] had better come as what their vectors have in common: always but for a few texts."""
        if tokens.device.type != "cpu" or is_traced():  # first of all: a graph would remember how many rows there were
            return False
        return len(tokens) >= SEVERAL_ROWS or self._reads_together(tokens)

    def hear(self, tokens: TokenRows) -> Tensor:
        """Return what tokens say to the gates of the first layer [U + T + 1, 6H]: parts of a batch share it."""
        ways = (self.forward_layers[0], self.backward_layers[0])
        weight = torch.cat([way.get_parameter("weight_ih_l0") for way in ways])
        low = self._coarse_type()
        with torch.autocast("cpu", enabled=False):
            return SharedTokens.vectors(tokens, low) @ weight.to(low).t()

    def _coarse_type(self) -> torch.dtype:
        """Return the type of products on a CPU."""
        return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else next(self.parameters()).dtype

    def _reads_together(self, inputs: Tensor) -> bool:
        """Whether both directions are read together on a CPU."""
        if is_traced() or len(inputs) == 0:
            return False
        return self._trains(inputs) or torch.is_autocast_enabled("cpu") or self._multiplies_int8()

    def _multiplies_int8(self) -> bool:
        """Whether states may be multiplied in 8 bits, and can be."""
        return multiplies_int8(self.hidden) and next(self.parameters()).dtype == torch.float32

    def _read_together(
        self, inputs: Tensor | TokenRows, mask: Tensor, heard: Tensor | None, workspace: Workspace | None
    ) -> Tensor:
        """Read both ways at once on a CPU -> [B, T, 2H]."""
        low = self._coarse_type()
        packing = Packing.of(mask)
        outputs: Tensor | TokenRows = inputs
        with torch.autocast("cpu", enabled=False):  # the function knows itself which product may be coarse
            for depth, (ahead, back) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
                vectors, source = _gru_inputs(self.dropout(outputs) if depth else outputs, packing, low, heard)
                weights = [getattr(layer, name) for layer in (ahead, back) for name in WEIGHTS]
                if self._trains(vectors):
                    outputs = BiGRUFunction.apply(  # type: ignore[no-untyped-call]
                        vectors, source, self.workspaces[depth], self.states_stay, *weights
                    )
                else:
                    stays = workspace is None or depth < len(self.forward_layers) - 1
                    outputs = read_both_ways(vectors, source, weights, workspace or Workspace(), states_stay=stays)
        assert isinstance(outputs, Tensor)  # there is one layer at least
        return outputs

    def _has_kernels(self, inputs: Tensor) -> bool:
        """Whether there are kernels of ours for the card, the precision and the size: matrix units multiply."""
        countable = 8 * self.hidden * inputs.shape[0] * inputs.shape[1] < 2**31  # they count in 32 bits
        if not (torch.is_autocast_enabled("cuda") and countable and self.hidden % LEAST_UNITS == 0):
            return False
        if torch.version.hip is not None or torch.cuda.get_device_capability(inputs.device) < FIRST_CARDS:
            return False
        if importlib.util.find_spec("triton") is None:
            return False
        from zhenwei.models.gru.triton import works_on  # noqa: PLC0415  # Triton comes with PyTorch for such cards

        return works_on(inputs.device)

    def _read_by_kernels(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Read [B, T, D] both ways at once on a graphics card -> [B, T, 2H]."""
        from zhenwei.models.gru.triton import BiGRUTriton  # noqa: PLC0415  # Triton comes with PyTorch for such cards

        low = torch.get_autocast_dtype("cuda")
        outputs = inputs
        for depth, (ahead, back) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
            layer_inputs = self.dropout(outputs) if depth else outputs
            with torch.autocast("cuda", enabled=False):  # the function knows itself which product may be coarse
                outputs = BiGRUTriton.apply(  # type: ignore[no-untyped-call]
                    layer_inputs.to(low), mask, *_stacked_weights(ahead, back)
                )
        return outputs

    def _trains(self, inputs: Tensor) -> bool:
        """Whether gradients will be asked for."""
        needed = inputs.requires_grad or any(weight.requires_grad for weight in self.parameters())
        return torch.is_grad_enabled() and needed


def mirrored_positions(mask: Tensor) -> Tensor:
    """Return, for a mask [B, T], the positions [B, T] that reverse each row within its length; padding stays."""
    positions = torch.arange(mask.shape[1], device=mask.device)  # [T]
    mirrored = mask.sum(dim=1, keepdim=True) - 1 - positions  # [B, T]
    return torch.where(mask, mirrored, positions)


def _gru_inputs(
    inputs: Tensor | TokenRows, packing: Packing, dtype: torch.dtype, heard: Tensor | None
) -> tuple[Tensor, Inputs]:
    """Give what `BiGRUFunction` reads: vectors in a type, and how it reads them."""
    if isinstance(inputs, TokenRows) and heard is not None:
        return heard, HeardTokens(inputs, packing, dtype)
    if isinstance(inputs, TokenRows):
        return SharedTokens.vectors(inputs, dtype), SharedTokens(inputs, packing, dtype)
    return inputs.to(dtype).flatten(0, 1), EachToken(packing)


def _stacked_weights(ahead: nn.Module, back: nn.Module) -> list[Tensor]:
    """Return the weights of two layers, one above the other."""
    return [torch.stack([getattr(ahead, name), getattr(back, name)]) for name in WEIGHTS]


def _read_apart(inputs: Tensor, mirror: Tensor, ahead: nn.Module, back: nn.Module) -> Tensor:
    """Read [B, T, D] one way after the other -> [B, T, 2H]."""
    past, _ = ahead(inputs)  # [B, T, H]
    future, _ = back(_reorder(inputs, mirror))  # [B, T, H]
    return torch.cat([past, _reorder(future, mirror)], dim=-1)


def _reorder(inputs: Tensor, positions: Tensor) -> Tensor:
    """Pick tokens of [B, T, D] by positions [B, T]."""
    return inputs.gather(1, positions.unsqueeze(-1).expand_as(inputs))
