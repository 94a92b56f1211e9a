"""Pickled tables: read as pandas holds them; anything else is refused before it runs."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from zhenwei.errors import DataError
from zhenwei.news.sources.restricted_pickle import ALLOWED, read_pickled_table

TABLE = {"content": ["真的", "假的", "也是假的"], "label": [0, 1, 1], "category": ["科技", "军事", "科技"]}


def save(path: Path, frame: pd.DataFrame, protocol: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_pickle(path, protocol=protocol)
    return path


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
def test_plain_tables_of_the_installed_pandas_are_read_with_its_values(
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
    """Pickled as the bare name of a function or class, which need not exist."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Called:
    """Pickled as a call of a function with any arguments, and a state to set on its result."""

    def __init__(self, function: Any, arguments: tuple[Any, ...] = (), state: Any = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state


class Forger(pickle._Pickler):  # type: ignore[name-defined]
    """Writes old and hostile pickles: any name, called with any arguments."""

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
    """Return a table as pandas before 1.3 pickles it, the form in which Weibo21 is published."""
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


# Hostile pickles


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
def test_a_call_that_is_not_part_of_a_table_is_refused_before_it_runs(
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


def test_an_ordinary_reader_would_run_the_forged_pickle(tmp_path: Path) -> None:
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


def test_every_allowed_name_is_replaced_by_an_inert_class() -> None:
    for placeholder in ALLOWED.values():
        assert placeholder.__module__ == "zhenwei.news.sources.restricted_pickle"
        assert set(vars(placeholder)) <= {"__module__", "__doc__"}


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
    """Return a table of one column `content` with any values as its block."""
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


def test_consistent_forged_tables_are_read(tmp_path: Path) -> None:
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
def test_arrays_with_inconsistent_metadata_are_refused(tmp_path: Path, values: Any) -> None:
    with pytest.raises(DataError, match="not a pickled table that can be read safely"):
        read_pickled_table(forge(tmp_path / "a.pkl", frame_of(values)))


def test_an_unknown_byte_order_and_columns_out_of_range_are_refused(tmp_path: Path) -> None:
    dtype = Called(Named("numpy", "dtype"), ("i8", False, True), (3, "?", None, None, None, -1, -1, 0))
    odd = Called(Named("numpy._core.numeric", "_frombuffer"), (bytes(8), dtype, (1, 1), "C"))
    with pytest.raises(DataError, match="found the byte order"):
        read_pickled_table(forge(tmp_path / "a.pkl", frame_of(odd)))
    with pytest.raises(DataError, match="not a pickled table"):
        read_pickled_table(forge(tmp_path / "b.pkl", frame_of(old_array(["甲"], 1, 1), old_array([7]))))
