"""Streams of articles: every kind of row, and Parquet by column with the same articles and errors as by row."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
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
from zhenwei.news import Article, iter_articles, write_articles
from zhenwei.news.article import FIELDS, ArticleError
from zhenwei.news.fields import FieldError
from zhenwei.news.io.files import iter_numbered_articles

Outcome = tuple[list[Article], str | None, list[str]]

GOOD: dict[str, Any] = {"content": "大蒜能治病", "label": "fake", "id": "a"}
# One row each: every kind of value that a field may, or may not, be written as.
ROWS: list[Any] = [
    GOOD,
    GOOD | {"content": " 甲 ", "label": 1, "id": 7, "time": 1347334462, "domain": 3, "likes": [1, {"a": None}]},
    GOOD | {"label": 0.0, "time": "2020-02-29 10:00:00+08:00", "domain": "", "entity_list": [{"entity": "北京"}, "乙"]},
    GOOD | {"label": "REAL", "id": None, "time": None, "entity_list": [], "emotion": [0.5, 1]},
    GOOD | {"id": 10**30},
    {"content": "没有标签"},
    GOOD | {"label": None},
    {"content": None, "label": 1},
    {"content": "", "label": 1},
    {"content": "\u200b\u3000", "label": 1},
    {"content": 3, "label": 1},
    {"content": "半\ud83d", "label": 1},
    {"text": "另一个名字", "label": 1},
    GOOD | {"label": "maybe"},
    GOOD | {"label": True},
    GOOD | {"label": float("2")},
    GOOD | {"id": 1.5},
    GOOD | {"id": "\udc00"},
    GOOD | {"time": "2020-13-40"},
    GOOD | {"time": 2020},
    GOOD | {"time": 20210203},
    GOOD | {"time": 1347334462000},
    GOOD | {"domain": ["健康"]},
    GOOD | {"entity_list": [3]},
    GOOD | {"entity_list": "北京"},
    GOOD | {"emotion": []},
    GOOD | {"emotion": ["x"]},
    GOOD | {"time": "bad", "label": "bad", "domain": 0.5},
    GOOD | {"\ud800": 1},
    "a text",
    None,
    7,
    [GOOD],
]


def outcome(articles: Iterator[Article], caplog: pytest.LogCaptureFixture) -> Outcome:
    """Return the good articles of a stream, its error, and its warnings."""
    caplog.set_level(logging.WARNING)
    caplog.clear()
    good, error = [], None
    try:
        for article in articles:
            good.append(article)
    except DataError as problem:
        error = str(problem)
    except Exception as problem:
        error = repr(problem)
    return good, error, [record.getMessage() for record in caplog.records]


def read_by_column_and_by_row(path: Path, caplog: pytest.LogCaptureFixture) -> Outcome:
    """Read a Parquet file both ways, with and without a required label; return the outcome with one."""

    def refuse(*_: object) -> None:
        raise FieldError(None, "rows")

    for required in (False, True):
        by_column = outcome(iter_articles(path, require_label=required), caplog)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Article, "from_columns", refuse)
            by_row = outcome(iter_articles(path, require_label=required), caplog)
        assert by_column == by_row
        types = [[type(getattr(article, name)) for name in FIELDS] for article in by_column[0]]
        assert types == [[type(getattr(article, name)) for name in FIELDS] for article in by_row[0]]
    return by_column


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_every_kind_of_row_alone_and_among_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    for number, rows in enumerate([*([row] for row in ROWS), [GOOD, *ROWS, GOOD]]):
        lines = [json.dumps(row) for row in rows]
        path = tmp_path / f"{number}{suffix}"
        path.write_text("\n".join(lines) if suffix == ".jsonl" else f"[{','.join(lines)}]", encoding="utf-8")
        good, error, _ = outcome(iter_articles(path, require_label=True), caplog)
        assert good or error
    assert error is not None
    assert f"{len(ROWS) - 5} of {len(ROWS) + 2} rows cannot be used" in error


def test_lines_that_are_no_json_and_cells_too_many(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"content": "甲", "label": 1}\nnot json\n\n{"content": NaN}\n', encoding="utf-8")
    assert "row 2: not JSON" in str(outcome(iter_articles(lines), caplog)[1])
    table = tmp_path / "a.csv"
    table.write_text(
        'id,content,label,time,entity_list,emotion,more\n1,甲,1,2020-01-01,"[""乙""]","[1, 2]",x\n1,乙,real\n'
        '2,,0,,,,\n3,丙,,,,,\n4,丁,0,yesterday,,,\n1,戊,fake,,"{}",[],\n1,己,0,,,,\n',
        encoding="utf-8",
    )
    good, error, warnings = outcome(iter_articles(table, require_label=True), caplog)
    assert [article.content for article in good] == ["甲", "己"]
    assert "5 of 7 rows cannot be used" in str(error)
    assert "1 rows repeat the id" in warnings[0]


@pytest.mark.parametrize("text", ['[{"content": "甲", "label": 1}, {"cont', '{"content": 1}', "[]"])
def test_files_that_are_cut_off_or_hold_no_rows_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    assert outcome(iter_articles(path), caplog)[1]


MANY = 24  # rows: several batches of a Parquet file


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read Parquet ten rows at a time."""
    monkeypatch.setattr("zhenwei.news.io.table_reader._ROWS_PER_BATCH", 10)


