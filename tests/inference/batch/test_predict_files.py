"""Files to shards of verdicts: columns, bad rows, and what an interrupted scoring leaves."""

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
from zhenwei.inference.batch.predict_files import UnfinishedScoringError, find_files, score_files
from zhenwei.inference.batch.writers import shard_writer
from zhenwei.news import iter_articles, write_articles

Rows = list[dict[str, Any]]
COLUMNS = ["id", "row", "verdict", "probability", "threshold", "warnings"]


def lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def states(summary: Any) -> list[str]:
    return [shard.state for shard in summary.shards]


def stamp(path: Path) -> tuple[int, int]:
    """What tells a file that was written again from one that was left alone."""
    return path.stat().st_ino, path.stat().st_mtime_ns


@pytest.fixture
def posts(tmp_path: Path, make_posts: Callable[..., Rows]) -> Path:
    """A folder of three files of forty posts each, in three formats."""
    folder = tmp_path / "posts"
    for seed, name in enumerate(("a.jsonl", "b.parquet", "c.json")):
        write_articles(folder / name, [Article(**row) for row in make_posts(40, seed=seed)])
    return folder


@pytest.fixture
def score(tiny_run: Path, posts: Path, tmp_path: Path) -> Callable[..., Any]:
    """Score the posts into `scored`, with settings to change."""

    def call(run: Path = tiny_run, files: Any = None, folder: Path = tmp_path / "scored", **settings: Any) -> Any:
        patterns = [posts / "*"] if files is None else files
        return score_files(run, patterns, folder, **{"device": "cpu", "progress": False, **settings})

    return call


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    return tmp_path / "scored"


class TestShards:
    def test_each_file_becomes_one_of_its_own_format(self, score: Any, scored: Path) -> None:
        summary = score()
        assert sorted(path.name for path in scored.iterdir()) == ["_account", "a.jsonl", "b.parquet", "c.jsonl"]
        assert states(summary) == ["scored"] * 3
        figures = summary.to_dict()
        assert (figures["rows"], figures["bad_rows"], figures["scored"], figures["kept"]) == (120, 0, 3, 0)
        assert figures["fake"] == sum(shard["fake"] for shard in figures["shards"]) > 0

    def test_scores_are_those_of_the_detector(self, score: Any, scored: Path, tiny_run: Path, posts: Path) -> None:
        score()
        expected = list(Detector.load(tiny_run, "cpu").predict_articles(iter_articles(posts / "a.jsonl")))
        found = lines(scored / "a.jsonl")
        assert [list(row) for row in found] == [COLUMNS] * 40
        assert [row["row"] for row in found] == list(range(1, 41))
        for name in ("id", "verdict", "probability", "threshold"):
            assert [row[name] for row in found] == [prediction[name] for prediction in expected]

    def test_all_formats_hold_the_same(self, score: Any, tmp_path: Path) -> None:
        for name in ("jsonl", "csv", "parquet"):
            score(folder=tmp_path / name, format=name)
        for stem in "abc":
            rows = lines(tmp_path / "jsonl" / f"{stem}.jsonl")
            assert pq.read_table(tmp_path / "parquet" / f"{stem}.parquet").to_pylist() == rows
            with (tmp_path / "csv" / f"{stem}.csv").open(encoding="utf-8", newline="") as file:
                cells = list(csv.DictReader(file))
            assert list(cells[0]) == COLUMNS
            assert [float(row["probability"]) for row in cells] == [row["probability"] for row in rows]

    def test_a_folder_of_shards_is_read_as_one_data_set(self, score: Any, scored: Path) -> None:
        score(format="parquet")
        assert pq.read_table(scored).num_rows == 120

    def test_texts_are_written_when_wanted(self, score: Any, scored: Path, posts: Path) -> None:
        score(with_text=True)
        assert [row["text"] for row in lines(scored / "a.jsonl")] == [
            row["content"] for row in lines(posts / "a.jsonl")
        ]

    def test_columns_do_not_depend_on_the_input(self, score: Any, scored: Path, posts: Path) -> None:
        (posts / "a.jsonl").write_text('{"content": "大蒜"}\n', encoding="utf-8")
        score(format="parquet")
        nameless = pq.read_table(scored / "a.parquet")
        assert nameless.schema == pq.read_schema(scored / "b.parquet")
        assert nameless["id"].to_pylist() == [None]

    def test_warnings_are_joined_in_csv(self, score: Any, scored: Path, posts: Path) -> None:
        (posts / "a.jsonl").write_text(json.dumps({"content": "囧囍" * 40}), encoding="utf-8")
        score(format="csv")
        with (scored / "a.csv").open(encoding="utf-8", newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["warnings"].startswith("only the first 40 tokens were read: the text is longer; most of the text")

    @pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
    def test_memory_does_not_grow_with_the_rows(self, tmp_path: Path, name: str) -> None:
        prediction = Prediction("大蒜" * 50, "fake", 0.75, 0.5)
        peaks = []
        for rows in (20_000, 60_000):
            tracemalloc.start()
            with shard_writer(tmp_path / "shard", name, with_text=True) as write:
                for row in range(rows):
                    write(row, prediction)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] - peaks[0] < 40_000 * 10, "40,000 rows more, each of 300 bytes, may cost next to nothing"

    def test_several_processes_write_the_same_bytes(self, score: Any, scored: Path, tmp_path: Path) -> None:
        score()
        assert states(score(folder=tmp_path / "by two", workers=2)) == ["scored"] * 3
        for name in ("a.jsonl", "b.parquet", "c.jsonl"):
            assert (tmp_path / "by two" / name).read_bytes() == (scored / name).read_bytes()


