"""A network as an ONNX graph, of any number of articles and tokens."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zhenwei.errors import CheckpointError
from zhenwei.inference.onnx.runtime import OUTPUTS, inputs_of
from zhenwei.inference.onnx.strip_metadata import clear_traces
from zhenwei.inference.onnx.tfidf import tfidf_graph, with_wide_path
from zhenwei.models import DetectorNetwork
from zhenwei.models.bigru import BiGRU
from zhenwei.models.tfidf import Tfidf
from zhenwei.tokens import Batch

OPSET = 18


def write_graph(network: DetectorNetwork, example: Batch, path: Path) -> None:
    """Write a network's graph.

    Its inputs are `tokens` and `mask` [B, T], and `domains` [B] and `emotion` [B, F] where the network asks for them;
    its outputs `logits` [B], and `attention` [B, T] and `features` [B, D] where the network gives them.

    Args:
        network: On the CPU and in evaluation; it stays as it is.
        example: Some articles, to follow through the network; their number and length do not matter.
        path: The file.

    Raises:
        CheckpointError: If the network does something that has no counterpart in ONNX.
        OSError: If the file cannot be written.
    """
    onnx = import_module("onnx")  # an extra
    model = _graph(network, example)
    clear_traces(model)
    onnx.save(model, str(path))


def _graph(network: DetectorNetwork, example: Batch) -> Any:
    """Build a network's graph; n-grams are searched and counted by a step of ONNX's own, which no trace would find."""
    if isinstance(network, Tfidf):
        return tfidf_graph(network)
    if not isinstance(network, BiGRU) or network.wide is None:
        return _traced(network, example)
    alone = copy.deepcopy(network)
    alone.wide = None
    return with_wide_path(_traced(alone, example), network.wide, network.wide_share)


def _traced(network: DetectorNetwork, example: Batch) -> Any:
    """Follow an example through the network, and return what is done to it as an `onnx.ModelProto`."""
    inputs = inputs_of(example)
    with torch.inference_mode():
        output = network(example)
    names = [name for name in OUTPUTS if getattr(output, name) is not None]
    outer = _ForOnnx(_with_onnx_grus(network), names).eval()  # PyTorch's switch: a graph has no dropout
    free = torch.export.Dim.DYNAMIC
    shapes = {name: {0: free, 1: free} if name in ("tokens", "mask") else {0: free} for name in inputs}
    try:
        with silence():
            program = torch.onnx.export(
                outer, (), kwargs=inputs, input_names=list(inputs), output_names=names, dynamic_shapes=shapes,
                opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
    except Exception as error:  # each stage of the exporter has errors of its own
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise CheckpointError(
            f"a {type(network).__name__} network cannot be exported: torch.onnx says {type(error).__name__}: {reason}"
        ) from None
    assert program is not None
    return program.model_proto


class _ForOnnx(nn.Module):
    """A network that takes a batch's tensors one by one, and gives its outputs as a tuple."""

    def __init__(self, network: DetectorNetwork, outputs: list[str]) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs

    def forward(
        self, tokens: Tensor, mask: Tensor, domains: Tensor | None = None, emotion: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Judge articles; see `write_graph`."""
        lengths, rows, weights = mask.sum(dim=1), np.empty(0, np.int64), torch.ones(0)
        output = self.network(Batch(tokens, mask, lengths, rows, weights, domains=domains, emotion=emotion))
        return tuple(getattr(output, name) for name in self.outputs)


class _OnnxGRU(nn.Module):
    """What stands for a GRU of torch while it is exported: ONNX's own, with the same weights.

    torch's exporter would follow a GRU token by token, and so fix the number of tokens to the example's.
    """

    read: Tensor  # [1, 3H, D]
    carried: Tensor  # [1, 3H, H]
    bias: Tensor  # [1, 6H]

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.hidden, self.batch_first = gru.hidden_size, gru.batch_first
        read, carried, read_bias, carried_bias = (_gates(weights.detach()) for weights in gru.all_weights[0])
        self.register_buffer("read", read.unsqueeze(0))
        self.register_buffer("carried", carried.unsqueeze(0))
        self.register_buffer("bias", torch.cat([read_bias, carried_bias]).unsqueeze(0))

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read rows [B, T, D], as `nn.GRU` does: its states, and the last one [1, B, H]."""
        steps = inputs.transpose(0, 1) if self.batch_first else inputs  # [T, B, D]
        states = torch.onnx.ops.symbolic(
            "GRU",
            (steps, self.read, self.carried, self.bias, None, state),
            # torch's GRU resets what the state was turned into, not the state.
            {"hidden_size": self.hidden, "linear_before_reset": 1},
            dtype=steps.dtype, shape=(steps.shape[0], 1, steps.shape[1], self.hidden), version=OPSET,
        ).squeeze(1)  # [T, B, H]  # fmt: skip
        return (states.transpose(0, 1) if self.batch_first else states), states[-1:]


def _gates(weights: Tensor) -> Tensor:
    """Bring the gates [3H, ...] from torch's order (reset, update, new) to ONNX's (update, reset, new)."""
    reset, update, new = weights.chunk(3)
    return torch.cat([update, reset, new])


def _with_onnx_grus(network: DetectorNetwork) -> DetectorNetwork:
    """Return a copy of a network with ONNX's GRUs in place of torch's."""
    changed = copy.deepcopy(network)
    for parent in list(changed.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.GRU) and part.num_layers == 1 and part.bias and not part.bidirectional:
                setattr(parent, name, _OnnxGRU(part))
    return changed


@contextmanager
def silence() -> Iterator[None]:
    """Keep the exporter's remarks, which no user can do anything about, from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
