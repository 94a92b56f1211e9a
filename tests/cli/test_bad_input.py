"""Bad input gets one clear message and exit status 2, from one end to the other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Rows = list[dict[str, Any]]


@pytest.fixture
def data(data_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny data, for this test alone to spoil."""
    return Path(shutil.copytree(data_folder, tmp_path / "data"))


@pytest.fixture
def train(
    zhenwei: Command, tiny_settings: Callable[..., dict[str, Any]], data: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Run `zhenwei train` on that data, with further arguments."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(tiny_settings(tmp_path / "run", data={"root_path": str(data)})))
    return lambda *arguments: zhenwei("train", config, "--set", "training.epochs=1", *arguments)


def rows_of(path: Path) -> Rows:
    rows: Rows = json.loads(path.read_text(encoding="utf-8"))
    return rows


class TestTrainingFiles:
    @pytest.mark.parametrize("part", ["train", "val"])
    def test_a_file_is_missing(self, train: Command, data: Path, part: str) -> None:
        (data / f"{part}.json").unlink()
        output = train().error
        assert f"data.root_path: '{data}' has no {part} file; expected {part}.json, {part}.jsonl" in output

    def test_the_folder_is_missing(self, train: Command, data: Path) -> None:
        shutil.rmtree(data)
        assert f"data.root_path: no such folder: '{data}'; expected one with train.json and val.json" in train().error

    def test_a_named_file_is_missing(self, train: Command) -> None:
        assert "data.test: no such file: 'none.json'" in train("--set", "data.test=none.json").error

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "train.json: the file is empty; expected at least one article"),
            ("[]", "train.json: found no rows; expected at least one article"),
            ("[{", "train.json: the JSON ends in the middle (the file was cut off)"),
            ("hello", "train.json: not JSON: found 'hello'; expected an array of objects"),
            ('{"content": "x"}', "train.json: found an object; expected an array of objects"),
            ('["one", "two"]', "row 1: found a string; expected an object with 'content'"),
        ],
    )
    def test_a_file_of_something_else(self, train: Command, data: Path, content: str, message: str) -> None:
        (data / "train.json").write_text(content)
        assert message in train().error


class TestRows:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"content": None}, "row 3, field 'content': found null; expected a text"),
            ({"content": ""}, "row 3, field 'content': found ''; expected a text that is not blank"),
            ({"content": " \u3000\n"}, "expected a text that is not blank"),
            ({"content": 12}, "row 3, field 'content': found 12; expected a text"),
            ({"label": "rumour"}, "row 3, field 'label': found 'rumour'; expected 'real', 'fake', 0 or 1"),
            ({"label": 2}, "row 3, field 'label': found 2; expected 'real', 'fake', 0 or 1"),
            ({"time": "2020-02-30"}, "row 3, field 'time': found '2020-02-30'; expected a date that exists"),
            ({"time": "yesterday"}, "row 3, field 'time': found 'yesterday'; expected 'YYYY-MM-DD'"),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("part", ["train", "val", "test"])
    def test_a_field_cannot_be_used(
        self, train: Command, data: Path, change: dict[str, Any], message: str, part: str
    ) -> None:
        rows = rows_of(data / f"{part}.json")
        rows[2] |= change
        (data / f"{part}.json").write_text(json.dumps(rows))
        output = train().error
        assert f"{data / part}.json: 1 of {len(rows)} rows cannot be used" in output
        assert message.replace("row 3", f"{part}.json, row 3") in output

    def test_a_content_is_missing(self, train: Command, data: Path) -> None:
        rows = rows_of(data / "train.json")
        rows[2]["text"] = rows[2].pop("content")
        (data / "train.json").write_text(json.dumps(rows))
        assert "train.json, row 3: no field 'content'; found 'text': rename it" in train().error

    def test_val_has_no_labels(self, train: Command, data: Path) -> None:
        rows = [{"content": row["content"]} for row in rows_of(data / "val.json")]
        (data / "val.json").write_text(json.dumps(rows))
        output = train().error
        assert "val.json: 24 of 24 rows cannot be used; the first 10:" in output
        assert "val.json, row 1: no field 'label'" in output

    @pytest.mark.parametrize("part", ["train", "val"])
    def test_one_class_only(self, train: Command, data: Path, part: str) -> None:
        rows = [row for row in rows_of(data / f"{part}.json") if row["label"] == "fake"]
        (data / f"{part}.json").write_text(json.dumps(rows))
        assert f"{part}.json: all {len(rows)} articles are fake; expected both labels" in train().error

    def test_repeated_ids_are_reported_and_no_reason_to_stop(self, train: Command, data: Path) -> None:
        rows = rows_of(data / "train.json")
        rows[5]["id"] = rows[2]["id"]
        (data / "train.json").write_text(json.dumps(rows))
        outcome = train()
        assert outcome.status == 0
        assert "1 rows repeat the id of an earlier row; the first is '0-2' in rows 3 and 6" in outcome.stderr

    def test_a_mistake_leaves_a_run_that_can_be_started_again(self, train: Command, data: Path) -> None:
        good = (data / "train.json").read_text(encoding="utf-8")
        (data / "train.json").write_text("[{")
        assert train().status == 2
        (data / "train.json").write_text(good, encoding="utf-8")
        assert train("--resume").status == 0


