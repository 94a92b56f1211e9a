"""Export a trained detector to a folder with an ONNX graph, which is checked against the network."""

from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zhenwei.atomic import atomic_folder
from zhenwei.bundle import Bundle, load_bundle
from zhenwei.bundle.bundle import CARD, GRAPH, save_metadata
from zhenwei.bundle.card.card import model_card
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.inference.onnx.graph import write_graph
from zhenwei.inference.onnx.parity import LIMIT, Parity, example_batch, measure_parity, val_file
from zhenwei.inference.onnx.quantize import quantize
from zhenwei.inference.onnx.runtime import OnnxNetwork, is_exported
from zhenwei.models import DetectorNetwork
from zhenwei.models.tfidf import Tfidf

MAX_INT8_LOSS = 0.005  # of macro-F1 on val; a larger one is reported as a warning
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_FLOAT_GRAPH = "float32.onnx"  # in the folder only during quantization


@dataclass(frozen=True)
class Export:
    """The result of an export.

    Attributes:
        folder: Folder of the exported detector.
        precision: `float32` or `int8`.
        size: Of the graph, in bytes.
        parity: Difference between the float32 graph and the network; at most `LIMIT`.
        int8_parity: The same for the int8 graph; None if it was not requested.
        val: For int8, if val is available: the macro-F1 of the network and of the graph on its `n` articles.
    """

    folder: Path
    precision: str
    size: int
    parity: Parity
    int8_parity: Parity | None = None
    val: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """Return what the exported detector records about the export, ready for JSON."""
        fields = asdict(self)
        del fields["folder"]
        return {**fields, "limit": LIMIT}

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return {"folder": str(self.folder), **self.facts()}


def export_onnx(path: Path, folder: Path, *, int8: bool = False, overwrite: bool = False) -> Export:
    """Export a trained detector to a folder, which `Detector.load` accepts like a bundle.

    Args:
        path: Folder of a run or a bundle.
        folder: The target folder; written completely or not at all.
        int8: Whether to quantize the weights to 8 bits.
        overwrite: Whether to replace an exported detector.

    Raises:
        CheckpointError: If there is no detector, the target folder is not empty or cannot be written, the network
            cannot be expressed in ONNX, or its graph returns other logits than the network.
        ConfigError: If a package that the export needs is not installed.
    """
    _check_installed()
    bundle = load_bundle(path)
    network = bundle.network.for_prediction()
    _check_exportable(network, int8)
    _check_target(folder, overwrite)
    with atomic_folder(folder, then="export again") as target:
        graph = target / (_FLOAT_GRAPH if int8 else GRAPH)
        write_graph(network, example_batch(bundle), graph)
        parity = measure_parity(bundle, network, OnnxNetwork(graph, network.needs))
        if not parity.largest <= LIMIT:
            raise CheckpointError(
                f"not exported: the graph's logits differ by up to {parity.largest:.2g} from those of the network "
                f"({parity.articles} texts in {parity.batches} batches); expected at most {LIMIT:g}"
            )
        export = Export(folder, "float32", graph.stat().st_size, parity)
        if int8:
            export = _quantize(bundle, network, graph, target / GRAPH, export)
            graph.unlink()
        exported = replace(bundle, facts={**bundle.facts, "export": export.facts()})
        save_metadata(exported, network, GRAPH, target)
        (target / CARD).write_text(model_card(exported), encoding="utf-8")
    return export


def _quantize(bundle: Bundle, network: DetectorNetwork, graph: Path, target: Path, export: Export) -> Export:
    """Quantize a graph, and measure the loss."""
    quantize(graph, target)
    quantized = OnnxNetwork(target, network.needs)
    parity, val, scores = measure_parity(bundle, network, quantized), val_file(bundle), None
    if val is not None:
        encoded = bundle.featurizer().encode_file(val)
        labels = encoded.labels.astype(np.int64)
        macro_f1 = []
        for each in (network, quantized):
            logits = replace(bundle, network=each).predict_logits(encoded, "cpu")
            macro_f1.append(metrics_from_logits(labels, bundle.calibrated(logits), bundle.threshold)["macro_f1"])
        scores = {"n": len(encoded), "macro_f1": macro_f1[0], "macro_f1_int8": macro_f1[1]}
    return replace(export, precision="int8", size=target.stat().st_size, int8_parity=parity, val=scores)


def _check_installed() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f'exporting needs {", ".join(missing)}, which is not installed: pip install "zhenwei[export]"'
        )
    if not hasattr(torch.onnx, "ops"):
        raise ConfigError(f"exporting needs torch 2.8 or later; found {torch.__version__}")


def _check_exportable(network: DetectorNetwork, int8: bool) -> None:
    if "entities" in network.needs:
        raise CheckpointError(
            f"a {type(network).__name__} network reads entities at prediction, which an exported detector cannot: "
            "expected one that reads only texts, domains and emotions"
        )
    if int8 and isinstance(network, Tfidf):
        raise ConfigError("--int8: 'tfidf' has no layers to quantize: export it without --int8")


def _check_target(folder: Path, overwrite: bool) -> None:
    """Refuse to overwrite anything but an exported detector, and that only on request."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or not is_exported(folder):
        raise CheckpointError(f"{folder}: exists, and is not an exported detector; expected a new folder")
    if not overwrite:
        raise CheckpointError(f"{folder}: there is an exported detector already; --overwrite replaces it")
