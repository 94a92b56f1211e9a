"""The importers of public datasets, on small folders that are laid out as the authors published them."""

import json
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from zhenwei.errors import DataError
from zhenwei.news import read_articles
from zhenwei.news.sources import SOURCES, import_source
from zhenwei.news.sources.ced import read_ced
from zhenwei.news.sources.checked import read_checked
from zhenwei.news.sources.weibo21 import read_weibo21


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


# CED


def ced_post(root: Path, name: str, post: object, *reposts: str) -> None:
    for folder in ("rumor-repost", "non-rumor-repost"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write_json(root / "original-microblog" / name, post)
    for folder in reposts:
        write_json(root / folder / name, [])


@pytest.fixture
def ced(tmp_path: Path) -> Path:
    root = tmp_path / "ced"
    words = "Sat Sep 01 08:45:37 +0900 2012"
    ced_post(root, "10_b_2.json", {"text": "假 \u3000", "time": 1347334462, "pics": 1}, "rumor-repost")
    ced_post(root, "2_a_1.json", {"text": " 真", "time": words}, "non-rumor-repost")
    return root


def test_ced_takes_labels_from_its_folders_and_times_in_beijing_time(ced: Path) -> None:
    rows = [article.to_row() for article in read_ced(ced)["articles"]]
    assert rows == [
        {"id": "ced-2", "content": "真", "label": "real", "time": "2012-09-01 07:45:37"},
        {"id": "ced-10", "content": "假", "label": "fake", "time": "2012-09-11 11:34:22"},
    ]


def test_the_parent_folder_is_accepted(ced: Path) -> None:
    assert len(list(read_ced(ced.parent)["articles"])) == 2


def test_a_folder_with_two_copies_below_is_ambiguous(ced: Path) -> None:
    for folder in ("original-microblog", "rumor-repost", "non-rumor-repost"):
        (ced.parent / "copy" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match="found CED in ced and copy; name one of them"):
        read_ced(ced.parent)


def test_a_folder_without_the_dataset_is_refused_with_its_contents(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="found other; expected original-microblog, rumor-repost"):
        read_ced(tmp_path)
    with pytest.raises(DataError, match="found nothing; expected the folder of CED"):
        read_ced(tmp_path / "missing")


def test_ced_posts_that_cannot_be_used_are_all_reported(ced: Path) -> None:
    good = {"text": "文", "time": 1}
    ced_post(ced, "20_x.json", good)
    ced_post(ced, "21_x.json", good, "rumor-repost", "non-rumor-repost")
    ced_post(ced, "22_x.json", {"text": " ", "time": 1}, "rumor-repost")
    ced_post(ced, "23_x.json", {"text": "文", "time": "yesterday"}, "rumor-repost")
    ced_post(ced, "24_x.json", {"text": "文", "time": None}, "rumor-repost")
    ced_post(ced, "25_x.json", ["文"], "rumor-repost")
    ced_post(ced, "26_x.json", good, "rumor-repost")
    (ced / "original-microblog" / "26_x.json").write_bytes(b'{"text": "\xff')
    with pytest.raises(DataError) as caught:
        read_ced(ced)
    head, *lines = str(caught.value).splitlines()
    assert head.endswith("7 of 9 rows cannot be used:")
    for line, problem in zip(
        lines,
        [
            "20_x.json: found no reposts of the same name",
            "21_x.json: found reposts in rumor-repost and in non-rumor-repost; expected one of them",
            "22_x.json, field 'content': found ''; expected a text that is not blank",
            "23_x.json, field 'time': found 'yesterday'; expected Unix seconds or",
            "24_x.json, field 'time': found null; expected Unix seconds or",
            "25_x.json: found another JSON value",
            "26_x.json: found no JSON",
        ],
        strict=True,
    ):
        assert f"original-microblog/{problem}" in line


# CHECKED


def checked_post(root: Path, folder: str, name: str, **post: object) -> None:
    write_json(root / folder / f"{name}.json", {"id": name, "comments": [{"text": "评"}], **post})


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    root = tmp_path / "dataset"
    checked_post(root, "fake_news", "b", label="fake", date="2020-01-25 01:18", text="封城\u200b了 \u200b\u200b\u200b")
    checked_post(root, "real_news", "a", label="real", date="2019-12-31 13:46", text="【通报】")
    return root


def test_checked_drops_the_zero_width_spaces_of_the_web_page(checked: Path) -> None:
    expected = [
        {"id": "a", "content": "【通报】", "label": "real", "time": "2019-12-31 13:46:00"},
        {"id": "b", "content": "封城了", "label": "fake", "time": "2020-01-25 01:18:00"},
    ]
    assert [article.to_row() for article in read_checked(checked)["articles"]] == expected
    assert [article.to_row() for article in read_checked(checked.parent)["articles"]] == expected


def test_a_label_that_contradicts_its_folder_is_reported(checked: Path) -> None:
    checked_post(checked, "fake_news", "c", label="real", date="2020-01-25", text="文")
    checked_post(checked, "fake_news", "d", label="fake", date="2020-01-25", text=None)
    with pytest.raises(DataError) as caught:
        read_checked(checked)
    assert "fake_news/c.json, field 'label': found 'real'; expected 'fake', as its folder says" in str(caught.value)
    assert "fake_news/d.json, field 'content': found null; expected a text" in str(caught.value)


# Weibo21

TABLE = {"content": ["真的", "假的", "也是假的"], "label": [0, 1, 1], "category": ["科技", "军事", "科技"]}


def save(path: Path, frame: pd.DataFrame, protocol: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_pickle(path, protocol=protocol)
    return path


@pytest.fixture
def weibo21(tmp_path: Path) -> Path:
    root = tmp_path / "weibo21"
    for part in ("train", "val"):
        save(root / f"{part}.pkl", pd.DataFrame(TABLE).astype(object))
    return root


def test_weibo21_keeps_its_published_split(weibo21: Path) -> None:
    parts = {part: list(articles) for part, articles in read_weibo21(weibo21.parent).items()}
    assert list(parts) == ["train", "val"]
    assert [article.to_row() for article in parts["val"]][:2] == [
        {"id": "weibo21-val-0", "content": "真的", "label": "real", "domain": "科技"},
        {"id": "weibo21-val-1", "content": "假的", "label": "fake", "domain": "军事"},
    ]
    save(weibo21 / "test.pkl", pd.DataFrame(TABLE))
    assert list(read_weibo21(weibo21)) == ["train", "val", "test"]


def test_weibo21_with_other_columns_or_bad_rows_is_refused(weibo21: Path) -> None:
    save(weibo21 / "val.pkl", pd.DataFrame({"content": ["真的"], "label": [0]}))
    with pytest.raises(DataError, match=r"val\.pkl: found the columns content, label; expected content, label, cat"):
        read_weibo21(weibo21)
    save(weibo21 / "val.pkl", pd.DataFrame({**TABLE, "label": [0, 2, 1]}))
    with pytest.raises(DataError, match=r"val\.pkl, row 2, field 'label': found 2; expected 'real'"):
        read_weibo21(weibo21)


# Importing into files


def test_import_writes_one_file_per_part(weibo21: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert import_source("weibo21", weibo21, out) == {out / "train.json": 3, out / "val.json": 3}
    assert read_articles(out / "train.json", require_label=True)[0].domain == "科技"


def test_a_dataset_of_one_part_may_go_to_a_file(ced: Path, tmp_path: Path) -> None:
    assert import_source("ced", str(ced), str(tmp_path / "ced.parquet")) == {tmp_path / "ced.parquet": 2}
    assert read_articles(tmp_path / "ced.parquet")[1].time == datetime(2012, 9, 11, 11, 34, 22)
    assert import_source("ced", ced, tmp_path / "out") == {tmp_path / "out" / "articles.json": 2}


def test_several_parts_do_not_fit_one_file(weibo21: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a folder, because weibo21 has the parts train, val"):
        import_source("weibo21", weibo21, tmp_path / "all.json")


def test_existing_files_are_only_replaced_with_overwrite(ced: Path, tmp_path: Path) -> None:
    target = tmp_path / "ced.json"
    target.write_text("mine")
    with pytest.raises(DataError, match=r"ced\.json exists already"):
        import_source("ced", ced, target)
    assert target.read_text() == "mine"
    import_source("ced", ced, target, overwrite=True)
    assert len(read_articles(target)) == 2


def test_nothing_is_written_when_one_part_cannot_be_read(weibo21: Path, tmp_path: Path) -> None:
    (weibo21 / "val.pkl").write_bytes(b"")
    with pytest.raises(DataError):
        import_source("weibo21", weibo21, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_articles_is_refused(tmp_path: Path) -> None:
    for folder in ("fake_news", "real_news"):
        (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match=r"found no articles for articles\.json"):
        import_source("checked", tmp_path, tmp_path / "out")


def test_an_unknown_source_is_refused_with_the_closest_name(tmp_path: Path) -> None:
    assert list(SOURCES) == ["ced", "checked", "weibo21"]
    with pytest.raises(DataError, match=r"found the source 'Weibo-21'; did you mean 'weibo21'\?"):
        import_source("Weibo-21", tmp_path, tmp_path)
    with pytest.raises(DataError, match="expected ced, checked, weibo21"):
        import_source("politifact", tmp_path, tmp_path)
