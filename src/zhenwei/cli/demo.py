"""`zhenwei demo`: a detector trained on the past of a synthetic dataset, evaluated on its future."""

from pathlib import Path
from typing import Any

import typer

from zhenwei.cli.figures import JsonTarget, print_scores, write_json

NEW_TEXTS = (
    "听说云溪市的自来水又出事了，朋友的亲戚就在里面上班，内部消息千万别喝，赶紧转给家人！",
    "记者今天从云溪市水务部门获悉，供水管网检修已按计划完成。水质检测数据可在官网查询，后续情况将继续公布，请大家不必恐慌。",
)


def demo(
    folder: Path = typer.Option(Path("runs"), help="Folder of the synthetic dataset and of the run."),
    seed: int = typer.Option(2021, min=0, help="Seed of the dataset and of the training."),
    json: str | None = JsonTarget,
) -> None:
    """Generate a synthetic dataset, train a BiGRU on its past, evaluate it on past and future, predict two texts."""
    from zhenwei.bundle.device import end_processes, is_main_process
    from zhenwei.inference import Detector
    from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset
    from zhenwei.training.trainer import Trainer

    dataset, data, run = SyntheticDataset(seed=seed), folder / "demo-data", folder / "demo"
    if is_main_process():
        write_synthetic_dataset(data, dataset, overwrite=True)
    results, model_path = Trainer(demo_config(data, run, seed), overwrite=True).train()
    end_processes()
    if not is_main_process():
        return
    predictions = Detector.load(model_path).predict(NEW_TEXTS)
    write_json({**results, "predictions": [prediction.to_dict() for prediction in predictions]}, json)
    columns = {"the past (val)": results["val"], "the future (test)": results}
    print_scores(columns, "A BiGRU trained on the past of a synthetic dataset", json)
    err = json == "-"
    flipped = "、".join(dataset.flipped_entities[:5])
    typer.echo(
        f"\n{len(dataset.flipped_entities)} names ({flipped} ...) occur in fakes in the past and in real news in the "
        "future, or the reverse.\nThe detector learned the names along with the wording, so its score on the past does "
        "not hold on the future.\n",
        err=err,
    )
    for prediction in predictions:
        typer.echo(f"{prediction.verdict} ({prediction.probability:.2f})  {prediction.text}", err=err)
    typer.echo(f'\nTry your own text: zhenwei predict {run} "..."', err=err)


def demo_config(data: Path, run: Path, seed: int) -> dict[str, Any]:
    """Return the settings of the demo's BiGRU, which trains in under a minute on two cores."""
    return {
        "data": {"root_path": str(data), "max_len": 170, "vocab_size": 4000},
        "model": {"name": "bigru", "emb_dim": 128, "hidden_dim": 96, "mlp_dims": [96], "dropout": 0.3},
        "training": {"epochs": 8, "lr": 2e-3, "batch_size": 64, "early_stop": 3, "precision": "no"},
        "output": {"dir": str(run), "log_interval": 20},
        "seed": seed,
    }
