"""Print the macro-F1 on held-out articles and on their rewrites by a language model, without and with `data.rewrites`.

    python benchmarks/rewrites.py --folder sheepdog               # five splits, tfidf and a small BiGRU
    python benchmarks/rewrites.py --folder sheepdog --part val    # on val, where the settings were chosen
    python benchmarks/rewrites.py --folder sheepdog --detectors tfidf --set training.consistency=0

The folder has `train.json`, the originals, and `rewritten_*.json`, whose articles have the ids of their originals, as
SheepDog publishes them (Wu et al., KDD 2024; 360 articles, four rewrites of each). In each split, 60 articles are the
test part and 60 are val, with equal shares of both labels. A detector is trained on the others: on the originals alone,
and with the rewrites of these originals. No rewrite of an article of val or test is trained on. The threshold is 0.5.
"""

import argparse
import json
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei import Trainer
from zhenwei.bundle import load_bundle
from zhenwei.cli.figures import print_rows
from zhenwei.config import Config, preset_path
from zhenwei.evaluation import evaluate
from zhenwei.news import Article, read_articles, write_articles

HELD_OUT = 60  # articles of val, and of test
COMMON = ["training.calibrate_on=none", "training.device=cpu", "output.progress=false", "output.trackers=[]"]
DETECTORS = {
    "tfidf": ("tfidf", ["data.max_len=300"]),
    "bigru": (
        "bigru-scratch",
        [
            "data.max_len=300", "data.aug_prob=0.1", "model.emb_dim=64", "model.hidden_dim=64", "model.mlp_dims=[]",
            'model.pooling=["attention","max"]', "model.wide_share=0.5", "model.wide_ngram_range=[1,3]",
            "model.wide_naive_bayes=0", "model.wide_c=30", "training.epochs=10", "training.keep=last",
            "training.lr=0.003",
        ],
    ),
}  # fmt: skip

Scores = dict[str, list[tuple[float, float]]]  # macro-F1 on originals and on rewrites of each split, by variant


def main() -> None:
    options = parse_options()
    logging.getLogger("zhenwei").setLevel(logging.ERROR)
    rewrites = sorted(options.folder.glob("rewritten_*.json"))
    for name in options.detectors:
        scores: Scores = {"without rewrites": [], "with rewrites": []}
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as work:
                write_split(options.folder / "train.json", rewrites, Path(work), seed)
                for variant, files in (("without rewrites", []), ("with rewrites", rewrites)):
                    scores[variant].append(measure(name, files, Path(work), options.part, seed, options.set))
                    originals, rewritten = scores[variant][-1]
                    print(f"{name}, split {seed}, {variant}: {originals:.3f}, {rewritten:.3f}", flush=True)
        show(name, scores, options.part)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the collection")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="splits (1 2 3 4 5)")
    parser.add_argument("--detectors", nargs="+", choices=[*DETECTORS], default=[*DETECTORS], help="(all)")
    parser.add_argument("--part", choices=["val", "test"], default="test", help="what is measured (test)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="a further setting")
    return parser.parse_args()


def write_split(file: Path, rewrites: list[Path], work: Path, seed: int) -> None:
    """Write train, val and test, and the rewrites of val and test, each to its own folder."""
    articles = read_articles(file)
    targets = np.array([article.target for article in articles])
    order = np.random.default_rng(seed).permutation(len(articles))
    by_label = [order[targets[order] == label] for label in (0, 1)]
    half = HELD_OUT // 2
    parts = {
        "test": np.concatenate([rows[:half] for rows in by_label]),
        "val": np.concatenate([rows[half : 2 * half] for rows in by_label]),
        "train": np.concatenate([rows[2 * half :] for rows in by_label]),
    }
    for part, rows in parts.items():
        selected = [articles[row] for row in np.sort(rows)]
        write_articles(work / f"{part}.json", selected)
        if part != "train":
            write_rewrites(selected, rewrites, work / f"{part}-rewrites")


def write_rewrites(articles: list[Article], rewrites: list[Path], folder: Path) -> None:
    """Write the rewrites of some articles, one file per style."""
    ids = {article.id for article in articles}
    for file in rewrites:
        write_articles(folder / file.name, [article for article in read_articles(file) if article.id in ids])


def measure(
    name: str, rewrites: list[Path], work: Path, part: str, seed: int, overrides: list[str]
) -> tuple[float, float]:
    """Train a detector; return its macro-F1 on a part, and the mean of its macro-F1 on the rewrites of that part."""
    preset, settings = DETECTORS[name]
    files = json.dumps([str(file) for file in rewrites])
    own = [f"data.root_path={work}", f"output.dir={work / 'run'}", f"data.rewrites={files}", f"seed={seed}"]
    config = Config.load(preset_path(preset), [*settings, *COMMON, *overrides, *own])
    _, path = Trainer(config, overwrite=True).train()
    bundle = load_bundle(path)

    def macro_f1(file: Path) -> float:
        scores: dict[str, Any] = evaluate(bundle, file, device="cpu", scores_only=True).scores
        return float(scores["macro_f1"])

    rewritten = [macro_f1(file) for file in sorted((work / f"{part}-rewrites").iterdir())]
    return macro_f1(work / f"{part}.json"), float(np.mean(rewritten))


def show(name: str, scores: Scores, part: str) -> None:
    rows = []
    for variant, found in scores.items():
        originals, rewritten = np.mean(found, axis=0)
        rows.append((variant, f"{originals:.3f}", f"{rewritten:.3f}", f"{originals - rewritten:+.3f}"))
    n = len(scores["with rewrites"])
    header = ("training", "originals", "rewrites", "difference")
    print_rows(header, rows, f"macro-F1 of '{name}' on {part}, the mean of {n} splits with {HELD_OUT} articles each")


if __name__ == "__main__":
    main()
