"""The bundle: its manifest is validated, and no other file is read."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from zhenwei.bundle import Bundle, load_bundle, save_bundle
from zhenwei.bundle.card.card import model_card
from zhenwei.bundle.featurizer import FieldMetadata
from zhenwei.config import Config
from zhenwei.errors import CheckpointError
from zhenwei.hashing import file_sha256
from zhenwei.models import Vocabulary, build_network
from zhenwei.tokens import load_pretrained_tokenizer


def change(bundle: Path, **entries: Any) -> None:
    """Change entries of a bundle's manifest."""
    path = bundle / "detector.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **entries}), encoding="utf-8")


def refusal(bundle: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_bundle(bundle)
    return str(error.value)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -0.1, 1.5, True, "0.5", None, [0.5]])
def test_a_threshold_outside_0_and_1_is_refused(own_bundle: Path, threshold: Any) -> None:
    change(own_bundle, threshold=threshold)
    assert f"threshold: found {json.dumps(threshold)}; expected a number from 0 to 1" in refusal(own_bundle)


@pytest.mark.parametrize("threshold", [0, 0.0, 0.3, 1])
def test_every_probability_is_a_valid_threshold(own_bundle: Path, threshold: float) -> None:
    change(own_bundle, threshold=threshold)
    assert load_bundle(own_bundle).threshold == threshold


@pytest.mark.parametrize("names", [[], ["model.safetensors", "tokenizer.json"], ["../../train.log"]])
def test_digests_of_other_files_are_refused(own_bundle: Path, names: list[str]) -> None:
    change(own_bundle, sha256=dict.fromkeys(names, "0"))
    assert "expected the digests of model.safetensors, tokenizer.json, config.json" in refusal(own_bundle)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_file_that_was_changed_is_named(own_bundle: Path, name: str) -> None:
    (own_bundle / name).write_bytes((own_bundle / name).read_bytes() + b"\n")
    assert refusal(own_bundle).startswith(f"{own_bundle / name}: damaged: it is not the file that was saved")


@pytest.mark.parametrize(
    "entry", [{"encoder": 1}, {"facts": []}, {"special_tokens": None}, {"domain_names": "ab"}, {"domain_names": [1]}]
)
def test_an_invalid_entry_is_named(own_bundle: Path, entry: dict[str, Any]) -> None:
    change(own_bundle, **entry)
    assert f"damaged or foreign: {next(iter(entry))}: found" in refusal(own_bundle)


@pytest.mark.parametrize("version", [0, 2, 3, None, "1"])
def test_another_format_is_refused_in_one_line(own_bundle: Path, version: Any) -> None:
    change(own_bundle, format_version=version)
    path = own_bundle / "detector.json"
    assert refusal(own_bundle) == f"{path}: found bundle format {version}; expected 1: train it again"


def test_a_missing_encoder_configuration_is_refused(own_bundle: Path, tiny_bert: Path) -> None:
    settings = json.loads((own_bundle / "config.json").read_text(encoding="utf-8"))
    settings["model"] |= {"use_pretrained_bert": True, "bert_model_name": str(tiny_bert)}
    (own_bundle / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    digests = json.loads((own_bundle / "detector.json").read_text(encoding="utf-8"))["sha256"]
    change(own_bundle, sha256={**digests, "config.json": file_sha256(own_bundle / "config.json")})
    assert "the pretrained encoder is not described" in refusal(own_bundle)


def test_the_encoder_configuration_downloads_no_attention_code(tiny_bert: Path, tmp_path: Path) -> None:
    settings = {"model": {"emb_dim": 16, "use_pretrained_bert": True, "bert_model_name": str(tiny_bert)}}
    config = Config.load(settings, ["data.max_len=60"])
    tokenizer = load_pretrained_tokenizer(str(tiny_bert))
    network = build_network(config.model, Vocabulary(tokenizer.vocab_size, tokenizer.pad_id, 60))
    save_bundle(Bundle(config, tokenizer, network), tmp_path / "bundle")
    encoder = network.encoder_config()
    assert encoder is not None
    change(tmp_path / "bundle", encoder={**encoder, "attn_implementation": "somebody/some-kernel"})
    load_bundle(tmp_path / "bundle")


def test_domain_names_are_restored(own_bundle: Path, tmp_path: Path) -> None:
    bundle = load_bundle(own_bundle)
    assert bundle.field_metadata == FieldMetadata()
    bundle.field_metadata = FieldMetadata(domain_names=("健康", "社会"))
    save_bundle(bundle, tmp_path / "again")
    assert load_bundle(tmp_path / "again").field_metadata.domain_names == ("健康", "社会")


def test_the_card_states_the_number_of_articles(own_bundle: Path) -> None:
    card = (own_bundle / "README.md").read_text(encoding="utf-8")
    assert "On 24 validation articles, 12 of them fake," in card
    assert "http" not in card
    bundle = load_bundle(own_bundle)
    bundle.facts = {}
    assert "On ? validation articles" in model_card(bundle)


def test_a_copied_folder_loads(own_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(own_bundle, tmp_path / "copy")
    assert load_bundle(tmp_path / "copy").facts == load_bundle(own_bundle).facts
