"""Compare a preset with and without normalization: scores on val, and verdicts that change under harmless edits.

    python benchmarks/harmless_edits.py --folder data --preset tfidf --seeds 1

For each seed, the preset is trained twice on DIR/train: with `data.normalize` empty, and with the preset's own steps.
Both are tested on DIR/val with every family of edits. The figures are means over the seeds. Val also chose the
threshold, which flatters both.
"""

import argparse
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from zhenwei import Trainer
from zhenwei.bundle import load_bundle
from zhenwei.config import Config
from zhenwei.evaluation.stress import StressResult, stress
from zhenwei.news import find_part, read_articles

VARIANTS = {"as written": ["data.normalize=[]"], "normalized": []}
FIRST_SEED = 2021


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="folder with train and val")
    parser.add_argument("--preset", default="tfidf")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE", help="for both variants")
    options = parser.parse_args()
    results: dict[str, list[StressResult]] = {name: [] for name in VARIANTS}
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        for name, overrides in VARIANTS.items():
            results[name].append(measure(options.preset, options.folder, seed, [*options.set, *overrides]))
            print(f"seed {seed}, {name}: {results[name][-1].unedited}", flush=True)
    print_table(results)


def measure(preset: str, data: Path, seed: int, overrides: list[str]) -> StressResult:
    """Train a preset, and stress it on val."""
    val = find_part(data, "val")
    assert val is not None, f"{data}: no val file"
    with TemporaryDirectory() as folder:
        settings = [f"data.root_path={data}", f"output.dir={folder}/run", f"seed={seed}", "output.report=false"]
        _, best = Trainer(Config.load(preset, [*settings, *overrides])).train()
        return stress(load_bundle(best), read_articles(val, require_label=True), rounds=0, examples=0)


def print_table(results: dict[str, list[StressResult]]) -> None:
    """Print the means over the seeds: one line per family, two columns of each figure."""
    for score in ("macro_f1", "auc"):
        values = [f"{mean(float(run.unedited[score] or 0) for run in runs):.4f}" for runs in results.values()]
        print(f"{score:24} {' -> '.join(values)}")
    print(f"{'edit':24} {'fakes missed %':>18} {'real called fake %':>20} {'points of macro-F1':>20}")
    for number, family in enumerate(next(iter(results.values()))[0].families):
        cells = []
        for figure in ("missed", "false_alarms", "macro_f1_change"):
            values = []
            for runs in results.values():
                found = [getattr(run.families[number], figure) for run in runs]
                points = [each.points if figure == "macro_f1_change" else 100 * (each.share or 0) for each in found]
                values.append(mean(points))
            sign = "+" if figure == "macro_f1_change" else ""
            cells.append(" -> ".join(f"{value:{sign}.1f}" for value in values))
        print(f"{family.name:24} {cells[0]:>18} {cells[1]:>20} {cells[2]:>20}")


if __name__ == "__main__":
    main()
