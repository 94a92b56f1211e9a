"""The importers of public collections, on small collections that the tests lay out as the authors did."""

import json
import os
import pickle
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from zhenwei.errors import DataError
from zhenwei.news import read_articles
from zhenwei.news.sources import SOURCES, import_source
from zhenwei.news.sources.ced import read_ced
from zhenwei.news.sources.checked import read_checked
from zhenwei.news.sources.restricted_pickle import ADMITTED, read_pickled_table
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


def test_ced_has_labels_from_its_folders_and_beijing_time(ced: Path) -> None:
    rows = [article.to_row() for article in read_ced(ced)["articles"]]
    assert rows == [
        {"id": "ced-2", "content": "真", "label": "real", "time": "2012-09-01 07:45:37"},
        {"id": "ced-10", "content": "假", "label": "fake", "time": "2012-09-11 11:34:22"},
    ]


def test_the_folder_above_will_do(ced: Path) -> None:
    assert len(list(read_ced(ced.parent)["articles"])) == 2


def test_a_folder_with_two_copies_below_is_ambiguous(ced: Path) -> None:
    for folder in ("original-microblog", "rumor-repost", "non-rumor-repost"):
        (ced.parent / "copy" / folder).mkdir(parents=True)
    with pytest.raises(DataError, match="found CED in ced and copy; name one of them"):
        read_ced(ced.parent)


def test_a_folder_that_is_not_the_collection_says_what_it_has(tmp_path: Path) -> None:
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
            "25_x.json: found no object",
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


def test_checked_keeps_what_was_written_without_the_residue_of_the_page(checked: Path) -> None:
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


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    "variant",
    [
        lambda frame: frame,
        lambda frame: frame.astype(object),
        lambda frame: frame.astype({"content": pd.StringDtype("python")}),
        lambda frame: frame.astype({"label": np.dtype(">i4")}),
        lambda frame: frame.assign(score=[0.5, 1.5, 2.5], rank=[3, 2, 1])[["rank", "content", "score", "label"]],
        lambda frame: frame.iloc[1:],
        lambda frame: frame.iloc[::2],
        lambda frame: frame[frame.label == 1],
        lambda frame: pd.concat([frame, frame]),
        lambda frame: frame.set_index("category"),
        lambda frame: frame.iloc[:0],
    ],
)
def test_plain_tables_of_todays_pandas_are_read_as_pandas_holds_them(
    tmp_path: Path, variant: Callable[[pd.DataFrame], pd.DataFrame], protocol: int
) -> None:
    frame = variant(pd.DataFrame(TABLE))
    table = read_pickled_table(save(tmp_path / "a.pkl", frame, protocol))
    assert table == {name: frame[name].tolist() for name in frame}


def test_gaps_in_a_table_of_text_are_none(tmp_path: Path) -> None:
    for dtype in ("str", pd.StringDtype("python")):
        frame = pd.DataFrame({"content": pd.array(["甲", None], dtype=dtype)})
        assert read_pickled_table(save(tmp_path / "a.pkl", frame))["content"] == ["甲", None]


