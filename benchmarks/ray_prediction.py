"""Posts per second of each engine of `zhenwei predict --out`, their agreement, and resuming after a kill.

    python benchmarks/ray_prediction.py                             # 200,000 posts in 20 files, two workers
    python benchmarks/ray_prediction.py --posts 20000 --run runs/demo

The posts are those of the synthetic dataset, repeated with an inserted number so that all differ. Without `--run`, a
small BiGRU is trained first. Four predictions by `zhenwei predict --out`, each in a new process whose start counts:

1. the local engine, in one process;
2. the local engine, with the workers;
3. Ray Data on this machine, with the workers;
4. Ray Data again, killed (SIGKILL, as by a failing machine) when a third of the shards are complete, and started again.
   No shard may be predicted twice or lost.

Exits with status 1 if shards differ (verdicts, or probabilities by more than 1e-6), are predicted twice, or are lost.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path
from typing import Any

from zhenwei import Article, Trainer
from zhenwei.cli.figures import print_rows
from zhenwei.news import write_articles
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset

TOLERANCE = 1e-6
SYNTHETIC_POSTS = 2000


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = options.run or train_detector(folder)
        write_posts(folder / "posts", options.posts, options.files)
        settings = {
            "local, 1 process": ["--workers", "1"],
            f"local, {options.workers} processes": ["--workers", str(options.workers)],
            f"Ray Data, {options.workers} workers": ["--engine", "ray", "--workers", str(options.workers)],
        }
        rows, folders = [], [folder / f"predicted-{number}" for number in range(len(settings))]
        for (engine, arguments), target in zip(settings.items(), folders, strict=True):
            start = time.perf_counter()
            figures = figures_of(command(run, folder, target, arguments))
            seconds = time.perf_counter() - start
            speeds = [f"{options.posts / seconds:,.0f}", f"{figures['rows_per_second']:,.0f}"]
            rows.append((engine, f"{seconds:.1f}", *speeds))
        title = f"{options.posts:,} posts in {options.files} files by {run.name}"
        print_rows(("engine", "seconds in all", "posts/s in all", "posts/s"), rows, title)
        differences = [difference(folders[0], other) for other in folders[1:]]
        print(f"largest difference of a probability from the first: {', '.join(f'{each:.1e}' for each in differences)}")
        interrupted = folder / "interrupted"
        arguments = command(run, folder, interrupted, ["--engine", "ray", "--workers", str(options.workers)])
        resumed = kill_and_resume(arguments, interrupted, options.files)
        print(f"largest difference after the kill: {(last := difference(folders[0], interrupted)):.1e}")
        print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, Ray {version('ray')}")
        sys.exit(not resumed or max(*differences, last) > TOLERANCE)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run's folder, or a bundle; a small BiGRU unless given")
    parser.add_argument("--posts", type=int, default=200_000, help="how many posts (200,000)")
    parser.add_argument("--files", type=int, default=20, help="in how many files (20)")
    parser.add_argument("--workers", type=int, default=2, help="workers, each with a detector (2)")
    options = parser.parse_args()
    if options.posts % options.files:
        parser.error(f"--posts: found {options.posts}; expected a multiple of --files, {options.files}")
    return options


def train_detector(folder: Path) -> Path:
    """Train a BiGRU on a small synthetic dataset, in seconds: its scores do not matter here."""
    write_synthetic_dataset(folder / "dataset", SyntheticDataset(n_train=SYNTHETIC_POSTS, n_val=200, n_test=200))
    settings: dict[str, Any] = {
        "data": {"root_path": str(folder / "dataset")},
        "model": {"name": "bigru", "emb_dim": 64, "hidden_dim": 64, "use_pretrained_bert": False},
        "training": {"epochs": 1, "device": "cpu"},
        "output": {"dir": str(folder / "small BiGRU"), "progress": False, "trackers": []},
    }
    Trainer(settings).train()
    return folder / "small BiGRU"


def write_posts(folder: Path, posts: int, files: int) -> None:
    articles = SyntheticDataset(n_train=SYNTHETIC_POSTS, n_val=0, n_test=0).generate()["train"]
    stream = repeated([article.content for article in articles])
    for number in range(files):
        write_articles(folder / f"part-{number:03}.parquet", islice(stream, posts // files))


def repeated(contents: list[str]) -> Iterator[Article]:
    for turn in count():
        for number, content in enumerate(contents):
            position = turn * 37 % len(content)
            varied = f"{content[:position]}第{turn}号{content[position:]}"
            yield Article(content=varied, id=f"{turn}-{number}")


def figures_of(arguments: list[str]) -> dict[str, Any]:
    outcome = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if outcome.returncode:
        sys.exit(outcome.stderr)
    figures: dict[str, Any] = json.loads(outcome.stdout)
    return figures


def command(run: Path, folder: Path, out: Path, arguments: list[str]) -> list[str]:
    return [
        *(sys.executable, "-m", "zhenwei", "predict", str(run), "--file", f"{folder}/posts/*.parquet"),
        *("--out", str(out), "--format", "jsonl", "--device", "cpu", "--json", "-", *arguments),
    ]  # fmt: skip


def kill_and_resume(arguments: list[str], folder: Path, files: int) -> bool:
    """Kill a prediction when a third of its shards are complete, resume it, and return whether no work is repeated."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if f"({max(1, files // 3)} of {files} files)" in line:
                break
        process.send_signal(signal.SIGKILL)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.jsonl")}
    figures = figures_of(arguments)
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.jsonl")}
    repeated = [name for name, mtime in before.items() if after.get(name) != mtime]
    print(
        f"killed when {len(before)} of {files} shards were complete; started again, it reused {figures['reused']} and "
        f"predicted {figures['predicted']}; repeated: {len(repeated)}; lost: {files - len(after)}"
    )
    return not repeated and len(after) == files and figures["reused"] >= len(before)


def difference(ours: Path, theirs: Path) -> float:
    """Return the largest difference of a probability; infinity if anything else differs."""
    largest = 0.0
    for path in sorted(ours.glob("part-*.jsonl")):
        if not (theirs / path.name).exists():
            return float("inf")
        with path.open(encoding="utf-8") as file, (theirs / path.name).open(encoding="utf-8") as other:
            for mine, its in zip(map(json.loads, file), map(json.loads, other), strict=True):
                largest = max(largest, abs(mine.pop("probability") - its.pop("probability")))
                if mine != its:
                    return float("inf")
    return largest


if __name__ == "__main__":
    main()
