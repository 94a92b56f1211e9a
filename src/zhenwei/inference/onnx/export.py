"""A trained detector exported: its network as an ONNX graph, checked against it, in a folder that is a detector."""

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
from zhenwei.bundle.card.signature import marked
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.errors import CheckpointError, ConfigError
from zhenwei.inference.onnx.graph import write_graph
from zhenwei.inference.onnx.model_card import export_section
from zhenwei.inference.onnx.parity import LIMIT, Parity, example_batch, measure_parity, val_of
from zhenwei.inference.onnx.quantize import quantise
from zhenwei.inference.onnx.runtime import OnnxNetwork, is_exported
from zhenwei.models import DetectorNetwork
from zhenwei.models.tfidf import Tfidf

INT8_ALARM = 0.005  # a fall of val's macro-F1 by more than this is worth a warning
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_FLOAT_GRAPH = "float32.onnx"  # in the folder only while it is quantised


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes:
        folder: The exported detector's.
        precision: `float32` or `int8`.
        size: Of the graph, in bytes.
        parity: How far the graph in float32 is from the network; below `LIMIT`, or there were no export.
        int8_parity: How far the one of 8 bits is, if that was asked for.
        val: For int8, where val still is: the macro-F1 of the network and of the graph on its `n` articles.
    """

    folder: Path
    precision: str
    size: int
    parity: Parity
    int8_parity: Parity | None = None
    val: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """Return what the exported detector remembers of this, ready for JSON."""
        fields = asdict(self)
        del fields["folder"]
        return {**fields, "limit": LIMIT}

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return {"folder": str(self.folder), **self.facts()}


def export_onnx(path: Path, folder: Path, *, int8: bool = False, overwrite: bool = False) -> Export:
    """Export a trained detector into a folder, which `Detector.load` takes as it takes a bundle.

    Args:
        path: The detector: a run's folder or a bundle.
        folder: Where the exported one shall be; written whole or not at all.
        int8: Whether to bring the weights to 8 bits.
        overwrite: Whether an exported detector that is there may be replaced.

    Raises:
        CheckpointError: If there is no detector, the folder is taken or cannot be written, the network has no
            counterpart in ONNX, or its graph judges otherwise than the network does.
        ConfigError: If what exporting needs is not installed.
    """
    _check_installed()
    bundle = load_bundle(path)
    network = bundle.network.for_prediction()
    _check_exportable(network, int8)
    _check_free(folder, overwrite)
    with atomic_folder(folder, then="export again") as place:
        graph = place / (_FLOAT_GRAPH if int8 else GRAPH)
        write_graph(network, example_batch(bundle), graph)
        parity = measure_parity(bundle, network, OnnxNetwork(graph, network.needs))
        if not parity.largest <= LIMIT:
            raise CheckpointError(
                f"not exported: the graph's logits are up to {parity.largest:.2g} from those of the network "
                f"({parity.articles} texts in {parity.batches} batches); expected no more than {LIMIT:g}"
            )
        done = Export(folder, "float32", graph.stat().st_size, parity)
        if int8:
            done = _in_int8(bundle, network, graph, place / GRAPH, done)
            graph.unlink()
        exported = replace(bundle, facts={**bundle.facts, "export": done.facts()})
        save_metadata(exported, network, GRAPH, place)
        card = model_card(exported) + export_section(done.facts())
        (place / CARD).write_text(marked(card, whole=False), encoding="utf-8")
    return done


def _in_int8(bundle: Bundle, network: DetectorNetwork, graph: Path, target: Path, done: Export) -> Export:
    """Quantise a graph, and say what that changed."""
    quantise(graph, target)
    quantised = OnnxNetwork(target, network.needs)
    parity, val, scores = measure_parity(bundle, network, quantised), val_of(bundle), None
    if val is not None:
        encoded = bundle.featurizer().encode_file(val)
        labels = encoded.labels.astype(np.int64)
        found = []
        for one in (network, quantised):
            logits = replace(bundle, network=one).predict_logits(encoded, "cpu")
            found.append(metrics_from_logits(labels, bundle.calibrated(logits), bundle.threshold)["macro_f1"])
        scores = {"n": len(encoded), "macro_f1": found[0], "macro_f1_int8": found[1]}
    return replace(done, precision="int8", size=target.stat().st_size, int8_parity=parity, val=scores)


def _check_installed() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
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
            "expected one that reads texts, domains and emotions alone"
        )
    if int8 and isinstance(network, Tfidf):
        raise ConfigError("--int8: 'tfidf' has no layers whose weights could be of 8 bits: export it without")


def _check_free(folder: Path, overwrite: bool) -> None:
    """Refuse to write over what is no exported detector, or one that is to be kept."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or not is_exported(folder):
        raise CheckpointError(f"{folder}: there is something else; expected a folder of a new name")
    if not overwrite:
        raise CheckpointError(f"{folder}: there is an exported detector already; --overwrite replaces it")
