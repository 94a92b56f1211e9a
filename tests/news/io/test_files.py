"""Files of articles: what is read, what is refused and in which words, and what is written."""

import csv
import itertools
import json
import logging
import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zhenwei.errors import DataError
from zhenwei.news import Article, find_part, iter_articles, read_articles, write_articles
from zhenwei.news.io.files import iter_numbered_articles

SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")


def write(path: Path, content: object) -> Path:
    """A file of these bytes, this text, or this value as JSON."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def refused(path: Path, **options: bool) -> str:
    with pytest.raises(DataError) as caught:
        read_articles(path, **options)
    return str(caught.value).replace(f"{path.parent}/", "")


# Reading the four formats


def test_json_is_an_array_of_objects(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '\ufeff [{"content": "甲", "label": 1, "time": 1347334462.0, "likes": 3}]\n')
    (article,) = read_articles(path)
    assert article.label == "fake"
    assert article.time == datetime(2012, 9, 11, 3, 34, 22)
    assert article.extra == {"likes": 3}


def test_jsonl_is_one_object_a_line_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '\ufeff{"content": "甲"}\n\n  \n{"content": "乙\u2028丙"}\r\n')
    assert [article.content for article in read_articles(path)] == ["甲", "乙\u2028丙"]


def test_csv_has_a_header_and_empty_cells_mean_not_given(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "\ufeffid,content,label,time,entity_list,emotion,source\r\n"
        '007,"甲,\n""乙""",1.0,1347334462,"[{""entity"": ""北京""}]","[0.5, 1]",\r\n\r\n'
        "8,丙,,,,,新华社\r\n",
    )
    first, second = read_articles(path)
    assert first.to_row() == {
        "id": "007",
        "content": '甲,\n"乙"',
        "label": "fake",
        "time": "2012-09-11 03:34:22",
        "entity_list": [{"entity": "北京"}],
        "emotion": [0.5, 1.0],
    }
    assert second.to_row() == {"id": "8", "content": "丙", "source": "新华社"}


def test_csv_cells_may_be_longer_than_pythons_default_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "content\n" + "长" * 200_000 + "\n")
    assert len(read_articles(path)[0].content) == 200_000


def test_parquet_as_pandas_writes_it(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "content": ["甲", "乙"],
            "label": [1.0, None],
            "time": pd.to_datetime(["2021-02-03 04:05:06.123456789", None]),
            "domain": pd.Categorical(["军事", "科技"]),
            "emotion": [[0.5], None],
        }
    )
    frame.to_parquet(tmp_path / "a.PARQUET")
    first, second = read_articles(tmp_path / "a.PARQUET")
    assert (first.label, first.domain, first.emotion) == ("fake", "军事", (0.5,))
    assert first.time == datetime(2021, 2, 3, 4, 5, 6, 123456)
    assert second.to_row() == {"content": "乙", "domain": "科技"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_null_or_empty_content_is_a_bad_row(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    rows = [{"id": "1", "content": "甲"}, {"id": "2", "content": None}]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write(
            path, {".json": rows, ".jsonl": "\n".join(map(json.dumps, rows)), ".csv": "id,content\n1,甲\n2,\n"}[suffix]
        )
    assert "row 2" in refused(path)
    assert "field 'content'" in refused(path)


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_half_a_surrogate_pair_makes_a_bad_row_and_no_question_mark(tmp_path: Path, suffix: str) -> None:
    rows = r'{"content": "\ud83d\ude00"}', r'{"content": "\ud83d甲"}', r'{"content": "\ude00"}'
    path = write(tmp_path / f"a{suffix}", "\n".join(rows) if suffix == ".jsonl" else f"[{','.join(rows)}]")
    message = refused(path)
    assert "2 of 3 rows" in message
    assert "lone surrogates" in message


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize(
    "suffix", [".csv", *(pytest.param(suffix, marks=pytest.mark.nightly) for suffix in SUFFIXES if suffix != ".csv")]
)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, suffix: str) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}{suffix}"
        write_articles(path, (Article(content="很长的文章" * 100, id=str(row)) for row in range(rows)))
        tracemalloc.start()
        assert sum(1 for _ in iter_articles(path)) == rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few, many = peak(2_000), peak(5_000)
    assert many - few < 3_000 * 100, "3,000 rows more, each of 1,500 bytes, may cost their ids' digests at most"


