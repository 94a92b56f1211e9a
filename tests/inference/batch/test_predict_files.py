"""Batch prediction: shards, bad rows, and resuming."""

import csv
import json
import logging
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from zhenwei import Article, Detector, Trainer
from zhenwei.bundle.device import cpu_computes_bf16
from zhenwei.errors import CheckpointError, ConfigError, DataError
from zhenwei.inference import Prediction
from zhenwei.inference.batch.predict_files import IncompleteBatchError, find_files, predict_files
from zhenwei.inference.batch.writers import shard_writer
from zhenwei.news import iter_articles, write_articles

Rows = list[dict[str, Any]]
COLUMNS = ["id", "row", "verdict", "probability", "threshold", "reasons", "warnings"]


def lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def states(summary: Any) -> list[str]:
    return [shard.state for shard in summary.shards]


def stamp(path: Path) -> tuple[int, int]:
    """Inode and time of a file, which change if it is written again."""
    return path.stat().st_ino, path.stat().st_mtime_ns


@pytest.fixture
def posts(tmp_path: Path, make_posts: Callable[..., Rows]) -> Path:
    """A folder of three files of forty posts each, in three formats."""
    folder = tmp_path / "posts"
    for seed, name in enumerate(("a.jsonl", "b.parquet", "c.json")):
        write_articles(folder / name, [Article(**row) for row in make_posts(40, seed=seed)])
    return folder


@pytest.fixture
def predict(tiny_run: Path, posts: Path, tmp_path: Path) -> Callable[..., Any]:
    """A function that predicts on the posts into the folder `predicted`, with settings to change."""

    def call(run: Path = tiny_run, files: Any = None, folder: Path = tmp_path / "predicted", **settings: Any) -> Any:
        patterns = [posts / "*"] if files is None else files
        return predict_files(run, patterns, folder, **{"device": "cpu", "progress": False, **settings})

    return call


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    return tmp_path / "predicted"


