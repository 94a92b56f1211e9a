"""The settings of each detector: their names in both forms, their checks, and what they say of themselves."""

import logging
from pathlib import Path
from typing import Any

import pytest

from zhenwei.config import (
    BertConfig,
    BertEmoConfig,
    BiGRUConfig,
    Config,
    EANNConfig,
    MDFENDConfig,
    ModelConfig,
    TextCNNConfig,
    TfidfConfig,
)
from zhenwei.errors import ConfigError


def flat(name: str, **settings: Any) -> ModelConfig:
    return Config.load({"model_name": name, **settings}).model


def refusal(source: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        Config.load(source)
    return str(caught.value)


class TestFlatNames:
    @pytest.mark.parametrize(
        ("written", "name", "debias"),
        [
            ("BiGRU", "bigru", None),
            ("bigru_endef", "bigru", "endef"),
            ("BiGRU_endef", "bigru", "endef"),
            ("BiGRU-ENDEF", "bigru", "endef"),
            ("bigruendef", "bigru", "endef"),
            ("bert", "bert", None),
            ("bertendef", "bert", "endef"),
            ("bertemo", "bert_emo", None),
            ("BERT-Emo", "bert_emo", None),
            ("bert_emo", "bert_emo", None),
            ("bertemo_endef", "bert_emo", "endef"),
            ("bert_emo_endef", "bert_emo", "endef"),
            ("eann", "eann", None),
            ("EANN_endef", "eann", "endef"),
            ("mdfend", "mdfend", None),
            ("MDFEND", "mdfend", None),
            ("mdfend_endef", "mdfend", "endef"),
            ("mdfendendef", "mdfend", "endef"),
            ("textcnn", "textcnn", None),
            ("TextCNN_endef", "textcnn", "endef"),
            ("tfidf", "tfidf", None),
        ],
    )
    def test_the_originals_names_are_understood(self, written: str, name: str, debias: str | None) -> None:
        model = flat(written)
        assert (model.name, getattr(model, "debias", None)) == (name, debias)

    def test_the_run_folder_keeps_the_name_as_it_is_written(self) -> None:
        config = Config.load({"model_name": "BiGRU_endef", "save_param_dir": "out"})
        assert config.run_dir.as_posix() == "out/BiGRU_endef"

    def test_what_was_read_is_saved_as_the_canonical_form(self) -> None:
        config = Config.load({"model_name": "bertemo_endef", "emb_dim": 8})
        assert Config.load(config.to_dict()) == config
        assert config.to_dict()["model"]["debias"] == "endef"

    @pytest.mark.parametrize("name", ["improved_bigru", "lstm", "我的模型", "run/3", "endef", "_endef", ""])
    def test_any_other_name_is_the_runs_and_the_detector_is_the_bigru(
        self, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            config = Config.load({"model_name": name, "save_param_dir": "out"})
        assert config.model == BiGRUConfig()
        assert config.run_dir == Path("out") / name
        [record] = caplog.records
        message = f"config: model_name '{name}' names the run, not a detector; the run trains 'bigru'"
        assert (record.levelname, record.getMessage()) == ("INFO", message)

    def test_a_name_with_endef_that_is_not_a_detectors_warns_that_nothing_is_debiased(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert flat("improved_bigru_endef") == BiGRUConfig()
        [record] = caplog.records
        assert record.levelname == "WARNING"
        assert record.getMessage().endswith("'bigru' without entity debiasing; 'bigru_endef' trains with it")

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("mdfnd", "mdfend"),
            ("bigrus", "bigru"),
            ("BiGRU2", "bigru"),
            ("mdfnd_endef", "mdfend_endef"),
            ("best", "bert"),
            ("cnn", "eann"),
            ("igr", "bigru"),
        ],
    )
    def test_a_name_within_two_edits_of_a_detectors_trains_the_bigru_with_a_warning(
        self, name: str, meant: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert flat(name) == BiGRUConfig()
        [record] = caplog.records
        assert record.levelname == "WARNING"
        assert record.getMessage().endswith(f"; did you mean '{meant}'?")

    @pytest.mark.parametrize("name", [3, None, ["bigru"]])
    def test_a_name_that_is_not_text_is_refused(self, name: object) -> None:
        assert f"model_name: found {name!r}; expected text" in refusal({"model_name": name})

    def test_the_baseline_cannot_be_debiased(self) -> None:
        assert "debias: found 'endef'; ENDEF needs a network" in refusal({"model_name": "tfidf_endef"})


OFTEN_SET: dict[str, Any] = {"num_layers": 2, "use_residual": True, "finetune_bert": False, "emb_dim": 8, "lr": 0.1}


class TestFlatKeysWithoutUse:
    def test_they_are_left_out_with_one_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            model = flat("bert", **OFTEN_SET)
        assert model == BertConfig(emb_dim=8)
        [record] = caplog.records
        assert record.getMessage() == "config: 'bert' has no setting num_layers, use_residual, finetune_bert: ignored"

    def test_keys_of_use_give_no_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            assert flat("bigru", **OFTEN_SET) == BiGRUConfig(
                emb_dim=8, num_layers=2, use_residual=True, finetune_bert=False
            )
        assert not caplog.records

    @pytest.mark.parametrize("name", ["bert", "tfidf", "mdfend"])
    def test_misspelt_ones_are_refused_all_the_same(self, name: str) -> None:
        error = refusal({"model_name": name, "use_residul": True})
        assert error == "config: unknown setting 'use_residul'; did you mean 'use_residual'?"

    def test_in_the_canonical_form_they_are_refused(self) -> None:
        error = refusal({"model": {"name": "textcnn", "num_layers": 2}})
        assert "unknown setting 'model.num_layers'" in error

    def test_the_baseline_has_no_use_for_any(self) -> None:
        assert flat("tfidf", **OFTEN_SET, mlp_dims=[384, 1], dropout=0.2, use_pretrained_bert=True) == TfidfConfig()


class TestCanonicalNames:
    @pytest.mark.parametrize(
        ("written", "base"), [("bigru_endef", "bigru"), ("bigruendef", "bigru"), ("mdfend_endef", "mdfend")]
    )
    def test_a_debiased_one_is_answered_with_the_two_settings(self, written: str, base: str) -> None:
        error = refusal({"model": {"name": written}})
        assert error == f"config: model.name: found '{written}'; set name to '{base}' and debias to 'endef'"

    def test_another_spelling_is_answered_with_ours(self) -> None:
        assert "found 'bertemo'; did you mean 'bert_emo'?" in refusal({"model": {"name": "bertemo"}})
        assert "found 'bigru_'; did you mean 'bigru'?" in refusal({"model": {"name": "bigru_"}})

    def test_an_unknown_debiasing_is_refused(self) -> None:
        assert "model.debias: found 'end'; expected 'endef'" in refusal({"model": {"debias": "end"}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "textcnn", "kernels": []}, "model.kernels: found []; expected widths in tokens, each once"),
        ({"name": "eann", "kernels": [2, 2]}, "model.kernels: found [2, 2]; expected widths in tokens, each once"),
        ({"name": "mdfend", "kernels": [0]}, "model.kernels.0: found 0; expected at least 1"),
        ({"name": "textcnn", "filters": 0}, "model.filters: found 0; expected at least 1"),
        ({"name": "tfidf", "ngram_range": [3, 2]}, "model.ngram_range: found [3, 2]; expected [shortest, longest]"),
        ({"name": "tfidf", "ngram_range": [1]}, "model.ngram_range: found [1]; expected [shortest, longest]"),
        ({"name": "tfidf", "ngram_range": [1, 2, 3]}, "model.ngram_range: found [1, 2, 3]; expected [shortest,"),
        ({"name": "tfidf", "ngram_range": [0, 2]}, "model.ngram_range.0: found 0; expected at least 1"),
        ({"name": "tfidf", "C": 0}, "model.C: found 0; expected greater than 0"),
        ({"name": "tfidf", "C": float("inf")}, "model.C: found inf; expected a finite number"),
        ({"name": "tfidf", "min_df": 0}, "model.min_df: found 0; expected at least 1"),
        ({"name": "tfidf", "analyzer": "words"}, "model.analyzer: found 'words'; expected 'auto', 'char' or 'word'"),
        ({"name": "tfidf", "debias": "endef"}, "model.debias: found 'endef'; ENDEF needs a network that is trained"),
        ({"name": "eann", "reversal": -1}, "model.reversal: found -1; expected at least 0"),
        ({"name": "eann", "domain_loss_weight": float("nan")}, "model.domain_loss_weight: found nan"),
        ({"name": "eann", "domain": "month"}, "model.domain: found 'month'; expected 'field' or 'year'"),
        ({"name": "mdfend", "n_experts": 0}, "model.n_experts: found 0; expected at least 1"),
        ({"name": "mdfend", "domain_at_prediction": "all"}, "found 'all'; expected 'own' or 'mean'"),
        ({"name": "bert", "finetune_layers": -1}, "model.finetune_layers: found -1; expected at least 0 or 'all'"),
        ({"name": "bert", "finetune_layers": "some"}, "found 'some'; expected a whole number or 'all'"),
        ({"name": "bert", "use_pretrained_bert": False}, "use_pretrained_bert is false, and 'bert' needs a pretrained"),
        ({"name": "bigru", "endef_base_weight": 1.5}, "model.endef_base_weight: found 1.5; expected at most 1"),
        ({"name": "bigru", "endef_loss_weight": -0.1}, "model.endef_loss_weight: found -0.1; expected at least 0"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    assert message in refusal({"model": settings})


class TestWhatTheySay:
    SCRATCH = (BiGRUConfig(), TextCNNConfig(), EANNConfig(), TfidfConfig(), MDFENDConfig(use_pretrained_bert=False))

    @pytest.mark.parametrize("config", SCRATCH, ids=lambda config: config.name)
    def test_from_scratch_nothing_is_pretrained(self, config: ModelConfig) -> None:
        assert config.pretrained is None

    @pytest.mark.parametrize("kind", [BertConfig, BertEmoConfig, MDFENDConfig])
    def test_those_that_read_a_whole_encoder_start_from_it(self, kind: Any) -> None:
        assert kind().pretrained == "bert-base-chinese"
        assert kind(bert_model_name="other").pretrained == "other"

    @pytest.mark.parametrize("kind", [BiGRUConfig, TextCNNConfig, EANNConfig])
    def test_those_of_embeddings_start_from_one_where_they_are_told_to(self, kind: Any) -> None:
        assert kind(bert_model_name="some").pretrained is None
        assert kind(use_pretrained_bert=True, bert_model_name="some").pretrained == "some"

    @pytest.mark.parametrize("kind", [EANNConfig, MDFENDConfig])
    def test_the_domain_is_a_field_or_a_year(self, kind: Any) -> None:
        assert kind().domain_kind == "field"
        assert kind(domain="year").domain_kind == "year"

    def test_tokens_are_pieces_but_where_ngrams_are_counted(self) -> None:
        networks = (BiGRUConfig(), TextCNNConfig(), BertConfig(), BertEmoConfig(), EANNConfig(), MDFENDConfig())
        assert {config.token_unit for config in networks} == {"piece"}
        units = {analyzer: TfidfConfig(analyzer=analyzer).token_unit for analyzer in ("auto", "char", "word")}
        assert units == {"auto": "auto", "char": "character", "word": "word"}

    @pytest.mark.parametrize(
        ("settings", "own"),
        [
            ({}, True),
            ({"debias": "endef"}, False),
            ({"domain_at_prediction": "mean"}, False),
            ({"debias": "endef", "domain_at_prediction": "own"}, True),
        ],
        ids=str,
    )
    def test_mdfend_looks_at_an_articles_own_domain_unless_debiased(self, settings: dict[str, Any], own: bool) -> None:
        assert MDFENDConfig(**settings).uses_own_domain is own
