"""An exported detector's network: an ONNX graph, run by onnxruntime behind the face of any other network."""

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
    """A graph that judges batches on the CPU; wherever a network judges, it can stand, threads included.

    It cannot be trained, and has no weights to be moved to another device.
    """

    def __init__(self, path: Path, needs: frozenset[str]) -> None:
        """Open a graph.

        Args:
            path: Its file.
            needs: Optional fields that it asks of each article.

        Raises:
            CheckpointError: If the file holds no graph, or that of something else.
            ConfigError: If onnxruntime is not installed.
        """
        super().__init__()
        self.needs = needs
        self._session = _open(path)
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]
        if not set(self._inputs) <= set(INPUTS) or "logits" not in self._outputs or set(self._outputs) - set(OUTPUTS):
            raise CheckpointError(
                f"{path}: not the graph of a detector: it turns {', '.join(self._inputs)} into "
                f"{', '.join(self._outputs)}; expected {', '.join(INPUTS)} into {', '.join(OUTPUTS)}, or some of them"
            )

    @property
    def threads(self) -> int:
        """How many threads a batch is judged on."""
        return int(self._session.get_session_options().intra_op_num_threads)

    def forward(self, batch: Batch, progress: float = 1.0) -> Output:
        """Judge a batch; `progress` makes no difference to a graph."""
        given = inputs_of(batch)
        arrays = {name: given[name].cpu().numpy() for name in self._inputs}
        found = self._session.run(self._outputs, arrays)
        named = {name: torch.from_numpy(array) for name, array in zip(self._outputs, found, strict=True)}
        return Output(named["logits"], attention=named.get("attention"), features=named.get("features"))


def inputs_of(batch: Batch) -> dict[str, Tensor]:
    """Return what a graph reads of a batch, by the names of its inputs."""
    return {name: value for name in INPUTS if (value := getattr(batch, name)) is not None}


def is_exported(folder: Path) -> bool:
    """Tell whether a folder holds an exported detector, be it one that has lost its graph."""
    description = folder / DESCRIPTION
    return description.is_file() and ((folder / GRAPH).is_file() or f'"{GRAPH}"'.encode() in description.read_bytes())


def load_exported(folder: Path) -> Bundle:
    """Load an exported detector; its network is an `OnnxNetwork`.

    Raises:
        CheckpointError: If it is damaged, foreign, or of a format from the future.
        ConfigError: If onnxruntime is not installed.
    """
    onnxruntime()  # that it is missing is no damage

    def build(config: Config, vocabulary: Vocabulary) -> DetectorNetwork:
        return OnnxNetwork(folder / GRAPH, network_needs(config.model))

    return load_metadata(folder, GRAPH, build)


def onnxruntime() -> Any:
    """Import onnxruntime, which is an extra.

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
    """Open a graph on as many threads as torch would use."""
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # which follows OMP_NUM_THREADS
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for each way in which a file can be bad
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: damaged or foreign: onnxruntime cannot read it: {reason}") from None