class TestShards:
    def test_each_file_has_a_shard_in_its_format(self, predict: Any, predicted: Path) -> None:
        summary = predict()
        assert sorted(path.name for path in predicted.iterdir()) == ["_records", "a.jsonl", "b.parquet", "c.jsonl"]
        assert states(summary) == ["predicted"] * 3
        figures = summary.to_dict()
        assert (figures["rows"], figures["bad_rows"], figures["predicted"], figures["reused"]) == (120, 0, 3, 0)
        assert figures["fake"] == sum(shard["fake"] for shard in figures["shards"]) > 0

    def test_predictions_are_those_of_the_detector(
        self, predict: Any, predicted: Path, tiny_run: Path, posts: Path
    ) -> None:
        predict()
        expected = list(Detector.load(tiny_run, "cpu").predict_articles(iter_articles(posts / "a.jsonl")))
        found = lines(predicted / "a.jsonl")
        assert [list(row) for row in found] == [COLUMNS] * 40
        assert [row["row"] for row in found] == list(range(1, 41))
        for name in ("id", "verdict", "probability", "threshold"):
            assert [row[name] for row in found] == [prediction[name] for prediction in expected]

    def test_all_formats_have_the_same_content(self, predict: Any, tmp_path: Path) -> None:
        for name in ("jsonl", "csv", "parquet"):
            predict(folder=tmp_path / name, format=name)
        for stem in "abc":
            rows = lines(tmp_path / "jsonl" / f"{stem}.jsonl")
            assert pq.read_table(tmp_path / "parquet" / f"{stem}.parquet").to_pylist() == rows
            with (tmp_path / "csv" / f"{stem}.csv").open(encoding="utf-8", newline="") as file:
                cells = list(csv.DictReader(file))
            assert list(cells[0]) == COLUMNS
            assert [float(row["probability"]) for row in cells] == [row["probability"] for row in rows]

    def test_folder_is_readable_as_one_dataset(self, predict: Any, predicted: Path) -> None:
        predict(format="parquet")
        assert pq.read_table(predicted).num_rows == 120

    def test_texts_are_written_on_request(self, predict: Any, predicted: Path, posts: Path) -> None:
        predict(with_text=True)
        assert [row["text"] for row in lines(predicted / "a.jsonl")] == [
            row["content"] for row in lines(posts / "a.jsonl")
        ]

    def test_columns_do_not_depend_on_the_input(self, predict: Any, predicted: Path, posts: Path) -> None:
        (posts / "a.jsonl").write_text('{"content": "大蒜"}\n', encoding="utf-8")
        predict(format="parquet")
        nameless = pq.read_table(predicted / "a.parquet")
        assert nameless.schema == pq.read_schema(predicted / "b.parquet")
        assert nameless["id"].to_pylist() == [None]

    def test_reasons_and_warnings_are_joined_in_csv(self, predict: Any, predicted: Path, posts: Path) -> None:
        (posts / "a.jsonl").write_text(json.dumps({"content": "囧囍" * 40}), encoding="utf-8")
        predict(format="csv")
        with (predicted / "a.csv").open(encoding="utf-8", newline="") as file:
            (row,) = csv.DictReader(file)
        assert (row["verdict"], row["reasons"]) == ("unsure", "too_few_words")
        assert row["warnings"] == "only the first 40 tokens were read: the text is longer"

    @pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
    def test_memory_does_not_grow_with_the_rows(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zhenwei.inference.batch.writers._ROW_GROUP_SIZE", 500)
        prediction = Prediction("大蒜" * 50, "fake", 0.75, 0.5)
        peaks = []
        for rows in (1_000, 5_000):
            tracemalloc.start()
            with shard_writer(tmp_path / "shard", name, with_text=True) as write:
                for row in range(rows):
                    write(row, prediction)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] - peaks[0] < 4_000 * 10, "4,000 more rows, each of 300 bytes, need almost no memory"

    @pytest.mark.slow
    @pytest.mark.nightly
    def test_several_processes_write_the_same_bytes(self, predict: Any, predicted: Path, tmp_path: Path) -> None:
        predict(precision="auto")  # also the precision is that of one process
        assert states(predict(folder=tmp_path / "by two", workers=2, precision="auto")) == ["predicted"] * 3
        for name in ("a.jsonl", "b.parquet", "c.jsonl"):
            assert (tmp_path / "by two" / name).read_bytes() == (predicted / name).read_bytes()


