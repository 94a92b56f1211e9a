"""The published BiGRU in plain PyTorch and in zhenwei: training, prediction, memory, and size on disk.

    python benchmarks/bigru.py                                       # 256 posts of a synthetic dataset, about 4 minutes
    python benchmarks/bigru.py --file data/weibo21/train.json --posts 512 --json figures.json
    python benchmarks/bigru.py --device cuda --posts 4096            # both on the same GPU

The network is that of the preset `bigru-bert`: BERT's embedding layer, frozen (base size, random weights, which cost
as much as trained ones), a bidirectional GRU of 768 units, masked attention, MLP [384]; texts of up to 170 tokens,
batches of 64. Each implementation does the same work in a process of its own:

- plain: like the published code. Texts are tokenized one by one and padded to 170 tokens in a loader that is rebuilt
  for each epoch and each prediction, batches ignore length, everything is float32, and the complete BERT is in memory
  and in the saved file;
- ours: what `zhenwei train` does, in the precision that it chooses for the device, and prediction as in
  `zhenwei predict --precision auto`.

A round is an epoch and a prediction of the same posts, after one epoch of warm-up. The implementations alternate, so
that other load on the machine affects both; the fastest round of each counts. After the last round, when the memory has
been read, ours also predicts in float32, the default of `zhenwei predict`: twice, and the faster run counts. The
difference of the probabilities is printed. Beside the posts per second is the share of the ceiling, a large matrix
product: the products of the published network for a post without padding, whether or not they are computed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from frozen_encoder import posts, save_encoder
from machine import ceilings, describe, peak_memory_mb
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from zhenwei import Article, Config, read_articles
from zhenwei.bundle.bundle import save_bundle
from zhenwei.bundle.predict_logits import predict_logits, sigmoid
from zhenwei.cli.figures import print_rows, write_json
from zhenwei.models import build_network
from zhenwei.models.layers import MLP, MaskAttention
from zhenwei.news import write_articles
from zhenwei.training.accelerator import build_accelerator
from zhenwei.training.epochs import trained_bundle
from zhenwei.training.loop import train_steps
from zhenwei.training.optimization import build_optimizer, build_schedule
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.preparation import prepare_data
from zhenwei.training.state import TrainState
from zhenwei.training.step_graphs import build_step_graphs, graph_widths

MAX_LEN, BATCH, HIDDEN = 170, 64, 768
IMPLEMENTATIONS = ("plain", "ours")
MFLOP_PER_TOKEN = 2 * 2 * 3 * HIDDEN * 2 * HIDDEN / 1e6  # two directions, three gates, inputs and states; forward
TRAINING_PRODUCTS = 2.5  # times as many: forward, weights, states; frozen embeddings have no gradient


def main() -> None:
    options = parse_options()
    if options.implementation:
        serve(options.implementation, Path(options.folder), options.device)
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        articles = posts(options, folder)
        write_articles(folder / "train.json", articles)
        write_articles(folder / "val.json", list({article.label: article for article in articles}.values()))
        save_encoder(folder / "encoder", articles)
        report = {"posts": len(articles), "threads": torch.get_num_threads(), "machine": describe(options.device)}
        report |= {
            "ceilings": ceilings(options.device),
            "implementations": alternate(folder, options.rounds, options.device),
        }
    report["mean_tokens"] = report["implementations"]["ours"].pop("mean_tokens")
    if options.json != "-":
        show(report)
    if options.json:
        write_json(report, options.json)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=256, help="posts of an epoch (256)")
    parser.add_argument("--file", type=Path, help="labeled articles (default: a synthetic dataset)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="device of both (cpu)")
    parser.add_argument("--rounds", type=int, default=2, help="timed rounds (2)")
    parser.add_argument(
        "--json", help="also write the figures to this file; -: to standard output, instead of the table"
    )
    parser.add_argument("--implementation", choices=IMPLEMENTATIONS, help=argparse.SUPPRESS)  # of a worker process
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def alternate(folder: Path, rounds: int, device: str) -> dict[str, dict[str, float]]:
    """Run the implementations in alternation, and return the figures of each."""
    command = [sys.executable, __file__, "--folder", str(folder), "--device", device, "--implementation"]
    workers = {
        name: subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in IMPLEMENTATIONS
    }  # fmt: skip
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in IMPLEMENTATIONS}
    for _ in range(rounds):
        for name, worker in workers.items():
            figures[name].append(request(worker, "round"))
    ends = {name: request(worker, "end") for name, worker in workers.items()}
    for worker in workers.values():
        worker.communicate()
    return {
        name: {task: max(each[task] for each in figures[name]) for task in figures[name][0]} | ends[name]
        for name in IMPLEMENTATIONS
    }  # fmt: skip


def request(worker: "subprocess.Popen[str]", command: str) -> dict[str, float]:
    """Send a command to a worker, and return its response."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{command}\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        sys.exit("a worker ended early; see above")
    response: dict[str, float] = json.loads(line)
    return response


