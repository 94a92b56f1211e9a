"""How fast a detector judges, and how well still: torch in float32 and bf16, ONNX in float32 and int8, in one run.

    python benchmarks/prediction.py runs/bigru-scratch data/weibo21/val.json
    OMP_NUM_THREADS=1 python benchmarks/prediction.py runs/bigru-scratch data/weibo21/val.json --repeats 5

The file's articles are read and encoded once. Each way then judges all of them, in turn, so that whatever else the
machine does meets all of them alike; the median and the spread of `--repeats` rounds are shown, after one that does not
count. Where the machine is busy, look at the texts per second of processor time, which others hardly change.

Beside the speed stand the largest distance of a logit from torch's in float32, and the macro-F1 at the detector's
threshold. What is timed is the network alone, in batches of articles of like length, as `evaluate` and `predict` make
them; a text's way to tokens is shown once, for it is the same for all.

A processor without instructions for bf16 emulates it, many times slower than float32, which says nothing of bf16: there
it is left out, unless `--emulate-bf16` asks for it.
"""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from machine import describe
from numpy.typing import NDArray

from zhenwei.bundle import Bundle, load_bundle
from zhenwei.bundle.device import cpu_computes_bf16
from zhenwei.bundle.metrics import metrics_from_logits
from zhenwei.cli.figures import print_rows
from zhenwei.errors import ZhenweiError
from zhenwei.inference.detector import load_detector
from zhenwei.inference.onnx.export import export_onnx
from zhenwei.tokens import EncodedArticles

CPU = torch.device("cpu")
Judge = Callable[[], NDArray[np.float64]]


def main() -> None:
    options = parse_options()
    bundle = load_bundle(options.run)
    start = time.perf_counter()
    encoded = bundle.featurizer().encode_file(options.file)
    reading = len(encoded) / (time.perf_counter() - start)
    with TemporaryDirectory() as folder:
        judges = {
            "torch float32": lambda: bundle.predict_logits(encoded, CPU, batch_size=options.batch_size),
        }
        if cpu_computes_bf16() or options.emulate_bf16:
            judges["torch bf16"] = lambda: in_bf16(bundle, encoded, options.batch_size)
        for precision in ("float32", "int8"):
            exported = exported_bundle(options.run, Path(folder) / precision, precision)
            if exported is not None:
                judges[f"ONNX {precision}"] = judging(exported, encoded, options.batch_size)
        report = compare(judges, bundle, encoded, options.repeats)
    report |= {
        "n": len(encoded), "threads": torch.get_num_threads(), "read_and_encoded_per_second": reading,
        "machine": machine(), "computes_bf16": cpu_computes_bf16(),
    }  # fmt: skip
    show(report, options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run's folder or a bundle")
    parser.add_argument("file", type=Path, help="labelled articles")
    parser.add_argument("--batch-size", type=int, default=64, help="articles that are judged at once (64)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count (3)")
    parser.add_argument(
        "--emulate-bf16", action="store_true", help="judge in bf16 on a processor that only emulates it"
    )
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args()


def machine() -> str:
    """Name the machine and the versions, onnxruntime's too where it is installed."""
    with suppress(PackageNotFoundError):
        return f"{describe()}, onnxruntime {version('onnxruntime')}"
    return describe()


def in_bf16(bundle: Bundle, encoded: EncodedArticles, batch_size: int) -> NDArray[np.float64]:
    with torch.autocast("cpu", torch.bfloat16):
        return bundle.predict_logits(encoded, CPU, batch_size=batch_size)


def judging(bundle: Bundle, encoded: EncodedArticles, batch_size: int) -> Judge:
    return lambda: bundle.predict_logits(encoded, CPU, batch_size=batch_size)


def exported_bundle(run: Path, folder: Path, precision: str) -> Bundle | None:
    """Export the detector and load it; None, and a line that says why, where it cannot be had in this precision."""
    try:
        export_onnx(run, folder, int8=precision == "int8")
    except ZhenweiError as error:
        print(f"ONNX {precision}: {error}")
        return None
    return load_detector(folder)


def compare(judges: dict[str, Judge], bundle: Bundle, encoded: EncodedArticles, repeats: int) -> dict[str, Any]:
    """Let all judge the articles, in turn, `repeats` times; the first round of each does not count."""
    labels = encoded.labels.astype(np.int64)
    logits = {}
    for name, judge in judges.items():
        start = time.perf_counter()
        logits[name] = judge()
        print(f"{name}: {time.perf_counter() - start:.1f} s for the first round", flush=True)
    speeds: dict[str, list[float]] = {name: [] for name in judges}
    of_processor: dict[str, list[float]] = {name: [] for name in judges}
    for _ in range(repeats):
        for name, judge in judges.items():
            start, busy = time.perf_counter(), time.process_time()
            judge()
            speeds[name].append(len(encoded) / (time.perf_counter() - start))
            of_processor[name].append(len(encoded) / (time.process_time() - busy))
    exact = logits["torch float32"]
    return {
        "ways": {
            name: {
                "texts_per_second": speeds[name],
                "texts_per_processor_second": of_processor[name],
                "largest_distance": float(np.abs(logits[name] - exact).max()),
                "macro_f1": metrics_from_logits(labels, bundle.calibrated(logits[name]), bundle.threshold)["macro_f1"],
            }
            for name in judges
        }
    }


def show(report: dict[str, Any], options: argparse.Namespace) -> None:
    rows = []
    for name, found in report["ways"].items():
        speeds = found["texts_per_second"]
        rows.append(
            (
                name,
                f"{np.median(speeds):,.0f}",
                f"{min(speeds):,.0f} - {max(speeds):,.0f}",
                f"{np.median(found['texts_per_processor_second']):,.0f}",
                f"{found['largest_distance']:.1e}",
                f"{found['macro_f1']:.4f}",
            )
        )
    title = (
        f"{options.run} on the {report['n']} articles of {options.file}, {report['threads']} thread(s), batches of "
        f"{options.batch_size}; read and encoded: {report['read_and_encoded_per_second']:,.0f} texts/s"
    )
    print_rows(
        ("way", "texts/s", "from - to", "per s of processor", "largest distance of a logit", "macro-F1"), rows, title
    )
    if not cpu_computes_bf16():
        what = "torch emulated it" if options.emulate_bf16 else "it is left out (--emulate-bf16 times it all the same)"
        print(f"this processor has no instructions for bf16: {what}")
    print(report["machine"])


if __name__ == "__main__":
    main()
