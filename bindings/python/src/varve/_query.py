# SPDX-License-Identifier: Apache-2.0
"""The words of a query, as the numbers of varve.h."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

AGGREGATIONS = {"sum": 1, "min": 2, "max": 3, "avg": 4, "first": 5, "last": 6, "count": 7, "median": 8, "range": 10,
                "variance": 11, "stddev": 12, "min_time": 13, "max_time": 14, "first_time": 15, "last_time": 16}
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)\Z", re.ASCII)
_OPERATORS = {"=": 0, "==": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5, "present": 6, "absent": 7}
_ORDERS = {"series": 0, "given": 1, "time": 2, "arrival": 3, "none": 4}
DESCENDING, PARTIAL, ROW_IDS, INTERNAL = 1, 4, 8, 16


def words(given: Any, what: str) -> list[str]:
    """One str, or a sequence of them."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, (bytes, Mapping)) or not isinstance(given, Sequence):
        raise TypeError(f"{what} must be a str or a list of str, not {type(given).__name__}")
    for item in given:
        if not isinstance(item, str):
            raise TypeError(f"{what} must be a str or a list of str, with {type(item).__name__} among them")
    return list(given)


def aggregation(name: str) -> tuple[int, float]:
    """(number, parameter) of an aggregation: its name, or a percentile such as "p95"."""
    if name in AGGREGATIONS:
        return AGGREGATIONS[name], 0.0
    found = _QUANTILE.match(name)
    if found is None:
        raise ValueError(f"aggregation {name!r} is not known: use " + ", ".join(AGGREGATIONS) + " or p50, p99.9")
    return 9, float(found.group(1)) / 100.0


def aggregation_name(number: int) -> str:
    return next(name for name, known in AGGREGATIONS.items() if known == number)


def nan_rule(nan: Any) -> int:
    if nan not in ("skip", "propagate"):
        raise ValueError(f"nan must be \"skip\" or \"propagate\", not {nan!r}")
    return int(nan == "propagate")


def pairs(fields: Any, agg: Any) -> list[tuple[str | None, str | None]]:
    """(field, aggregation) of each wanted column; None: every field, as it is stored."""
    names: list[str | None] = [None] if fields is None else list(words(fields, "fields"))
    if fields is not None and not names:
        raise ValueError("fields is empty: None means every field")
    if agg is None:
        return [(name, None) for name in names]
    if isinstance(agg, Mapping):
        if fields is not None:
            raise ValueError("agg names the fields already: leave fields out")
        wanted = [(field, each) for field, given in agg.items() for each in words(given, "agg")]
        if not all(isinstance(field, str) for field, _ in wanted) or not wanted:
            raise TypeError("agg must map names of fields to aggregations")
        return list(wanted)
    aggs = words(agg, "agg")
    if not aggs:
        raise ValueError("agg is empty: None means the rows as they are")
    return [(name, each) for name in names for each in aggs]


def predicates(where: Any) -> tuple[tuple[str, int, Any], ...]:
    """Conditions: ("temperature", ">", 20), ("note", "present")."""
    if where is None:
        return ()
    if isinstance(where, tuple) and where and isinstance(where[0], str):
        where = [where]
    if isinstance(where, (str, bytes, Mapping)) or not isinstance(where, Sequence):
        raise TypeError("where must be a list of (field, operator, value)")
    made = []
    for each in where:
        if not isinstance(each, tuple) or len(each) not in (2, 3) or not isinstance(each[0], str):
            raise TypeError(f"where: {each!r} is not (field, operator, value)")
        if each[1] not in _OPERATORS:
            raise ValueError(f"where: operator {each[1]!r} is not known: use " + " ".join(_OPERATORS))
        operator = _OPERATORS[each[1]]
        if (len(each) == 3) != (operator < 6):
            raise ValueError(f"where: {each!r}: a comparison has a value, present and absent have none")
        if operator < 6 and each[2] is None:
            raise TypeError("where: None is compared with \"absent\"")
        made.append((each[0], operator, each[2] if len(each) == 3 else None))
    return tuple(made)


def order(name: Any) -> int:
    if not isinstance(name, str) or name not in _ORDERS:
        raise ValueError(f"order must be one of {', '.join(_ORDERS)}, not {name!r}")
    return _ORDERS[name]


def milliseconds(timeout: Any) -> int | None:
    """Seconds as a deadline; None: none."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError("timeout must be a number of seconds")
    if not 0 < timeout < 1e9:
        raise ValueError("timeout must be above 0")
    return max(1, int(timeout * 1000))