# Files that cannot be read at all


def test_a_missing_file_is_told_with_its_likely_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", "x")
    assert refused(tmp_path / "train.json") == "train.json: no such file; did you mean train.jsonl?"
    assert refused(tmp_path / "trian.jsonl").endswith("did you mean train.jsonl?")
    assert refused(tmp_path / "other.csv") == "other.csv: no such file"
    assert "there is no folder" in refused(tmp_path / "nowhere" / "train.json")


def test_a_wrong_path_is_refused_at_the_call_and_not_at_the_first_article(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        iter_articles(tmp_path / "train.json")


def test_a_folder_and_an_unknown_suffix_are_refused(tmp_path: Path) -> None:
    accepted = ".json, .jsonl, .csv or .parquet"
    assert refused(tmp_path).endswith(f"found a folder; expected a file ({accepted})")
    assert refused(write(tmp_path / "a.txt", "甲")) == f"a.txt: found the suffix '.txt'; expected {accepted}"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs /proc")
def test_a_file_that_the_disk_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to("/proc/self/mem")  # exists for everybody, and can be read by nobody
    assert refused(tmp_path / "a.json").startswith("a.json: cannot be read (")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = write(tmp_path / f"a{suffix}", content)
    assert refused(path) == f"a{suffix}: the file is empty; expected at least one article"


@pytest.mark.parametrize("suffix", [".json", ".csv", ".parquet"])
def test_a_file_without_rows_is_refused(tmp_path: Path, suffix: str) -> None:
    write_articles(tmp_path / f"a{suffix}", [])
    assert refused(tmp_path / f"a{suffix}") == f"a{suffix}: found no rows; expected at least one article"


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("a.json", '[{"content": "甲"},\n{"content": "'.encode() + "乙".encode("gbk") + b'"}]', "position 34 (line 2)"),
        ("b.json", "甲".encode("gbk"), "position 0 (line 1)"),
        ("a.jsonl", '{"content": "甲"}\n'.encode() + b'{"content": "\xff"}', "position 32 (line 2)"),
        ("a.csv", "content\n甲\n".encode() + "乙".encode("gbk"), "position 12 (line 3)"),
    ],
)
def test_bytes_that_are_not_utf8_are_named_with_their_place(
    tmp_path: Path, name: str, content: bytes, place: str
) -> None:
    message = refused(write(tmp_path / name, content))
    assert message.startswith(f"{name}: not UTF-8: found byte 0x")
    assert place in message


def test_one_object_a_line_under_the_name_of_json_is_told_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", '{"content": "甲"}\n{"content": "乙"}\n')
    assert refused(path).endswith("found one object a line; expected an array of objects: rename it to a.jsonl")


def test_json_that_is_no_array_is_refused(tmp_path: Path) -> None:
    assert "found an object; expected an array" in refused(write(tmp_path / "a.json", {"data": [{"content": "x"}]}))
    assert "found 'text'; expected an array" in refused(write(tmp_path / "b.json", '"text"'))
    assert "not JSON: found 'hello" in refused(write(tmp_path / "c.json", "hello, world"))


def test_truncated_json_is_told_from_other_errors(tmp_path: Path) -> None:
    cut = refused(write(tmp_path / "a.json", '[{"content": "甲"}, {"content": "'))
    assert cut == "a.json: the JSON ends in the middle (the file was cut off), after row 1"
    broken = refused(write(tmp_path / "b.json", '[{"content": "甲"} {"content": "乙"}]'))
    assert broken.startswith("b.json: not JSON (")
    assert broken.endswith("after row 1")
    assert "not JSON" in refused(write(tmp_path / "c.json", '[{"content": "甲"}] []'))
    assert "cut off" in refused(write(tmp_path / "d.json", r'[{"content": "\ud83d"}, {"content'))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    assert "not a Parquet file that can be read" in refused(write(tmp_path / "a.parquet", "PAR1 or not"))


