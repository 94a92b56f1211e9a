"""All speed benchmarks in one run, as a table in Markdown.

    python benchmarks/speed.py                              # to standard output; an hour on two cores
    python benchmarks/speed.py --quick --out speed.md       # smaller workloads, a quarter of an hour
    python benchmarks/speed.py --file data/weibo21/train.json --posts 512

Each row is a ratio within one run: zhenwei against plain code like the published one, or against a peer from PyPI. Each
benchmark describes its workload: bigru.py, frozen_encoder.py, peers.py, data_path.py, startup.py.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import ceilings, describe

HERE = Path(__file__).parent
Row = tuple[str, str, str, str, str]  # workload, unit, baseline, ours, ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="labeled articles for the networks (default: a synthetic dataset)")
    parser.add_argument("--posts", type=int, help="posts of an epoch of the BiGRU (256; quick: 128)")
    parser.add_argument("--quick", action="store_true", help="smaller workloads: fewer posts, files up to 40,000 posts")
    parser.add_argument("--out", type=Path, help="output file (default: standard output)")
    options = parser.parse_args()
    head = [f"{describe()}.", "", f"Ceilings (large products of matrices): {format_ceilings()}.", ""]
    table = markdown(list(run_all(options)))
    text = "\n".join([*head, *table]) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def run_all(options: argparse.Namespace) -> Iterator[Row]:
    """Run each benchmark, and yield its rows."""
    articles = ["--file", str(options.file)] if options.file else []
    posts = str(options.posts or (128 if options.quick else 256))
    yield from bigru_rows(run("bigru.py", *articles, "--posts", posts))
    yield from frozen_rows(run("frozen_encoder.py", *articles, "--posts", "32" if options.quick else "64"))
    yield from peer_rows(run("peers.py", *articles, "--posts", "32" if options.quick else "64"))
    yield from data_rows(run("data_path.py", *(["--largest", "40000"] if options.quick else [])))
    yield from start_rows(run("startup.py", "--repeats", "3"))


def run(program: str, *arguments: str) -> dict[str, Any]:
    """Run a benchmark in a process of its own, and return its figures."""
    print(f"{program} {' '.join(arguments)} ...", file=sys.stderr, flush=True)
    with TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, str(HERE / program), *arguments, "--json", str(figures)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        report: dict[str, Any] = json.loads(figures.read_text(encoding="utf-8"))
    return report


def faster(work: str, unit: str, other: float, ours: float) -> Row:
    """Return a row of speeds: higher is better."""
    return work, unit, f"{other:,.1f}", f"{ours:,.1f}", f"{ours / other:.1f}"


def smaller(work: str, unit: str, other: float, ours: float) -> Row:
    """Return a row of sizes or times: lower is better."""
    return work, unit, f"{other:,.1f}", f"{ours:,.1f}", f"{other / ours:.1f}"


def bigru_rows(report: dict[str, Any]) -> Iterator[Row]:
    plain, ours = report["implementations"]["plain"], report["implementations"]["ours"]
    yield faster("published BiGRU, training", "posts/s", plain["training"], ours["training"])
    yield faster("published BiGRU, prediction, `--precision auto`", "posts/s", plain["prediction"], ours["prediction"])
    yield faster(
        "published BiGRU, prediction in float32", "posts/s", plain["prediction"], ours["prediction in float32"]
    )
    yield smaller("published BiGRU, peak memory", "MB", plain["memory_mb"], ours["memory_mb"])
    yield smaller("published BiGRU, size on disk", "MB", plain["saved_mb"], ours["saved_mb"])


def frozen_rows(report: dict[str, Any]) -> Iterator[Row]:
    for detector, figures in report["detectors"].items():
        epochs = figures["epochs"]
        for name in ("first", "later"):
            work = f"`{detector}` on a frozen encoder, {name} epoch"
            yield faster(work, "posts/s", epochs["plain"]["posts_per_second"], epochs[name]["posts_per_second"])


def peer_rows(report: dict[str, Any]) -> Iterator[Row]:
    for work, row in report["rows"].items():
        yield faster(work, "posts/s", row["theirs"], row["ours"])


def data_rows(report: dict[str, Any]) -> Iterator[Row]:
    with_plain = [row for row in report["rows"] if "plain_seconds" in row]
    if with_plain:
        row = with_plain[-1]
        yield smaller(f"file to tokens, {row['posts']:,} posts", "s", row["plain_seconds"], row["encode"])
    largest = report["rows"][-1]
    work = f"file to first step, {largest['posts']:,} posts"
    yield work, "s", "", f"{largest['first_step']:.1f}", ""
    yield f"{work}, over the bare model", "MiB", "", f"{largest['memory_mib']:,.0f}", ""


def start_rows(report: dict[str, Any]) -> Iterator[Row]:
    seconds = report["seconds"]
    peers = seconds.pop("import torch, transformers")
    for name in ("import zhenwei", "zhenwei --help", "zhenwei predict RUN TEXT"):
        yield smaller(f"`{name}`, against importing torch and transformers", "ms", 1000 * peers, 1000 * seconds[name])
    for name in ("Detector.load", "predict, one text of 100 characters"):
        yield name, "ms", "", f"{1000 * seconds[name]:.1f}", ""


def format_ceilings() -> str:
    return ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in ceilings().items())


def markdown(rows: list[Row]) -> list[str]:
    """Format rows as a Markdown table."""
    lines = ["| workload | unit | baseline | zhenwei | ratio |", "| --- | --- | ---: | ---: | ---: |"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    main()
