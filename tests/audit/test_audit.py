"""The audit as a whole: of clean articles, of the flipped world, of articles that lack what checks need."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zhenwei.audit.audit import CHECKS, audit_files, named_parts, run_checks
from zhenwei.audit.checks.contradictions import near_contradictions
from zhenwei.audit.checks.duplicates import near_duplicates_across, near_duplicates_within
from zhenwei.audit.checks.entity_drift import flipped_entities
from zhenwei.audit.checks.label_leaks import tell_tales
from zhenwei.audit.checks.ngram_shortcuts import shortcut_marks
from zhenwei.audit.dataset import Collection
from zhenwei.audit.findings import Finding
from zhenwei.errors import DataError
from zhenwei.news import Article, write_articles
from zhenwei.news.similarity.near_duplicates import NEAR_DUPLICATE, jaccard
from zhenwei.news.sources.synthetic import SyntheticDataset

Parts = dict[str, list[Article]]


def statuses(parts: Parts) -> dict[str, str]:
    return {finding.check: finding.status for finding in run_checks(Collection.of(parts))}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clean_world_stays_silent(seed: int) -> None:
    parts = SyntheticDataset(seed=seed, n_train=1200, n_val=400, n_test=400, n_flipped=0).generate()
    assert {name: status for name, status in statuses(parts).items() if status != "good"} == {}


def test_a_part_of_chance_raises_no_alarm() -> None:
    """Where labels say nothing of the texts, small parts have telling features and shifted shares by chance alone."""
    parts = SyntheticDataset(seed=4, n_train=300, n_val=60, n_test=60, n_flipped=0, style_strength=0.5).generate()
    found = {name for name, status in statuses(parts).items() if status != "good"}
    assert found <= {"small_parts"}


def test_the_flipped_entities_of_the_world_are_named() -> None:
    world = SyntheticDataset()
    found = flipped_entities(Collection.of(world.generate()))
    named = {str(row[0]) for row in found.tables[0].rows}
    assert found.status == "warn"
    assert named <= set(world.flipped_entities)
    assert len(named) >= 38
    assert found.value == len(named)
    for row in found.tables[0].rows:  # the shares of past and future stand on opposite sides
        assert (row[2] > 0.5) != (row[4] > 0.5)


def test_a_shift_of_all_labels_flips_no_entity() -> None:
    world = SyntheticDataset(n_flipped=0, fake_share_past=0.3, fake_share_future=0.75)
    assert flipped_entities(Collection.of(world.generate())).value == 0


def test_near_duplicates_are_those_of_brute_force(clean: Parts) -> None:
    """Posts, with copies, retellings and halves of some of them among them."""
    train, val = clean["train"][:120], clean["val"][:60]
    for row in range(40):
        text = train[row].content
        changed = (text, text + "转发" * (row % 7), text[: len(text) * (30 + row) // 70], text[:20] + val[row].content)
        val[row] = replace(val[row], content=changed[row % 4])
        train[row + 60] = replace(train[row + 60], content=val[row].content[: 60 + row])
    collection = Collection.of({"train": train, "val": val})

    def near(one: Article, other: Article) -> bool:
        return jaccard(one.content, other.content) >= NEAR_DUPLICATE

    across = [any(near(article, other) for other in train) for article in val]
    found = near_duplicates_across(collection)
    assert 20 <= sum(across) < 60
    assert found.value == sum(across) / 60
    assert found.found.startswith(f"val: {sum(across)} of 60 articles")

    within = [
        sum(any(near(part[row], other) for other in part[:row]) for row in range(len(part))) / len(part)
        for part in (train, val)
    ]
    assert near_duplicates_within(collection).value == max(within)

    every = train + val
    contrary = [any(near(a, b) for b in every if b.label != a.label) for a in every]
    assert near_contradictions(collection).value == sum(contrary) / len(every)


def test_label_agreement_of_copies_is_told(clean: Parts) -> None:
    for row in range(10):
        label = (
            clean["train"][row].label if row < 7 else {"real": "fake", "fake": "real"}[str(clean["train"][row].label)]
        )
        clean["val"][row] = replace(clean["val"][row], content=clean["train"][row].content, label=label)
    collection = Collection.of(clean)
    found = near_duplicates_across(collection)
    assert found.found.startswith("val: 10 of 1,000 articles (1.0%)")
    assert "7 of 10 with the same label" in found.found
    shown = found.tables[0].rows
    assert [row[2] for row in shown[:2]] in (["real", "fake"], ["fake", "real"])  # disagreement comes first


def test_a_mark_of_one_source_among_other_articles_is_named(clean: Parts) -> None:
    """As in CHECKED: the real articles of one account open with a mark; the other real ones do not."""
    real = [row for row, article in enumerate(clean["train"]) if article.label == "real"]
    clean = {"train": clean["train"]}
    for row in real[::3]:
        article = clean["train"][row]
        clean["train"][row] = replace(article, content=f"〖{article.content}")
    found = tell_tales(Collection.of(clean))
    assert found.status == "fail"
    assert "〖" in found.tables[0].rows[0][0]
    assert found.tables[0].rows[0][1] == "real"
    assert shortcut_marks(Collection.of(clean)).status != "fail"  # alone it leaves two thirds of them undecided


def bare(*labels: Any) -> list[Article]:
    return [Article(content=f"第{number}号：水没有问题吗", label=label) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    "parts",
    [
        {"train": bare(None)},
        {"train": bare("fake")},
        {"train": bare("fake", "real")},
        {"train": bare(*["fake", "real"] * 10)},
        {"train": bare(*[None] * 50), "val": bare(*[None] * 50)},
        {"train": bare("real", "real"), "val": bare("fake")},
        {"train": bare(*["fake"] * 30), "val": bare(*["real"] * 30), "test": bare(None)},
        {"train": [Article(content="！！！"), Article(content="😀"), Article(content="！！！")]},
        {"train": [Article(content="水", label="fake", time="2020-01-01", domain="a", entity_list=[])]},
    ],
    ids=lambda parts: "-".join(f"{name}{len(articles)}" for name, articles in parts.items()),
)
def test_articles_that_lack_much_are_audited_without_a_crash(parts: Parts) -> None:
    findings = list(run_checks(Collection.of(parts)))
    assert [finding.check for finding in findings] == [check.__name__ for check in CHECKS]
    json.dumps([finding.__dict__ for finding in findings], default=lambda value: value.__dict__, allow_nan=False)


@pytest.mark.parametrize(
    ("parts", "check", "why"),
    [
        ({"train": bare("fake", "real")}, "copies_across", "there is one part alone"),
        (
            {"train": bare("fake", "real")},
            "flipped_entities",
            "`zhenwei data enrich FILE -o FILE --overwrite --entities` adds",
        ),
        ({"train": bare("fake"), "val": bare("real")}, "time_leaks", "need a `time`"),
        ({"train": bare(None, None)}, "shortcut_marks", "too few labelled articles"),
        ({"train": bare(None, None)}, "label_share_parts", "need labels"),
        ({"train": bare(None, None)}, "contradictions", "do not have both labels"),
        ({"train": bare("fake", "real")}, "label_share_domains", "has a label and a `domain`"),
        ({"train": bare(None)}, "one_class", "no article has a label"),
    ],
)
def test_what_could_not_be_checked_is_said_with_its_reason(parts: Parts, check: str, why: str) -> None:
    (found,) = [finding for finding in run_checks(Collection.of(parts)) if finding.check == check]
    assert found.status == "good"
    assert found.value is None
    assert found.found.startswith("not checked: ")
    assert why in found.found


def test_a_field_that_follows_from_the_label_is_found_without_a_val(clean: Parts) -> None:
    articles = [
        Article.from_row(article.to_row() | {"platform": f"{article.label}站{number % 3}"})
        for number, article in enumerate(clean["train"])
    ]
    found = named(Collection.of({"train": articles}), "shortcut_fields")
    assert found.status == "fail"
    assert "'platform'" in found.found
    assert "a held half of train" in found.found


def test_ids_that_tell_the_label_are_found_and_numbers_are_not(clean: Parts) -> None:
    """An id such as rumour-17 gives its article away; digits alone do not."""
    for part in ("train", "val"):
        clean[part] = [
            replace(article, id=f"{'rumour' if article.target else 'post'}-{number}")
            for number, article in enumerate(clean[part])
        ]
    found = named(Collection.of(clean), "shortcut_fields")
    assert found.status == "fail"
    assert "'id without its digits'" in found.found


def named(collection: Collection, check: str) -> Finding:
    (function,) = [function for function in CHECKS if function.__name__ == check]
    return function(collection)


def test_parts_are_put_in_the_order_of_their_roles(tmp_path: Path, make_posts: Callable[..., Any]) -> None:
    paths = {}
    for seed, name in enumerate(("test", "val", "train", "more")):
        paths[name] = tmp_path / f"{name}.jsonl"
        write_articles(paths[name], (Article.from_row(row) for row in make_posts(20, seed)))
    report = audit_files(paths)
    assert [part.name for part in report.parts] == ["train", "more", "val", "test"]
    assert [(part.n, part.n_fake, part.n_labelled) for part in report.parts] == [(20, 10, 20)] * 4
    assert len({part.sha256 for part in report.parts}) == 4
    assert report.to_dict()["status"] == report.status
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["parts"][0]["path"] == str(paths["train"])


def test_a_folder_and_files_are_named(tmp_path: Path, data_folder: Path) -> None:
    assert list(named_parts([data_folder])) == ["train", "val", "test"]
    assert list(named_parts([Path("b.json"), Path("a.csv")])) == ["b", "a"]
    with pytest.raises(DataError, match="found no train, val or test"):
        named_parts([tmp_path])
    with pytest.raises(DataError, match="is a folder; expected one folder alone, or files"):
        named_parts([data_folder, tmp_path])
    with pytest.raises(DataError, match=r"a\.json and .*a\.csv: found two files named a"):
        named_parts([Path("a.json"), Path("a.csv")])
    with pytest.raises(DataError, match="nothing to audit"):
        audit_files({})


def test_what_repeats_an_earlier_training_article_is_no_leak_of_time(tmp_path: Path) -> None:
    """As where near-duplicates are kept together: the copy is later than val, but its text was known before."""
    world = SyntheticDataset(n_train=120, n_val=60, n_test=0).generate()
    later = world["val"][-1].time
    copy = replace(world["train"][0], time=later, id="copy")
    new = replace(world["val"].pop(), time=later)
    for name, more, count in (("copy", [copy], 0), ("new", [new], 1)):
        for part, articles in {"train": world["train"] + more, "val": world["val"]}.items():
            write_articles(tmp_path / name / f"{part}.json", articles)
        files = {part: tmp_path / name / f"{part}.json" for part in ("train", "val")}
        found = next(one for one in audit_files(files).findings if one.check == "time_leaks")
        assert found.found.startswith(f"{count} of 121 train articles")
        assert ("1 that repeat an earlier one" in found.found) == (name == "copy")
