# SPDX-License-Identifier: Apache-2.0
"""Columns of other libraries, as what the extension takes: lists, buffers, and

    ("arrow", schema, array)          capsules of an Arrow array
    ("stream", stream, None)          a capsule of an Arrow stream of one array at most
    ("times", column, unit_ns, mask)  64-bit integers that are times
    ("masked", column, mask)          a mask of bools, true where there is no value

None of these libraries is imported here unless a value of it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ._times import UNIT_NS, is_numpy


def _of(value: object, library: str) -> bool:
    return type(value).__module__.partition(".")[0] == library


def _numpy_array(array: Any) -> Any:
    """A numpy.ndarray without a buffer that the extension takes: datetimes, objects, texts, masks."""
    import numpy

    if isinstance(array, numpy.ma.MaskedArray):
        mask = numpy.ma.getmaskarray(array)
        return _with_mask(numpy.asarray(array.data), mask if mask.any() else None)
    if array.ndim != 1:
        raise TypeError(f"a column must have one dimension, not {array.ndim}")
    return _with_mask(array, None)


def _with_mask(array: Any, mask: Any) -> Any:
    import numpy

    if array.ndim != 1:
        raise TypeError(f"a column must have one dimension, not {array.ndim}")
    if array.dtype.kind == "M":
        absent = numpy.isnat(array)
        if absent.any():
            mask = absent if mask is None else mask | absent
        unit, count = numpy.datetime_data(array.dtype)
        if unit not in UNIT_NS:
            array, unit, count = array.astype("M8[s]"), "s", 1
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        return ("times", native.view("i8"), UNIT_NS[unit] * count, mask)
    if array.dtype.kind in "fiub":
        if array.dtype.itemsize > 8:
            array = array.astype("f8")
        return array if mask is None else ("masked", array, mask)
    if array.dtype.kind in "OUST":
        items = array.tolist()
        if mask is not None:
            items = [None if absent else item for item, absent in zip(items, mask.tolist())]
        return [to_item(item) for item in items]
    raise TypeError(f"a column of dtype {array.dtype} is none that varve stores")


def _arrow(value: Any) -> Any:
    """Whatever has Arrow's interface for arrays, or for streams of them (in one piece)."""
    if hasattr(value, "__arrow_c_array__"):
        return ("arrow", *value.__arrow_c_array__())
    if _of(value, "pyarrow") and hasattr(value, "num_chunks"):  # a ChunkedArray
        import pyarrow  # type: ignore[import-untyped, unused-ignore]

        value = pyarrow.chunked_array([value.combine_chunks()] if value.num_chunks else [], value.type)
    return ("stream", value.__arrow_c_stream__(), None)


def _pandas(series: Any) -> Any:
    """A pandas.Series or Index."""
    import numpy

    if isinstance(series.dtype, numpy.dtype):
        return adapt(series.to_numpy())
    if hasattr(series, "dt") and getattr(series.dtype, "tz", None) is not None:
        return adapt(series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    if getattr(series.dtype, "tz", None) is not None:  # an Index
        return adapt(series.tz_convert("UTC").tz_localize(None).to_numpy())
    absent = numpy.asarray(series.isna())
    kind = getattr(series.dtype, "kind", "O")
    if kind in "fiub":
        plain = series.to_numpy(dtype=series.dtype.numpy_dtype, na_value=0) if absent.any() else \
            series.to_numpy(dtype=series.dtype.numpy_dtype)
        return ("masked", plain, absent) if absent.any() else plain
    return [None if missing else to_item(item) for item, missing in zip(series.tolist(), absent.tolist())]


def to_item(value: Any) -> Any:
    """An item of a list as one of bool, int, float, str, bytes or None."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    return to_value(value)


def adapt(value: Any) -> Any:
    """See the head of this file."""
    if isinstance(value, (str, bytes, bytearray, dict, set, frozenset)):
        raise TypeError(f"a column must not be a {type(value).__name__}")
    if isinstance(value, (range, list, tuple)):
        return [to_item(item) for item in value]
    if is_numpy(value, "ndarray"):
        return _numpy_array(value)
    if _of(value, "pandas"):
        if not hasattr(value, "dtype"):
            raise TypeError(f"a column must be a Series, not a pandas {type(value).__name__}")
        return _pandas(value)
    if _of(value, "polars"):
        if not hasattr(value, "rechunk") or not hasattr(value, "dtype"):
            raise TypeError(f"a column must be a Series, not a polars {type(value).__name__}")
        return _arrow(value.rechunk())
    if hasattr(value, "__arrow_c_array__") or hasattr(value, "__arrow_c_stream__"):
        return _arrow(value)
    if hasattr(value, "__array__"):
        import numpy

        return adapt(numpy.asarray(value))
    if isinstance(value, Sequence) and not isinstance(value, memoryview):
        return [to_item(item) for item in value]
    if isinstance(value, Iterable) and not isinstance(value, memoryview):
        raise TypeError(f"a column must have a length; make a list of the {type(value).__name__}")
    raise TypeError(f"a column of {type(value).__name__} is none that varve stores")


def to_value(value: Any) -> Any:
    """A single value as one of bool, int, float, str or bytes; whatever else as it is."""
    if isinstance(value, bytearray):
        return bytes(value)
    if is_numpy(value, "datetime64") or is_numpy(value, "timedelta64"):
        raise TypeError("a field does not hold times: store integers")
    if is_numpy(value, "generic") or (is_numpy(value, "ndarray") and value.ndim == 0):
        item = value.item()
        return bytes(item) if isinstance(item, (bytearray, memoryview)) else item
    if hasattr(type(value), "as_py"):  # a scalar of Arrow
        return value.as_py()
    if hasattr(type(value), "__index__"):
        return value.__index__()
    return value
