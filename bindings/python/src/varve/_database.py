# SPDX-License-Identifier: Apache-2.0
"""Database: the face of the extension's type, with the words that people use."""

from __future__ import annotations

import atexit
import datetime
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from . import _query, _times, _varve
from ._result import Progress, Result
from ._types import Copied, Field, Health, Rollup, RollupStatus, Scrubbed, Series, Verified

if TYPE_CHECKING:
    from ._varve import _Scalar, _Select as Select, _Sync as Sync, _Time

    Time: TypeAlias = _Time | None
    Words: TypeAlias = str | Sequence[str] | None
    Span: TypeAlias = str | int | datetime.timedelta | _Scalar | None
    Condition: TypeAlias = tuple[str, str, bool | int | float | str | bytes] | tuple[str, str]
    Where: TypeAlias = Condition | Sequence[Condition] | None

# Close what is open before the interpreter goes; in a child of os.fork nothing of the parent is used.
atexit.register(_varve.close_all)
os.register_at_fork(after_in_child=_varve.after_fork)


class Database(_varve.Database):
    """A database, made by varve.open(). Any thread may use it; see docs/guide/python.md."""

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("a database cannot be pickled: open it where it is needed")

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else repr(self.path)
        if self.closed:
            return f"<varve.Database {where}: closed>"
        return f"<varve.Database {where}, precision {self.precision}{', read-only' if self.read_only else ''}>"

    # -- questions --

    def query(self, select: Select = None, *, fields: Words = None, agg: Words | Mapping[str, str | Sequence[str]] = None,
              every: Span = None, origin: Time = None, zone: str | None = None, by: Words = None,
              without: Words = None, where: Where = None, start: Time = None, end: Time = None,
              order: Literal["series", "given", "time", "arrival", "none"] = "series", descending: bool = False,
              limit: int | None = None, offset: int | None = None, limit_per_series: int | None = None,
              nan: Literal["skip", "propagate"] = "skip", labels: Words = None, row_ids: bool = False, after_row_id: int | None = None, partial: bool = False,
              internal: bool = False, timeout: float | None = None, memory_max: int | None = None,
              scanned_rows_max: int | None = None, progress: Progress | None = None) -> Result:
        """Ask for rows, or for aggregates of them.

        select      selector text, (metric, labels), or a list of them; None: every series
        fields      names; None: every field
        agg         "avg", "p95", ..., or a list of them, or a mapping of fields to them
        every       buckets of time: "1m", a timedelta, an int; "1d" with zone= follows its calendar
        by, without labels whose combinations make an output each; by=() takes all series together
        where       conditions, joined by AND: [("temperature", ">", 20), ("note", "present")]
        start, end  times start <= t < end
        labels      which labels become columns; None: all
        order       "series", "given", "time", "arrival" or "none"
        timeout     seconds that the whole answer may take
        progress    a function of (done, total), called now and then while all rows are read
        """
        unit_ns = _times.UNIT_NS[self.precision]
        bucket = _times.bucket(every, zone, origin, unit_ns)
        wanted = _query.pairs(fields, agg)
        group = self._group(by, without, select)
        is_aggregate = agg is not None or bucket is not None
        if group is not None and not is_aggregate:
            raise ValueError("by and without group aggregates: give agg")
        if progress is not None and not callable(progress):
            raise TypeError("progress must be a function or None")
        columns = [] if group is not None else self._label_outputs(select, labels, internal)
        named = self._expand(wanted, select, bucket is not None)
        rule = _query.nan_rule(nan)
        names: list[str] = [name for name, _ in columns] if group is None else sorted(set(group))
        outputs = [output for _, output in columns]
        for field, each in named:
            number, parameter = (0, 0.0) if each is None else _query.aggregation(each)
            outputs.append((0, number, rule, field, parameter))
            names.append(field if each is None else f"{each}({field})")
        flags = (_query.DESCENDING * bool(descending) | _query.PARTIAL * bool(partial)
                 | _query.ROW_IDS * bool(row_ids) | _query.INTERNAL * bool(internal))
        cursor = self._cursor(
            select, tuple(outputs), _query.predicates(where), start, end, bucket,
            group, _query.order(order), flags, limit, offset, limit_per_series, after_row_id, memory_max,
            scanned_rows_max, _query.milliseconds(timeout))
        has_times = not is_aggregate or bucket is not None
        return Result(cursor, tuple(names) if is_aggregate else None, self.precision if has_times else None, progress,
                      "all series" if select is None else repr(select))

    def last(self, select: Select = None, *, fields: Words = None, labels: Words = None) -> Result:
        """The newest row of each series."""
        return self.query(select, fields=fields, labels=labels, limit_per_series=1, descending=True)

    def _group(self, by: Any, without: Any, select: Any) -> tuple[str, ...] | None:
        if by is not None and without is not None:
            raise ValueError("give by or without, not both")
        if by is not None:
            return tuple(_query.words(by, "by"))
        if without is None:
            return None
        left_out = set(_query.words(without, "without"))
        return tuple(name for name in self.labels(select=select) if name not in left_out)

    def _label_outputs(self, select: Any, labels: Any,
                       internal: bool) -> list[tuple[str, tuple[int, int, int, str, float]]]:
        """Columns of the metric, where there are several, and of the labels."""
        if labels is not None:
            return [(name, (1, 0, 0, name, 0.0)) for name in _query.words(labels, "labels")]
        made = [(name, (1, 0, 0, name, 0.0)) for name in self.labels(select=select, internal=internal)]
        if len(self.metrics(select, limit=2, internal=internal)) > 1:
            made.insert(0, ("metric", (2, 0, 0, "", 0.0)))
        return made

    def _expand(self, wanted: list[tuple[str | None, str | None]], select: Any,
                has_bucket: bool) -> list[tuple[str, str | None]]:
        """Every field by name, where aggregates of all fields are wanted."""
        made: list[tuple[str, str | None]] = []
        for name, each in wanted:
            if name is not None:
                made.append((name, each))
            elif each is not None or has_bucket:
                made += [(field, each) for field in sorted({field.name for field in self.fields(select)})]
        return made

    # -- the catalogue --

    def _list(self, kind: str, name: str, select: Any, start: Any, end: Any, limit: Any, internal: bool) -> _varve.Cursor:
        return self._listing(kind, name, select, start, end, limit, internal)

    def _list_columns(self, *arguments: Any) -> list[tuple[Any, ...]]:
        cursor = self._list(*arguments)
        try:
            columns = cursor.collect()[0]
        finally:
            cursor.close()
        lists = [column if isinstance(column, list) else column.tolist() for _, column in columns]
        return list(zip(*lists)) if lists else []

    def series(self, select: Select = None, *, start: Time = None, end: Time = None, limit: int | None = None,
               internal: bool = False) -> list[Series]:
        """Series that have a visible row in [start, end), sorted."""
        cursor = self._list("series", "", select, start, end, limit, internal)
        try:
            return [Series(metric, labels) for metric, labels in cursor.series()]
        finally:
            cursor.close()

    def metrics(self, select: Select = None, *, start: Time = None, end: Time = None, limit: int | None = None,
                internal: bool = False) -> list[str]:
        """Names of metrics."""
        return [row[0] for row in self._list_columns("metrics", "", select, start, end, limit, internal)]

    def labels(self, name: str | None = None, *, select: Select = None, start: Time = None, end: Time = None,
               limit: int | None = None, internal: bool = False) -> list[str]:
        """Names of labels; with a name, the values of that label."""
        if name is not None and not isinstance(name, str):
            raise TypeError("name must be a str: selections are given as select=")
        kind = "labels" if name is None else "values"
        return [row[0] for row in self._list_columns(kind, name or "", select, start, end, limit, internal)]

    def fields(self, select: Select = None, *, start: Time = None, end: Time = None, limit: int | None = None,
               internal: bool = False) -> list[Field]:
        """The fields of each metric, with their types."""
        return [Field(*row) for row in self._list_columns("fields", "", select, start, end, limit, internal)]

    # -- rollups --

    def rollups(self) -> list[RollupStatus]:
        """How each rollup stands, by id."""
        return [self._rollup_status(row) for row in self._rollups()]

    def _rollup_status(self, row: tuple[Any, ...]) -> RollupStatus:
        (name, metric, matchers, fields, interval, origin, agg, flags, has_through, matched, kept, through, lag, runs,
         errors, error) = row
        rollup = Rollup(name, metric, _query.aggregation_name(agg), interval,
                        None if flags & 1 else fields or ("value",),
                        {label: value for label, _, value in matchers} or None, origin)
        return RollupStatus(rollup, matched, kept, through if has_through else None, lag if has_through else None,
                            runs, errors, error)

    def set_rollups(self, rollups: Sequence[Rollup]) -> None:
        """Replace the whole set of rollups; run_rollups() brings them up to date at once."""
        unit_ns = _times.UNIT_NS[self.precision]
        made = []
        for each in rollups:
            if not isinstance(each, Rollup):
                raise TypeError(f"rollups must be varve.Rollup, not {type(each).__name__}")
            if each.agg not in _query.AGGREGATIONS:
                raise ValueError(f"rollup {each.id!r}: aggregation {each.agg!r} cannot be kept")
            match = tuple((label, 0, value) for label, value in (each.match or {}).items())
            fields = () if each.fields is None else tuple(_query.words(each.fields, "fields"))
            made.append((each.id, each.metric, match, fields, _times.span(each.every, unit_ns),
                         0 if each.origin is None else _times.to_int(each.origin, unit_ns),
                         _query.AGGREGATIONS[each.agg], 1 if each.fields is None else 0))
        self._set_rollups(tuple(made))

    # -- maintenance --

    def verify(self, *, progress: Progress | None = None) -> Verified:
        """Read every block, check every checksum, compare index and rows."""
        files, blocks, rows, series, first, second = self._verify(progress=progress)
        return Verified(files, blocks, rows, series, f"{first:016x}{second:016x}")

    def scrub(self, *, bytes_per_second: int | None = None, progress: Progress | None = None) -> Scrubbed:
        """Read every file at a bounded rate (10 MB/s) and go on behind damage."""
        return Scrubbed(*self._scrub(bytes_per_second=bytes_per_second, progress=progress))

    def snapshot(self, path: str | os.PathLike[str], *, progress: Progress | None = None) -> Copied:
        """Make a copy of what is visible now in the new directory `path`, while writing goes on."""
        return Copied(*self._snapshot(path, progress=progress))

    def health(self) -> Health:
        """The state of health."""
        return Health(*self._health())


