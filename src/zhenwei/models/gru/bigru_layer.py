"""A stacked bidirectional GRU over padded batches, in which padding never reaches the state."""

import importlib.util

import torch
from torch import Tensor, nn

from zhenwei.models.dropout import Dropout, is_tracing
from zhenwei.models.gru.autograd import BiGRUFunction, bigru_inference
from zhenwei.models.gru.buffers import BufferPool
from zhenwei.models.gru.input_projection import DenseInputs, FactoredEmbeddings, GRUInputs, UniqueTokenInputs
from zhenwei.models.gru.int8 import uses_int8
from zhenwei.models.gru.packing import Packing

WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")  # of a layer of PyTorch
MIN_CUDA_CAPABILITY = (8, 0)  # compute capability from which the Triton kernels run
MANY_ROWS = 8  # from this batch size, float32 inference by unique tokens is faster than PyTorch's layers
TRITON_UNITS = 16  # the Triton kernels need a multiple of this many hidden units


class MaskedBiGRU(nn.Module):
    """Stacked bidirectional GRU (Cho et al., EMNLP 2014) that reads every row as if it had no padding.

    All implementations give the same numbers up to rounding (int8 inference: up to quantization):

    - On a CPU, in training, in mixed precision, in int8 and for factored embeddings: `BiGRUFunction`, both directions
      at once. It bypasses the hooks of the inner layers.
    - On an NVIDIA GPU, in training in mixed precision: `BiGRUTriton`.
    - Elsewhere, as in float32 inference of dense vectors, and in compiled or exported graphs: two layers of PyTorch,
      the second of which reads each row reversed within its length. Packed sequences would take three times as long.

    Args:
        features: D.
        hidden: Units of one direction.
        num_layers: How many layers there are.
        dropout: Between layers.
        reuse_output: True: states may be overwritten by the next batch once their gradients are computed, and must not
            be changed in place.
    """

    def __init__(
        self, features: int, hidden: int, num_layers: int, dropout: float, *, reuse_output: bool = False
    ) -> None:  # fmt: skip
        super().__init__()
        self.reuse_output = reuse_output
        self.hidden = hidden
        sizes = [features] + [2 * hidden] * (num_layers - 1)
        self.forward_layers = nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for size in sizes)
        self.backward_layers = nn.ModuleList(nn.GRU(size, hidden, batch_first=True) for size in sizes)
        self.dropout = Dropout(dropout)
        self.pools = [BufferPool() for _ in sizes]  # one per layer

    def train(self, mode: bool = True) -> "MaskedBiGRU":
        """Switch to training or evaluation, and free the buffers of the other mode."""
        super().train(mode)
        for pool in self.pools:
            pool.clear()
        return self

    def forward(
        self, inputs: Tensor | FactoredEmbeddings, mask: Tensor, projected: Tensor | None = None,
        pool: BufferPool | None = None,
    ) -> Tensor:  # fmt: skip
        """Compute the states of both directions.

        Args:
            inputs: [B, T, D], dense or, where `prefers_factored` says so, factored.
            mask: [B, T] bool, True at real tokens, which come first in each row.
            projected: The result of `project_inputs` for the factors of the inputs, if it was computed before.
            pool: In inference: buffers to compute in; their next use overwrites the states.

        Returns:
            [B, T, 2 * hidden]; values at padding are undefined.
        """
        if isinstance(inputs, FactoredEmbeddings) or (inputs.device.type == "cpu" and self._uses_function(inputs)):
            return self._forward_function(inputs, mask, projected, pool)
        if inputs.device.type == "cuda" and not is_tracing() and self._needs_grad(inputs) and self._has_triton(inputs):
            return self._forward_triton(inputs, mask)
        mirror = mirrored_positions(mask)
        outputs = inputs
        for depth, (forward, backward) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
            outputs = _forward_torch(self.dropout(outputs) if depth else outputs, mirror, forward, backward)
        return outputs

    def prefers_factored(self, tokens: Tensor) -> bool:
        """Return whether embeddings of token ids [B, T] are best given in factored form: all but small batches."""
        if tokens.device.type != "cpu" or is_tracing():  # checked first: a graph would record the number of rows
            return False
        return len(tokens) >= MANY_ROWS or self._uses_function(tokens)

    def project_inputs(self, embeddings: FactoredEmbeddings) -> Tensor:
        """Return the input projections of the first layer [U + T + 1, 6H], for parts of a batch to share."""
        layers = (self.forward_layers[0], self.backward_layers[0])
        w_ih = torch.cat([layer.get_parameter("weight_ih_l0") for layer in layers])
        dtype = self._product_dtype()
        with torch.autocast("cpu", enabled=False):
            return UniqueTokenInputs.vectors(embeddings, dtype) @ w_ih.to(dtype).t()

    def _product_dtype(self) -> torch.dtype:
        """Return the type of products on a CPU."""
        return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else next(self.parameters()).dtype

    def _uses_function(self, inputs: Tensor) -> bool:
        """Return whether `BiGRUFunction` computes dense inputs on a CPU."""
        if is_tracing() or len(inputs) == 0:
            return False
        return self._needs_grad(inputs) or torch.is_autocast_enabled("cpu") or self._uses_int8()

    def _uses_int8(self) -> bool:
        return uses_int8(self.hidden) and next(self.parameters()).dtype == torch.float32

    def _forward_function(
        self, inputs: Tensor | FactoredEmbeddings, mask: Tensor, projected: Tensor | None, pool: BufferPool | None
    ) -> Tensor:
        """Compute both directions at once on a CPU -> [B, T, 2H]."""
        dtype = self._product_dtype()
        packing = Packing.from_mask(mask)
        outputs: Tensor | FactoredEmbeddings = inputs
        with torch.autocast("cpu", enabled=False):  # the function itself chooses the type of each product
            for depth, (forward, backward) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
                vectors, source = _gru_inputs(self.dropout(outputs) if depth else outputs, packing, dtype, projected)
                weights = [getattr(layer, name) for layer in (forward, backward) for name in WEIGHTS]
                if self._needs_grad(vectors):
                    outputs = BiGRUFunction.apply(  # type: ignore[no-untyped-call]
                        vectors, source, self.pools[depth], self.reuse_output, *weights
                    )
                else:
                    reuse = pool is not None and depth == len(self.forward_layers) - 1
                    outputs = bigru_inference(vectors, source, weights, pool or BufferPool(), reuse_output=reuse)
        assert isinstance(outputs, Tensor)  # there is at least one layer
        return outputs

    def _has_triton(self, inputs: Tensor) -> bool:
        """Return whether the Triton kernels support the GPU, the precision and the size."""
        fits = 8 * self.hidden * inputs.shape[0] * inputs.shape[1] < 2**31  # they index in 32 bits
        if not (torch.is_autocast_enabled("cuda") and fits and self.hidden % TRITON_UNITS == 0):
            return False
        if torch.version.hip is not None or torch.cuda.get_device_capability(inputs.device) < MIN_CUDA_CAPABILITY:
            return False
        if importlib.util.find_spec("triton") is None:
            return False
        from zhenwei.models.gru.triton import compiles_on  # noqa: PLC0415  # needs Triton

        return compiles_on(inputs.device)

    def _forward_triton(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Compute both directions of [B, T, D] at once on a GPU -> [B, T, 2H]."""
        from zhenwei.models.gru.triton import BiGRUTriton  # noqa: PLC0415  # needs Triton

        dtype = torch.get_autocast_dtype("cuda")
        outputs = inputs
        for depth, (forward, backward) in enumerate(zip(self.forward_layers, self.backward_layers, strict=True)):
            layer_inputs = self.dropout(outputs) if depth else outputs
            with torch.autocast("cuda", enabled=False):  # the function itself chooses the type of each product
                weights = [torch.stack([getattr(forward, name), getattr(backward, name)]) for name in WEIGHTS]
                outputs = BiGRUTriton.apply(layer_inputs.to(dtype), mask, *weights)  # type: ignore[no-untyped-call]
        return outputs

    def _needs_grad(self, inputs: Tensor) -> bool:
        """Return whether autograd records the layer."""
        needed = inputs.requires_grad or any(weight.requires_grad for weight in self.parameters())
        return torch.is_grad_enabled() and needed


def mirrored_positions(mask: Tensor) -> Tensor:
    """Return, for a mask [B, T], the positions [B, T] that reverse each row within its length; padding stays."""
    positions = torch.arange(mask.shape[1], device=mask.device)  # [T]
    mirrored = mask.sum(dim=1, keepdim=True) - 1 - positions  # [B, T]
    return torch.where(mask, mirrored, positions)


def _gru_inputs(
    inputs: Tensor | FactoredEmbeddings, packing: Packing, dtype: torch.dtype, projected: Tensor | None
) -> tuple[Tensor, GRUInputs]:
    """Return the vectors that `BiGRUFunction` reads, in a type, and how it projects them."""
    if isinstance(inputs, Tensor):
        return inputs.to(dtype).flatten(0, 1), DenseInputs(packing)
    vectors = UniqueTokenInputs.vectors(inputs, dtype) if projected is None else projected
    return vectors, UniqueTokenInputs(inputs, packing, dtype, is_projected=projected is not None)


def _forward_torch(inputs: Tensor, mirror: Tensor, forward: nn.Module, backward: nn.Module) -> Tensor:
    """Compute one direction of [B, T, D] after the other -> [B, T, 2H]."""
    past, _ = forward(inputs)  # [B, T, H]
    future, _ = backward(_reorder(inputs, mirror))  # [B, T, H]
    return torch.cat([past, _reorder(future, mirror)], dim=-1)


def _reorder(inputs: Tensor, positions: Tensor) -> Tensor:
    """Pick tokens of [B, T, D] by positions [B, T]."""
    return inputs.gather(1, positions.unsqueeze(-1).expand_as(inputs))
