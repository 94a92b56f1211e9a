"""Speed and accuracy of a detector: torch in float32 and bf16, ONNX in float32 and int8, in one run.

    python benchmarks/prediction.py runs/bigru-scratch data/weibo21/val.json
    OMP_NUM_THREADS=1 python benchmarks/prediction.py runs/bigru-scratch data/weibo21/val.json --repeats 5

The articles of the file are read and encoded once. The variants then predict all of them in turn, so that other load of
the machine affects all alike; the median and the range of `--repeats` rounds are printed, after a warm-up round. On a
busy machine, look at the texts per second of CPU time, which depend less on other load.

The largest difference of a logit from torch's in float32 and the macro-F1 at the detector's threshold are printed, too.
Only the network is timed, in batches of articles of similar length, as in `evaluate` and `predict`; tokenization is
timed once, because it is the same for all.

A processor without bf16 instructions emulates bf16, many times slower than float32: there it is omitted unless
`--emulate-bf16` is given.
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
Predict = Callable[[], NDArray[np.float64]]


def main() -> None:
    options = parse_options()
    bundle = load_bundle(options.run)
    start = time.perf_counter()
    encoded = bundle.featurizer().encode_file(options.file)
    reading = len(encoded) / (time.perf_counter() - start)
    with TemporaryDirectory() as folder:
        variants = {
            "torch float32": lambda: bundle.predict_logits(encoded, CPU, batch_size=options.batch_size),
        }
        if cpu_computes_bf16() or options.emulate_bf16:
            variants["torch bf16"] = lambda: in_bf16(bundle, encoded, options.batch_size)
        for precision in ("float32", "int8"):
            exported = exported_bundle(options.run, Path(folder) / precision, precision)
            if exported is not None:
                variants[f"ONNX {precision}"] = predictor(exported, encoded, options.batch_size)
        report = compare(variants, bundle, encoded, options.repeats)
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
    parser.add_argument("--batch-size", type=int, default=64, help="batch size (64)")
    parser.add_argument("--repeats", type=int, default=3, help="timed rounds (3)")
    parser.add_argument("--emulate-bf16", action="store_true", help="include bf16 on a processor that emulates it")
    parser.add_argument("--json", type=Path, help="output JSON file")
    return parser.parse_args()


def machine() -> str:
    """Return the machine and the versions of libraries."""
    with suppress(PackageNotFoundError):
        return f"{describe()}, onnxruntime {version('onnxruntime')}"
    return describe()


def in_bf16(bundle: Bundle, encoded: EncodedArticles, batch_size: int) -> NDArray[np.float64]:
    with torch.autocast("cpu", torch.bfloat16):
        return bundle.predict_logits(encoded, CPU, batch_size=batch_size)


def predictor(bundle: Bundle, encoded: EncodedArticles, batch_size: int) -> Predict:
    return lambda: bundle.predict_logits(encoded, CPU, batch_size=batch_size)


def exported_bundle(run: Path, folder: Path, precision: str) -> Bundle | None:
    """Export the detector and load it; print the reason and return None if this precision is not supported."""
    try:
        export_onnx(run, folder, int8=precision == "int8")
    except ZhenweiError as error:
        print(f"ONNX {precision}: {error}")
        return None
    return load_detector(folder)


def compare(variants: dict[str, Predict], bundle: Bundle, encoded: EncodedArticles, repeats: int) -> dict[str, Any]:
    """Predict with each variant in turn, `repeats` times after a warm-up round."""
    labels = encoded.labels.astype(np.int64)
    logits = {}
    for name, predict in variants.items():
        start = time.perf_counter()
        logits[name] = predict()
        print(f"{name}: {time.perf_counter() - start:.1f} s for the first round", flush=True)
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    cpu_speeds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, predict in variants.items():
            start, busy = time.perf_counter(), time.process_time()
            predict()
            speeds[name].append(len(encoded) / (time.perf_counter() - start))
            cpu_speeds[name].append(len(encoded) / (time.process_time() - busy))
    exact = logits["torch float32"]
    return {
        "variants": {
            name: {
                "texts_per_second": speeds[name],
                "texts_per_cpu_second": cpu_speeds[name],
                "largest_difference": float(np.abs(logits[name] - exact).max()),
                "macro_f1": metrics_from_logits(labels, bundle.calibrated(logits[name]), bundle.threshold)["macro_f1"],
            }
            for name in variants
        }
    }


def show(report: dict[str, Any], options: argparse.Namespace) -> None:
    rows = []
    for name, result in report["variants"].items():
        speeds = result["texts_per_second"]
        rows.append(
            (
                name,
                f"{np.median(speeds):,.0f}",
                f"{min(speeds):,.0f} - {max(speeds):,.0f}",
                f"{np.median(result['texts_per_cpu_second']):,.0f}",
                f"{result['largest_difference']:.1e}",
                f"{result['macro_f1']:.4f}",
            )
        )
    title = (
        f"{options.run} on the {report['n']} articles of {options.file}, {report['threads']} thread(s), batches of "
        f"{options.batch_size}; read and encoded: {report['read_and_encoded_per_second']:,.0f} texts/s"
    )
    print_rows(
        ("variant", "texts/s", "range", "texts/s of CPU", "largest difference of a logit", "macro-F1"), rows, title
    )
    if not cpu_computes_bf16():
        note = "torch emulated it" if options.emulate_bf16 else "it is omitted (--emulate-bf16 includes it)"
        print(f"this processor has no instructions for bf16: {note}")
    print(report["machine"])


if __name__ == "__main__":
    main()
