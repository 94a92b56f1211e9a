"""`zhenwei export`: export a trained detector to an ONNX graph."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, write_json

if TYPE_CHECKING:
    from zhenwei.inference.onnx.export import Export


def export(
    run: Path = typer.Argument(help="Folder of a run or a bundle."),
    onnx: Path = typer.Option(..., "--onnx", metavar="FOLDER", help="Folder for the exported detector."),
    int8: bool = typer.Option(False, "--int8", help="Quantize the weights to 8 bits: smaller, slightly less accurate."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an exported detector."),
    json: str | None = JsonTarget,
) -> None:
    """Export the detector in RUN to an ONNX graph, in a folder that `predict` accepts like RUN.

    The graph is compared with the network on texts of many lengths; one with other logits is not written.
    """
    from zhenwei.inference.onnx.export import MAX_INT8_LOSS, export_onnx

    exported = export_onnx(run, onnx, int8=int8, overwrite=overwrite)
    write_json(exported.to_dict(), json)
    for line in _report(exported, MAX_INT8_LOSS):
        typer.echo(line, err=json == "-")


def _report(exported: "Export", max_loss: float) -> list[str]:
    parity, int8, val = exported.parity, exported.int8_parity, exported.val
    articles = "articles of a synthetic dataset" if parity.posts is None else f"articles of {parity.posts}"
    lines = [
        f"{exported.folder}: ONNX in {exported.precision}, {exported.size / 1e6:.1f} MB",
        f"float32: logits differ by at most {parity.largest:.1e} from the network's, on {parity.articles} texts in "
        f"{parity.batches} batches (random tokens, and {articles})",
    ]
    if int8 is not None:
        lines.append(f"int8: logits differ by at most {int8.largest:.2g} from the network's, on the same texts")
    if val is not None:
        change = val["macro_f1_int8"] - val["macro_f1"]
        lines.append(f"int8: macro-F1 {val['macro_f1']:.4f} -> {val['macro_f1_int8']:.4f} on {val['n']} val articles")
        if change < -max_loss:
            lines.append(f"warning: macro-F1 falls by more than {max_loss}; export without --int8 to avoid this")
    return lines