def test_a_table_without_content_says_which_columns_it_has(tmp_path: Path) -> None:
    assert refused(write(tmp_path / "a.csv", "id,label\n1,0\n")) == "a.csv: no column 'content'; found 'id', 'label'"
    pq.write_table(pa.table({"Text": ["甲"]}), tmp_path / "a.parquet")
    assert refused(tmp_path / "a.parquet") == "a.parquet: no column 'content'; found 'Text': rename it"


def test_a_csv_with_a_column_twice_or_a_quote_without_end_is_refused(tmp_path: Path) -> None:
    assert "'id' more than once" in refused(write(tmp_path / "a.csv", "id,content,id\n1,甲,2\n"))
    message = refused(write(tmp_path / "b.csv", 'content\n甲\n"乙\n丙\n'))
    assert message.startswith("b.csv: not CSV in the record that starts on line 3 (")


# Bad rows


def test_a_bad_row_names_file_row_field_found_and_expected(tmp_path: Path) -> None:
    rows = [{"content": "甲", "label": "real"}] * 6 + [{"content": "乙", "label": "maybe"}]
    assert refused(write(tmp_path / "train.json", rows)) == (
        "train.json: 1 of 7 rows cannot be used:\n"
        "  train.json, row 7, field 'label': found 'maybe'; expected 'real', 'fake', 0 or 1"
    )


def test_half_a_surrogate_pair_in_the_name_of_a_field_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"content": "甲", "na\\ud800me": 1}\n')
    assert "row 1: found a field named 'na\\ud800me'; expected a name without lone surrogates" in refused(path)


def test_all_problems_of_a_row_are_told_at_once(tmp_path: Path) -> None:
    message = refused(write(tmp_path / "a.json", [{"content": 5, "label": "x"}]))
    assert "field 'content': found 5; expected a text; field 'label': found 'x'" in message


def test_all_bad_rows_are_counted_and_the_first_ten_shown(tmp_path: Path) -> None:
    message = refused(write(tmp_path / "a.json", [{"content": ""}] * 25 + [{"content": "甲"}]))
    assert message.startswith("a.json: 25 of 26 rows cannot be used; the first 10:\n")
    assert "row 10," in message
    assert "row 11," not in message


def test_good_rows_come_first_and_the_error_when_the_file_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [{"content": "甲"}, {"content": ""}, {"content": "乙"}])
    articles = iter_articles(path)
    assert [next(articles).content, next(articles).content] == ["甲", "乙"]
    with pytest.raises(DataError, match="1 of 3 rows"):
        next(articles)


@pytest.mark.parametrize(
    ("value", "found"),
    [("甲", "a string"), (5, "a number"), (0.5, "a number"), (None, "null"), (True, "a boolean"), ([], "an array")],
)
def test_members_that_are_no_objects_are_named(tmp_path: Path, value: object, found: str) -> None:
    message = refused(write(tmp_path / "a.json", [value]))
    assert message.endswith(f"a.json, row 1: found {found}; expected an object with 'content'")


@pytest.mark.parametrize("name", ["text", "Content", "contents", "正文", " content "])
def test_a_field_that_is_likely_the_content_is_named(tmp_path: Path, name: str) -> None:
    message = refused(write(tmp_path / "a.json", [{"id": 1, name: "甲"}]))
    assert message.endswith(f"row 1: no field 'content'; found '{name}': rename it")


def test_a_row_without_content_says_what_it_has(tmp_path: Path) -> None:
    assert refused(write(tmp_path / "a.json", [{"id": 1}])).endswith("row 1: no field 'content'; found 'id'")
    assert refused(write(tmp_path / "b.json", [{}])).endswith("row 1: no field 'content'; found none")


