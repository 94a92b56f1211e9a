"""Convert a network to an ONNX graph with dynamic numbers of articles and tokens."""

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
from zhenwei.inference.onnx.runtime import OUTPUTS, graph_inputs
from zhenwei.inference.onnx.tfidf import tfidf_graph, with_wide_path
from zhenwei.models import DetectorNetwork
from zhenwei.models.bigru import BiGRU
from zhenwei.models.tfidf import Tfidf
from zhenwei.tokens import Batch

OPSET = 18


def write_graph(network: DetectorNetwork, example: Batch, path: Path) -> None:
    """Write the graph of a network.

    Its inputs are `tokens` and `mask` [B, T], and `domains` [B] and `emotion` [B, F] if the network needs them; its
    outputs are `logits` [B], and `attention` [B, T] and `features` [B, D] if the network returns them.

    Args:
        network: On the CPU and in evaluation mode; it is not changed.
        example: Articles to trace the network with, of any number and length.
        path: The file.

    Raises:
        CheckpointError: If the network cannot be expressed in ONNX.
        OSError: If the file cannot be written.
    """
    onnx = import_module("onnx")  # an extra
    model = _build_graph(network, example)
    strip_metadata(model)
    onnx.save(model, str(path))


def strip_metadata(message: Any) -> None:
    """Remove metadata and documentation of all parts of an `onnx.ModelProto`: they name files of this machine.

    torch's exporter stores a stack trace with each node. The computation, and the names of inputs and outputs, remain.
    """
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                strip_metadata(part)


def _build_graph(network: DetectorNetwork, example: Batch) -> Any:
    """Build the graph of a network; the n-gram path uses an ONNX operator, because it cannot be traced."""
    if isinstance(network, Tfidf):
        return tfidf_graph(network)
    if not isinstance(network, BiGRU) or network.wide is None:
        return _trace(network, example)
    deep = copy.deepcopy(network)
    deep.wide = None
    return with_wide_path(_trace(deep, example), network.wide, network.wide_share)


def _trace(network: DetectorNetwork, example: Batch) -> Any:
    """Trace the network with an example, and return an `onnx.ModelProto`."""
    inputs = graph_inputs(example)
    with torch.inference_mode():
        output = network(example)
    names = [name for name in OUTPUTS if getattr(output, name) is not None]
    wrapper = _TensorInterface(_with_onnx_grus(network), names).eval()  # PyTorch's switch: a graph has no dropout
    dynamic = torch.export.Dim.DYNAMIC
    shapes = {name: {0: dynamic, 1: dynamic} if name in ("tokens", "mask") else {0: dynamic} for name in inputs}
    try:
        with silence():
            program = torch.onnx.export(
                wrapper, (), kwargs=inputs, input_names=list(inputs), output_names=names, dynamic_shapes=shapes,
                opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
    except Exception as error:  # each stage of the exporter has its own error classes
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise CheckpointError(
            f"a {type(network).__name__} network cannot be exported: torch.onnx raised {type(error).__name__}: {reason}"
        ) from None
    assert program is not None
    return program.model_proto


class _TensorInterface(nn.Module):
    """A network that takes the tensors of a batch as arguments, and returns its outputs as a tuple."""

    def __init__(self, network: DetectorNetwork, outputs: list[str]) -> None:
        super().__init__()
        self.network = network
        self.outputs = outputs

    def forward(
        self, tokens: Tensor, mask: Tensor, domains: Tensor | None = None, emotion: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return the outputs for articles; see `write_graph`."""
        lengths, rows, weights = mask.sum(dim=1), np.empty(0, np.int64), torch.ones(0)
        output = self.network(Batch(tokens, mask, lengths, rows, weights, domains=domains, emotion=emotion))
        return tuple(getattr(output, name) for name in self.outputs)


class _OnnxGRU(nn.Module):
    """The GRU operator of ONNX with the weights of a torch GRU, for the export.

    torch's exporter would unroll a GRU, and so fix the number of tokens to the example's.
    """

    W_ih: Tensor  # [1, 3H, D]
    W_hh: Tensor  # [1, 3H, H]
    bias: Tensor  # [1, 6H]

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.hidden, self.batch_first = gru.hidden_size, gru.batch_first
        W_ih, W_hh, b_ih, b_hh = (_reorder_gates(weights.detach()) for weights in gru.all_weights[0])  # noqa: N806
        self.register_buffer("W_ih", W_ih.unsqueeze(0))
        self.register_buffer("W_hh", W_hh.unsqueeze(0))
        self.register_buffer("bias", torch.cat([b_ih, b_hh]).unsqueeze(0))

    def forward(self, inputs: Tensor, h_0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the hidden states for inputs [B, T, D], and the last one [1, B, H], as `nn.GRU` does."""
        steps = inputs.transpose(0, 1) if self.batch_first else inputs  # [T, B, D]
        states = torch.onnx.ops.symbolic(
            "GRU",
            (steps, self.W_ih, self.W_hh, self.bias, None, h_0),
            # torch's GRU applies the reset gate after W_hh, not to the hidden state.
            {"hidden_size": self.hidden, "linear_before_reset": 1},
            dtype=steps.dtype, shape=(steps.shape[0], 1, steps.shape[1], self.hidden), version=OPSET,
        ).squeeze(1)  # [T, B, H]  # fmt: skip
        return (states.transpose(0, 1) if self.batch_first else states), states[-1:]


def _reorder_gates(weights: Tensor) -> Tensor:
    """Reorder gates [3H, ...] from torch's order (r, z, n) to ONNX's (z, r, n)."""
    r, z, n = weights.chunk(3)
    return torch.cat([z, r, n])


def _with_onnx_grus(network: DetectorNetwork) -> DetectorNetwork:
    """Return a copy of a network in which ONNX's GRUs replace torch's."""
    converted = copy.deepcopy(network)
    for parent in list(converted.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GRU) and child.num_layers == 1 and child.bias and not child.bidirectional:
                setattr(parent, name, _OnnxGRU(child))
    return converted


@contextmanager
def silence() -> Iterator[None]:
    """Suppress logs and warnings of the exporter, which a user cannot act on."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