class TestConfig:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "is not JSON"),
            ("[]", "found a JSON list; expected an object of settings"),
            ('{"training": {"lrr": 1}}', "unknown setting 'training.lrr'; did you mean 'training.lr'?"),
            ('{"lr": "fast"}', "lr: found 'fast'; expected a number"),
            ('{"lr": NaN}', "lr: found nan; expected a finite number"),
            ('{"epoch": 0}', "epoch: found 0; expected at least 1"),
            ('{"finetune_bert": true}', "there is no BERT to finetune"),
            ('{"mlp_dims": [384, 2]}', "mlp_dims: found [384, 2]"),
        ],
    )
    def test_a_file_that_is_no_configuration(
        self, zhenwei: Command, tmp_path: Path, content: str, message: str
    ) -> None:
        path = tmp_path / "config.json"
        path.write_text(content)
        output = zhenwei("train", path).error
        assert output.startswith(f"error: {path}: ")
        assert message in output

    def test_no_file(self, zhenwei: Command, tmp_path: Path) -> None:
        path = tmp_path / "none.json"
        assert zhenwei("train", path).error == f"error: {path}: no such file; `zhenwei init {path}` writes a template"

    def test_an_override(self, train: Command) -> None:
        assert "--set: found 'lr'; expected section.key=value" in train("--set", "lr").error
        assert "unknown setting 'lr'; did you mean 'training.lr'?" in train("--set", "lr=1").error

    def test_a_model_that_no_cache_or_hub_gives(self, train: Command) -> None:
        settings = {"model.use_pretrained_bert": "true", "model.bert_model_name": "nobody/no-such-bert"}
        output = train(*(part for name, value in settings.items() for part in ("--set", f"{name}={value}"))).error
        assert "'nobody/no-such-bert' is not available" in output
        assert "hf download nobody/no-such-bert --local-dir DIR" in output

    def test_a_model_of_another_size(self, train: Command, tiny_bert: Path) -> None:
        settings = {"use_pretrained_bert": "true", "bert_model_name": tiny_bert, "emb_dim": 32}
        output = train(*(part for name, value in settings.items() for part in ("--set", f"model.{name}={value}"))).error
        assert f"model.emb_dim: found 32; '{tiny_bert}' has embeddings of size 16: set that" in output