def test_jsonl_names_the_line_where_it_differs_from_the_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"content": ""}\n\n{"content": "甲"\n{"content": NaN}\n' + "[" * 100_000)
    message = refused(path)
    assert "a.jsonl, row 1, field 'content': found ''" in message
    assert "a.jsonl, row 2 (line 3): not JSON (" in message
    assert "a.jsonl, row 3 (line 4): not JSON (NaN is not a JSON number)" in message
    assert "a.jsonl, row 4 (line 5): not JSON (" in message


def test_csv_rows_with_too_many_or_few_cells_are_bad(tmp_path: Path) -> None:
    message = refused(write(tmp_path / "a.csv", 'content,label\n"甲\n甲",0\n乙\n丙,1,2\n'))
    assert "2 of 3 rows" in message
    assert "a.csv, row 2 (line 4): found 1 cells; expected 2, as in the header" in message
    assert "a.csv, row 3 (line 5): found 3 cells" in message


def test_a_label_can_be_required(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [{"content": "甲", "label": None}, {"content": "乙", "labels": 1}])
    assert len(read_articles(path)) == 2
    message = refused(path, require_label=True)
    assert "row 1, field 'label': found nothing (or null); expected 'real', 'fake', 0 or 1" in message
    assert "row 2: no field 'label'; found 'labels': rename it" in message


def test_repeated_ids_are_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ids = ["a", "b", "c", "b", "a", "b"]
    path = write(tmp_path / "a.json", [{"content": "甲"}, *({"content": "甲", "id": name} for name in ids)])
    with caplog.at_level(logging.WARNING):
        assert len(read_articles(path)) == 7
    (record,) = caplog.records
    assert record.getMessage() == (f"{path}: 3 rows repeat the id of an earlier row; the first is 'b' in rows 3 and 5")


def test_distinct_and_missing_ids_are_no_reason_to_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_articles(write(tmp_path / "a.json", [{"content": "甲", "id": 1}, {"content": "甲"}, {"content": "甲"}]))
    assert not caplog.records


# ENDEF's neighbour file of emotions


def test_the_neighbour_file_gives_each_row_its_emotion(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", [{"content": "甲"}, {"content": "乙", "emotion": [9]}])
    np.save(tmp_path / "train_emo.npy", np.array([[0.5, 1], [2, 3]], dtype=np.float32))
    assert [article.emotion for article in read_articles(path)] == [(0.5, 1.0), (9.0,)]


@pytest.mark.parametrize("vectors", [1, 3])
def test_a_neighbour_file_of_another_length_is_refused(tmp_path: Path, vectors: int) -> None:
    path = write(tmp_path / "train.json", [{"content": "甲"}, {"content": "乙"}])
    np.save(tmp_path / "train_emo.npy", np.zeros((vectors, 4)))
    assert refused(path) == f"train_emo.npy: found {vectors} vectors; expected 2, the rows of train.json"


@pytest.mark.parametrize("array", [np.zeros(2), np.zeros((2, 2, 2)), np.array([["a"], ["b"]])])
def test_a_neighbour_file_of_another_shape_or_type_is_refused(tmp_path: Path, array: Any) -> None:
    path = write(tmp_path / "train.json", [{"content": "甲"}, {"content": "乙"}])
    np.save(tmp_path / "train_emo.npy", array)
    assert "expected numbers of shape (rows, features)" in refused(path)


def test_a_neighbour_file_that_holds_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", [{"content": "甲"}])
    np.save(tmp_path / "train_emo.npy", np.array([["a", 1]], dtype=object), allow_pickle=True)
    assert refused(path).startswith("train_emo.npy: not a NumPy array of numbers")
    write(tmp_path / "train_emo.npy", b"")
    assert refused(path).startswith("train_emo.npy: not a NumPy array of numbers")


def test_an_emotion_that_is_not_finite_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", [{"content": "甲"}])
    np.save(tmp_path / "train_emo.npy", np.array([[np.nan]]))
    assert "row 1, field 'emotion': found nan" in refused(path)


# Writing

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
names = st.none() | texts
articles = st.builds(
    lambda fields, extra: Article.from_row({**extra, **fields}),
    st.fixed_dictionaries(
        {
            "content": texts.map(lambda text: f"甲{text}"),
            "label": st.sampled_from(["real", "fake", None]),
            "id": names,
            "domain": names,
            "time": st.none() | st.datetimes(),
            "entity_list": st.none() | st.lists(texts, max_size=3),
            "emotion": st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3),
        }
    ),
    st.dictionaries(st.sampled_from(["source", "链接"]), texts, max_size=2),
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(articles, min_size=1, max_size=5))
def test_what_was_written_is_read_back_equal(tmp_path: Path, suffix: str, written: list[Article]) -> None:
    path = tmp_path / f"a{suffix}"
    assert write_articles(path, iter(written)) == len(written)
    assert read_articles(path) == written


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_extras_keep_their_types(tmp_path: Path, suffix: str) -> None:
    written = [Article.from_row({"content": "甲", "likes": 3, "tags": ["a"], "ratio": 0.5})] * 1500
    written.append(Article.from_row({"content": "乙", "seen": True}))
    write_articles(tmp_path / f"a{suffix}", written)
    assert read_articles(tmp_path / f"a{suffix}") == written


def test_in_csv_extras_become_text(tmp_path: Path) -> None:
    write_articles(tmp_path / "a.csv", [Article.from_row({"content": "甲", "likes": 3, "tags": ["乙"]})])
    assert read_articles(tmp_path / "a.csv")[0].extra == {"likes": "3", "tags": '["乙"]'}


def test_csv_has_the_columns_that_are_used(tmp_path: Path) -> None:
    rows = [{"content": "甲"}, {"content": "乙", "label": 1, "likes": 3}]
    write_articles(tmp_path / "a.csv", map(Article.from_row, rows))
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["content", "label", "likes"], ["甲", "", ""], ["乙", "fake", "3"]]


