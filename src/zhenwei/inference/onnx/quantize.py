"""A graph with weights of 8 bits: smaller, and faster where products of matrices take the time."""

from importlib import import_module
from pathlib import Path

from zhenwei.errors import CheckpointError
from zhenwei.inference.onnx.graph import silence
from zhenwei.inference.onnx.strip_metadata import without_traces
from zhenwei.inference.onnx.tfidf import wide_steps

# A recurrent layer has no counterpart of 8 bits in onnxruntime (but for LSTM): a GRU stays as it is.
QUANTISED = ("Gather", "MatMul", "Gemm", "Conv", "LSTM")


def quantise(graph: Path, target: Path) -> None:
    """Write a graph anew with weights of 8 bits, and activations that are brought to 8 bits as they come.

    Weights are unsigned: with signed ones, products overflow on processors without VNNI, and convolutions are not to be
    had. No remark of the machine that it is made on is in the file.

    Args:
        graph: The file of a graph in float32.
        target: The file to write.

    Raises:
        CheckpointError: If there is nothing in the graph to quantise, or onnxruntime cannot.
    """
    quantization = import_module("onnxruntime.quantization")  # typed nowhere
    exact = wide_steps(import_module("onnx").load(str(graph), load_external_data=False))  # it has no layers
    kind = quantization.QuantType.QUInt8
    try:
        with silence():
            quantization.quantize_dynamic(
                graph, target, op_types_to_quantize=list(QUANTISED), weight_type=kind, nodes_to_exclude=exact
            )
            target.write_bytes(without_traces(target))
    except Exception as error:  # whatever its many parts raise
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"--int8: onnxruntime cannot quantise this graph: {reason}") from None