class Named:
    """Pickles as the bare name of a function or class, which need not exist any more."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Called:
    """Pickles as a call of a function with any arguments, and a state to set on what it returns."""

    def __init__(self, function: Any, arguments: tuple[Any, ...] = (), state: Any = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state


class Forger(pickle._Pickler):  # type: ignore[name-defined]
    """Writes pickles of other times and intentions: any name, called with anything."""

    def save(self, thing: Any, save_persistent_id: bool = True) -> None:
        if isinstance(thing, Named):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Called):
            self.save_reduce(thing.function, thing.arguments, thing.state)
        else:
            super().save(thing, save_persistent_id)

    def save_reduce(self, func: Any, args: Any, state: Any = None, *rest: Any, obj: Any = None) -> None:
        self.save(func)
        self.save(args)
        self.write(pickle.REDUCE)
        if state is not None:
            self.save(state)
            self.write(pickle.BUILD)


def forge(path: Path, thing: Any) -> Path:
    with path.open("wb") as file:
        Forger(file, protocol=3).dump(thing)
    return path


def old_array(values: list[Any], *dimensions: int, code: str = "O8") -> Called:
    dtype = Called(Named("numpy", "dtype"), (code, False, True), (3, "|", None, None, None, -1, -1, 63))
    empty = (Named("numpy", "ndarray"), (0,), b"b")
    shape = dimensions or (len(values),)
    return Called(Named("numpy.core.multiarray", "_reconstruct"), empty, (1, shape, dtype, False, values))


def old_frame(frame_module: str, manager_key: str) -> Called:
    """A table as pandas before 1.3 pickled it, which is how Weibo21 was published."""
    new_index = Named("pandas.core.indexes.base", "_new_Index")
    columns = Called(
        new_index, (Named("pandas.core.indexes.base", "Index"), {"data": old_array(list(TABLE)), "name": None})
    )
    rows = Called(
        new_index, (Named("pandas.core.indexes.numeric", "Int64Index"), {"data": old_array([5, 6, 7]), "name": None})
    )
    blocks = [
        {"values": old_array(TABLE["label"], 1, 3), "mgr_locs": Called(Named("builtins", "slice"), (1, 2, 1))},
        {"values": old_array([*TABLE["content"], *TABLE["category"]], 2, 3), "mgr_locs": old_array([0, 2])},
    ]
    state = ([columns, rows], [], [], {"0.14.1": {"axes": [columns, rows], "blocks": blocks}})
    manager = Called(Named("pandas.core.internals.managers", "BlockManager"), (), state)
    return Called(Named(frame_module, "DataFrame"), (), {manager_key: manager, "_typ": "dataframe"})


@pytest.mark.parametrize(("frame_module", "manager_key"), [("pandas.core.frame", "_mgr"), ("pandas", "_data")])
def test_tables_of_pandas_before_1_3_are_read(tmp_path: Path, frame_module: str, manager_key: str) -> None:
    assert read_pickled_table(forge(tmp_path / "a.pkl", old_frame(frame_module, manager_key))) == TABLE


# What a hostile pickle may try


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("os", "system", ("touch {}",)),
        ("posix", "system", ("touch {}",)),
        ("subprocess", "Popen", (["touch", "{}"],)),
        ("builtins", "eval", ("open('{}', 'w')",)),
        ("builtins", "exec", ("open('{}', 'w')",)),
        ("builtins", "open", ("{}", "w")),
        ("builtins", "getattr", ("", "upper")),
        ("builtins", "__import__", ("os",)),
        ("importlib", "import_module", ("os",)),
        ("pandas", "eval", ("1",)),
        ("pandas", "read_pickle", ("{}",)),
        ("pandas.io.common", "os.system", ("touch {}",)),
        ("pandas.core.frame", "DataFrame.eval", ("1",)),
        ("pandas", "DataFrame.to_pickle", ("{}",)),
        ("numpy", "load", ("{}",)),
        ("numpy", "save", ("{}", 1)),
        ("numpy", "memmap", ("{}", "u1", "w+", 0, 1)),
        ("numpy.core.multiarray", "scalar", ("1",)),
        ("pyarrow.lib", "OSFile", ("{}", "w")),
        ("copyreg", "_reconstructor", (object, object, None)),
        ("zhenwei.news.sources.restricted_pickle", "pickle.loads", (b"",)),
    ],
)
def test_a_call_that_is_no_part_of_a_table_is_refused_before_it_runs(
    tmp_path: Path, module: str, name: str, arguments: tuple[Any, ...]
) -> None:
    trace = tmp_path / "trace"
    filled = tuple(
        [part.format(trace) for part in a] if isinstance(a, list) else a.format(trace) if isinstance(a, str) else a
        for a in arguments
    )
    path = forge(tmp_path / "a.pkl", [old_frame("pandas", "_mgr"), Called(Named(module, name), filled)])
    with pytest.raises(DataError, match=rf"refused: the pickle asks for {module}\.{name},"):
        read_pickled_table(path)
    assert not trace.exists()


def test_the_forgery_would_have_run_under_an_ordinary_reader(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = forge(tmp_path / "a.pkl", Called(Named("builtins", "open"), (str(trace), "w")))
    pickle.loads(path.read_bytes()).close()
    assert trace.exists()


def test_a_class_with_its_own_reduce_is_refused(tmp_path: Path) -> None:
    class Shell:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'trace'}",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Shell()))
    with pytest.raises(DataError, match=r"refused: the pickle asks for .*system"):
        read_pickled_table(tmp_path / "a.pkl")
    assert not (tmp_path / "trace").exists()


def test_every_admitted_name_stands_for_an_inert_class_of_ours() -> None:
    for stand_in in ADMITTED.values():
        assert stand_in.__module__ == "zhenwei.news.sources.restricted_pickle"
        assert set(vars(stand_in)) <= {"__module__", "__doc__"}


@pytest.mark.parametrize(
    "thing",
    [
        b"not a pickle of a table",
        [1, 2, 3],
        Called(Named("pandas", "DataFrame"), (), {}),
        Called(Named("pandas", "DataFrame"), (), 5),
        Called(
            Named("pandas", "DataFrame"),
            (),
            {"_mgr": Called(Named("pandas.core.internals", "BlockManager"), ([1], [2]))},
        ),
        old_array([1, 2]),
    ],
)
def test_a_pickle_of_something_else_is_refused(tmp_path: Path, thing: Any) -> None:
    with pytest.raises(DataError, match="not a pickled table that can be read safely"):
        read_pickled_table(forge(tmp_path / "a.pkl", thing))


def frame_of(values: Any, placement: Any = None) -> Called:
    """A table of one column `content` whose block is what the forger likes."""
    placement = placement or Called(Named("builtins", "slice"), (0, 1, 1))
    block = Called(Named("pandas._libs.internals", "_unpickle_block"), (values, placement, 2))
    index = Called(
        Named("pandas.core.indexes.base", "_new_Index"), (Named("pandas", "Index"), {"data": old_array(["content"])})
    )
    manager = Called(Named("pandas.core.internals.managers", "BlockManager"), ((block,), [index, index]))
    return Called(Named("pandas", "DataFrame"), (), {"_mgr": manager})


def arrow(*buffers: bytes, length: int, alias: str = "large_string") -> Called:
    wrapped = [None, *(Called(Named("pyarrow.lib", "py_buffer"), (buffer,)) for buffer in buffers)]
    kind = Called(Named("pyarrow.lib", "type_for_alias"), (alias,))
    array = Called(Named("pyarrow.lib", "_restore_array"), ((kind, length, 0, 0, wrapped, [], None),))
    chunks = Called(Named("pyarrow.lib", "chunked_array"), ([array, array],))
    return Called(Named("pandas.arrays", "ArrowStringArray"), (), {"_pa_array": chunks})


def offsets(*numbers: int) -> bytes:
    return np.array(numbers, dtype=np.int64).tobytes()


def test_the_forged_tables_are_read_when_they_are_honest(tmp_path: Path) -> None:
    table = read_pickled_table(forge(tmp_path / "a.pkl", frame_of(old_array(["甲", "乙"], 1, 2))))
    assert table == {"content": ["甲", "乙"]}
    honest = arrow(offsets(0, 1, 3), b"abc", length=2)
    assert read_pickled_table(forge(tmp_path / "b.pkl", frame_of(honest))) == {"content": ["a", "bc", "a", "bc"]}


@pytest.mark.parametrize(
    "values",
    [
        old_array(["甲"], 1, 10**6),
        old_array(b"\x41" * 8, 1, 1),  # type: ignore[arg-type] - objects as raw pointers
        old_array([1], 1, 1, code="i8"),
        old_array(b"\x41" * 8, 1, 1, code="V8"),  # type: ignore[arg-type]
        old_array(b"\x41" * 7, 1, 1, code="i8"),  # type: ignore[arg-type]
        old_array(["甲", "乙"], 2, 1),
        old_array(["甲"]),
        5,
        arrow(offsets(0, 1, 10**9), b"abc", length=2),
        arrow(offsets(0, 1, 3), b"abc", length=10**9),
        arrow(offsets(0, 1), b"\xff", length=1),
        arrow(offsets(0, 1), b"a", length=1, alias="int64"),
    ],
)
def test_arrays_that_lie_about_themselves_are_refused(tmp_path: Path, values: Any) -> None:
    with pytest.raises(DataError, match="not a pickled table that can be read safely"):
        read_pickled_table(forge(tmp_path / "a.pkl", frame_of(values)))


def test_numbers_in_an_odd_byte_order_and_columns_out_of_place_are_refused(tmp_path: Path) -> None:
    dtype = Called(Named("numpy", "dtype"), ("i8", False, True), (3, "?", None, None, None, -1, -1, 0))
    odd = Called(Named("numpy._core.numeric", "_frombuffer"), (bytes(8), dtype, (1, 1), "C"))
    with pytest.raises(DataError, match="found the byte order"):
        read_pickled_table(forge(tmp_path / "a.pkl", frame_of(odd)))
    with pytest.raises(DataError, match="not a pickled table"):
        read_pickled_table(forge(tmp_path / "b.pkl", frame_of(old_array(["甲"], 1, 1), old_array([7]))))


# Importing


def test_import_writes_one_file_per_part(weibo21: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert import_source("weibo21", weibo21, out) == {out / "train.json": 3, out / "val.json": 3}
    assert read_articles(out / "train.json", require_label=True)[0].domain == "科技"


def test_a_collection_of_one_part_may_go_to_a_file(ced: Path, tmp_path: Path) -> None:
    assert import_source("ced", str(ced), str(tmp_path / "ced.parquet")) == {tmp_path / "ced.parquet": 2}
    assert read_articles(tmp_path / "ced.parquet")[1].time == datetime(2012, 9, 11, 11, 34, 22)
    assert import_source("ced", ced, tmp_path / "out") == {tmp_path / "out" / "articles.json": 2}


def test_several_parts_do_not_fit_one_file(weibo21: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a folder, for weibo21 has the parts train, val"):
        import_source("weibo21", weibo21, tmp_path / "all.json")


def test_existing_files_are_only_replaced_when_told_so(ced: Path, tmp_path: Path) -> None:
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


def test_a_collection_without_articles_is_refused(tmp_path: Path) -> None:
    for folder in ("fake_news", "real_news"):
        (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match=r"found no articles for articles\.json"):
        import_source("checked", tmp_path, tmp_path / "out")


def test_an_unknown_source_is_told_with_the_likely_one(tmp_path: Path) -> None:
    assert list(SOURCES) == ["ced", "checked", "weibo21"]
    with pytest.raises(DataError, match=r"found the source 'Weibo-21'; did you mean 'weibo21'\?"):
        import_source("Weibo-21", tmp_path, tmp_path)
    with pytest.raises(DataError, match="expected ced, checked, weibo21"):
        import_source("politifact", tmp_path, tmp_path)
