"""The commands in normal use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text

import zhenwei as package
from zhenwei import Config
from zhenwei.cli.app import app
from zhenwei.config import PRESETS
from zhenwei.news import read_articles

Command = Callable[..., Any]
FAKE = "听说云溪的大蒜出大事了，内部消息，赶紧转给家人！"
COMMANDS = [
    [],
    *([name] for name in ("demo", "init", "train", "evaluate", "predict", "data")),
    *(["data", name] for name in ("import", "split")),
]


@pytest.fixture
def config_file(tiny_settings: Callable[..., dict[str, Any]], tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tiny_settings(tmp_path / "run")), encoding="utf-8")
    return path


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_every_command_has_help(self, zhenwei: Command, command: list[str]) -> None:
        outcome = zhenwei(*command, "--help")
        assert outcome.status == 0
        assert f"Usage: {' '.join(['zhenwei', *command])}" in outcome.stdout
        assert zhenwei(*command, "-h").stdout == outcome.stdout

    def test_no_help_text_is_parsed_as_markup(self) -> None:
        texts: list[str] = []
        queue: list[Any] = [typer.main.get_command(app)]
        while queue:
            command = queue.pop()
            queue += getattr(command, "commands", {}).values()
            texts += [command.help or "", *(getattr(each, "help", None) or "" for each in command.params)]
        assert len(texts) > 100
        assert [text for text in texts if Text.from_markup(text).plain != text] == []

    def test_the_version(self, zhenwei: Command) -> None:
        assert zhenwei("--version").stdout == f"zhenwei {package.__version__}\n"

    @pytest.mark.parametrize("command", [[], ["data"]], ids=["zhenwei", "zhenwei data"])
    def test_a_group_without_a_command_lists_its_commands(self, zhenwei: Command, command: list[str]) -> None:
        outcome = zhenwei(*command)
        assert outcome.status == 2
        assert "Commands" in outcome.stdout + outcome.stderr


class TestInit:
    def test_it_writes_settings_that_load_and_a_guide(self, zhenwei: Command, tmp_path: Path) -> None:
        outcome = zhenwei("init", tmp_path / "new" / "mine.json")
        assert outcome.status == 0
        assert f"next: put train.json and val.json into data/, then run: zhenwei train {tmp_path}" in outcome.stdout
        assert Config.load(tmp_path / "new" / "mine.json") == Config.load({})
        assert "`training.lr`" in (tmp_path / "new" / "mine.md").read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", ["mine.json", "mine.md"])
    def test_it_overwrites_only_with_the_option(self, zhenwei: Command, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("precious")
        error = zhenwei("init", tmp_path / "mine.json").error
        assert error == f"error: {tmp_path / name}: already exists; give another name, or --overwrite"
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "precious"
        assert zhenwei("init", tmp_path / "mine.json", "--overwrite").status == 0

    def test_a_name_without_the_suffix_json(self, zhenwei: Command, tmp_path: Path) -> None:
        assert "expected a name that ends in .json" in zhenwei("init", tmp_path / "mine.yaml").error

    def test_an_unknown_detector(self, zhenwei: Command, tmp_path: Path) -> None:
        assert "did you mean 'bigru'?" in zhenwei("init", tmp_path / "c.json", "--detector", "bigrus").error
        assert list(tmp_path.iterdir()) == []

    def test_the_list_has_a_line_for_each_preset(self, zhenwei: Command) -> None:
        outcome = zhenwei("init", "--list")
        assert outcome.status == 0
        assert [line.split()[0] for line in outcome.stdout.splitlines()] == list(PRESETS)

    def test_a_preset_is_written_with_every_setting(self, zhenwei: Command, tmp_path: Path) -> None:
        assert zhenwei("init", tmp_path / "c.json", "--preset", "textcnn").status == 0
        assert Config.load(tmp_path / "c.json") == Config.load("textcnn")

    def test_an_unknown_preset(self, zhenwei: Command, tmp_path: Path) -> None:
        assert (
            "--preset: found 'bigrus'; did you mean 'bigru'?"
            in zhenwei("init", tmp_path / "c.json", "--preset", "bigrus").error
        )
        assert list(tmp_path.iterdir()) == []

    def test_a_preset_and_a_detector_contradict_each_other(self, zhenwei: Command, tmp_path: Path) -> None:
        arguments = ("init", tmp_path / "c.json", "--preset", "bigru", "--detector", "bigru")
        assert "contradict each other" in zhenwei(*arguments).error


class TestTrain:
    def test_it_trains_and_prints_the_scores_of_val_and_test(
        self, zhenwei: Command, config_file: Path, tmp_path: Path
    ) -> None:
        outcome = zhenwei("train", config_file, "--set", "training.epochs=1", "--json", tmp_path / "out.json")
        assert outcome.status == 0, outcome.stderr
        assert "macro_f1" in outcome.stdout
        results = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
        assert (results["split"], results["epochs"], results["n"]) == ("test", 1, 24)
        assert results["val"]["n"] == 24
        assert Config.load(tmp_path / "run" / "config.json").training.epochs == 1
        assert zhenwei("predict", tmp_path / "run", FAKE).status == 0

    def test_an_existing_run_is_not_touched(self, zhenwei: Command, config_file: Path, own_run: Path) -> None:
        results = (own_run / "results.json").read_bytes()
        error = zhenwei("train", config_file, "--set", f"output.dir={own_run}").error
        assert f"{own_run}: there is a run already; resume it with --resume, replace it with --overwrite" in error
        assert (own_run / "results.json").read_bytes() == results

    def test_a_finished_run_resumed_prints_its_results(self, zhenwei: Command, own_run: Path) -> None:
        outcome = zhenwei(
            *("train", own_run / "config.json", "--set", f"output.dir={own_run}", "--resume", "--json", "-")
        )
        assert outcome.status == 0, outcome.stderr
        assert json.loads(outcome.stdout) == json.loads((own_run / "results.json").read_text(encoding="utf-8"))

    def test_a_presets_name_trains_it(self, zhenwei: Command, data_folder: Path, tmp_path: Path) -> None:
        data, run = f"data.root_path={data_folder}", f"output.dir={tmp_path / 'run'}"
        outcome = zhenwei("train", "tfidf", "--set", data, "--set", run, "--set", "output.report=false")
        assert outcome.status == 0, outcome.stderr
        assert Config.load(tmp_path / "run" / "config.json").data.max_len == Config.load("tfidf").data.max_len

    def test_resume_and_overwrite_contradict_each_other(self, zhenwei: Command, config_file: Path) -> None:
        assert "contradict each other" in zhenwei("train", config_file, "--resume", "--overwrite").error


class TestEvaluate:
    def test_a_table(self, zhenwei: Command, tiny_run: Path, data_folder: Path) -> None:
        outcome = zhenwei("evaluate", tiny_run, data_folder / "test.json")
        assert outcome.status == 0
        assert "macro_f1" in outcome.stdout

    def test_json_and_nothing_else_on_standard_output(
        self, zhenwei: Command, tiny_run: Path, data_folder: Path
    ) -> None:
        outcome = zhenwei("evaluate", tiny_run, data_folder / "test.json", "--json", "-")
        scores = json.loads(outcome.stdout)
        assert {"metric", "macro_f1", "auc", "spauc", "acc", "ece", "brier", "n"} <= scores.keys()
        assert "macro_f1" in outcome.stderr

    def test_one_class_alone_leaves_undefined_scores(
        self, zhenwei: Command, tiny_run: Path, make_posts: Command, tmp_path: Path
    ) -> None:
        (tmp_path / "fakes.json").write_text(json.dumps(make_posts(8)[1::2]))
        outcome = zhenwei("evaluate", tiny_run, tmp_path / "fakes.json", "--json", tmp_path / "out.json")
        assert "undefined" in outcome.stdout
        assert json.loads((tmp_path / "out.json").read_text())["auc"] is None


class TestPredict:
    def test_a_table(self, zhenwei: Command, tiny_run: Path) -> None:
        outcome = zhenwei("predict", tiny_run, FAKE, "Ceci n'est pas une nouvelle")
        assert outcome.status == 0
        assert "fake" in outcome.stdout
        assert FAKE[:10] in outcome.stdout
        assert "unsure" in outcome.stdout
        assert "not trained on" in " ".join(outcome.stdout.split())

    def test_json_has_one_object_per_text(self, zhenwei: Command, tiny_run: Path) -> None:
        found = json.loads(zhenwei("predict", tiny_run, FAKE, "大蒜", "--json", "-").stdout)
        assert [row["text"] for row in found] == [FAKE, "大蒜"]
        assert all(
            row.keys() == {"text", "verdict", "probability", "threshold", "warnings", "reasons"} for row in found
        )

    def test_a_text_may_begin_with_a_dash(self, zhenwei: Command, tiny_run: Path) -> None:
        texts = ["-5度的大蒜", "-this has an h", "-", "大蒜"]
        found = json.loads(zhenwei("predict", tiny_run, *texts, "--device", "cpu", "--json", "-").stdout)
        assert [row["text"] for row in found] == texts
        found = json.loads(zhenwei("predict", "--json=-", tiny_run, "--", "--json", "大蒜").stdout)
        assert [row["text"] for row in found] == ["--json", "大蒜"]

    def test_a_file_of_articles(self, zhenwei: Command, tiny_run: Path, data_folder: Path, tmp_path: Path) -> None:
        target = tmp_path / "out.json"
        outcome = zhenwei("predict", tiny_run, "--file", data_folder / "test.json", "--json", target)
        assert outcome.status == 0
        found = json.loads(target.read_text(encoding="utf-8"))
        articles = read_articles(data_folder / "test.json")
        assert [(row["id"], row["text"]) for row in found] == [(article.id, article.content) for article in articles]

    @pytest.mark.parametrize("text", ["[/微博] 转发", "[red]大蒜[/red]", "[link=x]"])
    def test_brackets_in_a_post_are_shown_as_they_are(self, zhenwei: Command, tiny_run: Path, text: str) -> None:
        outcome = zhenwei("predict", tiny_run, text)
        assert outcome.status == 0
        assert text in outcome.stdout

    def test_control_codes_in_a_post_do_not_reach_the_terminal(self, zhenwei: Command, tiny_run: Path) -> None:
        assert "\x1b" not in zhenwei("predict", tiny_run, "大蒜\x1b[2J\x07").stdout

    @pytest.mark.parametrize("arguments", [[], [FAKE, "--file", "x.json"]], ids=["nothing", "both"])
    def test_texts_or_a_file(self, zhenwei: Command, tiny_run: Path, arguments: list[str]) -> None:
        assert 'expected texts ("...") or --file FILE, one of the two' in zhenwei("predict", tiny_run, *arguments).error


class TestData:
    @pytest.mark.slow
    @pytest.mark.nightly
    def test_the_synthetic_dataset_has_three_parts(self, zhenwei: Command, tmp_path: Path) -> None:
        outcome = zhenwei("data", "import", "synthetic", tmp_path, "--seed", 7)
        assert outcome.status == 0
        assert outcome.stdout.count(" articles") == 3
        assert "exists already" in zhenwei("data", "import", "synthetic", tmp_path).error

    def test_ced(self, zhenwei: Command, tmp_path: Path) -> None:
        source = tmp_path / "ced"
        for number, reposts in enumerate(["rumor-repost", "non-rumor-repost"], start=1):
            for folder, content in {"original-microblog": {"text": FAKE, "time": 1340000000}, reposts: []}.items():
                (source / folder).mkdir(parents=True, exist_ok=True)
                (source / folder / f"{number}_a_b.json").write_text(json.dumps(content))
        outcome = zhenwei("data", "import", "ced", source, tmp_path / "out")
        articles = tmp_path / "out" / "articles.json"
        assert outcome.status == 0
        assert f"{articles}: 2 articles\nnext: split it, as in: zhenwei data split {articles}" in outcome.stdout
        assert [article.label for article in read_articles(articles)] == ["fake", "real"]

    @pytest.mark.parametrize("by", ["time", "random", "group"])
    def test_split(self, zhenwei: Command, make_posts: Command, tmp_path: Path, by: str) -> None:
        rows = [{**row, "time": f"2020-01-{1 + n // 2:02}", "topic": n % 10} for n, row in enumerate(make_posts(50))]
        (tmp_path / "all.json").write_text(json.dumps(rows))
        how = ("--by", by, "--field", "topic", "--near-duplicates", "leave")  # these posts are near-duplicates
        outcome = zhenwei("data", "split", tmp_path / "all.json", tmp_path / "parts", *how)
        assert outcome.status == 0, outcome.stderr
        train, val, test = (read_articles(tmp_path / "parts" / f"{part}.json") for part in ("train", "val", "test"))
        assert {article.id for part in (train, val, test) for article in part} == {row["id"] for row in rows}
        assert (len(train), len(val), len(test)) == (30, 10, 10)
        if by == "time":
            last = [max(article.time for article in part if article.time) for part in (train, val)]
            assert all(article.time > last[0] for article in val if article.time)
            assert all(article.time > last[1] for article in test if article.time)
        if by == "group":
            topics = [{article.extra["topic"] for article in part} for part in (train, val, test)]
            assert sum(map(len, topics)) == 10
        assert "exists already" in zhenwei("data", "split", tmp_path / "all.json", tmp_path / "parts").error
        assert zhenwei("data", "split", tmp_path / "all.json", tmp_path / "parts", "--overwrite").status == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["import", "cde", "a", "b"], "found the source 'cde'; did you mean 'ced'?"),
            (["import", "synthetci", "a"], "did you mean 'synthetic'?"),
            (["import", "ced", "a"], "data import ced: found 1 path(s); expected SRC and DST"),
            (["import", "synthetic", "a", "b"], "data import synthetic: found 2 path(s); expected DST alone"),
            (["import", "ced", "none", "b"], "none"),
            (["split", "none.json", "b"], "none.json: no such file"),
        ],
    )
    def test_mistakes(
        self, zhenwei: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert message in zhenwei("data", *arguments).error
        assert list(tmp_path.iterdir()) == []

    def test_split_refuses_what_it_cannot_cut(self, zhenwei: Command, data_folder: Path, tmp_path: Path) -> None:
        split = ("data", "split", data_folder / "train.json", tmp_path / "parts")
        assert "--fractions: found '1,2'; expected three shares" in zhenwei(*split, "--fractions", "1,2").error
        assert "positive numbers that sum to 1" in zhenwei(*split, "--fractions", "0.5,0.5,0.5").error
        assert "64 of 64 articles have no field 'topic'" in zhenwei(*split, "--by", "group", "--field", "topic").error
        assert not (tmp_path / "parts").exists()
