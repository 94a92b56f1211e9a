"""What a training with a frozen encoder costs per epoch: the plain way, without and with its output kept.

    python benchmarks/frozen_encoder.py                           # 64 posts of the synthetic world, some 5 minutes
    python benchmarks/frozen_encoder.py --posts 256 --file data/weibo21/train.json --json figures.json

The encoder is a BERT of base size with random weights, whose numbers cost what trained ones cost; `mdfend` trains
nothing of it, `bert` its last layer. Timed is an epoch of training steps over the same posts, in float32:

- plain: as the published code does it. Texts are tokenised anew, each is padded to `--max-len` tokens, batches are
  drawn regardless of length, and the whole encoder computes in each step;
- not kept: our loop with `training.frozen_cache_gib` 0;
- first: our loop, and before it the frozen layers' output for all posts, as on a new data set;
- later: any epoch after that.

Ratios are to the plain epoch of the same run: of the clock's time, and of the processor's, which other work on the
machine hardly changes. The losses of `not kept` are those of the same steps with the same dropout.
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

DETECTORS: dict[str, int] = {"mdfend": 0, "bert": 1}  # how many of the encoder's layers train
WAYS = ("plain", "not kept", "first", "later")


@dataclass(frozen=True)
class Timed:
    """What an epoch took, in seconds of the clock and of the processor, and the losses of its steps."""

    clock: float
    processor: float
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
        write_articles(Path(folder) / "val.json", list(one_of_each.values()))  # it would have to be kept, too
        save_encoder(Path(folder) / "encoder", articles)
        for name, layers in DETECTORS.items():
            report["detectors"][name] = compare(settings(name, layers, Path(folder), articles, options), articles)
            show(name, report["detectors"][name], options.posts)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=64, help="posts of an epoch (64)")
    parser.add_argument("--file", type=Path, help="labelled articles (the synthetic world's)")
    parser.add_argument("--batch-size", type=int, default=16, help="posts per step (16)")
    parser.add_argument("--max-len", type=int, default=170, help="longest text in tokens (170)")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args()


def posts(options: argparse.Namespace, folder: Path) -> list[Article]:
    """Return as many posts as are asked for, evenly out of the file."""
    file = options.file
    if file is None:
        write_synthetic_dataset(folder / "world", SyntheticDataset())
        file = folder / "world" / "train.json"
    articles = read_articles(file, require_label=True)
    return [articles[number * len(articles) // options.posts] for number in range(options.posts)]


def save_encoder(folder: Path, articles: list[Article]) -> None:
    """Write a BERT of base size with random weights, and a vocabulary of the posts' characters, filled up to 21,128."""
    from transformers import BertConfig, BertModel  # noqa: PLC0415  # who takes no more than `posts` does without

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
                "frozen_cache_dir": str(folder / "kept"),
            },
        }
    )  # fmt: skip


def compare(config: Config, articles: list[Article]) -> dict[str, Any]:
    """Train by each way, and set the epochs side by side."""
    data = prepare_data(config)
    accelerator = build_accelerator(config, Path("unused"))
    course = TrainingPlan(data.train, config, data.tokenizer.pad_id)

    def trainee() -> TrainState:
        torch.manual_seed(1)
        network = build_network(config.model, data.vocabulary(config.data.max_len))
        optimizer = build_optimizer(network, config.training)
        return TrainState(
            network, optimizer, build_schedule(optimizer, config.training, course.total_steps), accelerator
        )

    def epoch(subject: TrainState, course: TrainingPlan, number: int) -> list[float]:
        torch.manual_seed(number)  # the same dropout, whatever came before
        return [step.loss for step in train_steps(subject.network, subject, course, number)]

    list(islice(plain_steps(trainee(), course, data, articles), 1))  # what is only done once is not counted
    plain = timed(lambda: list(plain_steps(trainee(), course, data, articles)))
    computing, keeping = trainee(), trainee()
    not_kept = timed(lambda: epoch(computing, course, 0))
    recomputed = not_kept.losses + epoch(computing, course, 1)
    kept = timed(lambda: kept_nothing(keeping, course, data))
    course = replace(course, frozen=precompute_frozen_states(keeping.network, course, data.val, accelerator)["train"])
    steps = timed(lambda: epoch(keeping, course, 0))
    first = Timed(kept.clock + steps.clock, kept.processor + steps.processor, steps.losses)
    later = timed(lambda: epoch(keeping, course, 1))
    found = dict(zip(WAYS, (plain, not_kept, first, later), strict=True))
    loss = np.array(recomputed), np.array(first.losses + later.losses)
    return {
        "mean_tokens": float(data.train.lengths.mean()),
        "largest_difference_of_a_loss": float(np.abs(loss[0] - loss[1]).max()),
        "mean_loss": float(loss[0].mean()),
        "ways": {
            way: {
                "seconds": each.clock,
                "posts_per_second": len(articles) / each.clock,
                "times_faster": plain.clock / each.clock,
                "times_less_processor_time": plain.processor / each.processor,
            }
            for way, each in found.items()
        },
    }


def kept_nothing(subject: TrainState, course: TrainingPlan, data: PreparedData) -> list[float]:
    """Compute and keep what is frozen; there are no losses."""
    precompute_frozen_states(subject.network, course, data.val, subject.accelerator)
    return []


def plain_steps(
    subject: TrainState, course: TrainingPlan, data: PreparedData, articles: list[Article]
) -> Iterator[float]:
    """Go through one epoch as the published code does, yielding losses."""
    config = course.config
    featurizer = Featurizer(
        data.tokenizer, config.data.max_len, network_needs(config.model), data.field_metadata, config.model.domain_kind
    )
    encoded = featurizer.encode(articles)
    network = subject.network.train()
    order = np.random.default_rng(0).permutation(len(encoded))
    for start in range(0, len(order), config.training.batch_size):
        rows = order[start : start + config.training.batch_size]
        batch = collate(encoded, rows, pad_id=course.pad_id, widths=[config.data.max_len])
        loss = training_loss(network(batch, 0.0), batch, len(rows))
        loss.backward()  # type: ignore[no-untyped-call]
        subject.optimizer.step()
        subject.optimizer.zero_grad()
        yield float(loss.detach())


def timed(work: Callable[[], list[float]]) -> Timed:
    clock, processor = time.perf_counter(), time.process_time()
    losses = work()
    return Timed(time.perf_counter() - clock, time.process_time() - processor, losses)


def show(name: str, report: dict[str, Any], n_posts: int) -> None:
    rows = [
        (
            way,
            f"{found['posts_per_second']:.2f}",
            f"{found['times_faster']:.1f}",
            f"{found['times_less_processor_time']:.1f}",
        )
        for way, found in report["ways"].items()
    ]
    title = f"'{name}': an epoch of {n_posts} posts of {report['mean_tokens']:.0f} tokens"
    print_rows(("epoch", "posts/s", "times as fast", "by processor time"), rows, title)
    print(
        f"largest difference of a step's loss, kept against computed anew: "
        f"{report['largest_difference_of_a_loss']:.1e}, at losses of {report['mean_loss']:.3f} in the mean\n"
    )


if __name__ == "__main__":
    main()
