"""The two forms of a configuration, and where they may come from."""

import json
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import BiGRUConfig, Config, EmbeddingConfig, detector_names, register_model_config
from zhenwei.errors import ConfigError

# The original's example, all 24 keys.
FLAT: dict[str, Any] = {
    "emb_dim": 768,
    "num_layers": 2,
    "dropout": 0.3,
    "mlp_dims": [384, 1],
    "vocab_size": 21128,
    "use_pretrained_bert": True,
    "bert_model_name": "bert-base-chinese",
    "finetune_bert": True,
    "use_residual": True,
    "save_param_dir": "./param_model",
    "model_name": "BiGRU",
    "use_cuda": True,
    "lr": 0.0009,
    "weight_decay": 5e-5,
    "early_stop": 5,
    "root_path": "./data/",
    "max_len": 170,
    "batchsize": 64,
    "aug_prob": 0.1,
    "epoch": 50,
    "warmup_steps": 500,
    "grad_clip": 1.0,
    "use_amp": True,
    "log_interval": 100,
}


class TestFlatForm:
    def test_every_key_finds_its_place(self) -> None:
        config = Config.load(FLAT)
        assert len(FLAT) == 24
        assert config.model.model_dump() == {
            "name": "bigru",
            "emb_dim": 768,
            "num_layers": 2,
            "dropout": 0.3,
            "mlp_dims": [384, 1],
            "use_pretrained_bert": True,
            "bert_model_name": "bert-base-chinese",
            "finetune_bert": True,
            "use_residual": True,
            "hidden_dim": None,
            "emb_dropout": 0.0,
            "debias": None,
            "endef_base_weight": 0.9,
            "endef_entity_weight": 0.1,
            "endef_loss_weight": 0.2,
            "pooling": ["attention"],
            "ngram_sizes": [],
            "ngram_buckets": 200_000,
            "ngram_dim": 32,
            "ngram_dropout": 0.5,
            "wide_share": 0.0,
            "wide_ngram_range": [1, 4],
            "wide_naive_bayes": "auto",
            "wide_c": "auto",
        }
        data, training, output = config.data, config.training, config.output
        assert (data.root_path, data.max_len, data.vocab_size, data.aug_prob) == ("./data/", 170, 21128, 0.1)
        assert (training.lr, training.weight_decay, training.early_stop) == (0.0009, 5e-5, 5)
        assert (training.batch_size, training.epochs, training.warmup_steps) == (64, 50, 500)
        assert (training.grad_clip, training.device, training.precision) == (1.0, "cuda", "auto")
        assert output.log_interval == 100

    def test_the_run_folder_is_the_directory_and_the_name(self) -> None:
        assert Config.load(FLAT).run_dir == Path("param_model/BiGRU")
        assert Config.load({"save_param_dir": "out/"}).run_dir == Path("out/bigru")
        assert Config.load({"save_param_dir": ""}).run_dir == Path("bigru")

    def test_a_gpu_and_mixed_precision_may_be_declined(self) -> None:
        training = Config.load({"use_cuda": False, "use_amp": False}).training
        assert (training.device, training.precision) == ("cpu", "no")

    def test_a_seed_may_stand_beside_the_original_keys(self) -> None:
        assert Config.load({"lr": 0.1, "seed": 7}).seed == 7

    def test_overrides_name_the_canonical_settings(self) -> None:
        assert Config.load({"epoch": 9}, ["training.epochs=3"]).training.epochs == 3


class TestSources:
    def test_nothing_given_is_the_published_bigru(self) -> None:
        config = Config.load({})
        assert config.model == BiGRUConfig()
        assert (config.training.lr, config.training.batch_size, config.seed) == (9e-4, 64, 2021)
        assert config.run_dir == Path("runs/bigru")

    @pytest.mark.parametrize("settings", [FLAT, {"training": {"lr": 0.5}, "seed": 3}])
    def test_a_file_a_dict_and_a_config_say_the_same(self, settings: dict[str, Any], tmp_path: Path) -> None:
        file = tmp_path / "config.json"
        file.write_text(json.dumps(settings), encoding="utf-8-sig")
        expected = Config.load(settings)
        assert Config.load(file) == Config.load(str(file)) == Config.load(expected) == expected

    def test_what_is_saved_loads_as_the_same_settings(self, tmp_path: Path) -> None:
        config = Config.load(FLAT)
        config.save(tmp_path / "config.json")
        assert Config.load(tmp_path / "config.json") == config
        assert Config.load(config.to_dict()) == config

    def test_paths_and_tuples_in_a_dict_are_read_as_json_would_hold_them(self) -> None:
        config = Config.load({"data": {"root_path": Path("posts")}, "model": {"mlp_dims": (64, 1)}})
        assert config.data.root_path == "posts"
        assert config.model.mlp_dims == [64, 1]

    def test_a_dict_is_left_as_it_was(self) -> None:
        settings = {"training": {"lr": 0.5}}
        Config.load(settings, ["training.lr=1", "data.max_len=20"])
        assert settings == {"training": {"lr": 0.5}}


class TestOverrides:
    @pytest.mark.parametrize(
        ("text", "section", "name", "value"),
        [
            ("training.lr=1e-3", "training", "lr", 1e-3),
            ("training.compile=True", "training", "compile", True),
            ("model.mlp_dims=[64, 1]", "model", "mlp_dims", [64, 1]),
            ("output.dir=runs/x=y", "output", "dir", "runs/x=y"),
            ("output.dir=null", "output", "dir", None),
            ('data.root_path="2021"', "data", "root_path", "2021"),
            (" training.epochs = 3", "training", "epochs", 3),
        ],
    )
    def test_a_value_is_json_or_else_text(self, text: str, section: str, name: str, value: object) -> None:
        config = Config.load({"output": {"dir": "old"}}, [text])
        assert getattr(getattr(config, section), name) == value

    def test_the_last_one_counts(self) -> None:
        assert Config.load({}, ["seed=1", "seed=2"]).seed == 2

    @pytest.mark.parametrize("text", ["training.lr", "=3", "training.=3"])
    def test_what_sets_nothing_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"expected section\.key=value, as in training\.lr=1e-3"):
            Config.load({}, [text])

    def test_a_setting_is_no_section(self) -> None:
        with pytest.raises(ConfigError, match="'lr' is a single setting, not a section"):
            Config.load({"training": {"lr": 1.0}}, ["training.lr.x=1"])


class TestMlpDims:
    @pytest.mark.parametrize(
        ("dims", "hidden"), [([384, 1], [384]), ([384], [384]), ([64, 32, 1], [64, 32]), ([1], []), ([], [])]
    )
    def test_a_last_1_is_the_output_layer(self, dims: list[int], hidden: list[int]) -> None:
        assert Config.load({"mlp_dims": dims}).model.mlp_hidden_dims == hidden


class TestRegistry:
    def test_a_name_is_given_once(self) -> None:
        assert register_model_config(BiGRUConfig) is BiGRUConfig

        class Other(BiGRUConfig):
            """Claims the same name."""

        with pytest.raises(ConfigError, match="two settings classes are named 'bigru': BiGRUConfig, Other"):
            register_model_config(Other)
        assert "bigru" in detector_names()

    def test_a_class_without_a_name_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="declares no default for 'name'"):
            register_model_config(EmbeddingConfig)
