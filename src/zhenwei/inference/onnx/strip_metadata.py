"""What a graph tells of the machine that it was made on, taken out of it: nobody's folders go with a detector."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

# Under this name torch's exporter stores with each node which lines of which files led to it.
_TRACES = b"pkg.torch.onnx.stack_trace"
_BLOCK = 2**20  # bytes


def clear_traces(model: Any) -> None:
    """Take all remarks out of an `onnx.ModelProto`: metadata and documentation of its graphs, functions and values.

    What the graph computes, and the names of its inputs and outputs, stay.
    """
    _clear(model)
    _clear_graph(model.graph)
    for function in model.functions:
        _clear(function)
        _clear_all(function.value_info)
        _clear_nodes(function.node)


def has_traces(path: Path) -> bool:
    """Tell whether a graph's file names the files that led to it; reads it without `onnx`, which is an extra."""
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if _TRACES in rest + block:
                return True
            rest = block[-len(_TRACES) :]
    return False


def without_traces(path: Path) -> bytes:
    """Return a graph's file without its remarks.

    Raises:
        ImportError: If `onnx` is not installed.
    """
    onnx = import_module("onnx")
    model = onnx.load(str(path))
    clear_traces(model)
    content: bytes = model.SerializeToString()
    return content


def _clear_graph(graph: Any) -> None:
    _clear(graph)
    for values in (graph.input, graph.output, graph.value_info, graph.initializer):
        _clear_all(values)
    _clear_nodes(graph.node)


def _clear_nodes(nodes: Iterable[Any]) -> None:
    for node in nodes:
        _clear(node)
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            _clear_all([attribute.t] if attribute.HasField("t") else attribute.tensors)
            for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:  # of an If or a Loop
                _clear_graph(graph)


def _clear_all(values: Iterable[Any]) -> None:
    for value in values:
        _clear(value)


def _clear(part: Any) -> None:
    part.ClearField("doc_string")
    part.ClearField("metadata_props")