class TestBadRows:
    @pytest.fixture
    def file_with_bad_rows(self, posts: Path) -> Path:
        """The first file, with its third row blank and its fifth line broken."""
        path = posts / "a.jsonl"
        rows = path.read_text(encoding="utf-8").splitlines()
        rows[2], rows[4] = '{"content": " "}', '{"content": '
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    def test_skipped_and_listed(
        self, predict: Any, predicted: Path, file_with_bad_rows: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        summary = predict()
        assert [row["row"] for row in lines(predicted / "a.jsonl")] == [1, 2, 4, *range(6, 41)]
        blank, broken = lines(predicted / "_records" / "a.errors.jsonl")
        assert blank == {
            "file": "a.jsonl", "row": 3, "line": 3,
            "problem": "field 'content': found ' '; expected a text that is not blank",
        }  # fmt: skip
        assert (broken["row"], broken["problem"].split(" (")[0]) == (5, "not JSON")
        assert (summary.shards[0].rows, summary.shards[0].bad_rows) == (38, 2)
        assert (
            f"2 rows could not be used and were skipped; they are listed in {summary.shards[0].errors}" in caplog.text
        )
        assert not (predicted / "_records" / "b.errors.jsonl").exists()

    def test_fail_stops_at_their_file(
        self, predict: Any, predicted: Path, file_with_bad_rows: Path, posts: Path
    ) -> None:
        file_with_bad_rows.rename(posts / "bb.jsonl")
        with pytest.raises(IncompleteBatchError) as caught:
            predict(on_error="fail")
        assert states(caught.value.summary) == ["predicted", "failed", "pending"]
        assert str(caught.value).startswith(
            f"1 of 3 files failed; 1 of 3 shards in {predicted} are complete; run the same command again "
            f"for the others\n  {posts / 'bb.jsonl'}: 2 of 40 rows cannot be used:\n"
            "  bb.jsonl, row 3, field 'content': found"
        )
        assert [path.name for path in predicted.glob("*.*")] == ["b.parquet"]
        assert not list(predicted.rglob("*.tmp"))

    def test_shard_with_skipped_rows_is_not_reused_by_fail(self, predict: Any, file_with_bad_rows: Path) -> None:
        predict()
        with pytest.raises(IncompleteBatchError, match="2 of 40 rows cannot be used"):
            predict(on_error="fail")

    def test_error_list_is_deleted_when_obsolete(
        self, predict: Any, predicted: Path, file_with_bad_rows: Path, make_posts: Callable[..., Rows]
    ) -> None:
        predict()
        write_articles(file_with_bad_rows, [Article(**row) for row in make_posts(40)])
        assert predict(overwrite=True).shards[0].errors is None
        assert not (predicted / "_records" / "a.errors.jsonl").exists()

    def test_unreadable_file_does_not_stop_the_others(self, predict: Any, predicted: Path, posts: Path) -> None:
        (posts / "a.jsonl").write_bytes('{"content": "大蒜"}\n'.encode("gbk"))
        with pytest.raises(IncompleteBatchError, match=r"1 of 3 files failed; 2 of 3 shards") as caught:
            predict()
        assert "a.jsonl: not UTF-8" in str(caught.value)
        assert sorted(path.name for path in predicted.glob("*.*")) == ["b.parquet", "c.jsonl"]

    def test_only_bad_rows_is_an_error(self, predict: Any, posts: Path) -> None:
        (posts / "a.jsonl").write_text('{"txt": "大蒜"}\n' * 5, encoding="utf-8")
        with pytest.raises(IncompleteBatchError, match=r"none of 5 rows can be used; see .*a\.errors\.jsonl for"):
            predict(files=[posts / "a.jsonl"])

    def test_row_without_a_needed_field_is_bad(
        self, predict: Any, predicted: Path, posts: Path, data_folder: Path, tmp_path: Path, tiny_settings: Any
    ) -> None:
        folder = tmp_path / "with-emotion"
        for part in ("train", "val"):
            rows = json.loads((data_folder / f"{part}.json").read_text(encoding="utf-8"))
            write_articles(folder / f"{part}.json", [Article(**row, emotion=[0.5, 0.1]) for row in rows])
        settings = tiny_settings(tmp_path / "run", data={"root_path": str(folder)}, training={"epochs": 1})
        settings["model"] = {"name": "bert_emo", "use_pretrained_bert": False, "emb_dim": 8, "hidden_dim": 4}
        Trainer(settings).train()
        emotions = {"大蒜": [0.1, 0.2], "食盐": None, "面粉": [1.0, 2.0]}
        write_articles(
            posts / "d.jsonl", [Article(content=text, emotion=emotion) for text, emotion in emotions.items()]
        )
        predict(run=tmp_path / "run", files=[posts / "d.jsonl"])
        assert [row["row"] for row in lines(predicted / "d.jsonl")] == [1, 3]
        (entry,) = lines(predicted / "_records" / "d.errors.jsonl")
        assert entry["row"] == 2
        assert entry["problem"].startswith("no field 'emotion', which this detector needs")


class TestResuming:
    def test_complete_shards_are_reused(self, predict: Any, predicted: Path) -> None:
        predict()
        before = [stamp(path) for path in sorted(predicted.glob("*.*"))]
        (predicted / "b.parquet").unlink()
        again = predict()
        assert states(again) == ["reused", "predicted", "reused"]
        assert again.to_dict()["rows"] == 120
        after = [stamp(path) for path in sorted(predicted.glob("*.*"))]
        assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]

    def test_record_without_its_shard_is_predicted_again(self, predict: Any, predicted: Path) -> None:
        predict()
        (predicted / "_records" / "a.json").write_text('{"shard": ')
        (predicted / "c.jsonl").unlink()
        assert states(predict()) == ["predicted", "reused", "predicted"]

    def test_damaged_shard_is_predicted_again(
        self, predict: Any, predicted: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        predict()
        whole = (predicted / "a.jsonl").read_bytes()
        (predicted / "a.jsonl").write_bytes(whole[:-10])
        assert states(predict()) == ["predicted", "reused", "reused"]
        assert (predicted / "a.jsonl").read_bytes() == whole
        assert "a.jsonl: changed since it was written (sha256 differs): predicting again" in caplog.text

    def test_temporary_files_of_a_killed_process_are_deleted(self, predict: Any, predicted: Path) -> None:
        predict()
        for folder in (predicted, predicted / "_records"):
            (folder / ".a.jsonl.12345678.tmp").write_text("half")
        predict()
        assert not list(predicted.rglob("*.tmp"))

    def test_other_bundle_needs_overwrite(self, predict: Any, predicted: Path, own_run: Path) -> None:
        predict()
        description = own_run / "checkpoints" / "best" / "detector.json"
        changed = json.loads(description.read_text(encoding="utf-8")) | {"threshold": 0.9}
        description.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(DataError, match=r"a\.jsonl: was predicted by another bundle .*--overwrite"):
            predict(run=own_run)
        assert {row["threshold"] for row in lines(predicted / "a.jsonl")} == {0.5}
        assert states(predict(run=own_run, overwrite=True)) == ["predicted"] * 3
        assert {row["threshold"] for row in lines(predicted / "a.jsonl")} == {0.9}
        assert states(predict(run=own_run, overwrite=True)) == ["reused"] * 3

    def test_changed_input_needs_overwrite(self, predict: Any, posts: Path) -> None:
        predict()
        with (posts / "a.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"content": "大蒜"}\n')
        with pytest.raises(
            DataError, match=r"was predicted from another content of a\.jsonl than that of .*--overwrite"
        ):
            predict()
        assert states(predict(overwrite=True)) == ["predicted", "reused", "reused"]

    def test_other_format_needs_overwrite(self, predict: Any, predicted: Path) -> None:
        predict()
        with pytest.raises(DataError, match=r"a\.jsonl: is the shard of a\.jsonl in another format"):
            predict(format="csv")
        predict(format="csv", overwrite=True)
        assert sorted(path.name for path in predicted.glob("*.*")) == ["a.csv", "b.csv", "c.csv"]

    def test_with_and_without_texts_are_not_mixed(self, predict: Any) -> None:
        predict()
        with pytest.raises(DataError, match="was written without the texts"):
            predict(with_text=True)

    def test_two_precisions_are_not_mixed(self, predict: Any, predicted: Path) -> None:
        predict()
        with pytest.raises(
            DataError, match=r"a\.jsonl: was predicted in precision 'float32', not 'auto'; choose another"
        ):
            predict(precision="auto")
        assert states(predict(precision="auto", overwrite=True)) == ["predicted"] * 3
        assert states(predict(precision="auto")) == ["reused"] * 3

    def test_requested_precision_is_used(self, predict: Any, predicted: Path, tiny_run: Path, posts: Path) -> None:
        predict(precision="auto")
        articles = list(iter_articles(posts / "a.jsonl"))
        fast, exact = (
            [found.probability for found in Detector.load(tiny_run, "cpu", precision).predict_articles(articles)]
            for precision in ("auto", "float32")
        )
        assert [row["probability"] for row in lines(predicted / "a.jsonl")] == pytest.approx(fast, abs=1e-7)
        if cpu_computes_bf16():
            assert fast != pytest.approx(exact, abs=1e-7)

    def test_unknown_precision_is_refused_before_writing(self, predict: Any, predicted: Path) -> None:
        with pytest.raises(ConfigError, match="precision: found 'fast'; expected float32 or auto"):
            predict(precision="fast")
        assert not predicted.exists()


class TestRefusals:
    def test_foreign_file_is_not_replaced(self, predict: Any, predicted: Path) -> None:
        predicted.mkdir()
        (predicted / "a.jsonl").write_text("precious")
        with pytest.raises(DataError, match="exists, but was not written by this command"):
            predict()
        assert (predicted / "a.jsonl").read_text() == "precious"

    def test_two_files_with_the_same_name(self, predict: Any, posts: Path) -> None:
        (posts / "more").mkdir()
        (posts / "a.jsonl").rename(posts / "more" / "c.jsonl")
        with pytest.raises(DataError, match=r"c\.json and .*c\.jsonl have the same shard .*c\.jsonl"):
            predict(files=[posts / "*.json", posts / "more" / "*"])

    def test_folder_of_the_input(self, predict: Any, posts: Path) -> None:
        with pytest.raises(DataError, match=r"is the folder of the input a\.jsonl"):
            predict(folder=posts)

    def test_target_is_a_file(self, predict: Any, posts: Path) -> None:
        with pytest.raises(DataError, match=r"a\.jsonl: is a file; expected the name of a folder"):
            predict(folder=posts / "a.jsonl")

    def test_locked_folder(self, predict: Any, predicted: Path) -> None:
        (predicted / "_records").mkdir(parents=True)
        with (
            FileLock(predicted / "_records" / ".lock"),
            pytest.raises(DataError, match="another process is writing to it"),
        ):
            predict()

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"engine": "spark"}, "--engine: found 'spark'; expected local, ray"),
            ({"workers": 0}, "--workers: found 0; expected 1 or more"),
            ({"address": "auto"}, "--address: is of a Ray cluster; expected --engine ray with it"),
            ({"on_error": "stop"}, "--on-error: found 'stop'; expected skip, fail"),
            ({"format": "xlsx"}, "--format: found 'xlsx'; expected jsonl, csv, parquet"),
        ],
    )
    def test_invalid_settings(self, predict: Any, predicted: Path, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            predict(**settings)
        assert str(caught.value) == message
        assert not predicted.exists()

    def test_missing_or_damaged_bundle(self, predict: Any, tmp_path: Path, own_bundle: Path) -> None:
        with pytest.raises(CheckpointError, match="no such folder"):
            predict(run=tmp_path / "nowhere")
        (own_bundle / "tokenizer.json").write_text("{}")
        with pytest.raises(CheckpointError, match="sha256 differs"):
            predict(run=own_bundle)


class TestFindingFiles:
    def test_each_file_once(self, posts: Path) -> None:
        found = find_files([posts / "c.json", f"{posts}/*", f"{posts}/**/a*"])
        assert [path.name for path in found] == ["c.json", "a.jsonl", "b.parquet"]

    def test_brackets_in_a_name(self, posts: Path) -> None:
        os.rename(posts / "a.jsonl", posts / "a[1].jsonl")
        assert find_files([posts / "a[1].jsonl"]) == [posts / "a[1].jsonl"]

    def test_pattern_without_a_match(self, posts: Path) -> None:
        with pytest.raises(DataError, match=r"--file: no file matches '.*\*\.csv'"):
            find_files([f"{posts}/*.csv"])

    def test_missing_file_or_unknown_format(self, posts: Path) -> None:
        with pytest.raises(DataError, match=r"a\.csv: no such file; did you mean a\.jsonl\?"):
            find_files([posts / "a.csv"])
        (posts / "README.md").write_text("read me")
        with pytest.raises(DataError, match=r"README\.md: found the suffix '\.md'"):
            find_files([f"{posts}/*"])


def test_each_file_is_logged_without_a_bar(predict: Any, predicted: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    predict()
    assert f"{predicted / 'a.jsonl'}: 40 rows, 0 bad (1 of 3 files)" in caplog.messages
