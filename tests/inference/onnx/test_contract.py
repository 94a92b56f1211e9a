"""Contract of every exported detector: it predicts like its network, for each encoder, with and without ENDEF."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zhenwei import Article, Config, Detector
from zhenwei.bundle import Bundle, save_bundle
from zhenwei.bundle.calibration import Calibration
from zhenwei.bundle.featurizer import FieldMetadata
from zhenwei.config import detector_names
from zhenwei.inference.onnx.export import export_onnx
from zhenwei.inference.onnx.parity import measure_parity
from zhenwei.inference.onnx.quantize import quantize
from zhenwei.inference.onnx.runtime import OnnxNetwork
from zhenwei.models import FittedNetwork, Vocabulary, build_network, network_needs
from zhenwei.tokens import collate, encode_articles, load_pretrained_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # an export takes seconds

MAX_LEN = 40
SMALL = {"emb_dim": 16, "hidden_dim": 8, "mlp_dims": [16], "filters": 8, "n_experts": 2, "num_layers": 2, "min_df": 1}
DOMAINS = ("健康", "社会")
LONGEST, SHORTEST, FOREIGN = "大蒜" * 100, "。", "Ceci n'est pas une nouvelle"

# A network and a fitted detector; the others are exported nightly.
OFTEN: list[dict[str, Any]] = [
    {"name": "bigru", "use_pretrained_bert": False, "use_residual": True, "debias": "endef"},
    {"name": "tfidf"},
]


def settings_of(detector: str) -> set[str]:
    return set(type(Config.load({"model": {"name": detector}}).model).model_fields)


def cases() -> Iterator[Any]:
    """Every detector, from scratch and from a pretrained encoder, and with ENDEF."""
    for name in detector_names():
        known = settings_of(name)
        starts: list[dict[str, Any]] = [{}]
        if "use_pretrained_bert" in known:
            starts = [{"use_pretrained_bert": start} for start in (False, True) if start or name != "bert"]
        if name == "mdfend":
            starts[0] |= {"domain_at_prediction": "own"} if "domain_at_prediction" in known else {}
        if "use_residual" in known:
            starts[0] |= {"use_residual": True}
        if "debias" in known:
            starts.append({**starts[0], "debias": "endef"})
        if "wide_share" in known:
            starts.append(
                {"wide_share": 0.6, "ngram_sizes": [2, 3], "ngram_buckets": 90, "pooling": ["attention", "max"]}
            )
        for start in starts:
            model = {"name": name, **start}
            marks = [] if model in OFTEN else [pytest.mark.nightly]
            yield pytest.param(model, id=" ".join([name, *(f"{k}={v}" for k, v in start.items())]), marks=marks)


@dataclass
class Pair:
    """A detector and its export."""

    torch: Detector
    onnx: Detector
    folder: Path


@pytest.fixture(scope="module", params=list(cases()))
def pair(
    request: pytest.FixtureRequest,
    tiny_bert: Path,
    make_posts: Callable[..., list[dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Pair:
    model = {
        **{key: value for key, value in SMALL.items() if key in settings_of(request.param["name"])},
        **request.param,
    }
    if model["name"] in ("bert", "bert_emo") or model.get("use_pretrained_bert"):
        model["bert_model_name"] = str(tiny_bert)
    config = Config.load({"model": model, "data": {"max_len": MAX_LEN}})
    tokenizer = load_pretrained_tokenizer(str(tiny_bert))
    needs = network_needs(config.model, training=True)
    fields = FieldMetadata(DOMAINS if "domain" in needs else (), 3 if "emotion" in needs else 0)
    vocabulary = Vocabulary(
        tokenizer.vocab_size, tokenizer.pad_id, MAX_LEN, domains=fields.domain_names, emotion_size=fields.emotion_size
    )
    torch.manual_seed(0)
    network = build_network(config.model, vocabulary)
    encoded = encode_articles([Article(**row) for row in make_posts(60)], tokenizer, MAX_LEN)
    if isinstance(network, FittedNetwork):
        network.fit(encoded, 0)
    network.fit_linear(encoded, 0)
    bundle = Bundle(
        config,
        tokenizer,
        network,
        0.45,
        field_metadata=fields,
        calibration=Calibration("platt", slope=3.0, intercept=0.2),
    )
    folder = tmp_path_factory.mktemp("pair")
    save_bundle(bundle, folder / "bundle")
    export_onnx(folder / "bundle", folder / "exported")
    return Pair(Detector.load(folder / "bundle", "cpu"), Detector.load(folder / "exported", "cpu"), folder / "exported")


@pytest.fixture(scope="module")
def articles(make_posts: Callable[..., list[dict[str, Any]]]) -> list[Article]:
    """Posts of two domains and of none, the shortest and the longest, and one in another writing system."""
    chance = np.random.default_rng(0)
    texts = [*(row["content"] for row in make_posts(75, seed=5)), SHORTEST, LONGEST, FOREIGN]
    domains = (*DOMAINS, None, "体育")
    return [
        Article(content=text, domain=domains[number % 4], emotion=chance.random(3).tolist(), id=str(number))
        for number, text in enumerate(texts)
    ]


def test_predictions_are_equal(pair: Pair, articles: list[Article]) -> None:
    expected, found = (list(detector.predict_articles(articles)) for detector in (pair.torch, pair.onnx))
    assert isinstance(pair.onnx.bundle.network, OnnxNetwork)
    assert [one.probability for one in found] == pytest.approx([one.probability for one in expected], abs=1e-4)
    assert len({round(one.probability, 6) for one in expected}) > 10
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.threshold, one.warnings, one.reasons, one.id) == (
            other.text, 0.45, other.warnings, other.reasons, other.id,
        )  # fmt: skip
        assert one.verdict == other.verdict or abs(other.probability - 0.45) < 1e-4
    assert [(len(one.warnings), len(one.reasons)) for one in found[-3:]] == [(0, 1), (1, 0), (0, 1)]


def test_explanations_are_equal(pair: Pair, articles: list[Article]) -> None:
    for article in articles[:3]:
        expected, found = (detector.explain(article) for detector in (pair.torch, pair.onnx))
        assert [word for word, _ in found.words] == [word for word, _ in expected.words]
        assert [attribution for _, attribution in found.words] == pytest.approx(
            [attribution for _, attribution in expected.words], abs=2e-4
        )
        assert (found.attention is None) == (expected.attention is None)


def test_batches_of_any_shape(pair: Pair, articles: list[Article]) -> None:
    encoded = pair.torch.bundle.featurizer().encode(articles)
    for count in (1, 2, 5, len(articles)):
        for start in range(0, len(articles), 13):
            rows = np.arange(start, min(start + count, len(articles)))
            batch = collate(encoded, rows, pad_id=pair.torch.bundle.tokenizer.pad_id)
            with torch.inference_mode():
                graph, network = (detector.bundle.network(batch) for detector in (pair.onnx, pair.torch))
            torch.testing.assert_close(graph.logits, network.logits, atol=1e-4, rtol=0)
            for name in ("attention", "features"):
                expected, found = getattr(network, name), getattr(graph, name)
                assert (expected is None) == (found is None)
                if expected is not None:
                    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_int8_is_close(pair: Pair, tmp_path: Path) -> None:
    network = pair.torch.bundle.network
    if isinstance(network, FittedNetwork):
        return  # it has no layers to quantize; the command refuses it
    quantize(pair.folder / "model.onnx", tmp_path / "int8.onnx")
    parity = measure_parity(pair.torch.bundle, network, OnnxNetwork(tmp_path / "int8.onnx", network.needs))
    assert 0 < parity.largest < 0.1
