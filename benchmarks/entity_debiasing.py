"""What ENDEF, and masked names, give on the future and cost on the past, in the synthetic dataset.

    python benchmarks/entity_debiasing.py                  # five worlds, the BiGRU plain, with ENDEF, names masked
    python benchmarks/entity_debiasing.py --against "preset bigru"
    python benchmarks/entity_debiasing.py --ablation       # both without augmentation, too
    python benchmarks/entity_debiasing.py --seeds 1 2 3 --jobs 1

Each seed is a world of its own and the seed of its trainings. All but the preset `bigru` are one small
BiGRU, trained alike but for `model.debias` or `data.mask_entities`: on `train`, the best epoch chosen on `val` (the
past), judged on `test` (the future). The tables have the macro-F1 of each world, the mean difference with a 95%
interval (Student's t over the worlds, paired), and what is lost from the past to the future. Runs are kept in
`--folder`: what was finished is not trained again, and what was interrupted goes on. The settings of the small BiGRU
were chosen in the worlds 2021 to 2024, which are not among the five.
"""

import argparse
import json
import logging
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from zhenwei import Trainer
from zhenwei.cli.figures import print_rows
from zhenwei.config import preset_path
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset

PARTS = {"past": "val", "future": "test"}
PRESET = preset_path("bigru")
VARIANTS: dict[str, tuple[str | None, float, bool]] = {  # debiasing, rate of the augmentation, names masked
    "bigru": (None, 0.3, False),
    "bigru-endef": ("endef", 0.3, False),
    "bigru, names masked": (None, 0.3, True),
    "bigru, no augmentation": (None, 0.0, False),
    "bigru-endef, no augmentation": ("endef", 0.0, False),
}
PAIRS = (("bigru", "bigru-endef"), ("bigru", "bigru, names masked"), ("bigru", "preset bigru"))
ABLATION = (("bigru, no augmentation", "bigru-endef, no augmentation"),)

Scores = dict[str, dict[int, dict[str, float]]]  # by variant, seed and part


def main() -> None:
    options = parse_options()
    pairs = [pair for pair in PAIRS if pair[1] in (options.against or [pair[1]])] + list(
        ABLATION if options.ablation else ()
    )
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    for seed in options.seeds:
        if not (options.folder / str(seed) / "world" / "dataset.json").exists():
            write_synthetic_dataset(options.folder / str(seed) / "world", SyntheticDataset(seed=seed), overwrite=True)
    jobs = [(name, seed, options.folder / str(seed)) for seed in options.seeds for name in names]
    scores: Scores = {name: {} for name in names}
    os.environ["OMP_NUM_THREADS"] = "1"  # a run is as fast as it gets on one core; several of them use all
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for (name, seed, _), found in zip(jobs, pool.map(train, *zip(*jobs, strict=True)), strict=True):
            scores[name][seed] = found
            print(f"world {seed}, {name}: " + ", ".join(f"{part} {found[part]:.4f}" for part in PARTS), flush=True)
    report = [compare(scores, plain, debiased) for plain, debiased in pairs]
    for found in report:
        show(found, options.seeds)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="worlds (1 2 3 4 5)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trainings at a time (all cores)")
    parser.add_argument("--folder", type=Path, default=Path("runs/entity_debiasing"), help="where runs are kept")
    parser.add_argument("--against", nargs="+", choices=[second for _, second in PAIRS], help="what is compared (all)")
    parser.add_argument("--ablation", action="store_true", help="both without augmentation, too")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    if len(set(options.seeds)) < 2:
        parser.error(f"--seeds: found {options.seeds}; expected two different ones at least, for an interval")
    return options


def train(name: str, seed: int, folder: Path) -> dict[str, float]:
    """Train one variant in one world, and return its macro-F1 on the past and on the future."""
    logging.getLogger("zhenwei").addHandler(logging.NullHandler())
    logging.getLogger("zhenwei").setLevel(logging.ERROR)
    results, _ = Trainer(settings(name, seed, folder), resume=True).train()
    return {"past": results["val"]["macro_f1"], "future": results["macro_f1"]}


def settings(name: str, seed: int, folder: Path) -> dict[str, Any]:
    output = {"dir": str(folder / name.replace(", ", "-").replace(" ", "-").replace("/", "-")), "trackers": []}
    if name not in VARIANTS:
        preset: dict[str, Any] = json.loads(PRESET.read_text(encoding="utf-8"))
        preset["data"]["root_path"] = str(folder / "world")
        preset["training"]["device"] = "cpu"
        return preset | {"output": output | {"progress": False}, "seed": seed}
    debias, rate, masked = VARIANTS[name]
    return {
        "data": {
            "root_path": str(folder / "world"), "max_len": 170, "vocab_size": 4000, "aug_prob": rate,
            "mask_entities": masked,
        },
        "model": {
            "name": "bigru", "emb_dim": 96, "hidden_dim": 64, "mlp_dims": [96], "dropout": 0.4, "emb_dropout": 0.3,
            "debias": debias,
        },
        "training": {
            "epochs": 12, "early_stop": 0, "lr": 2e-3, "weight_decay": 0.3, "batch_size": 32,
            "precision": "no", "device": "cpu",
        },
        "output": output | {"progress": False},
        "seed": seed,
    }  # fmt: skip


def compare(scores: Scores, plain: str, debiased: str) -> dict[str, Any]:
    """Set two variants side by side, world by world."""
    report: dict[str, Any] = {"plain": plain, "debiased": debiased, "scores": scores}
    report["lost"] = {
        name: float(np.mean([found["past"] - found["future"] for found in scores[name].values()]))
        for name in (plain, debiased)
    }
    for part in PARTS:
        differences = np.array([scores[debiased][seed][part] - scores[plain][seed][part] for seed in scores[plain]])
        mean, n = float(differences.mean()), len(differences)
        half = float(t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n))
        report[part] = {"mean": mean, "low": mean - half, "high": mean + half}
    return report


def show(report: dict[str, Any], seeds: list[int]) -> None:
    plain, debiased = (report["scores"][report[which]] for which in ("plain", "debiased"))
    rows = [
        (str(seed), *(f"{scores[seed][part]:.4f}" for part in PARTS for scores in (plain, debiased))) for seed in seeds
    ]
    means = [float(np.mean([scores[seed][part] for seed in seeds])) for part in PARTS for scores in (plain, debiased)]
    rows.append(("mean", *(f"{mean:.4f}" for mean in means)))
    header = ("world", *(f"{part}, {which}" for part in PARTS for which in (report["plain"], report["debiased"])))
    print_rows(header, rows, f"macro-F1 of '{report['plain']}' and '{report['debiased']}'")
    for part in PARTS:
        found = report[part]
        print(
            f"{part}: '{report['debiased']}' - '{report['plain']}' = {found['mean']:+.4f}, "
            f"95% interval {found['low']:+.4f} to {found['high']:+.4f}"
        )
    print(
        "lost from the past to the future: " + ", ".join(f"{name} {lost:.4f}" for name, lost in report["lost"].items())
    )


if __name__ == "__main__":
    main()
