"""A file with its entities and emotion: what is added, what is kept, and that nothing half done is left."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zhenwei.errors import ConfigError, DataError
from zhenwei.news import Article, read_articles, write_articles
from zhenwei.news.enrichment import enrich as enrichment
from zhenwei.news.enrichment.emotion import EmotionExtractor
from zhenwei.news.enrichment.enrich import EnrichmentSummary, enrich_file
from zhenwei.news.enrichment.entities import JiebaTagger
from zhenwei.news.sources.synthetic import SyntheticDataset

SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")


@pytest.fixture(scope="module")
def tagger() -> JiebaTagger:
    return JiebaTagger()


@pytest.fixture(scope="module")
def extractor() -> EmotionExtractor:
    return EmotionExtractor()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    articles = [
        Article(content="刘翔回到北京，太高兴了！", id="1", extra={"likes": 3}),
        Article(content="今天天气很好。", id="2", entity_list=("天气",), emotion=(0.5,) * 39),
        Article(content="没有名字", id="3", label="fake"),
    ]
    write_articles(tmp_path / "in.jsonl", articles)
    return tmp_path / "in.jsonl"


class TestFields:
    def test_entities_and_emotion_are_added_and_all_else_stays(
        self, file: Path, tagger: JiebaTagger, extractor: EmotionExtractor
    ) -> None:
        out = file.with_name("out.jsonl")
        summary = enrich_file(file, out, entities=tagger, emotion=extractor)
        first, second, third = read_articles(out)
        assert first.to_row() == {
            "id": "1",
            "content": "刘翔回到北京，太高兴了！",
            "entity_list": [{"entity": "刘翔"}, {"entity": "北京"}],
            "emotion": list(extractor(first.content)),
            "likes": 3,
        }
        assert (second.entity_list, second.emotion) == (("天气",), (0.5,) * 39)
        assert (third.entity_list, third.label) == ((), "fake")
        assert summary == EnrichmentSummary(
            articles=3, entities_added=2, entities_kept=1, without_entities=1, emotion_added=2, emotion_kept=1
        )

    def test_only_what_is_asked_for_is_added(
        self, file: Path, tagger: JiebaTagger, extractor: EmotionExtractor
    ) -> None:
        out = file.with_name("out.json")
        assert enrich_file(file, out, entities=tagger).emotion_added == 0
        assert [article.emotion is None for article in read_articles(out)] == [True, False, True]
        assert enrich_file(file, out, emotion=extractor, overwrite=True).entities_added == 0
        assert [article.entity_list is None for article in read_articles(out)] == [True, False, True]

    def test_fields_that_are_there_are_replaced_when_asked(
        self, file: Path, tagger: JiebaTagger, extractor: EmotionExtractor
    ) -> None:
        out = file.with_name("out.json")
        summary = enrich_file(file, out, entities=tagger, emotion=extractor, replace=True)
        second = read_articles(out)[1]
        assert (second.entity_list, second.emotion) == ((), extractor(second.content))
        assert summary.to_dict() == {
            **{"articles": 3, "entities_added": 3, "entities_kept": 0, "without_entities": 2},
            **{"emotion_added": 3, "emotion_kept": 0, "emotion_of_other_length": 0, "processes": 1},
        }

    def test_emotion_of_another_length_is_kept_with_a_warning(
        self, file: Path, extractor: EmotionExtractor, caplog: pytest.LogCaptureFixture
    ) -> None:
        np.save(file.with_name("in_emo.npy"), np.ones((3, 5)))
        with caplog.at_level(logging.WARNING):
            summary = enrich_file(file, file.with_name("out.json"), emotion=extractor)
        assert (summary.emotion_kept, summary.emotion_of_other_length) == (3, 2)
        assert "2 articles kept an emotion that has not 39 values; --replace recomputes it" in caplog.text

    @pytest.mark.parametrize("source", SUFFIXES)
    @pytest.mark.parametrize("destination", SUFFIXES)
    def test_every_format_to_every_other(
        self, file: Path, tagger: JiebaTagger, extractor: EmotionExtractor, source: str, destination: str
    ) -> None:
        write_articles(file.with_name(f"source{source}"), read_articles(file))
        out = file.with_name(f"out{destination}")
        enrich_file(file.with_name(f"source{source}"), out, entities=tagger, emotion=extractor)
        first, second, third = read_articles(out)
        assert [article.entity_list for article in (first, second, third)] == [("刘翔", "北京"), ("天气",), ()]
        assert [article.emotion for article in (first, third)] == [extractor(first.content), extractor(third.content)]


class TestProcesses:
    @pytest.fixture
    def posts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Sixty posts without entities, which pass for many."""
        monkeypatch.setattr(enrichment, "FEW", 10)
        monkeypatch.setattr(enrichment, "POSTS_PER_CHUNK", 7)
        posts = SyntheticDataset(n_train=60, n_val=0, n_test=0).generate()["train"]
        write_articles(tmp_path / "in.json", [Article(content=post.content, id=post.id) for post in posts])
        return tmp_path / "in.json"

    @pytest.mark.nightly
    def test_the_copy_is_the_same_in_two_processes(
        self, posts: Path, tagger: JiebaTagger, extractor: EmotionExtractor
    ) -> None:
        copies = []
        for processes in (1, 2):
            out = posts.with_name(f"{processes}.json")
            summary = enrich_file(posts, out, entities=tagger, emotion=extractor, processes=processes)
            assert (summary.processes, summary.entities_added, summary.emotion_added) == (processes, 60, 60)
            copies.append(out.read_bytes())
        assert copies[0] == copies[1]

    @pytest.mark.slow
    def test_the_copy_is_the_same_for_any_number_of_processes(self, posts: Path) -> None:
        at_the_comma = methodcaller("partition", "，")  # any function of a text will do, if workers find it
        copies = []
        for processes in (1, 2, 3):
            out = posts.with_name(f"{processes}.json")
            assert enrich_file(posts, out, entities=at_the_comma, processes=processes).processes == processes
            copies.append(out.read_bytes())
        assert copies[0] == copies[1] == copies[2]

    def test_few_articles_are_done_in_this_process(self, file: Path, tagger: JiebaTagger) -> None:
        assert enrich_file(file, file.with_name("out.json"), entities=tagger, processes=8).processes == 1

    @pytest.mark.slow
    @pytest.mark.nightly
    def test_ctrl_c_leaves_neither_a_half_file_nor_a_worker(self, tmp_path: Path) -> None:
        articles = [Article(content=f"第{n}号，刘翔回到北京，太高兴了！" * 20, id=str(n)) for n in range(12_000)]
        write_articles(tmp_path / "in.jsonl", articles)
        (tmp_path / "out.jsonl").write_text("precious")
        command = ["data", "enrich", "in.jsonl", "-o", "out.jsonl", "--entities", "--processes", "2", "--overwrite"]
        started = subprocess.Popen(
            [sys.executable, "-m", "zhenwei", *command],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=heed_ctrl_c,  # noqa: PLW1509 - it does no more than a system call
        )
        wait_until(lambda: any(part.stat().st_size for part in tmp_path.glob(".out.jsonl.*.tmp")))
        assert members(started.pid) > 2
        os.killpg(started.pid, signal.SIGINT)  # as a terminal does: to all of them at once
        _, error = started.communicate(timeout=30)
        assert started.returncode != 0
        assert b"Traceback" not in error
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
        assert (tmp_path / "out.jsonl").read_text() == "precious"
        wait_until(lambda: members(started.pid) == 0)