class TestBadRows:
    @pytest.fixture
    def spoiled(self, posts: Path) -> Path:
        """The first file, with its third row blank and its fifth line broken."""
        path = posts / "a.jsonl"
        rows = path.read_text(encoding="utf-8").splitlines()
        rows[2], rows[4] = '{"content": " "}', '{"content": '
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    def test_they_are_left_out_and_listed(
        self, score: Any, scored: Path, spoiled: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        summary = score()
        assert [row["row"] for row in lines(scored / "a.jsonl")] == [1, 2, 4, *range(6, 41)]
        blank, broken = lines(scored / "_account" / "a.errors.jsonl")
        assert blank == {
            "file": "a.jsonl", "row": 3, "line": 3,
            "problem": "field 'content': found ' '; expected a text that is not blank",
        }  # fmt: skip
        assert (broken["row"], broken["problem"].split(" (")[0]) == (5, "not JSON")
        assert (summary.shards[0].rows, summary.shards[0].bad_rows) == (38, 2)
        assert (
            f"2 rows could not be used and were left out; they are listed in {summary.shards[0].errors}" in caplog.text
        )
        assert not (scored / "_account" / "b.errors.jsonl").exists()

    def test_or_they_end_the_scoring_at_their_file(self, score: Any, scored: Path, spoiled: Path, posts: Path) -> None:
        spoiled.rename(posts / "bb.jsonl")
        with pytest.raises(UnfinishedScoringError) as caught:
            score(on_error="fail")
        assert states(caught.value.summary) == ["scored", "failed", "waiting"]
        assert str(caught.value).startswith(
            f"1 of 3 files could not be scored; 1 of 3 shards are whole in {scored}; the same command goes on with the "
            f"others\n  {posts / 'bb.jsonl'}: 2 of 40 rows cannot be used:\n  bb.jsonl, row 3, field 'content': found"
        )
        assert [path.name for path in scored.glob("*.*")] == ["b.parquet"]
        assert not list(scored.rglob("*.tmp"))

    def test_a_shard_without_its_bad_rows_is_none_for_who_allows_none(self, score: Any, spoiled: Path) -> None:
        score()
        with pytest.raises(UnfinishedScoringError, match="2 of 40 rows cannot be used"):
            score(on_error="fail")

    def test_a_list_of_bad_rows_goes_when_there_are_none_left(
        self, score: Any, scored: Path, spoiled: Path, make_posts: Callable[..., Rows]
    ) -> None:
        score()
        write_articles(spoiled, [Article(**row) for row in make_posts(40)])
        assert score(overwrite=True).shards[0].errors is None
        assert not (scored / "_account" / "a.errors.jsonl").exists()

    def test_a_file_that_cannot_be_read_does_not_stop_the_others(self, score: Any, scored: Path, posts: Path) -> None:
        (posts / "a.jsonl").write_bytes('{"content": "大蒜"}\n'.encode("gbk"))
        with pytest.raises(UnfinishedScoringError, match=r"1 of 3 files could not be scored; 2 of 3 shards") as caught:
            score()
        assert "a.jsonl: not UTF-8" in str(caught.value)
        assert sorted(path.name for path in scored.glob("*.*")) == ["b.parquet", "c.jsonl"]

    def test_files_of_nothing_but_bad_rows_are_told(self, score: Any, posts: Path) -> None:
        (posts / "a.jsonl").write_text('{"txt": "大蒜"}\n' * 5, encoding="utf-8")
        with pytest.raises(UnfinishedScoringError, match=r"none of 5 rows can be used; .*a\.errors\.jsonl says why"):
            score(files=[posts / "a.jsonl"])

    def test_a_row_that_lacks_what_the_detector_needs_is_one_of_them(
        self, score: Any, scored: Path, posts: Path, data_folder: Path, tmp_path: Path, tiny_settings: Any
    ) -> None:
        folder = tmp_path / "felt"
        for part in ("train", "val"):
            rows = json.loads((data_folder / f"{part}.json").read_text(encoding="utf-8"))
            write_articles(folder / f"{part}.json", [Article(**row, emotion=[0.5, 0.1]) for row in rows])
        settings = tiny_settings(tmp_path / "run", data={"root_path": str(folder)}, training={"epochs": 1})
        settings["model"] = {"name": "bert_emo", "use_pretrained_bert": False, "emb_dim": 8, "hidden_dim": 4}
        Trainer(settings).train()
        feelings = {"大蒜": [0.1, 0.2], "食盐": None, "面粉": [1.0, 2.0]}
        write_articles(posts / "d.jsonl", [Article(content=text, emotion=felt) for text, felt in feelings.items()])
        score(run=tmp_path / "run", files=[posts / "d.jsonl"])
        assert [row["row"] for row in lines(scored / "d.jsonl")] == [1, 3]
        (told,) = lines(scored / "_account" / "d.errors.jsonl")
        assert told["row"] == 2
        assert told["problem"].startswith("no field 'emotion', which this detector needs")


class TestGoingOn:
    def test_whole_shards_are_kept(self, score: Any, scored: Path) -> None:
        score()
        before = [stamp(path) for path in sorted(scored.glob("*.*"))]
        (scored / "b.parquet").unlink()
        again = score()
        assert states(again) == ["kept", "scored", "kept"]
        assert again.to_dict()["rows"] == 120
        after = [stamp(path) for path in sorted(scored.glob("*.*"))]
        assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]

    def test_a_record_without_its_shard_is_an_interrupted_scoring(self, score: Any, scored: Path) -> None:
        score()
        (scored / "_account" / "a.json").write_text('{"shard": ')
        (scored / "c.jsonl").unlink()
        assert states(score()) == ["scored", "kept", "scored"]

    def test_a_damaged_shard_is_scored_again(self, score: Any, scored: Path, caplog: pytest.LogCaptureFixture) -> None:
        score()
        whole = (scored / "a.jsonl").read_bytes()
        (scored / "a.jsonl").write_bytes(whole[:-10])
        assert states(score()) == ["scored", "kept", "kept"]
        assert (scored / "a.jsonl").read_bytes() == whole
        assert "a.jsonl: is not the file that was written (sha256 differs): it is scored again" in caplog.text

    def test_what_a_killed_process_left_is_cleared(self, score: Any, scored: Path) -> None:
        score()
        for folder in (scored, scored / "_account"):
            (folder / ".a.jsonl.12345678.tmp").write_text("half")
        score()
        assert not list(scored.rglob("*.tmp"))

    def test_another_bundle_is_refused_and_replaces_when_told_to(self, score: Any, scored: Path, own_run: Path) -> None:
        score()
        description = own_run / "checkpoints" / "best" / "detector.json"
        changed = json.loads(description.read_text(encoding="utf-8")) | {"threshold": 0.9}
        description.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(DataError, match=r"a\.jsonl: was scored by another bundle .*--overwrite"):
            score(run=own_run)
        assert {row["threshold"] for row in lines(scored / "a.jsonl")} == {0.5}
        assert states(score(run=own_run, overwrite=True)) == ["scored"] * 3
        assert {row["threshold"] for row in lines(scored / "a.jsonl")} == {0.9}
        assert states(score(run=own_run, overwrite=True)) == ["kept"] * 3

    def test_a_changed_input_is_refused_and_only_it_is_scored_again(self, score: Any, posts: Path) -> None:
        score()
        with (posts / "a.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"content": "大蒜"}\n')
        with pytest.raises(DataError, match=r"was scored from another content of a\.jsonl than that of .*--overwrite"):
            score()
        assert states(score(overwrite=True)) == ["scored", "kept", "kept"]

    def test_another_format_replaces_the_old_shard_when_told_to(self, score: Any, scored: Path) -> None:
        score()
        with pytest.raises(DataError, match=r"a\.jsonl: is the shard of a\.jsonl already, in another format"):
            score(format="csv")
        score(format="csv", overwrite=True)
        assert sorted(path.name for path in scored.glob("*.*")) == ["a.csv", "b.csv", "c.csv"]

    def test_shards_with_and_without_texts_do_not_mix(self, score: Any) -> None:
        score()
        with pytest.raises(DataError, match="was written without the texts"):
            score(with_text=True)

    def test_shards_in_two_precisions_do_not_mix(self, score: Any, scored: Path) -> None:
        score()
        for record in (scored / "_account").glob("?.json"):  # as it was written before there were two
            facts = json.loads(record.read_text(encoding="utf-8"))
            assert facts.pop("precision") == "float32"
            record.write_text(json.dumps(facts), encoding="utf-8")
        assert states(score()) == ["kept"] * 3
        with pytest.raises(DataError, match=r"a\.jsonl: was scored in precision 'float32', not 'auto'; choose another"):
            score(precision="auto")
        assert states(score(precision="auto", overwrite=True)) == ["scored"] * 3
        assert states(score(precision="auto")) == ["kept"] * 3

    @pytest.mark.parametrize("workers", [1, 2])
    def test_each_process_judges_in_the_precision_asked_for(
        self, score: Any, scored: Path, tiny_run: Path, posts: Path, workers: int
    ) -> None:
        score(precision="auto", workers=workers)
        articles = list(iter_articles(posts / "a.jsonl"))
        fast, exact = (
            [found.probability for found in Detector.load(tiny_run, "cpu", precision).predict_articles(articles)]
            for precision in ("auto", "float32")
        )
        assert [row["probability"] for row in lines(scored / "a.jsonl")] == pytest.approx(fast, abs=1e-7)
        if cpu_computes_bf16():
            assert fast != pytest.approx(exact, abs=1e-7)

    def test_a_precision_that_is_none_is_refused_before_anything_is_written(self, score: Any, scored: Path) -> None:
        with pytest.raises(ConfigError, match="precision: found 'fast'; expected float32 or auto"):
            score(precision="fast")
        assert not scored.exists()


class TestRefusals:
    def test_a_file_of_somebody_else_is_not_replaced(self, score: Any, scored: Path) -> None:
        scored.mkdir()
        (scored / "a.jsonl").write_text("precious")
        with pytest.raises(DataError, match="is there, but was not written by this command"):
            score()
        assert (scored / "a.jsonl").read_text() == "precious"

    def test_two_files_of_one_name(self, score: Any, posts: Path) -> None:
        (posts / "more").mkdir()
        (posts / "a.jsonl").rename(posts / "more" / "c.jsonl")
        with pytest.raises(DataError, match=r"c\.json and .*c\.jsonl would both become .*c\.jsonl; score them into"):
            score(files=[posts / "*.json", posts / "more" / "*"])

    def test_the_folder_of_the_input(self, score: Any, posts: Path) -> None:
        with pytest.raises(DataError, match=r"is the folder of the input a\.jsonl"):
            score(folder=posts)

    def test_a_folder_that_is_a_file(self, score: Any, posts: Path) -> None:
        with pytest.raises(DataError, match=r"a\.jsonl: is a file; expected the name of a folder"):
            score(folder=posts / "a.jsonl")

    def test_a_folder_into_which_another_process_scores(self, score: Any, scored: Path) -> None:
        (scored / "_account").mkdir(parents=True)
        with (
            FileLock(scored / "_account" / ".lock"),
            pytest.raises(DataError, match="another process is scoring into it"),
        ):
            score()

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({"engine": "spark"}, "--engine: found 'spark'; expected local, ray"),
            ({"workers": 0}, "--workers: found 0; expected 1 or more"),
            ({"address": "auto"}, "--address: is of a Ray cluster; expected --engine ray with it"),
            ({"on_error": "stop"}, "--on-error: found 'stop'; expected skip, fail"),
            ({"format": "xlsx"}, "--format: found 'xlsx'; expected jsonl, csv, parquet"),
        ],
    )
    def test_settings_that_are_none(self, score: Any, scored: Path, settings: dict[str, Any], told: str) -> None:
        with pytest.raises(ConfigError) as caught:
            score(**settings)
        assert str(caught.value) == told
        assert not scored.exists()

    def test_a_bundle_that_is_not_there_or_damaged(self, score: Any, tmp_path: Path, own_bundle: Path) -> None:
        with pytest.raises(CheckpointError, match="no such folder"):
            score(run=tmp_path / "nowhere")
        (own_bundle / "tokenizer.json").write_text("{}")
        with pytest.raises(CheckpointError, match="sha256 differs"):
            score(run=own_bundle)


