"""The same work by what a user would take from PyPI: scikit-learn for `tfidf`, Hugging Face's Trainer for `bert`.

    python benchmarks/peers.py                                                   # the synthetic dataset, some 5 minutes
    python benchmarks/peers.py --file data/weibo21/train.json --posts 64 --json figures.json

`tfidf`: from the posts of a file in memory to a fitted detector, and from posts to probabilities: scikit-learn's
TfidfVectorizer (character n-grams of 1 to 3) and LogisticRegression with the settings of the preset `tfidf`.

`bert`: an epoch over `--posts` posts with a BERT of base size (random weights) of which the last layer trains, texts
of up to 170 tokens, batches of 16, float32: the Trainer with BertForSequenceClassification, a collator that pads to
the longest of a batch, and the other layers frozen; ours in its first epoch, in which it computes and keeps what is
frozen, and in a later one.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from frozen_encoder import posts, save_encoder, settings
from machine import describe
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from zhenwei import Article, Config, read_articles
from zhenwei.bundle.featurizer import Featurizer
from zhenwei.bundle.predict_logits import predict_logits
from zhenwei.cli.figures import print_rows, write_json
from zhenwei.config import preset_path
from zhenwei.models import Vocabulary, build_network
from zhenwei.news import write_articles
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset
from zhenwei.tokens import train_tokenizer
from zhenwei.training.accelerator import build_accelerator
from zhenwei.training.frozen.precompute import precompute_frozen_states
from zhenwei.training.loop import train_steps
from zhenwei.training.optimization import build_optimizer, build_schedule
from zhenwei.training.plan import TrainingPlan
from zhenwei.training.preparation import prepare_data
from zhenwei.training.state import TrainState

TFIDF = preset_path("tfidf")
BATCH, MAX_LEN = 16, 170


def main() -> None:
    options = parse_options()
    with TemporaryDirectory() as place:
        folder = Path(place)
        if options.file is None:
            write_synthetic_dataset(folder / "world", SyntheticDataset())
        file = options.file or folder / "world" / "train.json"
        articles = read_articles(file, require_label=True)
        rows = linear(articles) | encoder(posts(argparse.Namespace(file=file, posts=options.posts), folder), folder)
    report = {"file": str(options.file or "the synthetic dataset"), "machine": describe(), "rows": rows}
    if options.json != "-":
        show(report)
    if options.json:
        write_json(report, options.json)


def show(report: dict[str, Any]) -> None:
    rows = [
        (work, str(row["posts"]), f"{row['theirs']:.1f}", f"{row['ours']:.1f}", f"{row['ours'] / row['theirs']:.1f}")
        for work, row in report["rows"].items()
    ]
    print_rows(("", "posts", "theirs, posts/s", "ours", "times as fast"), rows, report["file"])
    print(f"{report['machine']}; {torch.get_num_threads()} threads")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="labelled articles (the synthetic dataset's)")
    parser.add_argument("--posts", type=int, default=64, help="posts of an epoch of `bert` (64)")
    parser.add_argument("--json", help="write the figures here, too; -: to standard output, instead of the table")
    return parser.parse_args()


def speed(task: Callable[[], Any], n_posts: int, repeats: int = 1) -> float:
    """Return posts per second, the best of some repeats."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - begun)
    return n_posts / min(seconds)


def linear(articles: list[Article]) -> dict[str, dict[str, float]]:
    """Fit and score the linear baseline."""
    config = Config.load(TFIDF)
    model: Any = config.model
    texts, n_posts = [article.content for article in articles], len(articles)
    labels = [int(article.label == "fake") for article in articles]
    theirs = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=tuple(model.ngram_range), min_df=model.min_df),
        LogisticRegression(C=model.C, solver="liblinear", max_iter=1000),
    )
    fitted: dict[str, Any] = {}

    def fit() -> None:
        tokenizer = train_tokenizer(texts, config.data.vocab_size, config.data.min_frequency, model.token_unit)
        featurizer = Featurizer(tokenizer, config.data.max_len)
        network: Any = build_network(model, Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, config.data.max_len))
        network.fit(featurizer.encode(articles), config.seed)
        fitted.update(featurizer=featurizer, network=network, pad_id=tokenizer.pad_id)

    def score() -> None:
        encoded = fitted["featurizer"].encode(articles)
        predict_logits(fitted["network"], encoded, pad_id=fitted["pad_id"], device="cpu")

    tasks = {
        "fit": (lambda: theirs.fit(texts, labels), fit),
        "score": (lambda: theirs.predict_proba(texts), score),
    }
    return {
        f"`tfidf`, {name}, against scikit-learn": {
            "posts": n_posts, "theirs": speed(peer, n_posts, 2), "ours": speed(task, n_posts, 2),
        }
        for name, (peer, task) in tasks.items()
    }  # fmt: skip


def encoder(articles: list[Article], folder: Path) -> dict[str, dict[str, float]]:
    """Train the last layer of a BERT for an epoch."""
    write_articles(folder / "train.json", articles)
    write_articles(folder / "val.json", list({article.label: article for article in articles}.values()))
    save_encoder(folder / "encoder", articles)
    theirs = hugging_face(articles, folder)
    options = argparse.Namespace(max_len=MAX_LEN, batch_size=BATCH)
    config = settings("bert", 1, folder, articles, options)
    data = prepare_data(config)
    accelerator = build_accelerator(config, folder / "unused")
    course = TrainingPlan(data.train, config, data.tokenizer.pad_id)
    network = build_network(config.model, data.vocabulary(MAX_LEN))
    optimizer = build_optimizer(network, config.training)
    trainee = TrainState(
        network, optimizer, build_schedule(optimizer, config.training, course.total_steps), accelerator
    )
    begun = time.perf_counter()
    course = replace(course, frozen=precompute_frozen_states(network, course, data.val, accelerator)["train"])
    list(train_steps(network, trainee, course, 0))
    first = len(articles) / (time.perf_counter() - begun)
    later = speed(lambda: list(train_steps(network, trainee, course, 1)), len(articles))
    name, n_posts = "`bert`, last layer, against the Trainer", len(articles)
    return {
        f"{name}: first epoch": {"posts": n_posts, "theirs": theirs, "ours": first},
        f"{name}: later epochs": {"posts": n_posts, "theirs": theirs, "ours": later},
    }


def hugging_face(articles: list[Article], folder: Path) -> float:
    """Return the posts per second of an epoch by Hugging Face's Trainer."""
    from transformers import (  # noqa: PLC0415
        AutoTokenizer,
        BertForSequenceClassification,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    network = BertForSequenceClassification.from_pretrained(folder / "encoder")
    network.bert.requires_grad_(False)
    network.bert.encoder.layer[-1].requires_grad_(True)
    network.bert.pooler.requires_grad_(True)
    tokenizer = AutoTokenizer.from_pretrained(folder / "encoder")
    rows = [
        {**tokenizer(article.content, truncation=True, max_length=MAX_LEN), "labels": int(article.label == "fake")}
        for article in articles
    ]
    arguments = TrainingArguments(
        str(folder / "theirs"), per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=7e-5,
        report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    trainer = Trainer(network, arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = trainer.train().metrics
    return float(metrics["train_samples_per_second"])


if __name__ == "__main__":
    main()
