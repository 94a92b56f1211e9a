"""Scores of detectors on the future at several dates: one file is split by time repeatedly.

    python benchmarks/rolling.py data/ced/train.json
    python benchmarks/rolling.py data/ced/train.json bigru tfidf --cuts 3

At each date a detector is trained on the earlier articles, calibrated on them by cross-fitting (including its
threshold), and evaluated on the next part; the future is used for evaluation only. The first half of the articles is
always past; the rest is cut into `--cuts` parts of equal size, each of which is the future once. `--folder` keeps the
runs; finished runs are not trained again.
"""

import argparse
import json
import logging
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei import Trainer
from zhenwei.cli.figures import print_rows
from zhenwei.news import Article, read_articles, write_articles


def main() -> None:
    options = parse_options()
    articles = sorted(
        (article for article in read_articles(options.file, require_label=True) if article.time is not None),
        key=time_of,
    )
    cuts = np.linspace(len(articles) / 2, len(articles), options.cuts + 1).astype(int)
    dates = [time_of(articles[cut]).date() for cut in cuts[:-1]]
    for number, (start, end) in enumerate(pairwise(cuts), start=1):
        folder = options.folder / f"cut-{number}"
        write_articles(folder / "train.json", articles[:start])
        write_articles(folder / "val.json", articles[start:end])
    jobs = [
        (config, options.folder / f"cut-{number + 1}") for config in options.configs for number in range(options.cuts)
    ]
    os.environ["OMP_NUM_THREADS"] = "1"  # a run is fastest on one core; parallel runs use the others
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(train_and_evaluate, *zip(*jobs, strict=True)))
    rows = []
    for number, config in enumerate(options.configs):
        scores = results[number * options.cuts : (number + 1) * options.cuts]
        for metric in ("macro_f1", "auc"):
            values = [score[metric] for score in scores]
            rows.append((Path(config).stem, metric, *(f"{value:.3f}" for value in values), f"{np.mean(values):.3f}"))
    parts = [f"from {date} (n = {end - start})" for date, (start, end) in zip(dates, pairwise(cuts), strict=True)]
    print_rows(("detector", "metric", *parts, "mean"), rows, f"{options.file}: trained on earlier articles")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="articles with label and time")
    parser.add_argument("configs", nargs="*", help="settings files or presets (bigru and tfidf)")
    parser.add_argument("--cuts", type=int, default=3, help="dates (3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings at a time (all cores)")
    parser.add_argument("--folder", type=Path, default=Path("runs/rolling"), help="folder of the runs")
    options = parser.parse_args()
    options.configs = options.configs or ["bigru", "tfidf"]
    return options


def time_of(article: Article) -> datetime:
    assert article.time is not None
    return article.time


def train_and_evaluate(config: Path, folder: Path) -> dict[str, Any]:
    """Train a detector on one past, and return its scores on the future."""
    logging.getLogger("zhenwei").addHandler(logging.NullHandler())
    logging.getLogger("zhenwei").setLevel(logging.ERROR)
    settings: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    settings["data"] = settings.get("data", {}) | {"root_path": str(folder)}
    settings["training"] = settings.get("training", {}) | {"calibrate_on": "train", "device": "cpu"}
    settings["output"] = {"dir": str(folder / Path(config).stem), "progress": False, "trackers": []}
    results, _ = Trainer(settings, resume=True).train()
    return {metric: results["val"][metric] for metric in ("macro_f1", "auc")}


if __name__ == "__main__":
    main()