def test_json_is_written_one_object_a_line_in_readable_characters(tmp_path: Path) -> None:
    write_articles(tmp_path / "a.json", [Article(content="甲", id="1"), Article(content="乙", id="2")])
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (
        '[\n{"id": "1", "content": "甲"},\n{"id": "2", "content": "乙"}\n]\n'
    )


def test_folders_are_created(tmp_path: Path) -> None:
    assert write_articles(tmp_path / "new" / "deep" / "a.jsonl", [Article(content="甲")]) == 1
    assert len(read_articles(tmp_path / "new" / "deep" / "a.jsonl")) == 1


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found the suffix '\.xlsx'"):
        write_articles(tmp_path / "a.xlsx", [Article(content="甲")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, DataError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, suffix: str, interruption: type[BaseException]
) -> None:
    def interrupted() -> Iterator[Article]:
        yield from [Article(content="新")] * 2000
        raise interruption

    path = tmp_path / f"a{suffix}"
    write_articles(path, [Article(content="旧")])
    with pytest.raises(interruption):
        write_articles(path, interrupted())
    assert [article.content for article in read_articles(path)] == ["旧"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(DataError, match=r"a\.json: cannot be written"):
        write_articles(tmp_path / "a.json", [Article(content="甲")])
    write(tmp_path / "file", "x")
    with pytest.raises(DataError, match="cannot be written"):
        write_articles(tmp_path / "file" / "a.json", [Article(content="甲")])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.json", "file"]


def test_an_extra_that_parquet_cannot_hold_is_told(tmp_path: Path) -> None:
    mixed = [Article.from_row({"content": "甲", "x": value}) for value in (1, "a")]
    with pytest.raises(DataError, match="an extra field has values that Parquet cannot hold"):
        write_articles(tmp_path / "a.parquet", mixed)


def test_an_extra_with_half_a_surrogate_pair_survives_in_json_and_is_told_in_parquet(tmp_path: Path) -> None:
    written = [Article.from_row({"content": "甲", "x": "\ud83d"})]
    for suffix in (".json", ".jsonl"):
        write_articles(tmp_path / f"a{suffix}", written)
        assert read_articles(tmp_path / f"a{suffix}") == written
    for suffix in (".csv", ".parquet"):
        with pytest.raises(DataError, match="text that UTF-8 cannot hold"):
            write_articles(tmp_path / f"a{suffix}", written)


# The parts of a data set


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_is_found_in_any_format(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"train{suffix}", "x")
    assert find_part(tmp_path, "train") == path
    assert find_part(tmp_path, "val") is None


def test_a_part_in_two_formats_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train.json", "x")
    write(tmp_path / "train.csv", "x")
    with pytest.raises(DataError, match=r"found train\.json and train\.csv; expected one file"):
        find_part(tmp_path, "train")


# Labels that are not there


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_label_that_was_left_empty_is_told_from_one_that_has_no_column(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    rows = [{"content": "甲", "label": "fake"}, {"content": "乙", "label": None}]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        texts = {
            ".json": json.dumps(rows),
            ".jsonl": "\n".join(map(json.dumps, rows)),
            ".csv": "content,label\n甲,fake\n乙,\n",
        }
        write(path, texts[suffix])
    assert [article.label for article in read_articles(path)] == ["fake", None]
    error = refused(path, require_label=True)
    assert "1 of 2 rows" in error
    assert "field 'label': found nothing (or null); expected 'real', 'fake', 0 or 1" in error


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["Label", " label", "标签"])
def test_a_label_column_under_another_name_is_told_once(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"a{suffix}"
    frame = pd.DataFrame({"content": ["甲"] * 20, name: [1] * 20})
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    assert len(read_articles(path)) == 20
    assert refused(path, require_label=True) == f"a{suffix}: no column 'label'; found {name!r}: rename it"


# JSON that the parsers cannot bear


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '[{"content": "甲", "x": ' + "[" * 300 + "]" * 300 + "}]",
        "[" + '{"a\\"]": [1, ' * 300,
    ],
    ids=["brackets", "within a row", "keys and members"],
)
def test_json_nested_too_deep_is_refused_before_it_is_parsed(tmp_path: Path, text: str) -> None:
    assert "nested more than 200 deep" in refused(write(tmp_path / "a.json", text))


def test_brackets_within_texts_are_no_nesting(tmp_path: Path) -> None:
    rows = [{"content": '[{"\\' * 500, "x": [[[]]]}, {"content": "\\"}] * 3
    assert [article.content for article in read_articles(write(tmp_path / "a.json", rows))][:2] == ['[{"\\' * 500, "\\"]


def test_an_integer_of_more_than_64_bits_is_the_affair_of_its_row(tmp_path: Path) -> None:
    rows = [{"content": "甲", "likes": 10**30}, {"content": "乙", "label": 10**30}, {"content": "丙", "id": -(2**70)}]
    path = write(tmp_path / "a.json", rows)
    error = refused(path)
    assert "1 of 3 rows" in error
    assert "row 2, field 'label': found 1000000" in error
    assert [article.extra for article in read_articles(write(path, rows[:1]))] == [{"likes": 10**30}]


@pytest.mark.parametrize("number", ["1e400", "1" * 5000])
def test_a_number_that_no_parser_bears_is_told(tmp_path: Path, number: str) -> None:
    assert "after row 1" in refused(write(tmp_path / "a.json", f'[{{"content": "甲"}}, {{"content": {number}}}]'))


def test_articles_come_with_the_numbers_of_their_rows_and_bad_rows_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text('{"content": "a"}\n\n{"content": ""}\n{"content": "b"}\n{\n', encoding="utf-8")
    error: list[tuple[int, int | None, str]] = []
    stream = iter_numbered_articles(path, on_bad_row=lambda row, problem: error.append((row.number, row.line, problem)))
    assert [(number, article.content) for number, article in itertools.islice(stream, 2)] == [(1, "a"), (3, "b")]
    assert error == [(2, 3, "field 'content': found ''; expected a text that is not blank")]
    assert list(stream) == [], "reported bad rows do not end the file"
    assert error[1][:2] == (4, 5)
    assert error[1][2].startswith("not JSON")


def test_whoever_is_not_told_of_bad_rows_gets_the_error(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text('{"content": "a"}\n{"content": ""}\n', encoding="utf-8")
    with pytest.raises(DataError, match="1 of 2 rows cannot be used"):
        list(iter_numbered_articles(path))
