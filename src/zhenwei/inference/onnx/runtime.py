"""The network of an exported detector: an ONNX graph on onnxruntime, with the interface of every network."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zhenwei.bundle import Bundle
from zhenwei.bundle.bundle import DESCRIPTION, GRAPH, load_metadata
from zhenwei.config import Config
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.models import DetectorNetwork, Output, Vocabulary, network_needs
from zhenwei.tokens import Batch

INPUTS = ("tokens", "mask", "domains", "emotion")
OUTPUTS = ("logits", "attention", "features")


class OnnxNetwork(DetectorNetwork):
    """An ONNX graph that replaces a network for prediction on the CPU; threads may share it.

    It cannot be trained, and has no weights to move to another device.
    """

    def __init__(self, path: Path, needs: frozenset[str]) -> None:
        """Open a graph.

        Args:
            path: Its file.
            needs: Optional fields that it needs of each article.

        Raises:
            CheckpointError: If the file is not the graph of a detector.
            ConfigError: If onnxruntime is not installed.
        """
        super().__init__()
        self.needs = needs
        self._session = _open(path)
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]
        if not set(self._inputs) <= set(INPUTS) or "logits" not in self._outputs or set(self._outputs) - set(OUTPUTS):
            raise CheckpointError(
                f"{path}: not the graph of a detector: its inputs are {', '.join(self._inputs)}, its outputs "
                f"{', '.join(self._outputs)}; expected some of {', '.join(INPUTS)}, and of {', '.join(OUTPUTS)}"
            )

    @property
    def threads(self) -> int:
        """Number of threads for a batch."""
        return int(self._session.get_session_options().intra_op_num_threads)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Return the output for a batch; a graph does not use `progress`."""
        inputs = graph_inputs(batch)
        arrays = {name: inputs[name].cpu().numpy() for name in self._inputs}
        results = self._session.run(self._outputs, arrays)
        outputs = {name: torch.from_numpy(array) for name, array in zip(self._outputs, results, strict=True)}
        return Output(outputs["logits"], attention=outputs.get("attention"), features=outputs.get("features"))


def graph_inputs(batch: Batch) -> dict[str, Tensor]:
    """Return the tensors of a batch that are inputs of a graph, by name."""
    return {name: value for name in INPUTS if (value := getattr(batch, name)) is not None}


def is_exported(folder: Path) -> bool:
    """Return whether a folder contains an exported detector, even if its graph is missing."""
    description = folder / DESCRIPTION
    return description.is_file() and ((folder / GRAPH).is_file() or f'"{GRAPH}"'.encode() in description.read_bytes())


def load_exported(folder: Path) -> Bundle:
    """Load an exported detector; its network is an `OnnxNetwork`.

    Raises:
        CheckpointError: If it is damaged, foreign, or of another format.
        ConfigError: If onnxruntime is not installed.
    """
    onnxruntime()  # a missing package must not be reported as damage

    def build(config: Config, vocabulary: Vocabulary) -> DetectorNetwork:
        return OnnxNetwork(folder / GRAPH, network_needs(config.model))

    return load_metadata(folder, GRAPH, build)


def onnxruntime() -> Any:
    """Import onnxruntime, an optional dependency.

    Raises:
        ConfigError: If it is not installed.
    """
    try:
        return import_module("onnxruntime")
    except ImportError:
        raise ConfigError(
            'an exported detector needs onnxruntime, which is not installed: pip install "zhenwei[export]"'
        ) from None


def _open(path: Path) -> Any:
    """Open a graph with as many threads as torch uses."""
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # follows OMP_NUM_THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common error class for invalid files
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: damaged or foreign: onnxruntime cannot read it: {reason}") from None
