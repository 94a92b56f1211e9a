"""Invalid configurations and their error messages."""

import re
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import Config
from zhenwei.errors import ConfigError


def refusal(source: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        Config.load(source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training": {"epoch": 1}}, "unknown setting 'training.epoch'; did you mean 'training.epochs'?"),
        ({"training": {"max_leng": 1}}, "unknown setting 'training.max_leng'; did you mean 'data.max_len'?"),
        ({"training": {"use_amp": True}}, "unknown setting 'training.use_amp'; did you mean 'training.precision'?"),
        ({"trainin": {}}, "unknown setting 'trainin'; did you mean 'training'?"),
        ({"training": {}, "lr": 1}, "unknown setting 'lr'; did you mean 'training.lr'?"),
        ({"training": {}, "batchsize": 1}, "unknown setting 'batchsize'; did you mean 'training.batch_size'?"),
        ({"zzz": 1}, "unknown setting 'zzz'; expected one of: data, model, output, seed, training"),
        ({"output": {"zzz": 1}}, "expected one of: dir, log_interval, progress, report, save_steps, trackers"),
        ({"lr": 1, "batchsze": 2}, "unknown setting 'batchsze'; did you mean 'batchsize'?"),
        ({1: 2}, "unknown setting '1'"),
        ({"model": {"name": "bigrue"}}, "model.name: found 'bigrue'; did you mean 'bigru'?"),
        (
            {"model": {"name": 3}},
            "model.name: found 3; expected one of: bert, bert_emo, bigru, eann, mdfend, textcnn, tfidf",
        ),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(settings: dict[Any, Any], message: str) -> None:
    assert message in refusal(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training": {"lr": "1e-3"}}, "training.lr: found '1e-3'; expected a number"),
        ({"training": {"lr": True}}, "training.lr: found True; expected a number"),
        ({"training": {"epochs": True}}, "training.epochs: found True; expected a whole number"),
        ({"training": {"epochs": 2.0}}, "training.epochs: found 2.0; expected a whole number"),
        ({"training": {"compile": 1}}, "training.compile: found 1; expected true or false"),
        ({"training": {"device": "gpu"}}, "training.device: found 'gpu'; expected auto, cpu, cuda, cuda:N or mps"),
        ({"training": {"precision": "fp8"}}, "training.precision: found 'fp8'; expected 'no', 'fp16', 'bf16' or"),
        ({"training": {"warmup_steps": True}}, "training.warmup_steps: found True; expected a number of steps"),
        ({"training": {"warmup_steps": 1.5}}, "training.warmup_steps: found 1.5; expected a number of steps"),
        ({"model": {"mlp_dims": 384}}, "model.mlp_dims: found 384; expected a list"),
        ({"model": {"mlp_dims": [True]}}, "model.mlp_dims.0: found True; expected a whole number"),
        ({"output": {"dir": 1}}, "output.dir: found 1; expected text"),
        ({"data": None}, "data: found None; expected an object of settings"),
        ({"model": []}, "model: found []; expected an object of settings"),
        ({"use_cuda": "yes"}, "use_cuda: found 'yes'; expected true or false"),
        ({"use_amp": 1}, "use_amp: found 1; expected true or false"),
        ({"save_param_dir": 3}, "save_param_dir: found 3; expected text"),
        ({"seed": True}, "seed: found True; expected a whole number"),
    ],
)
def test_a_wrong_type_is_refused(settings: dict[str, Any], message: str) -> None:
    assert message in refusal(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training": {"lr": 0}}, "training.lr: found 0; expected greater than 0"),
        ({"lr": -1}, "lr: found -1; expected greater than 0"),
        ({"batchsize": 0}, "batchsize: found 0; expected at least 1"),
        ({"epoch": 0}, "epoch: found 0; expected at least 1"),
        ({"max_len": 2}, "max_len: found 2; expected at least 3"),
        ({"data": {"max_len": 9000}}, "data.max_len: found 9000; expected at most 8192"),
        ({"aug_prob": 1.0}, "aug_prob: found 1.0; expected less than 1"),
        ({"seed": -1}, "seed: found -1; expected at least 0"),
        ({"mlp_dims": [384, 2]}, "mlp_dims: found [384, 2]; the last entry is 1 (the output layer: one logit)"),
        ({"mlp_dims": [0]}, "mlp_dims: found [0]; the last entry is 1"),
        ({"model": {"mlp_dims": [1, 384]}}, "model.mlp_dims: found [1, 384]; a hidden size is at least 4"),
    ],
)
def test_a_value_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    assert message in refusal(settings)


