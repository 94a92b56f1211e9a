"""`zhenwei predict --out`: files of any size, from the command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei import Article
from zhenwei.news import write_articles

Command = Callable[..., Any]
Rows = list[dict[str, Any]]


@pytest.fixture
def posts(tmp_path: Path, make_posts: Callable[..., Rows]) -> Path:
    """A folder of two files of thirty posts each."""
    folder = tmp_path / "posts"
    for seed, name in enumerate(("a.jsonl", "b.jsonl")):
        write_articles(folder / name, [Article(**row) for row in make_posts(30, seed=seed)])
    return folder


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    return tmp_path / "predicted"


class TestShards:
    def test_patterns_and_files(self, zhenwei: Command, tiny_run: Path, posts: Path, predicted: Path) -> None:
        more = posts / "c.csv"
        write_articles(more, [Article(content="大蒜", id="7")])
        outcome = zhenwei("predict", tiny_run, "--file", f"{posts}/*.jsonl", "--file", more, "--out", predicted)
        assert outcome.status == 0
        assert sorted(path.name for path in predicted.iterdir()) == ["_records", "a.jsonl", "b.jsonl", "c.csv"]
        assert str(predicted) in outcome.stdout
        assert [cell.strip() for cell in outcome.stdout.splitlines()[4].split("│")[1:6:2]] == ["61", "1", "3"]

    def test_json_output(self, zhenwei: Command, tiny_run: Path, posts: Path, predicted: Path) -> None:
        arguments = ("predict", tiny_run, "--file", f"{posts}/*", "--out", predicted, "--format", "csv", "--with-text")
        figures = json.loads(zhenwei(*arguments, "--json", "-").stdout)
        assert {name: figures[name] for name in ("rows", "bad_rows", "predicted", "reused", "failed", "engine")} == {
            "rows": 60, "bad_rows": 0, "predicted": 2, "reused": 0, "failed": 0, "engine": "local",
        }  # fmt: skip
        assert [shard["shard"] for shard in figures["shards"]] == [str(predicted / "a.csv"), str(predicted / "b.csv")]
        assert (predicted / "a.csv").read_text(encoding="utf-8").startswith("id,row,text,verdict,")
        again = json.loads(zhenwei(*arguments, "--json", "-").stdout)
        assert (again["predicted"], again["reused"], again["rows_per_second"]) == (0, 2, None)

    def test_bad_rows(self, zhenwei: Command, tiny_run: Path, posts: Path, predicted: Path) -> None:
        with (posts / "b.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"content": null}\n')
        arguments = ("predict", tiny_run, "--file", f"{posts}/*", "--out", predicted)
        skipped = zhenwei(*arguments)
        assert skipped.status == 0
        assert f"1 rows could not be used and were skipped; they are listed in {predicted}/_records/b" in skipped.stderr
        error = zhenwei(*arguments, "--on-error", "fail").error
        assert "1 of 2 files failed; 1 of 2 shards in" in error
        assert "b.jsonl, row 31, field 'content': found null; expected a text" in error

    def test_failures_are_in_the_json_output(
        self, zhenwei: Command, tiny_run: Path, posts: Path, predicted: Path, tmp_path: Path
    ) -> None:
        (posts / "b.jsonl").write_bytes(b"\xff\xfe")
        figures = tmp_path / "figures.json"
        zhenwei("predict", tiny_run, "--file", f"{posts}/*", "--out", predicted, "--json", figures).error  # noqa: B018
        states = [shard["state"] for shard in json.loads(figures.read_text(encoding="utf-8"))["shards"]]
        assert states == ["predicted", "failed"]


class TestErrors:
    def test_unquoted_pattern(self, zhenwei: Command, tiny_run: Path, posts: Path, predicted: Path) -> None:
        error = zhenwei("predict", tiny_run, "--file", posts / "a.jsonl", posts / "b.jsonl", "--out", predicted).error
        assert "quote a pattern of files, as in --file 'posts/*.parquet'" in error

    def test_several_files_need_a_folder(self, zhenwei: Command, tiny_run: Path, posts: Path) -> None:
        error = zhenwei("predict", tiny_run, "--file", posts / "a.jsonl", "--file", posts / "b.jsonl").error
        assert error == "error: --file: found 2 files; expected one, or --out FOLDER"

    def test_out_needs_a_file(self, zhenwei: Command, tiny_run: Path, predicted: Path) -> None:
        assert "--out: needs --file FILE" in zhenwei("predict", tiny_run, "大蒜", "--out", predicted).error

    @pytest.mark.parametrize(
        "option",
        [["--engine", "ray"], ["--workers", "2"], ["--on-error", "fail"], ["--with-text"], ["--format", "csv"]],
    )
    def test_batch_options_need_out(self, zhenwei: Command, tiny_run: Path, posts: Path, option: list[str]) -> None:
        error = zhenwei("predict", tiny_run, "--file", posts / "a.jsonl", *option).error
        assert error == f"error: {option[0]} needs --out FOLDER"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
class TestCtrlC:
    FILES = 30

    @pytest.mark.nightly
    @pytest.mark.parametrize("workers", [1, 2])
    def test_finished_shards_are_complete_and_the_command_resumes(
        self, tiny_run: Path, tmp_path: Path, make_posts: Callable[..., Rows], predicted: Path, workers: int
    ) -> None:
        for number in range(self.FILES):
            rows = make_posts(400, seed=number)
            write_articles(tmp_path / "posts" / f"part-{number:02}.jsonl", [Article(**row) for row in rows])
        command = [
            *(sys.executable, "-m", "zhenwei", "predict", str(tiny_run), "--file", f"{tmp_path}/posts/*"),
            *("--out", str(predicted), "--device", "cpu", "--workers", str(workers), "--json", "-"),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "(1 of 30 files)" in line:
                    break
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=120)
        assert (process.returncode, stdout) == (130, ""), stderr
        complete = int(stderr.split("interrupted: ")[1].split()[0])
        assert (
            f"{complete} of 30 shards in {predicted} are complete; run the same command again for the others" in stderr
        )
        assert "Traceback" not in stderr
        assert not list(predicted.rglob("*.tmp"))
        assert all(len(path.read_text(encoding="utf-8").splitlines()) == 400 for path in predicted.glob("*.jsonl"))

        figures = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=300).stdout)
        assert figures["rows"] == 400 * self.FILES
        assert complete <= figures["reused"] < self.FILES
