"""Quantize the weights of an ONNX graph to 8 bits: smaller, and faster where matrix products dominate."""

from importlib import import_module
from pathlib import Path

from zhenwei.errors import CheckpointError
from zhenwei.inference.onnx.graph import silence, strip_metadata
from zhenwei.inference.onnx.tfidf import wide_nodes

# onnxruntime has no 8-bit recurrent layer except LSTM: a GRU keeps its precision.
QUANTIZED = ("Gather", "MatMul", "Gemm", "Conv", "LSTM")


def quantize(graph: Path, target: Path) -> None:
    """Write a graph with 8-bit weights, whose activations are quantized dynamically.

    Weights are unsigned: with signed ones, products overflow on processors without VNNI, and convolutions are not
    supported.

    Args:
        graph: File of a float32 graph.
        target: The file to write.

    Raises:
        CheckpointError: If onnxruntime cannot quantize the graph.
    """
    onnx, quantization = import_module("onnx"), import_module("onnxruntime.quantization")  # untyped
    excluded = wide_nodes(onnx.load(str(graph), load_external_data=False))  # the n-gram path has no layers
    weight_type = quantization.QuantType.QUInt8
    try:
        with silence():
            quantization.quantize_dynamic(
                graph, target, op_types_to_quantize=list(QUANTIZED), weight_type=weight_type, nodes_to_exclude=excluded
            )
            model = onnx.load(str(target))
            strip_metadata(model)
            onnx.save(model, str(target))
    except Exception as error:  # onnxruntime's quantization has no common error class
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"--int8: onnxruntime cannot quantize this graph: {reason}") from None
