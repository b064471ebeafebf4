# SPDX-License-Identifier: Apache-2.0
"""Times and spans: what Python calls them, as integers in the unit of a database."""

from __future__ import annotations

import datetime
import re
from typing import Any

UNIT_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_SPAN_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
            "h": 3_600_000_000_000, "d": 86_400_000_000_000, "w": 604_800_000_000_000}
# Spans of a calendar: (unit of varve.h, how many).
_CALENDAR = {"h": (0, 1), "d": (1, 1), "w": (2, 1), "mo": (3, 1), "q": (4, 1), "y": (5, 1)}
_SPAN = re.compile(r"(\d+)(ns|us|ms|s|mo|m|h|d|w|q|y)\Z", re.ASCII)


def is_numpy(value: object, name: str) -> bool:
    """Whether a value is of NumPy's type `name`, without importing NumPy."""
    return any(kind.__module__ == "numpy" and kind.__name__ == name for kind in type(value).__mro__)


def _numpy_ns(value: Any) -> int:
    """Nanoseconds of a numpy.datetime64 or timedelta64."""
    import numpy

    if numpy.isnat(value):
        raise ValueError("NaT is no time")
    unit, count = numpy.datetime_data(value.dtype)
    if unit not in UNIT_NS:
        value, unit, count = value.astype(value.dtype.kind + "8[s]"), "s", 1
    return int(value.astype("i8")) * count * UNIT_NS[unit]


def _datetime_ns(value: datetime.datetime) -> int:
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"{value!r} has no time zone: give it one, such as datetime.timezone.utc")
    past = value - _EPOCH
    micros = (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
    # pandas' Timestamp has nanoseconds besides.
    return micros * 1_000 + int(getattr(value, "nanosecond", 0))


def to_int(value: Any, unit_ns: int) -> int:
    """A time in units of unit_ns, floored."""
    if isinstance(value, datetime.datetime):
        return _datetime_ns(value) // unit_ns
    if is_numpy(value, "datetime64"):
        return _numpy_ns(value) // unit_ns
    if hasattr(type(value), "__index__") and not isinstance(value, bool) and not is_numpy(value, "timedelta64"):
        return value.__index__()  # type: ignore[no-any-return]
    if hasattr(type(value), "as_py"):  # a scalar of Arrow
        return to_int(value.as_py(), unit_ns)
    raise TypeError(f"a time must be an int, an aware datetime or a datetime64, not {type(value).__name__}")


def span(value: Any, unit_ns: int, *, what: str = "every") -> int:
    """A length of time in units of unit_ns; it must come out even."""
    if isinstance(value, bool):
        raise TypeError(f"{what} must not be a bool")
    if isinstance(value, int):
        return value
    if isinstance(value, datetime.timedelta):
        total = ((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) * 1_000
        total += int(getattr(value, "nanoseconds", 0))
    elif is_numpy(value, "timedelta64"):
        total = _numpy_ns(value)
    elif isinstance(value, str):
        found = _SPAN.match(value)
        if found is None or found.group(2) not in _SPAN_NS:
            raise ValueError(f"{what}: {value!r} is no span such as \"30s\" or \"1h\"")
        total = int(found.group(1)) * _SPAN_NS[found.group(2)]
    else:
        raise TypeError(f"{what} must be an int, a timedelta or a str, not {type(value).__name__}")
    if total % unit_ns != 0:
        raise ValueError(f"{what}: {value!r} is no multiple of the unit of the database")
    return total // unit_ns


def bucket(every: Any, zone: str | None, origin: Any, unit_ns: int) -> tuple[int, int, int, int, str, int] | None:
    """(kind, unit, width, origin, zone, flags) of varve_bucket."""
    if every is None:
        if zone is not None or origin is not None:
            raise ValueError("zone and origin belong to every")
        return None
    if zone is not None and not isinstance(zone, str):
        raise TypeError("zone must be a str")
    found = _SPAN.match(every) if isinstance(every, str) else None
    if found is not None and (zone is not None or found.group(2) not in _SPAN_NS):
        if found.group(2) not in _CALENDAR:
            raise ValueError(f"every: {every!r} is no span of a calendar: use h, d, w, mo, q or y with a zone")
        if origin is not None:
            raise ValueError("buckets of a calendar have no origin")
        unit, factor = _CALENDAR[found.group(2)]
        return (2, unit, int(found.group(1)) * factor, 0, zone or "", 0)
    if zone is not None:
        raise ValueError("every must be a str such as \"1d\" where a zone is given")
    width = span(every, unit_ns)
    if origin == "start":
        return (1, 0, width, 0, "", 1)
    return (1, 0, width, 0 if origin is None else to_int(origin, unit_ns), "", 0)
