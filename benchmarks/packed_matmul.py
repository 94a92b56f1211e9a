"""oneDNN's prepacked bf16 products against `torch.bmm`, in the recurrent steps of a bidirectional GRU.

    python benchmarks/packed_matmul.py                 # sizes of the published BiGRU and of the preset `bigru-scratch`

A recurrent step multiplies the states of both directions [2, n, H] by the recurrent weights [2, 3H, H], and the
backward pass multiplies the gate gradients [2, n, 3H] by their transposes. Two ways in bf16:

- bmm: one `torch.bmm` for both directions;
- packed: one product per direction through the private operators `torch.ops.mkldnn._reorder_linear_weight` and
  `_linear_pointwise`, which lay out the weights once per batch. Row counts are rounded up to multiples of 8, because
  oneDNN compiles one kernel per row count.

A round is one batch: fresh weights, then every step from `--steps` down to 1 with a shrinking number of rows, as when
texts of different lengths end. Both ways alternate in one process; the median of the paired ratios counts.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from machine import describe
from torch import Tensor

from zhenwei.cli.figures import print_rows

SIZES = {"published": (768, 64), "scratch": (128, 32)}  # hidden units and batch size
ROUNDED_TO = 8  # rows


def main() -> None:
    options = parse_options()
    report = {
        f"{name}, {direction}": compare(hidden, batch, options.steps, options.rounds, backward=direction == "backward")
        for name, (hidden, batch) in SIZES.items()
        for direction in ("forward", "backward")
    }
    rows = [(name, *(f"{row[key]:.2f}" for key in ("bmm_ms", "packed_ms", "ratio"))) for name, row in report.items()]
    print_rows(("GRU", "bmm, ms", "packed, ms", "bmm / packed"), rows, f"{options.steps} steps in bf16")
    print(f"{describe()}; {torch.get_num_threads()} threads")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="recurrent steps of a batch (100)")
    parser.add_argument("--rounds", type=int, default=20, help="batches of each way (20)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


def compare(hidden: int, batch: int, steps: int, rounds: int, *, backward: bool) -> dict[str, float]:
    """Time both ways in turn, and return the medians in milliseconds and the median ratio."""
    torch.manual_seed(0)
    weights = torch.randn(2, 3 * hidden, hidden).bfloat16()  # W_hh of each direction
    if backward:
        weights = weights.transpose(1, 2)
    inputs = torch.randn(2, batch, weights.shape[2]).bfloat16()
    counts = [max(1, batch * (steps - step) // steps) for step in range(steps)]
    times: dict[str, list[float]] = {"bmm": [], "packed": []}
    for number in range(rounds + 1):
        for name, work in (("bmm", run_bmm), ("packed", run_packed)):
            elapsed = seconds(work, weights, inputs, counts)
            if number:  # the first round compiles kernels
                times[name].append(elapsed)
    ratios = [bmm / packed for bmm, packed in zip(times["bmm"], times["packed"], strict=True)]
    return {f"{name}_ms": 1000 * median(each) for name, each in times.items()} | {"ratio": median(ratios)}


def run_bmm(weights: Tensor, inputs: Tensor, counts: Sequence[int]) -> None:
    transposed = weights.transpose(1, 2)
    for count in counts:
        torch.bmm(inputs[:, :count], transposed)


def run_packed(weights: Tensor, inputs: Tensor, counts: Sequence[int]) -> None:
    packed = [torch.ops.mkldnn._reorder_linear_weight(weight, inputs.shape[1]) for weight in weights]
    for count in counts:
        rounded = -(-count // ROUNDED_TO) * ROUNDED_TO
        for each, weight in zip(inputs[:, :rounded], packed, strict=True):
            torch.ops.mkldnn._linear_pointwise(each, weight, None, "none", [], "")


def seconds(work: Callable[..., None], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
