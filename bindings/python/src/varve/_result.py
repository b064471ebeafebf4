# SPDX-License-Identifier: Apache-2.0
"""Answers: Result, read once, and Block, a part of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import _varve

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow  # type: ignore[import-untyped, unused-ignore]

Progress = Callable[[int, int], object]


def _numpy_column(column: Any, unit: str | None) -> Any:
    """An array of a Column or list; masked where rows lack a value."""
    import numpy

    if isinstance(column, list):
        array = numpy.empty(len(column), dtype=object)
        array[:] = column
        return array
    if column.type not in ("f64", "i64", "u64", "bool"):
        return _numpy_column(column.tolist(), None)
    try:
        array = numpy.asarray(memoryview(column))
    except BufferError:  # a label
        return _numpy_column(column.tolist(), None)
    if unit is not None:
        return array.view(f"M8[{unit}]")
    missing = column.missing()
    return array if missing is None else numpy.ma.masked_array(array, numpy.asarray(memoryview(missing)))


class Block:
    """Some rows of an answer: columns by name, times first where there are any.

    It stays valid for as long as it is held, also when the database is closed.
    """

    __slots__ = ("_block", "_names", "_unit")

    def __init__(self, block: _varve.Block, names: tuple[str, ...], unit: str) -> None:
        self._block = block
        self._names = names
        self._unit = unit

    def __len__(self) -> int:
        return len(self._block)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, without "time"."""
        return self._names

    @property
    def times(self) -> _varve.Column | None:
        """The times, as integers in the unit of the database; None where there are none."""
        return self._block.times

    @property
    def row_ids(self) -> _varve.Column | None:
        """Ids of the rows, where they were asked for."""
        return self._block.row_ids

    @property
    def columns(self) -> dict[str, _varve.Column]:
        """The columns by name, without "time"."""
        return dict(zip(self._names, self._block.columns))

    def __getitem__(self, name: str) -> _varve.Column:
        for each, column in zip(self._names, self._block.columns):
            if each == name:
                return column
        if name == "time" and self._block.times is not None:
            return self._block.times
        raise KeyError(name)

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows as tuples: time, where there is one, then the columns."""
        lists = [column.tolist() for column in self._block.columns]
        times = self._block.times
        if times is not None:
            lists.insert(0, times.tolist())
        return list(zip(*lists)) if lists else []

    def to_numpy(self) -> dict[str, numpy.ndarray[Any, Any]]:
        """Arrays by name that share the memory of the block; read-only."""
        arrays = {}
        if self._block.times is not None:
            arrays["time"] = _numpy_column(self._block.times, self._unit)
        for name, column in self.columns.items():
            arrays[name] = _numpy_column(column, None)
        return arrays

    def __repr__(self) -> str:
        return f"<varve.Block of {len(self)} rows: {', '.join(self._names)}>"


class Result:
    """An answer. It sees the database as it was when it was asked, and is read once: block by block
    in bounded memory (`for block in result`), or whole by one of the to_ methods."""

    def __init__(self, cursor: _varve.Cursor, names: tuple[str, ...] | None, unit: str | None,
                 progress: Progress | None, text: str) -> None:
        self._cursor: _varve.Cursor | None = cursor
        self._names = names  # of the columns but for the times; None: as the engine calls them
        self._unit = unit  # of the times; None: there are none
        self._progress = progress
        self._text = text
        self._lock = threading.Lock()
        self._state = "not read yet"
        self._is_iterated = False
        self.is_partial = False

    def _take(self) -> _varve.Cursor:
        """The cursor, for the one that reads all of it."""
        with self._lock:
            if self._cursor is None or self._state != "not read yet":
                raise ValueError(f"this answer cannot be read: it was {self._state} already; ask again")
            self._state = "read"
            return self._cursor

    def __iter__(self) -> Iterator[Block]:
        with self._lock:
            if not self._is_iterated:
                if self._cursor is None or self._state != "not read yet":
                    raise ValueError(f"this answer cannot be read: it was {self._state} already; ask again")
                self._is_iterated, self._state = True, "begun"
        return self

    def __next__(self) -> Block:
        cursor = self._cursor
        if cursor is None or not self._is_iterated:
            if self._state == "closed":
                raise ValueError("this answer was closed")
            if not self._is_iterated:
                raise TypeError("an answer is iterated by `for` or iter()")
            raise StopIteration
        block = cursor.next()
        if block is None:
            # Other threads may be in next() as well: the last one to let go of the cursor ends it.
            self._cursor, self._state = None, "read"
            raise StopIteration
        self.is_partial = self.is_partial or block.is_partial
        names = self._names
        if names is None:
            names = tuple(column.name for column in block.columns)
        return Block(block, names, self._unit or "ns")

    def _end(self, cursor: _varve.Cursor) -> None:
        self._cursor = None
        cursor.close()

    def _collect(self) -> list[tuple[str, Any]]:
        cursor = self._take()
        try:
            columns, _, self.is_partial = cursor.collect(self._progress)
        finally:
            self._end(cursor)
        if self._names is None:
            return columns
        times = columns[:1] if self._unit is not None else []
        rest = columns[len(times):]
        return times + [(name, column) for name, (_, column) in zip(self._names, rest)]

    def to_rows(self) -> list[tuple[Any, ...]]:
        """All rows as tuples of Python objects; times are integers in the unit of the database."""
        lists = [column if isinstance(column, list) else column.tolist() for _, column in self._collect()]
        return list(zip(*lists)) if lists else []

    def to_dict(self) -> dict[str, list[Any]]:
        """All rows as lists by the names of the columns; times as in to_rows."""
        return {name: column if isinstance(column, list) else column.tolist() for name, column in self._collect()}

    def to_numpy(self) -> dict[str, numpy.ndarray[Any, Any]]:
        """All rows as arrays by name: times as datetime64, texts as objects, and masked arrays where
        rows lack a value."""
        return {name: _numpy_column(column, self._unit if index == 0 else None)
                for index, (name, column) in enumerate(self._collect())}

    def to_pandas(self) -> pandas.DataFrame:
        """All rows as a DataFrame: times as a column of UTC; where rows lack a value, NaN, or nullable
        integers and bools."""
        import numpy
        import pandas

        frame: dict[str, Any] = {}
        for name, array in self.to_numpy().items():
            if isinstance(array, numpy.ma.MaskedArray):
                mask = numpy.ma.getmaskarray(array)
                if array.dtype.kind == "f":
                    frame[name] = array.filled(numpy.nan)
                elif array.dtype.kind == "b":
                    frame[name] = pandas.arrays.BooleanArray(array.data, mask)
                else:
                    frame[name] = pandas.arrays.IntegerArray(array.data, mask)
            elif array.dtype.kind == "M":
                frame[name] = pandas.Series(array).dt.tz_localize("UTC")
            else:
                frame[name] = array
        return pandas.DataFrame(frame)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Arrow's stream interface: pyarrow, polars and others read the answer by it, batch by batch."""
        cursor = self._take()
        self._cursor = None
        names = () if self._names is None else self._names
        return cursor.arrow(("time", *names) if names and self._unit is not None else names)

    def to_arrow(self) -> pyarrow.Table:
        """All rows as a pyarrow.Table."""
        import pyarrow

        return pyarrow.RecordBatchReader.from_stream(self).read_all()

    def to_polars(self) -> polars.DataFrame:
        """All rows as a polars.DataFrame."""
        import polars

        return polars.DataFrame(self)

    def cancel(self) -> None:
        """End a call of another thread that reads this answer, with CancelledError there."""
        cursor = self._cursor
        if cursor is not None:
            cursor.cancel()

    def close(self) -> None:
        """End the answer. A second call does nothing."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            self._state = "closed"
            cursor.close()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<varve.Result of {self._text}: {self._state}>"
