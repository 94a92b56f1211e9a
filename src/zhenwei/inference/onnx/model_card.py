"""What an exported detector's model card says of its export."""

from typing import Any


def export_section(facts: dict[str, Any]) -> str:
    """Return a section of Markdown on how the graph was made and how it was checked.

    Args:
        facts: Those of the export, as `Export.facts` gives them.
    """
    parity, int8, val = facts["parity"], facts["int8_parity"], facts["val"]
    lines = [
        "",
        "## Exported",
        "",
        f"`model.onnx` ({facts['precision']}, {facts['size'] / 1e6:.1f} MB) takes the place of the weights, and "
        "runs on onnxruntime. Its inputs are `tokens` (int64) and `mask` (bool), both [batch, length], and what else "
        "the detector reads; its output `logits` [batch], before calibration.",
        "",
        f"In float32 its logits were at most {parity['largest']:.1g} from those of the network (limit "
        f"{facts['limit']:g}), on {parity['articles']} texts in {parity['batches']} batches: random tokens of many "
        f"shapes, and posts of {'the synthetic world' if parity['posts'] is None else 'val'}.",
    ]
    if int8 is not None:
        lines += ["", f"With weights of 8 bits they are up to {int8['largest']:.2g} away."]
    if val is not None:
        lines[-1] += (
            f" On the {val['n']} validation articles, macro-F1 is {val['macro_f1_int8']:.4f} instead of "
            f"{val['macro_f1']:.4f}."
        )
    return "\n".join(lines) + "\n"
