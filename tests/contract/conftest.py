"""Small detectors of every kind, each built once, and posts for them."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from zhenwei.bundle import Bundle
from zhenwei.bundle.featurizer import FieldMetadata
from zhenwei.config import Config, detector_names
from zhenwei.models import DetectorNetwork, FittedNetwork, Vocabulary, build_network, network_needs
from zhenwei.news import Article
from zhenwei.tokens import (
    Batch,
    EncodedArticles,
    TextTokenizer,
    collate,
    encode_articles,
    load_pretrained_tokenizer,
)
from zhenwei.training.loss import training_loss

MAX_LEN = 40
SMALL = {"emb_dim": 16, "hidden_dim": 8, "mlp_dims": [16], "dropout": 0.1, "filters": 8, "ngram_range": [1, 3]}
EXTRAS: dict[str, dict[str, Any]] = {  # optional parts of a detector, which must pass the suite, too
    "bigru": {
        "wide_share": 0.5, "ngram_sizes": [2, 3], "ngram_buckets": 50, "pooling": ["attention", "max", "mean"],
        "use_residual": True,
    },
}  # fmt: skip
DOMAINS = ("健康", "社会")
PLACES = ("云溪", "东河", "南岭", "西塘", "北川", "临江")


def settings_of(detector: str) -> dict[str, Any]:
    """Return the settings of a detector and their defaults."""
    return type(Config.load({"model": {"name": detector}}).model).model_fields


def starts(detector: str) -> Iterator[dict[str, Any]]:
    """Yield the kinds of embeddings that a detector can start from."""
    settings = settings_of(detector)
    if "finetune_layers" in settings:
        if detector != "bert":
            yield {"use_pretrained_bert": False}
        yield from ({"use_pretrained_bert": True, "finetune_layers": layers} for layers in (0, 1, "all"))
    elif "use_pretrained_bert" in settings:
        yield {"use_pretrained_bert": False}
        yield from ({"use_pretrained_bert": True, "finetune_bert": finetune} for finetune in (False, True))
    else:
        yield {}


def models() -> Iterator[dict[str, Any]]:
    """Yield every detector from every start, plain and debiased."""
    for detector in detector_names():
        for start in starts(detector):
            for debias in (None, "endef") if "debias" in settings_of(detector) else (None,):
                yield {"name": detector, **start} | ({"debias": debias} if debias else {})
        for debias in (None, "endef") if detector in EXTRAS else ():
            yield {"name": detector, **EXTRAS[detector], "debias": debias}


def name_of(model: dict[str, Any]) -> str:
    """Return the id of a case; its words are the settings that are not those of `EXTRAS`."""
    if EXTRAS.get(model["name"], {"name": 0}).items() <= model.items():
        return f"{model['name']} all {model['debias']}"
    return " ".join(f"{key}={value}" for key, value in model.items())


def marks(model: dict[str, Any]) -> list[pytest.MarkDecorator]:
    """Return the mark of a case that is close to others: one finetuned layer, or ENDEF on another network."""
    rare = model.get("finetune_layers") == 1 or (model.get("debias") is not None and model["name"] != "bigru")
    return [pytest.mark.nightly] if rare else []


CASES = [pytest.param(model, id=name_of(model), marks=marks(model)) for model in models()]


@dataclass
class Subject:
    """A detector under test, and 32 posts for it."""

    config: Config
    bundle: Bundle
    encoded: EncodedArticles

    @property
    def network(self) -> DetectorNetwork:
        return self.bundle.network

    def batch(self, *rows: int, width: int = 0) -> Batch:
        selected = np.array(rows or range(len(self.encoded)), np.int64)
        return collate(self.encoded, selected, pad_id=self.bundle.tokenizer.pad_id, widths=[width] if width else None)

    def logits(self, batch: Batch) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.network.eval()(batch).logits
        return logits

    def loss(self, batch: Batch, progress: float) -> Tensor:
        return training_loss(self.network.train()(batch, progress), batch, len(batch))

    def rebuild(self) -> DetectorNetwork:
        return build(self.config, self.bundle, self.encoded)


def build(config: Config, bundle: Bundle, encoded: EncodedArticles) -> DetectorNetwork:
    """Build a network as at the start of a training, and fit it if it is a fitted one."""
    torch.manual_seed(config.seed)
    tokenizer, fields = bundle.tokenizer, bundle.field_metadata
    vocabulary = Vocabulary(
        tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN,
        domains=fields.domain_names, emotion_size=fields.emotion_size,
    )  # fmt: skip
    network = build_network(config.model, vocabulary)
    if isinstance(network, FittedNetwork):
        network.fit(encoded, config.seed)
    network.fit_linear(encoded, config.seed)
    return network


def articles(rows: list[dict[str, Any]]) -> list[Article]:
    """Return thirty posts of two domains, then the shortest one, and the longest one of an unknown domain."""
    chance = np.random.default_rng(0)
    posts = [
        Article(
            **row,
            domain=DOMAINS[number // 2 % 2],
            entity_list=[name for name in PLACES if name in row["content"]],
            emotion=chance.random(3).tolist(),
        )
        for number, row in enumerate(rows)
    ]
    posts += [Article(content="。", label="real", domain="健康", entity_list=[], emotion=[0, 0, 0])]
    return [*posts, Article(content="大蒜" * 100, label="fake", entity_list=["大蒜"], emotion=[1, 1, 1])]


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much if other work keeps the cores busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_subject(
    tiny_bert: Path, make_posts: Callable[..., list[dict[str, Any]]], one_thread: None
) -> Callable[[dict[str, Any]], Subject]:
    """A function that builds the detector of a model's settings, made small."""
    tokenizer = load_pretrained_tokenizer(str(tiny_bert))
    rows = articles(make_posts(30))

    @cache
    def encoded(tokenizer: TextTokenizer, needs: frozenset[str]) -> EncodedArticles:
        return encode_articles(rows, tokenizer, MAX_LEN, fields=needs, domain_names=DOMAINS)

    def subject(model: dict[str, Any]) -> Subject:
        model = model | {key: value for key, value in SMALL.items() if key in settings_of(model["name"])}
        if model.get("use_pretrained_bert"):
            model["bert_model_name"] = str(tiny_bert)
        config = Config.load({"model": model, "data": {"max_len": MAX_LEN}, "seed": 3})
        needs = network_needs(config.model, training=True)
        fields = FieldMetadata(DOMAINS if "domain" in needs else (), 3 if "emotion" in needs else 0)
        bundle = Bundle(config, tokenizer, None, field_metadata=fields)  # type: ignore[arg-type]
        posts = encoded(tokenizer, needs)
        bundle.network = build(config, bundle, posts)
        return Subject(config, bundle, posts)

    return subject


@pytest.fixture(scope="session", params=CASES)
def shared_subject(request: pytest.FixtureRequest, make_subject: Callable[[dict[str, Any]], Subject]) -> Subject:
    """Each detector in turn, built once. Tests that change its weights take `subject`."""
    return make_subject(request.param)


@pytest.fixture
def subject(shared_subject: Subject) -> Subject:
    """A copy of the detector, for this test alone."""
    bundle = copy.copy(shared_subject.bundle)
    bundle.network = copy.deepcopy(bundle.network)
    return Subject(shared_subject.config, bundle, shared_subject.encoded)
