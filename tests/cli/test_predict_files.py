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
def scored(tmp_path: Path) -> Path:
    return tmp_path / "scored"


class TestShards:
    def test_a_pattern_and_a_file_become_shards_and_a_table(
        self, zhenwei: Command, tiny_run: Path, posts: Path, scored: Path
    ) -> None:
        more = posts / "c.csv"
        write_articles(more, [Article(content="大蒜", id="7")])
        outcome = zhenwei("predict", tiny_run, "--file", f"{posts}/*.jsonl", "--file", more, "--out", scored)
        assert outcome.status == 0
        assert sorted(path.name for path in scored.iterdir()) == ["_account", "a.jsonl", "b.jsonl", "c.csv"]
        assert str(scored) in outcome.stdout
        assert [cell.strip() for cell in outcome.stdout.splitlines()[4].split("│")[1:6:2]] == ["61", "0", "0"]

    def test_figures_as_json_and_nothing_else_on_standard_output(
        self, zhenwei: Command, tiny_run: Path, posts: Path, scored: Path
    ) -> None:
        arguments = ("predict", tiny_run, "--file", f"{posts}/*", "--out", scored, "--format", "csv", "--with-text")
        figures = json.loads(zhenwei(*arguments, "--json", "-").stdout)
        assert {name: figures[name] for name in ("rows", "bad_rows", "scored", "kept", "failed", "engine")} == {
            "rows": 60, "bad_rows": 0, "scored": 2, "kept": 0, "failed": 0, "engine": "local",
        }  # fmt: skip
        assert [shard["shard"] for shard in figures["shards"]] == [str(scored / "a.csv"), str(scored / "b.csv")]
        assert (scored / "a.csv").read_text(encoding="utf-8").startswith("id,row,text,verdict,")
        again = json.loads(zhenwei(*arguments, "--json", "-").stdout)
        assert (again["scored"], again["kept"], again["rows_per_second"]) == (0, 2, None)

    def test_bad_rows_are_listed_or_end_it(self, zhenwei: Command, tiny_run: Path, posts: Path, scored: Path) -> None:
        with (posts / "b.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"content": null}\n')
        arguments = ("predict", tiny_run, "--file", f"{posts}/*", "--out", scored)
        skipped = zhenwei(*arguments)
        assert skipped.status == 0
        assert f"1 rows could not be used and were left out; they are listed in {scored}/_account/b" in skipped.stderr
        told = zhenwei(*arguments, "--on-error", "fail").error
        assert "1 of 2 files could not be scored; 1 of 2 shards are whole" in told
        assert "b.jsonl, row 31, field 'content': found null; expected a text" in told

    def test_failures_are_in_the_figures_too(
        self, zhenwei: Command, tiny_run: Path, posts: Path, scored: Path, tmp_path: Path
    ) -> None:
        (posts / "b.jsonl").write_bytes(b"\xff\xfe")
        figures = tmp_path / "figures.json"
        zhenwei("predict", tiny_run, "--file", f"{posts}/*", "--out", scored, "--json", figures).error  # noqa: B018
        states = [shard["state"] for shard in json.loads(figures.read_text(encoding="utf-8"))["shards"]]
        assert states == ["scored", "failed"]


class TestMistakes:
    def test_a_pattern_without_quotes_is_told(
        self, zhenwei: Command, tiny_run: Path, posts: Path, scored: Path
    ) -> None:
        told = zhenwei("predict", tiny_run, "--file", posts / "a.jsonl", posts / "b.jsonl", "--out", scored).error
        assert "a pattern of files goes in quotes, as in --file 'posts/*.parquet'" in told

    def test_several_files_need_a_folder(self, zhenwei: Command, tiny_run: Path, posts: Path) -> None:
        told = zhenwei("predict", tiny_run, "--file", posts / "a.jsonl", "--file", posts / "b.jsonl").error
        assert told == "error: --file: found 2 files; expected one, or a folder to score them into: --out FOLDER"

    def test_texts_go_into_no_folder(self, zhenwei: Command, tiny_run: Path, scored: Path) -> None:
        assert "--out: is for files" in zhenwei("predict", tiny_run, "大蒜", "--out", scored).error

    @pytest.mark.parametrize(
        "option",
        [["--engine", "ray"], ["--workers", "2"], ["--on-error", "fail"], ["--with-text"], ["--format", "csv"]],
    )
    def test_what_is_for_shards_needs_a_folder(
        self, zhenwei: Command, tiny_run: Path, posts: Path, option: list[str]
    ) -> None:
        told = zhenwei("predict", tiny_run, "--file", posts / "a.jsonl", *option).error
        assert told == f"error: {option[0]} is for files that are scored into a folder; add --out FOLDER"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
class TestCtrlC:
    FILES = 30

    @pytest.mark.parametrize("workers", [1, 2])
    def test_finished_shards_are_whole_and_the_same_command_goes_on(
        self, tiny_run: Path, tmp_path: Path, make_posts: Callable[..., Rows], scored: Path, workers: int
    ) -> None:
        for number in range(self.FILES):
            rows = make_posts(400, seed=number)
            write_articles(tmp_path / "posts" / f"part-{number:02}.jsonl", [Article(**row) for row in rows])
        command = [
            *(sys.executable, "-m", "zhenwei", "predict", str(tiny_run), "--file", f"{tmp_path}/posts/*"),
            *("--out", str(scored), "--device", "cpu", "--workers", str(workers), "--json", "-"),
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "(1 of 30 files)" in line:
                    break
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=120)
        assert (process.returncode, stdout) == (130, ""), stderr
        whole = int(stderr.split("interrupted: ")[1].split()[0])
        assert f"{whole} of 30 shards are whole in {scored}; the same command goes on with the others" in stderr
        assert "Traceback" not in stderr
        assert not list(scored.rglob("*.tmp"))
        assert all(len(path.read_text(encoding="utf-8").splitlines()) == 400 for path in scored.glob("*.jsonl"))

        figures = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=300).stdout)
        assert figures["rows"] == 400 * self.FILES
        assert whole <= figures["kept"] < self.FILES