class TestRunFolder:
    def test_it_is_a_file(self, train: Command, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("")
        assert "is a file; expected a folder for the run" in train().error

    def test_it_holds_something_else(self, train: Command, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "thesis.tex").write_text("")
        assert "neither empty nor a run's" in train("--overwrite").error
        assert (tmp_path / "run" / "thesis.tex").exists()


class TestDetectors:
    @pytest.fixture(params=["evaluate", "predict"])
    def use(self, request: pytest.FixtureRequest, zhenwei: Command, data_folder: Path) -> Command:
        what = data_folder / "test.json" if request.param == "evaluate" else "大蒜"
        return lambda run: zhenwei(request.param, run, what)

    def test_there_is_none(self, use: Command, tmp_path: Path) -> None:
        assert "no such folder; expected a run folder or a bundle" in use(tmp_path / "none").error
        assert "neither a run folder nor a bundle" in use(tmp_path).error

    def test_it_is_damaged(self, use: Command, own_run: Path) -> None:
        weights = own_run / "checkpoints" / "best" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-10])
        assert f"{weights}: damaged" in use(own_run).error

    def test_the_device_is_none(self, zhenwei: Command, tiny_run: Path, data_folder: Path) -> None:
        output = "device: found 'gpu'; expected auto, cpu, cuda, cuda:N or mps"
        assert output in zhenwei("predict", tiny_run, "大蒜", "--device", "gpu").error
        assert output in zhenwei("evaluate", tiny_run, data_folder / "test.json", "--device", "gpu").error

    def test_the_precision_is_none(self, zhenwei: Command, tiny_run: Path, data_folder: Path, tmp_path: Path) -> None:
        output, given = "precision: found 'fast'; expected float32 or auto", ("--precision", "fast")
        assert output in zhenwei("predict", tiny_run, "大蒜", *given).error
        assert output in zhenwei("evaluate", tiny_run, data_folder / "test.json", *given).error
        scored = zhenwei("predict", tiny_run, "--file", data_folder / "test.json", "--out", tmp_path / "out", *given)
        assert output in scored.error

    def test_a_text_is_blank(self, zhenwei: Command, tiny_run: Path) -> None:
        assert "text 2: found ' '; expected a text that is not blank" in zhenwei("predict", tiny_run, "大蒜", " ").error

    def test_a_mistyped_option_is_no_text(self, zhenwei: Command, tiny_run: Path) -> None:
        outcome = zhenwei("predict", tiny_run, "大蒜", "--jsn")
        assert (outcome.status, outcome.stdout) == (2, "")
        assert "No such option" in outcome.stderr

    def test_a_file_to_predict_is_missing_or_bad(self, zhenwei: Command, tiny_run: Path, tmp_path: Path) -> None:
        path = tmp_path / "posts.jsonl"
        assert f"{path}: no such file" in zhenwei("predict", tiny_run, "--file", path).error
        path.write_text('{"content": "大蒜"}\n{"content": ""}\n', encoding="utf-8")
        assert "posts.jsonl, row 2, field 'content': found ''" in zhenwei("predict", tiny_run, "--file", path).error


class TestPlacesToWrite:
    def test_json_is_refused_before_the_work_is_done(self, zhenwei: Command, tmp_path: Path) -> None:
        output = zhenwei("evaluate", "never-looked-at", "nor-this", "--json", tmp_path / "none" / "out.json").error
        assert output == f"error: --json: there is no folder {tmp_path / 'none'} to write out.json into"
        output = zhenwei("predict", "never-looked-at", "大蒜", "--json", tmp_path).error
        assert output == f"error: --json: {tmp_path} is a folder; expected the name of a file, or -"

    def test_a_folder_that_is_a_file(self, zhenwei: Command, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        output = f"error: {tmp_path / 'file'}: is a file; expected a folder"
        assert zhenwei("init", tmp_path / "file" / "config.json").error == output
        assert zhenwei("data", "import", "synthetic", tmp_path / "file").error == output
        assert zhenwei("data", "split", tmp_path / "all.json", tmp_path / "file").error == output
        assert "expected a folder" in zhenwei("data", "split", tmp_path / "all.json", tmp_path / "new.json").error