def open(path: str | os.PathLike[str] | None = None, /, *, precision: Literal["ns", "us", "ms", "s"] | None = None,
         duplicates: Literal["last", "all"] | None = None, row_ids: bool | None = None, sync: Sync | None = None,
         read_only: bool = False, create: bool = True, background: bool = True, salvage: bool = False,
         allow_damage: bool = False, allow_network_fs: bool = False, warm_path: str | None = None,
         **numbers: int | None) -> Database:
    """Open or create a database; None: in memory. To be closed: `with varve.open("data") as db:`.

    precision     "ns" (default), "us", "ms", "s": of a new database; another than stored is ConflictError
    duplicates    "last" (default) or "all"; row_ids: bool, needs "all"
    sync          when a write answers: "group" (default), "always", "interval", "none", "buffered", "no_log"
    read_only     works beside a writer; see Database.refresh
    create        False: NotFoundError when there is no database
    background    False: no threads, flushes and merges happen in flush(), compact() and full writes
    salvage, allow_damage, allow_network_fs, warm_path, and the numbers of varve_options in varve.h:
    memory_limit_bytes, cache_bytes, flush_bytes, lock_wait_ms, write_timeout_ms, series_max, ...
    """
    return Database(path, precision=precision, duplicates=duplicates, row_ids=row_ids, sync=sync, read_only=read_only,
                    create=create, background=background, salvage=salvage, allow_damage=allow_damage,
                    allow_network_fs=allow_network_fs, warm_path=warm_path, **numbers)


def restore(snapshot: str | os.PathLike[str], path: str | os.PathLike[str], *,
            progress: Progress | None = None) -> Copied:
    """Make a database at the new directory `path` of a snapshot, checking all of it."""
    return Copied(*_varve.restore(snapshot, path, progress=progress))


