"""`zhenwei data enrich`: what it adds, what it says, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zhenwei.news import read_articles

Command = Callable[..., Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        {"content": "玄武岩计划的刘翔说绝绝子"},
        {"content": "没有名字"},
        {"content": "上海", "entity_list": ["上海"]},
    ]
    (tmp_path / "in.json").write_text(json.dumps(rows), encoding="utf-8")
    return tmp_path / "in.json"


def test_entities_and_emotion_with_the_users_own_words(zhenwei: Command, file: Path) -> None:
    dictionary, lexicon, out = (file.with_name(name) for name in ("names.txt", "words.csv", "out.jsonl"))
    dictionary.write_text("玄武岩计划 ns\n", encoding="utf-8")
    lexicon.write_text("word,category,intensity,polarity\n绝绝子,好,9,1\n", encoding="utf-8")
    own = ("--dictionary", dictionary, "--lexicon", lexicon)
    outcome = zhenwei("data", "enrich", file, "-o", out, "--entities", "--emotion", *own)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == (
        f"{out}: 3 articles\nentities: added to 2, kept in 1; 1 articles have none\nemotion: added to 3, kept in 0\n"
    )
    first, second, third = read_articles(out)
    assert [article.entity_list for article in (first, second, third)] == [("玄武岩计划", "刘翔"), (), ("上海",)]
    assert first.emotion is not None
    assert first.emotion[2] > 0  # liking_score


def test_figures_as_json(zhenwei: Command, file: Path) -> None:
    outcome = zhenwei("data", "enrich", file, "-o", file, "--overwrite", "--replace", "--entities", "--json", "-")
    assert outcome.status == 0
    figures = json.loads(outcome.stdout)
    assert (figures["articles"], figures["entities_added"], figures["without_entities"]) == (3, 3, 1)
    assert [article.entity_list for article in read_articles(file)] == [("玄武岩", "刘翔"), (), ("上海",)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to add; expected --entities, --emotion, or both"),
        (["--emotion", "--dictionary", "x.txt"], "--dictionary, --tagger and --tagger-model are for --entities"),
        (["--emotion", "--tagger", "spacy"], "are for --entities, which is missing"),
        (["--emotion", "--tagger-model", "m"], "are for --entities, which is missing"),
        (["--entities", "--lexicon", "x.tsv"], "--lexicon is for --emotion, which is missing"),
        (["--entities", "--tagger-model", "m"], "model: the tagger 'jieba' has none"),
        (["--entities", "--tagger", "spacy", "--dictionary", "x.txt"], "dictionary: the tagger 'spacy' has none"),
        (["--entities", "--dictionary", "x.txt"], "x.txt: no such file"),
        (["--emotion", "--lexicon", "x.tsv"], "x.tsv: no such file"),
        (["--entities", "-o", "in.json"], "in.json: exists already; choose another file, or --overwrite"),
        (["--entities", "-o", "out.xml"], "out.xml: found the suffix '.xml'"),
    ],
)
def test_mistakes_are_refused_before_any_work(
    zhenwei: Command, file: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(file.parent)
    before = file.read_bytes()
    output = [] if "-o" in arguments else ["-o", "out.json"]
    assert message in zhenwei("data", "enrich", "in.json", *output, *arguments).error
    assert [path.name for path in file.parent.iterdir()] == ["in.json"]
    assert file.read_bytes() == before


def test_a_missing_source_is_told_with_its_neighbour(zhenwei: Command, file: Path) -> None:
    reported = zhenwei("data", "enrich", file.with_suffix(".csv"), "-o", file.with_name("out.json"), "--entities").error
    assert "in.csv: no such file; did you mean in.json?" in reported
