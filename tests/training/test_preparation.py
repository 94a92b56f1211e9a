"""Preparing the data: encoding, errors and warnings."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from zhenwei.config import Config
from zhenwei.errors import DataError, PretrainedModelError
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.training.preparation import prepare_data

Rows = list[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, make_posts: Callable[..., Rows]) -> Path:
    for seed, (part, count) in enumerate({"train": 20, "val": 10, "test": 10}.items()):
        write(tmp_path, part, make_posts(count, seed))
    return tmp_path


def write(folder: Path, part: str, rows: Any) -> None:
    text = rows if isinstance(rows, str) else json.dumps(rows, ensure_ascii=False)
    (folder / f"{part}.json").write_text(text, encoding="utf-8")


def config_of(folder: Path, **data: Any) -> Config:
    return Config.load({"data": {"root_path": str(folder), "max_len": 20, "min_frequency": 1, **data}})


def refusal(folder: Path, **data: Any) -> str:
    with pytest.raises(DataError) as found:
        prepare_data(config_of(folder, **data))
    return str(found.value)


def test_the_parts_are_encoded_and_their_sizes_and_truncations_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = prepare_data(config_of(folder))
    assert data.test is not None
    assert [len(part) for part in (data.train, data.val, data.test)] == [20, 10, 10]
    assert "train.json: 20 articles (10 fake)" in caplog.text
    assert "(100.0%) cut at 20 tokens" in caplog.text


def test_a_missing_test_file_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "test.json").unlink()
    data = prepare_data(config_of(folder))
    assert data.test is None
    assert data.fingerprint["test"] is None
    assert "no test file" in caplog.text
    assert "those of val" in caplog.text


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_missing_part_is_named_with_its_possible_names(folder: Path, part: str) -> None:
    (folder / f"{part}.json").unlink()
    assert f"has no {part} file; expected {part}.json, {part}.jsonl" in refusal(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "data.root_path: no such folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_file_that_the_settings_name_must_exist(folder: Path, part: str) -> None:
    assert f"data.{part}: no such file: 'absent.json'" in refusal(folder, **{part: "absent.json"})


def test_files_that_the_settings_name_need_no_folder(folder: Path, tmp_path: Path) -> None:
    named = {part: str(folder / f"{part}.json") for part in ("train", "val")}
    assert prepare_data(config_of(tmp_path / "nowhere", **named)).test is None


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("label", ["real", "fake"])
def test_one_label_only_is_refused(folder: Path, make_posts: Callable[..., Rows], part: str, label: str) -> None:
    write(folder, part, [row | {"label": label} for row in make_posts(8)])
    assert f"{part}.json: all 8 articles are {label}; expected both labels" in refusal(folder)


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("", "the file is empty"),
        ("not json", "not JSON|expected an array"),
        ("[]", "found no rows"),
        (["a text"], "row 1: found a string"),
        ([{"label": 1}], "content"),
        ([{"content": "  ", "label": 1}], "not blank"),
        ([{"content": None, "label": 1}], "found null"),
        ([{"content": 3, "label": 1}], "found 3"),
        ([{"content": "谣言"}], "no field 'label'"),
        ([{"content": "谣言", "label": "maybe"}], "maybe"),
        ([{"content": "谣言", "label": 1, "time": "2020-13-40"}], "2020-13-40"),
    ],
)  # fmt: skip
def test_bad_rows_of_any_part_are_named(folder: Path, part: str, rows: Any, reason: str) -> None:
    write(folder, part, rows)
    with pytest.raises(DataError, match=reason) as found:
        prepare_data(config_of(folder))
    assert f"{part}.json" in str(found.value)


def test_repeated_ids_are_reported_but_not_removed(
    folder: Path, make_posts: Callable[..., Rows], caplog: pytest.LogCaptureFixture
) -> None:
    rows = make_posts(12)
    for row in rows[3:6]:
        row["id"] = "same"
    write(folder, "train", rows)
    assert len(prepare_data(config_of(folder)).train) == 12
    assert "2 rows repeat the id of an earlier row; the first is 'same'" in caplog.text


def test_the_digest_changes_with_the_data(folder: Path, make_posts: Callable[..., Rows]) -> None:
    before = prepare_data(config_of(folder)).fingerprint
    assert prepare_data(config_of(folder)).fingerprint == before
    write(folder, "val", make_posts(10, seed=5))
    after = prepare_data(config_of(folder)).fingerprint
    assert {part for part in before if before[part] != after[part]} == {"val"}


def model_of(folder: Path, **model: Any) -> Config:
    """Return settings of a detector that reads optional fields, with files of this folder."""
    data = {"root_path": str(folder), "max_len": 40, "min_frequency": 1}
    return Config.load({"data": data, "model": {"emb_dim": 8, "mlp_dims": [8], **model}})


class TestDomains:
    def test_domains_of_train_are_numbered_in_order_and_others_are_unknown(
        self, folder: Path, make_posts: Callable[..., Rows], caplog: pytest.LogCaptureFixture
    ) -> None:
        domains = ["社会", "健康", None]
        rows = make_posts(20)
        write(folder, "train", [row | {"domain": domains[number % 3]} for number, row in enumerate(rows)])
        write(folder, "val", [row | {"domain": "天文"} for row in make_posts(10, 1)])
        data = prepare_data(model_of(folder, name="eann"))
        assert data.field_metadata.domain_names == data.vocabulary(40).domains == ("健康", "社会")
        assert data.train.domains is not None
        assert data.val.domains is not None
        assert data.train.domains[:4].tolist() == [1, 0, -1, 1]
        assert set(data.val.domains.tolist()) == {-1}
        assert "6 articles have no 'domain': their domain is treated as unknown" in caplog.text

    def test_domains_may_be_years(self, folder: Path, make_posts: Callable[..., Rows]) -> None:
        years = ["2012-05-01", "2011-12-31 23:59", None]
        write(folder, "train", [row | {"time": years[n % 3]} for n, row in enumerate(make_posts(20))])
        data = prepare_data(model_of(folder, name="eann", domain="year"))
        assert data.field_metadata.domain_names == ("2011", "2012")
        assert data.train.domains is not None
        assert data.val.domains is not None
        assert data.train.domains[:4].tolist() == [1, 0, -1, 1]
        assert set(data.val.domains.tolist()) == {-1}  # 2020 is in no training article

    def test_a_network_without_domains_gets_none(self, folder: Path) -> None:
        data = prepare_data(config_of(folder))
        assert (data.field_metadata.domain_names, data.train.domains) == ((), None)

    def test_a_single_domain_is_warned_about(
        self, folder: Path, make_posts: Callable[..., Rows], caplog: pytest.LogCaptureFixture
    ) -> None:
        write(folder, "train", [row | {"domain": "健康"} for row in make_posts(20)])
        prepare_data(model_of(folder, name="eann"))
        assert "all articles have one domain, '健康'" in caplog.text

    def test_articles_without_domains_are_refused_with_a_remedy(
        self, folder: Path, make_posts: Callable[..., Rows]
    ) -> None:
        with pytest.raises(DataError, match=r"train\.json: no article has a 'domain', which 'eann' needs") as found:
            prepare_data(model_of(folder, name="eann"))
        assert "take the year of its 'time' with: zhenwei train CONFIG --set model.domain=year" in str(found.value)
        write(folder, "train", [{**row, "time": None} for row in make_posts(20)])
        with pytest.raises(DataError, match=r"no article has a 'domain'.*give it a 'time'"):
            prepare_data(model_of(folder, name="eann"))
        with pytest.raises(DataError, match=r"no article has a 'time'.*--set model\.domain=field"):
            prepare_data(model_of(folder, name="eann", domain="year"))


class TestEntities:
    def test_only_the_training_articles_need_them(self, folder: Path, make_posts: Callable[..., Rows]) -> None:
        write(folder, "train", [row | {"entity_list": [row["content"][2:4]]} for row in make_posts(20)])
        data = prepare_data(model_of(folder, debias="endef"))
        assert data.train.entity_tokens is not None
        assert data.val.entity_tokens is None

    def test_without_them_the_command_that_adds_them_is_named(self, folder: Path) -> None:
        with pytest.raises(DataError, match=r"train\.json: row 1: no field 'entity_list'") as found:
            prepare_data(model_of(folder, debias="endef"))
        train = folder / "train.json"
        assert f"zhenwei data enrich {train} -o {train} --entities --overwrite" in str(found.value)


class TestEmotion:
    MODEL: ClassVar = {"name": "bert_emo", "use_pretrained_bert": False}

    def enriched(self, folder: Path, vector: Callable[[str], Any]) -> Config:
        for part in ("train", "val", "test"):
            rows = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
            write(folder, part, [row | {"emotion": list(vector(row["content"]))} for row in rows])
        return model_of(folder, **self.MODEL)

    def test_vectors_of_zhenwei_can_be_computed_for_new_texts(self, folder: Path) -> None:
        ours = EmotionExtractor.from_files([])
        fields = prepare_data(self.enriched(folder, ours)).field_metadata
        assert fields.emotion_size == len(ours.names)
        assert fields.emotion is not None
        assert fields.emotion("气死我了！") == ours("气死我了！")

    def test_other_vectors_cannot_and_a_warning_says_so(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        fields = prepare_data(self.enriched(folder, lambda text: [len(text), 0.5])).field_metadata
        assert (fields.emotion_size, fields.emotion) == (2, None)
        assert "the detector can only predict articles that have their own" in caplog.text

    def test_another_length_in_another_part_is_refused(self, folder: Path, make_posts: Callable[..., Rows]) -> None:
        config = self.enriched(folder, lambda text: [1.0, 0.5])
        write(folder, "val", [row | {"emotion": [1.0]} for row in make_posts(10)])
        with pytest.raises(
            DataError, match=r"val\.json: row 1: found 1 values in 'emotion'; expected 2, as this detector"
        ):
            prepare_data(config)

    def test_without_them_the_command_that_adds_them_is_named(self, folder: Path) -> None:
        with pytest.raises(DataError, match=r"no field 'emotion'.*zhenwei data enrich .*train\.json --emotion"):
            prepare_data(model_of(folder, **self.MODEL))

    def test_an_emotion_file_of_another_length_is_refused(self, folder: Path) -> None:
        np.save(folder / "train_emo.npy", np.ones((19, 3)))
        with pytest.raises(DataError, match=r"train_emo\.npy: found 19 vectors; expected 20, the rows of train\.json"):
            prepare_data(model_of(folder, **self.MODEL))


def test_a_missing_tokenizer_is_refused(folder: Path) -> None:
    with pytest.raises(PretrainedModelError, match="there is no folder"):
        prepare_data(config_of(folder, tokenizer="./nowhere"))


def test_rewrites_of_training_articles_are_encoded_with_them(folder: Path, make_posts: Callable[..., Rows]) -> None:
    posts = make_posts(20, 0)
    train = [row | {"id": f"t{number}"} for number, row in enumerate(posts)]
    write(folder, "train", train)
    plain = prepare_data(config_of(folder)).train
    write(
        folder,
        "rewrites",
        [row | {"content": row["content"][::-1]} for row in train[:5]] + [{"id": "x", "content": "别的"}],
    )
    files = [str(folder / "rewrites.json")]
    data = prepare_data(config_of(folder, rewrites=files))
    assert plain.contents is None and plain.weights is None  # noqa: PT018
    assert data.train.contents is not None and data.train.weights is not None  # noqa: PT018
    assert data.train.contents.tolist() == [*range(20), *range(5)]
    assert data.train.weights.sum() == pytest.approx(20)
    assert [file["path"] for file in data.rewrites] == files
    assert data.fingerprint["train"] != plain.fingerprint()


def test_a_missing_file_of_rewrites_is_named(folder: Path) -> None:
    assert refusal(folder, rewrites=["nowhere.json"]) == "data.rewrites: no such file: 'nowhere.json'"
