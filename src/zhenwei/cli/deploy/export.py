"""`zhenwei export`: a trained detector as an ONNX graph."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zhenwei.cli.figures import JsonTarget, write_json

if TYPE_CHECKING:
    from zhenwei.inference.onnx.export import Export


def export(
    run: Path = typer.Argument(help="A run's folder, or a bundle."),
    onnx: Path = typer.Option(..., "--onnx", metavar="FOLDER", help="Where the exported detector shall be."),
    int8: bool = typer.Option(False, "--int8", help="Bring the weights to 8 bits: smaller, and a little off."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an exported detector that is there."),
    json: str | None = JsonTarget,
) -> None:
    """Export the detector in RUN as an ONNX graph, in a folder that `predict` takes as it takes RUN.

    The graph is checked against the network, on texts of many lengths; one that judges otherwise is not written.
    """
    from zhenwei.inference.onnx.export import INT8_ALARM, export_onnx

    done = export_onnx(run, onnx, int8=int8, overwrite=overwrite)
    if json is not None:
        write_json(done.to_dict(), json)
    for line in _told(done, INT8_ALARM):
        typer.echo(line, err=json == "-")


def _told(done: "Export", alarm: float) -> list[str]:
    """Say what was exported and how it was checked."""
    parity, int8, val = done.parity, done.int8_parity, done.val
    posts = "posts of the synthetic world" if parity.posts is None else f"posts of {parity.posts}"
    lines = [
        f"{done.folder}: ONNX in {done.precision}, {done.size / 1e6:.1f} MB",
        f"float32: logits at most {parity.largest:.1e} from the network's, on {parity.articles} texts in "
        f"{parity.batches} batches (random tokens, and {posts})",
    ]
    if int8 is not None:
        lines.append(f"int8: logits at most {int8.largest:.2g} from the network's, on the same texts")
    if val is not None:
        change = val["macro_f1_int8"] - val["macro_f1"]
        lines.append(f"int8: macro-F1 {val['macro_f1']:.4f} -> {val['macro_f1_int8']:.4f} on the {val['n']} of val")
        if change < -alarm:
            lines.append(f"warning: that is a fall of more than {alarm}: without --int8, there is none")
    return lines