@pytest.mark.parametrize(
    "name",
    [
        "training.lr",
        "training.pretrained_lr",
        "training.weight_decay",
        "training.grad_clip",
        "training.warmup_steps",
        "data.aug_prob",
        "model.dropout",
        "model.emb_dropout",
    ],
)
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_is_refused(name: str, value: str, tmp_path: Path) -> None:
    section, key = name.split(".")
    (tmp_path / "config.json").write_text(f'{{"{section}": {{"{key}": {value}}}}}')
    assert f"{name}: found {'nan' if value == 'NaN' else value[:-5].lower()}; expected" in refusal(
        tmp_path / "config.json"
    )


class TestContradictions:
    def test_finetuning_without_a_bert(self) -> None:
        error = "finetune_bert is true but use_pretrained_bert is false: there is no BERT to finetune"
        assert f"config: model.{error}" in refusal({"model": {"finetune_bert": True}})
        assert f"config: {error}" in refusal({"finetune_bert": True})

    def test_a_bert_without_a_name(self) -> None:
        error = "use_pretrained_bert is true but bert_model_name is not set; expected a folder or a hub name"
        assert error in refusal({"model": {"use_pretrained_bert": True}})
        assert error in refusal({"use_pretrained_bert": True, "bert_model_name": ""})

    def test_the_embeddings_of_one_model_and_the_tokenizer_of_another(self) -> None:
        model = {"use_pretrained_bert": True, "bert_model_name": "a"}
        assert "config: data.tokenizer is 'b' but the embeddings are those of 'a'" in refusal(
            {"model": model, "data": {"tokenizer": "b"}}
        )
        assert Config.load({"model": model, "data": {"tokenizer": "a"}}).data.tokenizer == "a"


def test_all_mistakes_are_told_at_once_one_a_line() -> None:
    lines = refusal({"mlp_dims": [384, 2], "lr": -1, "epoch": 0}).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["mlp_dims", "lr", "epoch"]


class TestFiles:
    def test_a_missing_file_says_how_to_get_one(self, tmp_path: Path) -> None:
        path = tmp_path / "none.json"
        assert refusal(path) == f"{path}: no such file; `zhenwei init {path}` writes a template"

    def test_a_missing_file_with_a_presets_name_is_answered_with_that_preset(self, tmp_path: Path) -> None:
        path = tmp_path / "mdfend.json"
        hint = f"the preset is named 'mdfend'; `zhenwei init {path} --preset mdfend` writes that file"
        assert refusal(path) == f"{path}: no such file; {hint}"

    def test_a_misspelt_preset_is_answered_with_the_nearest(self) -> None:
        expected = (
            "bigru-scrach: no such file; did you mean 'bigru-scratch'? (the presets), or give the path of a JSON file"
        )
        assert refusal("bigru-scrach") == expected

    def test_a_folder(self, tmp_path: Path) -> None:
        assert refusal(tmp_path) == f"{tmp_path}: is a folder; expected a JSON file of settings"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b'{"lr": 1', "is not JSON: Expecting ',' delimiter at line 1, column 9"),
            (b"", "is not JSON: Expecting value at line 1, column 1"),
            (b"[1]", "found a JSON list; expected an object of settings"),
            (b"3", "found a JSON int; expected an object of settings"),
            ('{"root_path": "数据"}'.encode("gb18030"), "is not UTF-8 text (byte 15)"),
            (b'{"lr": ' + b"1" * 5000 + b"}", "cannot be used as settings"),
            (b"[" * 100_000, "cannot be used as settings"),
        ],
        ids=["cut off", "empty", "list", "number", "GB 18030", "long number", "deep"],
    )
    def test_a_file_of_something_else(self, content: bytes, message: str, tmp_path: Path) -> None:
        path = tmp_path / "config.json"
        path.write_bytes(content)
        assert f"{path}: {message}" in refusal(path)

    def test_a_path_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert "cannot be read: Not a directory" in refusal(tmp_path / "file" / "config.json")

    @pytest.mark.parametrize("source", [3, None, [("lr", 1)]])
    def test_what_is_no_source_at_all(self, source: object) -> None:
        assert re.match(r"config: found \w+; expected a dict, a Config or the path of a JSON file", refusal(source))

    def test_a_value_that_no_file_could_hold(self) -> None:
        assert "config: seed: found <object" in refusal({"seed": object()})


def test_settings_do_not_change_once_set() -> None:
    config = Config.load({})
    with pytest.raises(ValueError, match="frozen"):
        config.training.lr = 1.0  # type: ignore[misc]
