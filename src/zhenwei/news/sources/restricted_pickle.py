"""Read a pickled pandas table without executing any of it.

A pickle is a program: it names functions by module and name, and calls them with any arguments. Python's own reader
and that of pandas execute it, so neither is used here. Some datasets are published as pickles nevertheless; this file
reads them safely:

1. `find_class`, the only way from a pickle to anything outside, looks up an explicit list of (module, name) pairs. It
   never imports what the pickle names. A name that is not on the list ends the reading before any call of it. Dotted
   names (`DataFrame.eval`) do not match either, since only whole pairs match.
2. Even the listed names are not the real objects: each is replaced by an inert class of this file that stores its
   arguments. No constructor, `__setstate__` or C code of pandas or NumPy ever receives data of the pickle. (The real
   `numpy.dtype`, for one, can be made to read bytes as object pointers.)
3. The table is then built from the stored arguments, with every shape, type and position checked; Arrow validates the
   buffers of its strings.

A hostile file can still demand much memory, as any declared size can. As pandas itself is not used, tables of pandas 1,
2 and 3 are read in the same way, whichever version is installed.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from zhenwei.errors import DataError

_PLAIN_DTYPE = re.compile(r"[biuf][0-9]{1,2}|O[48]?")


class _Placeholder:
    """Replaces a class or function of pandas or NumPy, and stores the arguments that the pickle passes to it."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Frame(_Placeholder):
    """`DataFrame`: its state is a dict with the block manager."""


class _Manager(_Placeholder):
    """`BlockManager`: arguments (blocks, axes), or before pandas 1.3 a state."""


class _Block(_Placeholder):
    """`_unpickle_block`: arguments (values, placement, ndim)."""


class _Index(_Placeholder):
    """`_new_Index`: arguments (class, {"data": array, "name": ...})."""


class _Slice(_Placeholder):
    """`slice`: arguments (start, stop, step)."""


class _Dtype(_Placeholder):
    """`numpy.dtype`: arguments (code, align, copy); the second item of its state is the byte order."""


class _Reconstructed(_Placeholder):
    """`_reconstruct`: an empty array, whose state is (version, shape, dtype, fortran order, data)."""


class _FromBuffer(_Placeholder):
    """`_frombuffer`: arguments (bytes, dtype, shape, order)."""


class _StringArray(_Placeholder):
    """A string column of pandas over NumPy: one item of its state is the array."""


class _ArrowStringArray(_Placeholder):
    """A string column of pandas over Arrow: a state with `_pa_array`."""


class _ArrowArray(_Placeholder):
    """`_restore_array`: one tuple (type, length, nulls, offset, buffers, children, dictionary)."""


class _ArrowType(_Placeholder):
    """`type_for_alias`: arguments (name,)."""


class _ArrowBuffer(_Placeholder):
    """`py_buffer`: arguments (bytes,)."""


class _ArrowChunks(_Placeholder):
    """`chunked_array`: arguments (arrays, type)."""


class _Bytes(_Placeholder):
    """`bytearray`: arguments (bytes,); a buffer in older pickle protocols."""


class _Marker(_Placeholder):
    """A class that is only named, as the type of something else; the values do not depend on it."""


def _names(modules: str, names: str, placeholder: type[_Placeholder]) -> dict[tuple[str, str], type[_Placeholder]]:
    return {(module, name): placeholder for module in modules.split() for name in names.split()}


ALLOWED: dict[tuple[str, str], type[_Placeholder]] = (
    _names("pandas pandas.core.frame", "DataFrame", _Frame)
    | _names("pandas.core.internals pandas.core.internals.managers", "BlockManager", _Manager)
    | _names("pandas._libs.internals", "_unpickle_block", _Block)
    | _names("pandas.core.indexes.base", "_new_Index", _Index)
    | _names("pandas pandas.core.indexes.base", "Index", _Marker)
    | _names("pandas pandas.core.indexes.range", "RangeIndex", _Marker)
    | _names("pandas pandas.core.indexes.numeric", "Int64Index UInt64Index Float64Index", _Marker)
    | _names("builtins __builtin__", "slice", _Slice)
    | _names("builtins", "bytearray", _Bytes)
    | _names("numpy", "dtype", _Dtype)
    | _names("numpy", "ndarray", _Marker)
    | _names("numpy.core.multiarray numpy._core.multiarray", "_reconstruct", _Reconstructed)
    | _names("numpy.core.numeric numpy._core.numeric", "_frombuffer", _FromBuffer)
    | _names("pandas pandas.core.arrays.string_", "StringDtype", _Marker)
    | _names("pandas pandas._libs.missing", "NA", _Marker)
    | _names("pandas.arrays pandas.core.arrays.string_", "StringArray", _Marker)
    | _names("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked", _StringArray)
    | _names("pandas.arrays pandas.core.arrays.string_arrow", "ArrowStringArray", _ArrowStringArray)
    | _names("pyarrow.lib", "_restore_array", _ArrowArray)
    | _names("pyarrow.lib", "type_for_alias", _ArrowType)
    | _names("pyarrow.lib", "py_buffer", _ArrowBuffer)
    | _names("pyarrow.lib", "chunked_array", _ArrowChunks)
)


class _RestrictedUnpickler(pickle.Unpickler):
    """Resolves names to the placeholders of this file, and to nothing else."""

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> type[_Placeholder]:
        """Return the placeholder of an allowed name.

        Raises:
            DataError: The name is not allowed.
        """
        placeholder = ALLOWED.get((module, name))
        if placeholder is None:
            raise DataError(
                f"{self._path}: refused: the pickle asks for {module}.{name}, which is not part of a plain table; "
                "a pickle can execute any code, so only tables of text and numbers are read"
            )
        return placeholder