def heed_ctrl_c() -> None:
    """Undo what a shell does to what it starts in the background: that ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def members(group: int) -> int:
    """How many living processes a process group has."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[2]) == group:
            states.append(fields[0])
    return sum(state != "Z" for state in states)


class TestRefusals:
    def test_nothing_to_add(self, file: Path) -> None:
        with pytest.raises(ConfigError, match="nothing to add; expected entities, emotion, or both"):
            enrich_file(file, file.with_name("out.json"))

    def test_no_process(self, file: Path, tagger: JiebaTagger) -> None:
        with pytest.raises(ConfigError, match="processes: found 0; expected 1 or more"):
            enrich_file(file, file.with_name("out.json"), entities=tagger, processes=0)

    def test_a_destination_that_is_there(self, file: Path, tagger: JiebaTagger) -> None:
        before = file.read_bytes()
        with pytest.raises(DataError, match=r"in\.jsonl: exists already; choose another file, or --overwrite"):
            enrich_file(file, file, entities=tagger)
        assert file.read_bytes() == before

    def test_the_source_itself_is_replaced_when_asked(self, file: Path, tagger: JiebaTagger) -> None:
        enrich_file(file, file, entities=tagger, overwrite=True)
        assert [article.entity_list for article in read_articles(file)] == [("刘翔", "北京"), ("天气",), ()]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("out.txt", r"found the suffix '\.txt'"),
            ("folder.json", "found a folder; expected the name of a file"),
            ("in.jsonl/out.json", "is not a folder"),
        ],
    )
    def test_a_place_where_no_file_can_be(self, file: Path, tagger: JiebaTagger, name: str, message: str) -> None:
        file.with_name("folder.json").mkdir()
        with pytest.raises(DataError, match=message):
            enrich_file(file, file.parent / name, entities=tagger)

    def test_a_folder_that_cannot_be_written_to(
        self, file: Path, tagger: JiebaTagger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(DataError, match=r"out\.json: cannot be written \(permission denied\)"):
            enrich_file(file, file.with_name("out.json"), entities=tagger)

    def test_a_bad_row_leaves_the_destination_as_it_was(self, file: Path, tagger: JiebaTagger) -> None:
        with file.open("a", encoding="utf-8") as rows:
            rows.write(json.dumps({"content": ""}) + "\n")
        out = file.with_name("out.json")
        out.write_text("precious")
        with pytest.raises(DataError, match="row 4, field 'content': found ''"):
            enrich_file(file, out, entities=tagger, overwrite=True)
        assert out.read_text() == "precious"
        assert sorted(path.name for path in file.parent.iterdir()) == ["in.jsonl", "out.json"]

    def test_a_source_that_is_missing(self, tmp_path: Path, tagger: JiebaTagger) -> None:
        with pytest.raises(DataError, match="no such file"):
            enrich_file(tmp_path / "none.json", tmp_path / "out.json", entities=tagger)
        assert list(tmp_path.iterdir()) == []