class TestFindingFiles:
    def test_patterns_and_names_each_file_once(self, posts: Path) -> None:
        found = find_files([posts / "c.json", f"{posts}/*", f"{posts}/**/a*"])
        assert [path.name for path in found] == ["c.json", "a.jsonl", "b.parquet"]

    def test_a_name_with_brackets_is_a_name(self, posts: Path) -> None:
        os.rename(posts / "a.jsonl", posts / "a[1].jsonl")
        assert find_files([posts / "a[1].jsonl"]) == [posts / "a[1].jsonl"]

    def test_a_pattern_without_a_match(self, posts: Path) -> None:
        with pytest.raises(DataError, match=r"--file: no file matches '.*\*\.csv'"):
            find_files([f"{posts}/*.csv"])

    def test_a_file_that_is_missing_or_of_another_format(self, posts: Path) -> None:
        with pytest.raises(DataError, match=r"a\.csv: no such file; did you mean a\.jsonl\?"):
            find_files([posts / "a.csv"])
        (posts / "README.md").write_text("read me")
        with pytest.raises(DataError, match=r"README\.md: found the suffix '\.md'"):
            find_files([f"{posts}/*"])


def test_without_a_bar_each_file_is_logged(score: Any, scored: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    score()
    assert f"{scored / 'a.jsonl'}: 40 rows, 0 bad (1 of 3 files)" in caplog.messages
