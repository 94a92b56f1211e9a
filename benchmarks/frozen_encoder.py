"""Time per epoch of training on a frozen encoder: plain PyTorch, without the cache of frozen states, and with it.

    python benchmarks/frozen_encoder.py                           # 64 posts of a synthetic dataset, about 5 minutes
    python benchmarks/frozen_encoder.py --posts 256 --file data/weibo21/train.json --json figures.json

The encoder is a BERT of base size with random weights, which cost as much as trained ones; `mdfend` trains nothing of
it, `bert` its last layer. Each epoch has the same posts, in float32:

- plain: like the published code. Texts are tokenized again, each is padded to `--max-len` tokens, batches ignore
  length, and the complete encoder runs in each step;
- not cached: our loop with `training.frozen_cache_gib` 0;
- first: our loop, including the precomputation of frozen states for all posts, as on a new dataset;
- later: every further epoch.

Ratios are to the plain epoch of the same run: of wall time, and of CPU time, which other load on the machine hardly
changes. The losses of `not cached` are those of the same steps with the same dropout.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from zhenwei import Config
from zhenwei.bundle.featurizer import Featurizer
from zhenwei.cli.figures import print_rows
from zhenwei.models import build_network, network_needs
from zhenwei.news import Article, read_articles, write_articles
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset
from zhenwei.tokens import collate
from zhenwei.training.accelerator import build_accelerator
from zhenwei.training.frozen.precompute import precompute_frozen_states
from zhenwei.training.loop import train_steps, training_loss
from zhenwei.training.optimization import build_optimizer, build_schedule
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.preparation import PreparedData, prepare_data
from zhenwei.training.state import TrainState

DETECTORS: dict[str, int] = {"mdfend": 0, "bert": 1}  # trained layers of the encoder
EPOCHS = ("plain", "not cached", "first", "later")


@dataclass(frozen=True)
class Timed:
    """Wall time and CPU time of an epoch in seconds, and the losses of its steps."""

    wall: float
    cpu: float
    losses: list[float]


def main() -> None:
    options = parse_options()
    logging.getLogger("zhenwei").addHandler(logging.NullHandler())
    logging.getLogger("zhenwei").setLevel(logging.ERROR)
    report: dict[str, Any] = {"posts": options.posts, "threads": torch.get_num_threads(), "detectors": {}}
    with TemporaryDirectory() as folder:
        articles = posts(options, Path(folder))
        write_articles(Path(folder) / "train.json", articles)
        one_of_each = {article.label: article for article in articles}
        write_articles(
            Path(folder) / "val.json", list(one_of_each.values())
        )  # small, because its states are precomputed, too
        save_encoder(Path(folder) / "encoder", articles)
        for name, layers in DETECTORS.items():
            report["detectors"][name] = compare(settings(name, layers, Path(folder), articles, options), articles)
            show(name, report["detectors"][name], options.posts)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=64, help="posts of an epoch (64)")
    parser.add_argument("--file", type=Path, help="labeled articles (default: a synthetic dataset)")
    parser.add_argument("--batch-size", type=int, default=16, help="posts per step (16)")
    parser.add_argument("--max-len", type=int, default=170, help="longest text in tokens (170)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


def posts(options: argparse.Namespace, folder: Path) -> list[Article]:
    """Return `--posts` posts, evenly spaced in the file."""
    file = options.file
    if file is None:
        write_synthetic_dataset(folder / "synthetic", SyntheticDataset())
        file = folder / "synthetic" / "train.json"
    articles = read_articles(file, require_label=True)
    return [articles[number * len(articles) // options.posts] for number in range(options.posts)]


def save_encoder(folder: Path, articles: list[Article]) -> None:
    """Write a BERT of base size with random weights, and a vocabulary of the posts' characters, filled up to 21,128."""
    from transformers import BertConfig, BertModel  # noqa: PLC0415  # a heavy import, not needed for `posts`

    characters = sorted({character for article in articles for character in article.content if character.strip()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    vocabulary += [f"[unused{number}]" for number in range(21128 - len(vocabulary))]
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(vocabulary))).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")


def settings(name: str, layers: int, folder: Path, articles: list[Article], options: argparse.Namespace) -> Config:
    model: dict[str, Any] = {"name": name, "bert_model_name": str(folder / "encoder"), "finetune_layers": layers}
    if name == "mdfend":
        model["domain"] = "field" if all(article.domain for article in articles) else "year"
    return Config.load(
        {
            "data": {"root_path": str(folder), "max_len": options.max_len},
            "model": model,
            "training": {
                "batch_size": options.batch_size, "epochs": 10, "precision": "no", "device": "cpu",
                "frozen_cache_dir": str(folder / "cache"),
            },
        }
    )  # fmt: skip