def columns_of(**changed: Any) -> dict[str, Any]:
    """The columns of a good file, some of them changed."""
    columns: dict[str, Any] = {
        "content": [f"第{number}号" for number in range(MANY)],
        "label": [number % 2 for number in range(MANY)],
        "id": [f"n{number}" for number in range(MANY)],
    }
    return columns | changed


def changed_at(name: str, value: Any, *rows: int) -> list[Any]:
    column = list(columns_of()[name])
    for row in rows:
        column[row] = value
    return column


STRINGS = pa.array(["甲"] * MANY).dictionary_encode()
PARQUETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no label": {"label": [None] * MANY},
    "one label missing": {"label": changed_at("label", None, 15)},
    "a label of another kind": {"label": changed_at("label", 2, 3, 14, 23)},
    "labels as words": {"label": ["real", "FAKE"] * (MANY // 2)},
    "labels as floats": {"label": [1.0, 0.0] * (MANY // 2)},
    "labels as booleans": {"label": [True, False] * (MANY // 2)},
    "a blank content": {"content": changed_at("content", " \u200b", 13)},
    "a null content": {"content": changed_at("content", None, 0, 20)},
    "contents that are numbers": {"content": list(range(MANY))},
    "contents that are categories": {"content": STRINGS},
    "contents of bytes": {"content": [b"abc"] * MANY},
    "contents that are not UTF-8": {
        "content": pa.Array.from_buffers(
            pa.string(), MANY, [None, pa.py_buffer(np.arange(MANY + 1, dtype="i4")), pa.py_buffer(b"\xff" * MANY)]
        )
    },
    "ids that repeat": {"id": changed_at("id", "n7", 11, 23)},
    "ids that are numbers": {"id": list(range(MANY))},
    "ids that are fractions": {"id": [number / 2 for number in range(MANY)]},
    "ids that are lacking": {"id": changed_at("id", None, *range(0, MANY, 3))},
    "empty domains": {"domain": ["", "健康"] * (MANY // 2)},
    "times": {"time": pa.array([datetime(2020, 1, 1, 2, 3, 4, 5)] * MANY, pa.timestamp("us"))},
    "times with a zone": {
        "time": pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * MANY, pa.timestamp("s", "Asia/Shanghai"))
    },
    "times of nanoseconds": {"time": pa.array([1_500_000_000_123_456_789] * MANY, pa.timestamp("ns"))},
    "times beyond the calendar": {"time": pa.array([2**61] * MANY, pa.timestamp("ms"))},
    "dates": {"time": [date(2020, 2, 29)] * MANY},
    "times as text": {"time": ["2020-01-01"] * (MANY - 1) + ["soon"]},
    "times as seconds": {"time": [1347334462] * (MANY - 1) + [2020]},
    "entities": {"entity_list": [[{"entity": "北京"}], [], None, [{"entity": "甲"}]] * (MANY // 4)},
    "entities as words": {"entity_list": [["北京", "甲"]] * MANY},
    "an entity that is null": {"entity_list": [[{"entity": None}]] * MANY},
    "emotion": {"emotion": [[0.5, 1.0]] * MANY},
    "emotion that is not finite": {"emotion": [[0.5, float("nan")]] * MANY},
    "more fields": {"likes": list(range(MANY)), "price": [Decimal("1.5")] * MANY, "deep": [{"a": [1]}] * MANY},
}  # fmt: skip


@pytest.mark.usefixtures("batches")
@pytest.mark.parametrize("kind", PARQUETS)
@pytest.mark.parametrize("vectors", [None, MANY, MANY - 10, MANY + 1])
def test_parquet_column_by_column(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, vectors: int | None
) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table(columns_of(**PARQUETS[kind])), path)
    if vectors is not None:
        np.save(tmp_path / "train_emo.npy", np.arange(2.0 * vectors).reshape(vectors, 2))
    good, error, _ = read_by_column_and_by_row(path, caplog)
    if kind in ("plain", "entities", "times", "more fields") and vectors in (None, MANY):
        assert len(good) == MANY
        assert error is None


def test_parquet_of_pandas_and_of_our_own_writer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = pd.DataFrame(
        {"content": ["甲", "乙", None], "label": [1, None, 0], "time": pd.to_datetime(["2020-01-01"] * 3)}
    )
    frame.to_parquet(tmp_path / "pandas.parquet")
    assert "2 of 3 rows" in str(read_by_column_and_by_row(tmp_path / "pandas.parquet", caplog)[1])
    articles = [Article.from_row(row) for row in ROWS[:4]]
    for suffix in (".json", ".jsonl", ".csv"):
        write_articles(tmp_path / f"own{suffix}", articles)
        good, error, _ = outcome(iter_articles(tmp_path / f"own{suffix}", require_label=True), caplog)
        assert [article.content for article in good] == [article.content for article in articles]
        assert error is None


@pytest.mark.usefixtures("batches")
def test_a_damaged_parquet_is_told_with_the_rows_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns_of()), path, row_group_size=10, compression="NONE", use_dictionary=False)
    content = bytearray(path.read_bytes())
    position = content.find("第20号".encode())
    content[position - 4 : position] = b"\xff\xff\xff\x7f"  # the length of a text
    path.write_bytes(content)
    good, error, _ = read_by_column_and_by_row(path, caplog)
    assert "not a Parquet file that can be read" in str(error)
    assert len(good) == 20


texts = st.text(max_size=3)
members = st.one_of(texts, st.floats(), st.fixed_dictionaries({"entity": texts}))
spellings = ["real", "1", "2020-01-01", "2020-01-01T00:00:00Z", 1347334462, "[]", '[{"entity": "甲"}]']
values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(), texts, st.lists(members, max_size=2),
    st.sampled_from(spellings),
)  # fmt: skip
fields = st.dictionaries(st.sampled_from([*FIELDS, "more"]), values, max_size=5)
arbitrary_rows = st.lists(fields.map(lambda row: GOOD | row), max_size=4)


def read(row: dict[str, Any]) -> Article | None:
    try:
        return Article.from_row(row)
    except ArticleError:
        return None


@pytest.mark.slow
@pytest.mark.no_cover
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(rows=arbitrary_rows)
def test_good_rows_are_read_whatever_the_other_rows_hold(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    rows = json.loads(json.dumps([row for row in [GOOD, *rows] if not holds_nan(row)]))
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    expected = list(map(read, rows))
    bad: list[int] = []
    numbered = iter_numbered_articles(path, on_bad_row=lambda row, _: bad.append(row.number))
    assert list(numbered) == [(number, article) for number, article in enumerate(expected, 1) if article is not None]
    assert bad == [number for number, article in enumerate(expected, 1) if article is None]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=arbitrary_rows)
def test_columns_give_the_articles_of_rows(rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(["content", *(name for row in rows for name in row)]))
    columns = {name: [row.get(name) for row in rows] for name in names}
    expected = [
        read({name: value for name, value in row.items() if name in FIELDS or value is not None}) for row in rows
    ]
    if None in expected:
        with pytest.raises(FieldError):
            Article.from_columns(columns, len(rows))
    else:
        assert repr(Article.from_columns(columns, len(rows))) == repr(expected)  # NaN is not equal to itself


def holds_nan(row: dict[str, Any]) -> bool:
    """Tell whether a row is not JSON."""
    try:
        json.dumps(row, allow_nan=False)
    except ValueError:
        return True
    return False


def test_the_target_is_the_label_as_a_number() -> None:
    assert [Article(content="甲", label=label).target for label in ("real", "fake", None)] == [0, 1, None]
