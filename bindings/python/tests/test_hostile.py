# SPDX-License-Identifier: Apache-2.0
"""Every parameter of every call gets values of every kind: an answer or an exception of the right
kind, never a crash, and the database goes on. Runs in a child, so that a crash is a failure here."""

import unittest

from support import Case

PROGRAM = r'''
import array, datetime, decimal, fractions, itertools, math, pathlib, sys, types
import varve

class Rude:
    """Fails in whatever it is asked."""
    def __getattr__(self, name): raise RuntimeError("rude " + name)
    def __len__(self): return 3
    def __getitem__(self, index): raise RuntimeError("rude item")
    def __iter__(self): raise RuntimeError("rude iteration")
    def __index__(self): raise RuntimeError("rude index")
    def __hash__(self): raise RuntimeError("rude hash")
    def __eq__(self, other): raise RuntimeError("rude comparison")

class Lies:
    """Says it has a length, gives more, and has keys that are none."""
    def __len__(self): return -1
    def __getitem__(self, index): return Lies()
    def keys(self): return [1, None, Lies()]
    def __index__(self): return "x"
    def __arrow_c_array__(self): return (None, None)

class ArrowLies:
    def __arrow_c_array__(self): return (1, 2)

class ArrowShort:
    def __arrow_c_array__(self): return ()

class StreamLies:
    def __arrow_c_stream__(self): return object()

class Text(str): pass
class Number(int): pass
class Real(float): pass

rude = [None, True, False, 0, 1, -1, 2**63 - 1, 2**63, 2**64, -2**63, -2**63 - 1, 10**400, 0.0, 1.5, math.nan, math.inf,
        1j, "", "m", "a{", "\0", "\ud800", "x" * 70000, "\u00e6" * 20000, b"", b"bytes", bytearray(b"x"), memoryview(b"abc"),
        memoryview(b"abcd").cast("B", (2, 2)), memoryview(b""), [], [None], [1], [1.5, "a"], ["\ud800"], [[]], (), ("m", None),
        ("m", {}), ("m", {"a": 1}), (1, 2, 3), {}, {"a": 1}, {"a": "b"}, {1: "b"}, {"": ""}, {"v": [1]}, {"a" * 300: "b"}, set(),
        frozenset([1]), range(0), range(3), object(), Rude(), Lies(), ArrowLies(), ArrowShort(), StreamLies(), Text("m"),
        Number(1), Real(1.5), int, varve, varve.Error, lambda *a, **k: None, (i for i in [1]), datetime.datetime(2000, 1, 1),
        datetime.datetime.max.replace(tzinfo=datetime.timezone.utc), datetime.datetime.min.replace(tzinfo=datetime.timezone.utc),
        datetime.date(2000, 1, 1), datetime.timedelta(-1), datetime.timedelta(hours=1), decimal.Decimal(1), fractions.Fraction(1, 2),
        pathlib.Path("m"), types.MappingProxyType({"a": "b"}), array.array("d", [1.0]), array.array("u", "x") if sys.version_info < (3, 12) else 0,
        array.array("i"), NotImplemented, Ellipsis, "1h", "p50", "avg", [("v", ">", 1)], [("v", "=", Rude())], varve.Series("m", {}),
        varve.Rollup("a", "m", "avg", 1), varve.Rollup(1, 2, 3, 4), varve.Histogram(1, 1.0, 0, 0, 0.0, 0, [], [], [], [], []),
        varve.Histogram(*[Rude()] * 11), varve.Histogram(1.0, 1, 1, 1, 1, 1, [Lies()], [None], Lies(), 5, ["x"])]
try:
    import numpy
    rude += [numpy.float64(1), numpy.int64(1), numpy.array(1), numpy.array([]), numpy.zeros((2, 2)), numpy.array([None]),
             numpy.array(["x"]), numpy.array([1j]), numpy.ma.masked, numpy.ma.array([1], mask=[1]), numpy.datetime64("NaT"),
             numpy.datetime64(2**62, "Y"), numpy.timedelta64(1, "s"), numpy.array([1], "M8[Y]"), numpy.zeros(3, [("a", "f8")])]
except ImportError:
    pass

allowed = (TypeError, ValueError, OverflowError, KeyError, AttributeError, RuntimeError, OSError, BufferError, varve.Error, IndexError,
           UnicodeError)
db = varve.open(precision="ms")
db.write("m", {"a": "b"}, [1, 2, 3], v=[1.0, 2.0, 3.0], s=["x", None, "y"])
tries = [0]

def attempt(function, *arguments, **named):
    tries[0] += 1
    try:
        answer = function(*arguments, **named)
        if isinstance(answer, varve.Result):
            answer.to_rows()
    except allowed:
        pass

batch = db.batch()
for each in rude:
    for function in (db.write, batch.write):
        attempt(function, each, {"a": "b"}, 1, v=1.0)
        attempt(function, "m", each, 1, v=1.0)
        attempt(function, "m", None, each, v=1.0)
        attempt(function, "m", None, each, v=[1.0])
        attempt(function, "m", None, each, v=each)
        attempt(function, "w", None, 1, v=each)
        attempt(function, "w", None, [1], v=each)
        attempt(function, "w", None, [1, 2, 3], v=each)
        attempt(function, "m", None, 1, each)
        attempt(function, "m", None, 1, each, v=1.0)
        attempt(function, each)
        attempt(function, each, each, each, each, each)
    batch.clear()
    attempt(batch.delete, each)
    attempt(batch.delete, "none", each, each)
    batch.clear()
    for row in (each, (each, None, 1, {"v": 1.0}), ("m", each, 1, {"v": 1.0}), ("m", None, each, {"v": 1.0}), ("m", None, 1, each),
                ("w", None, 1, {"v": each})):
        attempt(db.write_rows, [row])
        attempt(db.write_rows, [row], skip_rejected=True)
    attempt(db.write_rows, each)
    attempt(db.write_rows, [], sync=each)
    attempt(db.write_rows, [], split=each, skip_rejected=each)
    attempt(db.batch, sync=each, split=each)
    attempt(db.delete, each, 900, 901)
    attempt(db.delete, "none", each, each)
    for name in ("fields", "agg", "every", "origin", "zone", "by", "without", "where", "start", "end", "order", "descending",
                 "limit", "offset", "limit_per_series", "nan", "labels", "row_ids", "after_row_id", "partial", "internal",
                 "timeout", "memory_max", "scanned_rows_max", "progress"):
        attempt(db.query, "m", **{name: each})
    attempt(db.query, each)
    attempt(db.query, [each])
    attempt(db.query, "m", agg="avg", every=each, origin=each, zone=None)
    attempt(db.query, "m", agg="avg", every="1d", zone=each)
    attempt(db.query, "m", agg="avg", fields="v", by=each)
    for listing in (db.series, db.metrics, db.fields):
        attempt(listing, each)
        attempt(listing, start=each, end=each)
        attempt(listing, limit=each, internal=each)
    attempt(db.labels, each)
    attempt(db.labels, "a", select=each)
    attempt(db.last, each, fields=each)
    attempt(db.set_rollups, each)
    attempt(db.set_rollups, [each])
    attempt(db.set_rollups, [varve.Rollup("r", "m", "avg", each)])
    attempt(db.set_rollups, [varve.Rollup("r", "m", "avg", 10, fields=each, match=each, origin=each)])
    attempt(db.set_rollups, [varve.Rollup(each, each, each, 10)])
    for long in (db.verify, db.flush, db.run_rollups, db.scrub, db.compact):
        attempt(long, progress=each)
    if not isinstance(each, (str, bytes, pathlib.Path)):
        attempt(db.snapshot, each)
        attempt(varve.restore, each, each)
        attempt(varve.open, each) if each is not None else None
    for name in ("precision", "duplicates", "row_ids", "sync", "sync_interval_ms", "memory_limit_bytes", "create", "series_max",
                 "log_file_bytes", "warm_path", "nothing", "background", "merge_fan_in"):
        if name == "memory_limit_bytes" and isinstance(each, int):
            continue
        def open_and_close():
            varve.open(None, **{name: each}).close()
        attempt(open_and_close)
    block = next(iter(db.query(("m", {"a": "b"}))))
    attempt(block.__getitem__, each)
    attempt(block.columns["v"].__getitem__, each)
    attempt(memoryview, block["s"])
    # The private face of the extension: never called so, and never a crash either.
    attempt(db._cursor, each, (), (), None, None, None, None, 0, 0)
    attempt(db._cursor, None, (each,), (each,), each, each, each, each, 0, 0)
    attempt(db._cursor, None, ((0, 0, 0, each, 0.0),), ((each, 0, each),), None, None, None, (each,), 0, 0)
    attempt(db._cursor, None, (), (), None, None, (1, 0, 1, 0, each, 0), None, 0, 0)
    attempt(db._listing, each, each, each, each, each, each, each)
    attempt(db._listing, "series", "", each, None, None, None, False)
    attempt(db._set_rollups, each)
    attempt(db._set_rollups, (each,))
    cursor = db._cursor(None, (), (), None, None, None, None, 0, 0)
    attempt(cursor.arrow, each)
    attempt(cursor.collect, each)
    attempt(cursor.series)

for kind in (varve.Batch, varve.Column, varve._varve.Cursor, varve._varve.Block):
    attempt(kind)
    attempt(object.__new__, kind)
db.set_rollups([])
db.write("end", None, 1, v=1)
assert db.query("end").to_rows() == [(1, 1)]
db.close()
print("tries", tries[0])
'''


class Hostile(Case):
    def test_no_argument_crashes(self):
        done = self.child(PROGRAM, options=("-X", "dev", "-W", "ignore"))
        self.assertEqual(0, done.returncode, done.stderr[-4000:])
        self.assertGreater(int(done.stdout.split()[1]), 5000)


if __name__ == "__main__":
    unittest.main()