def compare(config: Config, articles: list[Article]) -> dict[str, Any]:
    """Train in each of the four ways, and compare the epochs."""
    data = prepare_data(config)
    accelerator = build_accelerator(config, Path("unused"))
    plan = TrainingPlan(data.train, config, data.tokenizer.pad_id)

    def new_state() -> TrainState:
        torch.manual_seed(1)
        network = build_network(config.model, data.vocabulary(config.data.max_len))
        optimizer = build_optimizer(network, config.training)
        return TrainState(network, optimizer, build_schedule(optimizer, config.training, plan.total_steps), accelerator)

    def epoch(state: TrainState, plan: TrainingPlan, number: int) -> list[float]:
        torch.manual_seed(number)  # equal dropout
        return [step.loss for step in train_steps(state.network, state, plan, number)]

    list(islice(plain_steps(new_state(), plan, data, articles), 1))  # warm-up
    plain = timed(lambda: list(plain_steps(new_state(), plan, data, articles)))
    uncached, cached = new_state(), new_state()
    not_cached = timed(lambda: epoch(uncached, plan, 0))
    uncached_losses = not_cached.losses + epoch(uncached, plan, 1)
    precomputed = timed(lambda: precompute(cached, plan, data))
    plan = replace(plan, frozen=precompute_frozen_states(cached.network, plan, data.val, accelerator)["train"])
    steps = timed(lambda: epoch(cached, plan, 0))
    first = Timed(precomputed.wall + steps.wall, precomputed.cpu + steps.cpu, steps.losses)
    later = timed(lambda: epoch(cached, plan, 1))
    timings = dict(zip(EPOCHS, (plain, not_cached, first, later), strict=True))
    loss = np.array(uncached_losses), np.array(first.losses + later.losses)
    return {
        "mean_tokens": float(data.train.lengths.mean()),
        "largest_difference_of_a_loss": float(np.abs(loss[0] - loss[1]).max()),
        "mean_loss": float(loss[0].mean()),
        "epochs": {
            name: {
                "seconds": each.wall,
                "posts_per_second": len(articles) / each.wall,
                "speedup": plain.wall / each.wall,
                "cpu_speedup": plain.cpu / each.cpu,
            }
            for name, each in timings.items()
        },
    }


def precompute(state: TrainState, plan: TrainingPlan, data: PreparedData) -> list[float]:
    """Precompute the frozen states; there are no losses."""
    precompute_frozen_states(state.network, plan, data.val, state.accelerator)
    return []


def plain_steps(state: TrainState, plan: TrainingPlan, data: PreparedData, articles: list[Article]) -> Iterator[float]:
    """Train one epoch like the published code, yielding losses."""
    config = plan.config
    featurizer = Featurizer(
        data.tokenizer, config.data.max_len, network_needs(config.model), data.field_metadata, config.model.domain_kind
    )
    encoded = featurizer.encode(articles)
    network = state.network.train()
    order = np.random.default_rng(0).permutation(len(encoded))
    for start in range(0, len(order), config.training.batch_size):
        rows = order[start : start + config.training.batch_size]
        batch = collate(encoded, rows, pad_id=plan.pad_id, widths=[config.data.max_len])
        loss = training_loss(network(batch, 0.0), batch, len(rows))
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        state.optimizer.zero_grad()
        yield float(loss.detach())


def timed(work: Callable[[], list[float]]) -> Timed:
    wall, cpu = time.perf_counter(), time.process_time()
    losses = work()
    return Timed(time.perf_counter() - wall, time.process_time() - cpu, losses)


def show(detector: str, report: dict[str, Any], n_posts: int) -> None:
    rows = [
        (
            name,
            f"{figures['posts_per_second']:.2f}",
            f"{figures['speedup']:.1f}",
            f"{figures['cpu_speedup']:.1f}",
        )
        for name, figures in report["epochs"].items()
    ]
    title = f"'{detector}': an epoch of {n_posts} posts of {report['mean_tokens']:.0f} tokens"
    print_rows(("epoch", "posts/s", "speedup", "CPU speedup"), rows, title)
    print(
        f"largest difference of a loss between cached and not cached: "
        f"{report['largest_difference_of_a_loss']:.1e}, mean loss {report['mean_loss']:.3f}\n"
    )


if __name__ == "__main__":
    main()