def serve(implementation: str, folder: Path, device: str) -> None:
    """Answer the commands on standard input: the posts per second of a round, and at the end memory and size."""
    articles = read_articles(folder / "train.json", require_label=True)
    tasks, save = (plain if implementation == "plain" else ours)(folder, articles, device)
    tasks["training"]()  # warm-up
    for line in sys.stdin:
        if line.strip() == "round":
            response = {name: len(articles) / seconds(task) for name, task in tasks.items()}
        else:
            peak = peak_memory_mb(device)
            response = {"memory_mb": peak, **save()}
        print(json.dumps(response), flush=True)


def seconds(task: Callable[[], object]) -> float:
    started = time.perf_counter()
    task()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - started


Tasks = tuple[dict[str, Callable[[], object]], Callable[[], dict[str, float]]]


class PlainBiGRU(nn.Module):
    """The published network in plain PyTorch."""

    def __init__(self, encoder: Path) -> None:
        super().__init__()
        from transformers import BertModel  # noqa: PLC0415  # ours does not import it

        self.bert = BertModel.from_pretrained(encoder).requires_grad_(False)
        self.rnn = nn.GRU(HIDDEN, HIDDEN, batch_first=True, bidirectional=True)
        self.attention = MaskAttention(2 * HIDDEN)
        self.mlp = MLP(2 * HIDDEN, [384], 0.2)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Compute logits [B] of tokens [B, T]."""
        states, _ = self.rnn(self.bert.embeddings(tokens))  # [B, T, 2H]
        return self.mlp(self.attention(states, mask.bool())[0])  # type: ignore[no-any-return]


def plain(folder: Path, articles: list[Article], device: str) -> Tasks:
    from transformers import AutoTokenizer  # noqa: PLC0415  # as above

    torch.manual_seed(0)
    network = PlainBiGRU(folder / "encoder").to(device)
    tokenizer = AutoTokenizer.from_pretrained(folder / "encoder")
    optimizer = torch.optim.Adam([each for each in network.parameters() if each.requires_grad], 9e-4, weight_decay=5e-5)

    def loader(shuffle: bool) -> "DataLoader[tuple[Tensor, ...]]":
        rows = [
            tokenizer(article.content, padding="max_length", truncation=True, max_length=MAX_LEN)
            for article in articles
        ]  # fmt: skip
        fields = [torch.tensor([row[name] for row in rows]) for name in ("input_ids", "attention_mask")]
        labels = torch.tensor([float(article.label == "fake") for article in articles])
        return DataLoader(TensorDataset(*fields, labels), BATCH, shuffle=shuffle)

    def train() -> None:
        network.train()
        for batch in loader(True):
            tokens, mask, labels = (each.to(device) for each in batch)
            loss = nn.functional.binary_cross_entropy(torch.sigmoid(network(tokens, mask)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    def predict() -> None:
        network.eval()
        with torch.no_grad():
            for tokens, mask, _ in loader(False):
                torch.sigmoid(network(tokens.to(device), mask.to(device))).tolist()

    def save() -> dict[str, float]:
        return {"saved_mb": sum(each.numel() * each.element_size() for each in network.state_dict().values()) / 1e6}

    return {"training": train, "prediction": predict}, save


def ours(folder: Path, articles: list[Article], device: str) -> Tasks:
    config = Config.load(
        {
            "data": {"root_path": str(folder), "max_len": MAX_LEN},
            "model": {
                "name": "bigru", "emb_dim": HIDDEN, "use_pretrained_bert": True,
                "bert_model_name": str(folder / "encoder"), "mlp_dims": [384], "dropout": 0.2,
            },
            "training": {"lr": 9e-4, "weight_decay": 5e-5, "batch_size": BATCH, "epochs": 50, "device": device},
        }
    )  # fmt: skip
    data = prepare_data(config)
    accelerator = build_accelerator(config, folder / "unused")
    plan = TrainingPlan(data.train, config, data.tokenizer.pad_id)
    torch.manual_seed(0)
    network = build_network(config.model, data.vocabulary(MAX_LEN)).to(device)
    optimizer = build_optimizer(network, config.training)
    state = TrainState(network, optimizer, build_schedule(optimizer, config.training, plan.total_steps), accelerator)
    graphs = build_step_graphs(state, plan)
    if graphs is not None:
        plan = TrainingPlan(data.train, config, data.tokenizer.pad_id, widths=graph_widths(MAX_LEN))
    epochs = iter(range(config.training.epochs))

    def train() -> None:
        for _ in train_steps(network, state, plan, next(epochs), graphs=graphs):
            pass

    def probabilities(precision: str) -> NDArray[np.float64]:
        return sigmoid(predict_logits(network, data.train, pad_id=plan.pad_id, device=device, precision=precision))

    def save() -> dict[str, float]:
        float32: list[NDArray[np.float64]] = []
        elapsed = min(seconds(lambda: float32.append(probabilities("float32"))) for _ in range(2))
        difference = np.abs(probabilities("auto") - float32[0])
        save_bundle(trained_bundle(config, data, network, {"epoch": 1, "val": {}}), folder / "bundle")
        size = sum(file.stat().st_size for file in (folder / "bundle").iterdir())
        return {
            "saved_mb": size / 1e6,
            "prediction in float32": len(articles) / elapsed,
            "mean_tokens": float(data.train.lengths.mean()),
            "mean_difference": float(difference.mean()),
            "max_difference": float(difference.max()),
        }

    return {"training": train, "prediction": partial(probabilities, "auto")}, save


def show(report: dict[str, Any]) -> None:
    plain, ours = (report["implementations"][name] for name in IMPLEMENTATIONS)
    ceiling = max(report["ceilings"].values())
    lines = (
        ("training", "posts/s", TRAINING_PRODUCTS),
        ("prediction", "posts/s", 1.0),
        ("prediction in float32", "posts/s", 1.0),
        ("memory", "peak MB", None),
        ("saved", "MB", None),
    )
    plain["prediction in float32"] = plain["prediction"]
    rows = []
    for name, unit, products in lines:
        key = name if products else f"{name}_mb"
        ratio = ours[key] / plain[key] if products else plain[key] / ours[key]
        share = ""
        if products:
            gflop = products * MFLOP_PER_TOKEN * report["mean_tokens"] / 1000
            share = f"{ours[key] * gflop / ceiling:.0%}"
        rows.append((f"{name}, {unit}", f"{plain[key]:.1f}", f"{ours[key]:.1f}", f"{ratio:.1f}", share))
    title = f"the published BiGRU, {report['posts']} posts of {report['mean_tokens']:.0f} tokens"
    print_rows(("", "plain", "ours", "times better", "of the ceiling"), rows, title)
    described = ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in report["ceilings"].items())
    print(f"{report['machine']}; {report['threads']} threads; ceilings: {described}")
    print(
        f"difference to float32 probabilities: {ours['mean_difference']:.1g} on average, "
        f"{ours['max_difference']:.1g} at most"
    )


if __name__ == "__main__":
    main()
