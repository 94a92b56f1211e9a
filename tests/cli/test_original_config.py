"""The original code's own configuration file runs as it is; only the paths of the data and of BERT are set."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig, BertModel

from zhenwei import Config, Detector, Trainer

ORIGINAL = Path(__file__).with_name("original_config.json")
NAMES_THE_RUN = "model_name 'improved_bigru' names the run, not a detector; the run trains 'bigru'"


@pytest.fixture(scope="module")
def original(
    tmp_path_factory: pytest.TempPathFactory, make_posts: Callable[..., list[dict[str, Any]]]
) -> dict[str, Any]:
    """The original's settings with `root_path` and `bert_model_name` replaced; few articles, because 768 units cost."""
    data = tmp_path_factory.mktemp("few")
    for seed, part in enumerate(("train", "val", "test")):
        (data / f"{part}.json").write_text(json.dumps(make_posts(6, seed)), encoding="utf-8")
    bert = tmp_path_factory.mktemp("bert-768")
    characters = sorted({character for row in make_posts(64) for character in row["content"]})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (bert / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=768, num_hidden_layers=1, num_attention_heads=12,
        intermediate_size=64, max_position_embeddings=512,
    )  # fmt: skip
    BertModel(config).save_pretrained(bert)
    settings = json.loads(ORIGINAL.read_text(encoding="utf-8"))
    return {**settings, "root_path": str(data), "bert_model_name": str(bert)}


def test_every_value_of_the_file_is_accepted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        config = Config.load(ORIGINAL)
    assert [record.getMessage() for record in caplog.records] == [f"{ORIGINAL}: {NAMES_THE_RUN}"]
    assert config.run_dir == Path("checkpoints/improved_bigru")
    model = config.to_dict()["model"]
    assert (model["name"], model["num_layers"], model["mlp_dims"]) == ("bigru", 2, [512, 256, 1])


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("form", ["dict", pytest.param("path", marks=pytest.mark.nightly)])
def test_three_lines_of_python_train_it(
    form: str, original: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text(json.dumps(original), encoding="utf-8")
    results, model_path = Trainer(original if form == "dict" else "config.json").train()
    assert model_path == Path("checkpoints/improved_bigru/checkpoints/best")
    assert 0.0 <= results["metric"] <= 1.0
    assert Detector.load(model_path).predict(["听说食盐出大事了"])[0].verdict in ("real", "fake")


@pytest.mark.slow
@pytest.mark.nightly
def test_the_command_trains_it(
    original: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zhenwei: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [f"data.root_path={original['root_path']}", f"model.bert_model_name={original['bert_model_name']}"]
    done = zhenwei("train", ORIGINAL, "--set", paths[0], "--set", paths[1], "--json", "results.json")
    assert done.status == 0, done.stderr
    assert NAMES_THE_RUN in done.stderr
    assert 0.0 <= json.loads(Path("results.json").read_text(encoding="utf-8"))["metric"] <= 1.0
