"""The whole audit: of clean articles, of entity drift, of articles that lack the fields of a check."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zhenwei.audit.audit import CHECKS, audit_files, named_parts, run_checks
from zhenwei.audit.checks.contradictions import near_contradictions
from zhenwei.audit.checks.duplicates import near_duplicates_across, near_duplicates_within
from zhenwei.audit.checks.entity_drift import entity_drift
from zhenwei.audit.checks.label_leaks import label_leaks
from zhenwei.audit.checks.ngram_shortcuts import shortcut_symbols
from zhenwei.audit.dataset import AuditDataset
from zhenwei.audit.findings import Finding
from zhenwei.errors import DataError
from zhenwei.news import Article, write_articles
from zhenwei.news.similarity.near_duplicates import NEAR_DUPLICATE, jaccard
from zhenwei.news.sources.synthetic import SyntheticDataset

Parts = dict[str, list[Article]]


def statuses(parts: Parts) -> dict[str, str]:
    return {finding.check: finding.status for finding in run_checks(AuditDataset.from_articles(parts))}


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (2, 3))])
def test_clean_articles_raise_no_alarm(seed: int) -> None:
    parts = SyntheticDataset(seed=seed, n_train=1200, n_val=400, n_test=400, n_flipped=0).generate()
    assert {name: status for name, status in statuses(parts).items() if status != "good"} == {}


def test_chance_raises_no_alarm() -> None:
    """If labels do not depend on texts, small parts have predictive features and shifted shares by chance."""
    parts = SyntheticDataset(seed=4, n_train=300, n_val=60, n_test=60, n_flipped=0, style_strength=0.5).generate()
    alarms = {name for name, status in statuses(parts).items() if status != "good"}
    assert alarms <= {"small_parts"}


@pytest.mark.slow
@pytest.mark.no_cover
def test_entity_drift_lists_the_flipped_entities() -> None:
    synthetic = SyntheticDataset()
    finding = entity_drift(AuditDataset.from_articles(synthetic.generate()))
    listed = {str(row[0]) for row in finding.tables[0].rows}
    assert finding.status == "warn"
    assert listed <= set(synthetic.flipped_entities)
    assert len(listed) >= 38
    assert finding.value == len(listed)
    for row in finding.tables[0].rows:  # the shares of past and future are on opposite sides
        assert (row[2] > 0.5) != (row[4] > 0.5)


@pytest.mark.nightly
def test_a_shift_of_all_labels_is_not_entity_drift() -> None:
    synthetic = SyntheticDataset(n_flipped=0, fake_share_past=0.3, fake_share_future=0.75)
    assert entity_drift(AuditDataset.from_articles(synthetic.generate())).value == 0


@pytest.mark.nightly
def test_near_duplicates_equal_brute_force(clean: Parts) -> None:
    """Includes copies, reposts and halves of posts."""
    train, val = clean["train"][:120], clean["val"][:60]
    for row in range(40):
        text = train[row].content
        changed = (text, text + "转发" * (row % 7), text[: len(text) * (30 + row) // 70], text[:20] + val[row].content)
        val[row] = replace(val[row], content=changed[row % 4])
        train[row + 60] = replace(train[row + 60], content=val[row].content[: 60 + row])
    dataset = AuditDataset.from_articles({"train": train, "val": val})

    def near(one: Article, other: Article) -> bool:
        return jaccard(one.content, other.content) >= NEAR_DUPLICATE

    across = [any(near(article, other) for other in train) for article in val]
    finding = near_duplicates_across(dataset)
    assert 20 <= sum(across) < 60
    assert finding.value == sum(across) / 60
    assert finding.summary.startswith(f"val: {sum(across)} of 60 articles")

    within = [
        sum(any(near(part[row], other) for other in part[:row]) for row in range(len(part))) / len(part)
        for part in (train, val)
    ]
    assert near_duplicates_within(dataset).value == max(within)

    articles = train + val
    contradictory = [any(near(a, b) for b in articles if b.label != a.label) for a in articles]
    assert near_contradictions(dataset).value == sum(contradictory) / len(articles)


def test_label_agreement_of_duplicates_is_reported(clean: Parts) -> None:
    for row in range(10):
        label = (
            clean["train"][row].label if row < 7 else {"real": "fake", "fake": "real"}[str(clean["train"][row].label)]
        )
        clean["val"][row] = replace(clean["val"][row], content=clean["train"][row].content, label=label)
    dataset = AuditDataset.from_articles(clean)
    finding = near_duplicates_across(dataset)
    assert finding.summary.startswith("val: 10 of 1,000 articles (1.0%)")
    assert "7 of 10 with the same label" in finding.summary
    rows = finding.tables[0].rows
    assert [row[2] for row in rows[:2]] in (["real", "fake"], ["fake", "real"])  # disagreement comes first


def test_a_symbol_of_one_source_is_a_label_leak(clean: Parts) -> None:
    """As in CHECKED: the real articles of one account begin with a symbol; the other real articles do not."""
    real = [row for row, article in enumerate(clean["train"]) if article.label == "real"]
    clean = {"train": clean["train"]}
    for row in real[::3]:
        article = clean["train"][row]
        clean["train"][row] = replace(article, content=f"〖{article.content}")
    finding = label_leaks(AuditDataset.from_articles(clean))
    assert finding.status == "fail"
    assert "〖" in finding.tables[0].rows[0][0]
    assert finding.tables[0].rows[0][1] == "real"
    # The symbol alone does not predict the other two thirds.
    assert shortcut_symbols(AuditDataset.from_articles(clean)).status != "fail"


def minimal(*labels: Any) -> list[Article]:
    return [Article(content=f"第{number}号：水没有问题吗", label=label) for number, label in enumerate(labels)]


@pytest.mark.parametrize(
    "parts",
    [
        {"train": minimal(None)},
        {"train": minimal("fake")},
        {"train": minimal("fake", "real")},
        {"train": minimal(*["fake", "real"] * 10)},
        {"train": minimal(*[None] * 50), "val": minimal(*[None] * 50)},
        {"train": minimal("real", "real"), "val": minimal("fake")},
        {"train": minimal(*["fake"] * 30), "val": minimal(*["real"] * 30), "test": minimal(None)},
        {"train": [Article(content="！！！"), Article(content="😀"), Article(content="！！！")]},
        {"train": [Article(content="水", label="fake", time="2020-01-01", domain="a", entity_list=[])]},
    ],
    ids=lambda parts: "-".join(f"{name}{len(articles)}" for name, articles in parts.items()),
)
def test_articles_with_few_fields_are_audited(parts: Parts) -> None:
    findings = list(run_checks(AuditDataset.from_articles(parts)))
    assert [finding.check for finding in findings] == [check.__name__ for check in CHECKS]
    json.dumps([finding.__dict__ for finding in findings], default=lambda value: value.__dict__, allow_nan=False)


@pytest.mark.parametrize(
    ("parts", "check", "reason"),
    [
        ({"train": minimal("fake", "real")}, "duplicates_across", "there is only one part"),
        (
            {"train": minimal("fake", "real")},
            "entity_drift",
            "`zhenwei data enrich FILE -o FILE --overwrite --entities` adds",
        ),
        ({"train": minimal("fake"), "val": minimal("real")}, "temporal_leakage", "need a `time`"),
        ({"train": minimal(None, None)}, "shortcut_symbols", "too few labeled articles"),
        ({"train": minimal(None, None)}, "label_shift_parts", "need labels"),
        ({"train": minimal(None, None)}, "contradictions", "do not have both labels"),
        ({"train": minimal("fake", "real")}, "label_balance_domains", "has a label and a `domain`"),
        ({"train": minimal(None)}, "single_class", "no article has a label"),
    ],
)
def test_a_check_that_could_not_be_made_gives_its_reason(parts: Parts, check: str, reason: str) -> None:
    (finding,) = [each for each in run_checks(AuditDataset.from_articles(parts)) if each.check == check]
    assert finding.status == "good"
    assert finding.value is None
    assert finding.summary.startswith("not checked: ")
    assert reason in finding.summary


def test_a_field_that_follows_from_the_label_is_found_without_val(clean: Parts) -> None:
    articles = [
        Article.from_row(article.to_row() | {"platform": f"{article.label}站{number % 3}"})
        for number, article in enumerate(clean["train"])
    ]
    finding = run_check(AuditDataset.from_articles({"train": articles}), "shortcut_fields")
    assert finding.status == "fail"
    assert "'platform'" in finding.summary
    assert "a held-out half of train" in finding.summary


def test_ids_that_predict_the_label_are_found_without_their_digits(clean: Parts) -> None:
    """An id such as rumor-17 predicts the label; digits do not."""
    for part in ("train", "val"):
        clean[part] = [
            replace(article, id=f"{'rumor' if article.target else 'post'}-{number}")
            for number, article in enumerate(clean[part])
        ]
    finding = run_check(AuditDataset.from_articles(clean), "shortcut_fields")
    assert finding.status == "fail"
    assert "'id without its digits'" in finding.summary


def run_check(dataset: AuditDataset, check: str) -> Finding:
    (function,) = [function for function in CHECKS if function.__name__ == check]
    return function(dataset)


def test_parts_are_sorted_by_their_roles(tmp_path: Path, make_posts: Callable[..., Any]) -> None:
    paths = {}
    for seed, name in enumerate(("test", "val", "train", "more")):
        paths[name] = tmp_path / f"{name}.jsonl"
        write_articles(paths[name], (Article.from_row(row) for row in make_posts(20, seed)))
    report = audit_files(paths)
    assert [part.name for part in report.parts] == ["train", "more", "val", "test"]
    assert [(part.n, part.n_fake, part.n_labeled) for part in report.parts] == [(20, 10, 20)] * 4
    assert len({part.sha256 for part in report.parts}) == 4
    assert report.to_dict()["status"] == report.status
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["parts"][0]["path"] == str(paths["train"])


def test_names_of_a_folder_and_of_files(tmp_path: Path, data_folder: Path) -> None:
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


def test_a_late_copy_of_a_training_article_is_not_temporal_leakage(tmp_path: Path) -> None:
    """As when near-duplicates are kept together: the copy is later than val, but its text is older."""
    parts = SyntheticDataset(n_train=120, n_val=60, n_test=0).generate()
    later = parts["val"][-1].time
    copy = replace(parts["train"][0], time=later, id="copy")
    new = replace(parts["val"].pop(), time=later)
    for name, more, count in (("copy", [copy], 0), ("new", [new], 1)):
        for part, articles in {"train": parts["train"] + more, "val": parts["val"]}.items():
            write_articles(tmp_path / name / f"{part}.json", articles)
        files = {part: tmp_path / name / f"{part}.json" for part in ("train", "val")}
        finding = next(each for each in audit_files(files).findings if each.check == "temporal_leakage")
        assert finding.summary.startswith(f"{count} of 121 train articles")
        assert ("1 that repeat an earlier one" in finding.summary) == (name == "copy")
