"""What the published BiGRU costs, the plain way and ours: training, scoring, memory, and the size on the disk.

    python benchmarks/bigru.py                                       # 256 posts of the synthetic world, some 4 minutes
    python benchmarks/bigru.py --file data/weibo21/train.json --posts 512 --json figures.json
    python benchmarks/bigru.py --device cuda --posts 4096            # both ways on the same graphics card

The network is that of the preset `bigru-bert`: BERT's embedding layer, frozen (base size, random weights, which cost
what trained ones cost), a bidirectional GRU of 768 units, masked attention, MLP [384]; texts of up to 170 tokens,
batches of 64. Each way does the same work in a process of its own:

- plain: as the published code does it. Texts are tokenised one by one and padded to 170 in a loader that is built anew
  for each epoch and each scoring, batches are drawn regardless of length, all is float32, the whole BERT is in memory
  and in the file that is saved;
- ours: what `zhenwei train` does, with the precision that it chooses for this device, and scoring as `zhenwei predict
  --precision auto` does it.

A round is an epoch, and a scoring of the same posts; an epoch more comes before and is not counted. The ways take turns
round by round, so that whatever else the machine does meets both; each one's fastest round counts. After
the last one, when the memory has been read, ours scores the posts in float32, too, as `zhenwei predict` does unless
told otherwise: twice, of which the faster counts. How far apart the probabilities are is told.
Beside the posts per second stands the share of the ceiling (a large product of matrices) that is reached,
by the products that the published network takes for a post without padding; what is spared of them counts as done.
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
WAYS = ("plain", "ours")
MFLOP_PER_TOKEN = 2 * 2 * 3 * HIDDEN * 2 * HIDDEN / 1e6  # two directions, three gates, inputs and states; forward
TRAINING_PRODUCTS = 2.5  # of that: forward, weights, states; nothing goes back into frozen embeddings


def main() -> None:
    options = parse_options()
    if options.way:
        work(options.way, Path(options.folder), options.device)
        return
    with TemporaryDirectory() as place:
        folder = Path(place)
        articles = posts(options, folder)
        write_articles(folder / "train.json", articles)
        write_articles(folder / "val.json", list({article.label: article for article in articles}.values()))
        save_encoder(folder / "encoder", articles)
        report = {"posts": len(articles), "threads": torch.get_num_threads(), "machine": describe(options.device)}
        report |= {
            "ceilings": ceilings(options.device),
            "ways": in_turns(folder, options.rounds, options.device),
        }
    report["mean_tokens"] = report["ways"]["ours"].pop("mean_tokens")
    if options.json != "-":
        show(report)
    if options.json:
        write_json(report, options.json)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=256, help="posts of an epoch (256)")
    parser.add_argument("--file", type=Path, help="labelled articles (the synthetic world's)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where both ways compute (cpu)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds that count (2)")
    parser.add_argument("--json", help="write the figures here, too; -: to standard output, instead of the table")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)  # what this program calls itself with
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_turns(folder: Path, rounds: int, device: str) -> dict[str, dict[str, float]]:
    """Let the ways take turns, and return what each found."""
    command = [sys.executable, __file__, "--folder", str(folder), "--device", device, "--way"]
    workers = {
        way: subprocess.Popen([*command, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for way in WAYS
    }  # fmt: skip
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, worker in workers.items():
            found[way].append(told(worker, "round"))
    ends = {way: told(worker, "end") for way, worker in workers.items()}
    for worker in workers.values():
        worker.communicate()
    return {
        way: {name: max(each[name] for each in found[way]) for name in found[way][0]} | ends[way]
        for way in WAYS
    }  # fmt: skip


def told(worker: "subprocess.Popen[str]", word: str) -> dict[str, float]:
    """Say a word to a worker, and return its answer."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{word}\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        sys.exit("one of the ways ended early; see above")
    answer: dict[str, float] = json.loads(line)
    return answer


def work(way: str, folder: Path, device: str) -> None:
    """Answer each word on standard input: a round's posts per second, and at the end memory and size."""
    articles = read_articles(folder / "train.json", require_label=True)
    tasks, save = (plain if way == "plain" else ours)(folder, articles, device)
    tasks["training"]()  # what is only done once, as is the first touch of memory, does not count
    for line in sys.stdin:
        if line.strip() == "round":
            answer = {name: len(articles) / seconds(task) for name, task in tasks.items()}
        else:
            peak = peak_memory_mb(device)
            answer = {"memory_mb": peak, **save()}
        print(json.dumps(answer), flush=True)


def seconds(task: Callable[[], object]) -> float:
    begun = time.perf_counter()
    task()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


