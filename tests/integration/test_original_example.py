"""The original's example: its flat JSON with all 24 keys, and a BERT whose encoder is not needed."""

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import BertConfig, BertModel

from zhenwei import Detector, Trainer

pytestmark = pytest.mark.slow  # a whole training

KEYS = 24
HIDDEN = 32


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory, make_posts: Callable[..., list[dict[str, Any]]]) -> Path:
    """A BERT of random weights with the files of a published one: config.json, vocab.txt, model.safetensors."""
    folder = tmp_path_factory.mktemp("bert")
    characters = sorted({character for row in make_posts(64) for character in row["content"]})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=HIDDEN, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, data_folder: Path, bert: Path) -> dict[str, Any]:
    return {
        "emb_dim": HIDDEN, "num_layers": 2, "dropout": 0.2, "mlp_dims": [64, 1], "vocab_size": 21128,
        "use_pretrained_bert": True, "bert_model_name": str(bert), "finetune_bert": False, "use_residual": True,
        "save_param_dir": str(tmp_path_factory.mktemp("param_model")), "model_name": "bigru", "use_cuda": True,
        "lr": 0.01, "weight_decay": 5e-5, "early_stop": 2, "root_path": str(data_folder), "max_len": 40,
        "batchsize": 16, "aug_prob": 0.1, "epoch": 2, "warmup_steps": 2, "grad_clip": 1.0, "use_amp": True,
        "log_interval": 2,
    }  # fmt: skip


def modules() -> dict[int, nn.Module]:
    """Return the modules in memory by their ids."""
    gc.collect()
    return {id(each): each for each in gc.get_objects() if isinstance(each, nn.Module)}


@pytest.fixture(scope="module")
def modules_of_other_tests() -> dict[int, nn.Module]:
    """The modules that are in memory before the training."""
    return modules()


@pytest.fixture(scope="module")
def trained(
    modules_of_other_tests: dict[int, nn.Module], example: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    assert len(example) == KEYS
    path = tmp_path_factory.mktemp("settings") / "config.json"
    path.write_text(json.dumps(example))
    results, model_path = Trainer(path).train()
    return results, model_path


def test_training_returns_the_metrics(trained: tuple[dict[str, Any], Path]) -> None:
    results, _ = trained
    for name in ("metric", "auc", "spauc", "f1_real", "f1_fake", "recall", "precision", "acc"):
        assert 0.0 <= results[name] <= 1.0
    assert results["split"] == "test"


def test_training_returns_a_path_that_a_detector_loads(
    trained: tuple[dict[str, Any], Path], example: dict[str, Any]
) -> None:
    _, model_path = trained
    assert model_path.is_relative_to(Path(example["save_param_dir"]) / "bigru")
    first, second = Detector.load(model_path).predict(["听说食盐出大事了，赶紧转给家人！", "据通报，食盐检测合格。"])
    assert {first.verdict, second.verdict} <= {"real", "fake"}
    assert 0.0 <= first.probability <= 1.0


def test_a_dict_is_accepted(example: dict[str, Any], tmp_path: Path) -> None:
    results, _ = Trainer({**example, "save_param_dir": str(tmp_path), "epoch": 1}).train()
    assert "metric" in results


def test_the_bundle_does_not_need_the_pretrained_folder(
    trained: tuple[dict[str, Any], Path], bert: Path, tmp_path: Path
) -> None:
    away = bert.rename(tmp_path / "away")
    try:
        assert Detector.load(trained[1]).predict("听说食盐出大事了")
    finally:
        away.rename(bert)


@pytest.mark.parametrize(
    "files",
    [("best/model.safetensors",), ("last/network.safetensors", "last/frozen.safetensors")],
    ids=["best", "last"],
)
def test_no_checkpoint_contains_a_layer_of_the_encoder(
    trained: tuple[dict[str, Any], Path], files: tuple[str, ...]
) -> None:
    names = {name for file in files for name in load_file(trained[1].parent / file)}
    assert any("word_embeddings" in name for name in names)
    assert not [name for name in names if "encoder" in name or "pooler" in name]


@pytest.mark.parametrize("kind", [nn.TransformerEncoderLayer, "BertLayer"])
def test_memory_contains_no_layer_of_the_encoder(
    trained: tuple[dict[str, Any], Path], modules_of_other_tests: dict[int, nn.Module], kind: Any
) -> None:
    detector = Detector.load(trained[1])
    new = modules().items()
    alive = [type(each).__name__ for number, each in new if number not in modules_of_other_tests]
    assert (kind if isinstance(kind, str) else kind.__name__) not in alive
    assert any("BertEmbeddings" in name for name in alive), detector


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_warned_about_once(trained: tuple[dict[str, Any], Path]) -> None:
    log = (trained[1].parents[1] / "train.log").read_text()
    assert log.count("this machine has no such device") == 1
    assert "using the CPU" in log