def read_pickled_table(path: Path) -> dict[str, list[Any]]:
    """Read a pickled pandas DataFrame of text and numbers, without executing any of it.

    Args:
        path: The file, as `DataFrame.to_pickle` wrote it, not compressed.

    Returns:
        The values of each column, by its name, in the order of the columns. The table's index is left out.

    Raises:
        DataError: The file is not a pickle, or names anything other than the parts of a plain table.
    """
    try:
        with path.open("rb") as file:
            return _columns(_RestrictedUnpickler(file, path).load())
    except DataError:
        raise
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        raise DataError(f"{path}: not a pickled table that can be read safely ({error})") from None


def _columns(frame: Any) -> dict[str, list[Any]]:
    if not isinstance(frame, _Frame):
        raise ValueError(f"found {type(frame).__name__.lstrip('_')}; expected a DataFrame")
    manager = frame.state.get("_mgr", frame.state.get("_data"))  # `_data` before pandas 1.1
    if not isinstance(manager, _Manager):
        raise ValueError("found no block manager in the DataFrame")
    if manager.state is None:
        blocks, axes = manager.arguments
        placed = [block.arguments[:2] for block in _all_of(_Block, blocks)]
    else:  # before pandas 1.3: (axes, values, items, {"0.14.1": {"axes": ..., "blocks": [...]}})
        state = manager.state[3]["0.14.1"]
        axes = state["axes"]
        placed = [(block["values"], block["mgr_locs"]) for block in state["blocks"]]
    names = [str(name) for name in _values(_all_of(_Index, axes)[0].arguments[1]["data"])]
    table: dict[str, list[Any]] = {}
    for values, placement in placed:
        columns = _values(values)
        if isinstance(values, _StringArray | _ArrowStringArray):
            columns = [columns]  # one-dimensional: a block of a single column
        if not all(isinstance(column, list) for column in columns):
            raise ValueError("found a block of columns without rows")
        table |= zip(_positions(placement, names), columns, strict=True)
    if len({len(column) for column in table.values()}) > 1:
        raise ValueError("the columns differ in length")
    return {name: table[name] for name in names}


def _positions(placement: Any, names: list[str]) -> list[str]:
    """Return the names of the columns of one block."""
    if isinstance(placement, _Slice):
        return names[slice(*placement.arguments)]
    return [names[position] for position in _values(placement)]


def _values(array: Any) -> list[Any]:
    """Return the values of an array, nested by dimension."""
    match array:
        case _Reconstructed(state=(_, shape, dtype, fortran, data)):
            return _numpy_values(data, dtype, shape, "F" if fortran else "C")
        case _FromBuffer(arguments=(data, dtype, shape, order)):
            return _numpy_values(data, dtype, shape, order)
        case _StringArray(state=tuple(parts)):
            values = _values(next(part for part in parts if isinstance(part, _Reconstructed)))
            return [None if value is _Marker else value for value in values]  # pandas.NA
        case _ArrowStringArray(state={"_pa_array": chunks}) | _ArrowStringArray(state={"_data": chunks}):
            return _values(chunks)
        case _ArrowChunks(arguments=(list(arrays), *_)):
            return [value for chunk in arrays for value in _values(chunk)]
        case _ArrowArray(arguments=((_ArrowType(arguments=(alias,)), length, _, offset, buffers, *_),)):
            return _arrow_values(alias, length, offset, buffers)
    raise ValueError(f"found {type(array).__name__.lstrip('_')}; expected an array of text or numbers")


def _numpy_values(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> list[Any]:
    code = dtype.arguments[0]
    if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
        raise ValueError(f"found the type {code!r}; expected text or numbers")
    if code.startswith("O"):
        if not isinstance(data, list):
            raise ValueError("found no list of values in an array of objects")
        array = np.empty(len(data), dtype=object)
        array[:] = data
    else:
        byte_order = dtype.state[1] if dtype.state else "="
        if byte_order not in ("<", ">", "=", "|"):
            raise ValueError(f"found the byte order {byte_order!r}; expected little or big")
        array = np.frombuffer(_bytes(data), dtype=np.dtype(byte_order + code))
    nested: list[Any] = array.reshape(shape, order="F" if order == "F" else "C").tolist()
    return nested


def _arrow_values(alias: str, length: int, offset: int, buffers: list[_ArrowBuffer | None]) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 # heavy, and only tables of pandas 3 need it

    types = {"string": pa.string(), "large_string": pa.large_string()}
    raw = [None if buffer is None else pa.py_buffer(_bytes(buffer.arguments[0])) for buffer in buffers]
    array = pa.Array.from_buffers(types[alias], length, raw, offset=offset)
    array.validate(full=True)  # before any value is touched: lengths, offsets and UTF-8
    values: list[Any] = array.to_pylist()
    return values


def _bytes(buffer: Any) -> bytes:
    data = b"".join(buffer.arguments) if isinstance(buffer, _Bytes) else buffer  # `bytearray()` has no arguments
    if not isinstance(data, bytes | bytearray):
        raise ValueError("found no bytes for the numbers of an array")
    return bytes(data)


def _all_of(kind: type[_Placeholder], items: Any) -> list[Any]:
    """Return the items, each of which must be of one kind."""
    if not all(isinstance(item, kind) for item in items):
        raise ValueError(f"expected only {kind.__name__.lstrip('_')} in the description of the table")
    return list(items)