Tasks = tuple[dict[str, Callable[[], object]], Callable[[], dict[str, float]]]


class PlainBiGRU(nn.Module):
    """The published network, as it is usually written."""

    def __init__(self, encoder: Path) -> None:
        super().__init__()
        from transformers import BertModel  # noqa: PLC0415  # ours does without, which its memory is to show

        self.bert = BertModel.from_pretrained(encoder).requires_grad_(False)
        self.rnn = nn.GRU(HIDDEN, HIDDEN, batch_first=True, bidirectional=True)
        self.attention = MaskAttention(2 * HIDDEN)
        self.mlp = MLP(2 * HIDDEN, [384], 0.2)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Judge tokens [B, T] -> logits [B]."""
        states, _ = self.rnn(self.bert.embeddings(tokens))  # [B, T, 2H]
        return self.mlp(self.attention(states, mask.bool())[0])  # type: ignore[no-any-return]


def plain(folder: Path, articles: list[Article], device: str) -> Tasks:
    from transformers import AutoTokenizer  # noqa: PLC0415  # as before

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

    def score() -> None:
        network.eval()
        with torch.no_grad():
            for tokens, mask, _ in loader(False):
                torch.sigmoid(network(tokens.to(device), mask.to(device))).tolist()

    def save() -> dict[str, float]:
        return {"saved_mb": sum(each.numel() * each.element_size() for each in network.state_dict().values()) / 1e6}

    return {"training": train, "scoring": score}, save


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
    course = TrainingPlan(data.train, config, data.tokenizer.pad_id)
    torch.manual_seed(0)
    network = build_network(config.model, data.vocabulary(MAX_LEN)).to(device)
    optimizer = build_optimizer(network, config.training)
    trainee = TrainState(
        network, optimizer, build_schedule(optimizer, config.training, course.total_steps), accelerator
    )
    graphs = build_step_graphs(trainee, course)
    if graphs is not None:
        course = TrainingPlan(data.train, config, data.tokenizer.pad_id, widths=graph_widths(MAX_LEN))
    epochs = iter(range(config.training.epochs))

    def train() -> None:
        for _ in train_steps(network, trainee, course, next(epochs), graphs=graphs):
            pass

    def probabilities(precision: str) -> NDArray[np.float64]:
        return sigmoid(predict_logits(network, data.train, pad_id=course.pad_id, device=device, precision=precision))

    def save() -> dict[str, float]:
        exact: list[NDArray[np.float64]] = []
        in_float32 = min(seconds(lambda: exact.append(probabilities("float32"))) for _ in range(2))
        apart = np.abs(probabilities("auto") - exact[0])
        save_bundle(trained_bundle(config, data, network, {"epoch": 1, "val": {}}), folder / "bundle")
        size = sum(file.stat().st_size for file in (folder / "bundle").iterdir())
        return {
            "saved_mb": size / 1e6,
            "scoring in float32": len(articles) / in_float32,
            "mean_tokens": float(data.train.lengths.mean()),
            "mean_apart": float(apart.mean()),
            "most_apart": float(apart.max()),
        }

    return {"training": train, "scoring": partial(probabilities, "auto")}, save


def show(report: dict[str, Any]) -> None:
    plain, ours = (report["ways"][way] for way in WAYS)
    ceiling = max(report["ceilings"].values())
    lines = (
        ("training", "posts/s", TRAINING_PRODUCTS),
        ("scoring", "posts/s", 1.0),
        ("scoring in float32", "posts/s", 1.0),
        ("memory", "peak MB", None),
        ("saved", "MB", None),
    )
    plain["scoring in float32"] = plain["scoring"]  # which is what it is
    rows = []
    for name, unit, products in lines:
        key = name if products else f"{name}_mb"
        ratio = ours[key] / plain[key] if products else plain[key] / ours[key]
        reached = ""
        if products:
            gflop = products * MFLOP_PER_TOKEN * report["mean_tokens"] / 1000
            reached = f"{ours[key] * gflop / ceiling:.0%}"
        rows.append((f"{name}, {unit}", f"{plain[key]:.1f}", f"{ours[key]:.1f}", f"{ratio:.1f}", reached))
    title = f"the published BiGRU, {report['posts']} posts of {report['mean_tokens']:.0f} tokens"
    print_rows(("", "plain", "ours", "times better", "of the ceiling"), rows, title)
    found = ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in report["ceilings"].items())
    print(f"{report['machine']}; {report['threads']} threads; ceilings: {found}")
    print(
        f"scoring, and scoring in float32: probabilities {ours['mean_apart']:.1g} apart in the mean, "
        f"{ours['most_apart']:.1g} at most"
    )


if __name__ == "__main__":
    main()
