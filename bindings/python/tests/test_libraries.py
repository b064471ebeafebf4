# SPDX-License-Identifier: Apache-2.0
"""NumPy, pandas, polars and Arrow: in and out. What is not installed is told as skipped."""

import datetime
import unittest

import varve
from support import Case, needs, numpy, pandas, polars, pyarrow

UTC = datetime.timezone.utc


class Library(Case):
    def check(self, given, expected, kind, times=None):
        db = self.memory()
        count = len(expected)
        db.write("m", None, list(range(count)) if times is None else times, v=given, all=[1] * count)
        self.assertEqual([(i, value) for i, value in enumerate(expected) if value is not None],
                         db.query("m", fields="v").to_rows())
        self.assertEqual(kind, {field.name: field.type for field in db.fields()}["v"])

    def times(self, given, expected, precision="ms"):
        db = self.memory(precision=precision)
        db.write("m", None, given, v=list(range(len(expected))))
        self.assertEqual(expected, [row[0] for row in db.query("m").to_rows()])


@needs("numpy")
class Numpy(Library):
    def test_every_dtype_of_numbers(self):
        for dtype in ("f2", "f4", "f8", "g"):
            self.check(numpy.array([0.5, -2.0, numpy.inf], dtype), [0.5, -2.0, float("inf")], "f64")
        for dtype in ("i1", "i2", "i4", "i8", ">i2", ">i4", ">i8"):
            self.check(numpy.array([-1, 2, 100], dtype), [-1, 2, 100], "i64")
        for dtype in ("u1", "u2", "u4", "u8", ">u8", ">u2"):
            self.check(numpy.array([1, 2, 200], dtype), [1, 2, 200], "u64")
        for dtype in (">f4", ">f8", "<f8", ">f2"):
            self.check(numpy.array([0.5, 1e3], dtype), [0.5, 1e3], "f64")
        self.check(numpy.array([True, False]), [True, False], "bool")
        half = numpy.arange(65536, dtype="u2").view("f2")
        half = half[numpy.isfinite(half)]
        self.check(half, half.astype("f8").tolist(), "f64")

    def test_texts_and_objects(self):
        self.check(numpy.array(["a", "bc"]), ["a", "bc"], "string")
        self.check(numpy.array([b"a", b"bc"]), [b"a", b"bc"], "string")
        self.check(numpy.array(["a", None], dtype=object), ["a", None], "string")
        self.check(numpy.array([1, None, 3], dtype=object), [1, None, 3], "i64")

    def test_strides_of_every_sign(self):
        table = numpy.arange(24.0).reshape(4, 6)
        self.check(table[:, 2], [2.0, 8.0, 14.0, 20.0], "f64")
        self.check(table[::-1, 0], [18.0, 12.0, 6.0, 0.0], "f64")
        self.check(numpy.arange(10)[::-3], [9, 6, 3, 0], "i64")
        self.check(numpy.broadcast_to(numpy.float64(7.0), 3), [7.0, 7.0, 7.0], "f64")
        self.check(numpy.broadcast_to(numpy.bool_(True), 2), [True, True], "bool")
        record = numpy.zeros(3, dtype=[("a", "i1"), ("b", "f8"), ("c", "i4")])  # b lies at odd addresses
        record["b"], record["c"] = [1.0, 2.0, 3.0], [4, 5, 6]
        self.check(record["b"], [1.0, 2.0, 3.0], "f64")
        self.check(record["c"], [4, 5, 6], "i64")

    def test_read_only_and_empty(self):
        values = numpy.array([1.0, 2.0])
        values.flags.writeable = False
        self.check(values, [1.0, 2.0], "f64")
        self.assertEqual(0, self.memory().write("m", None, numpy.array([], "i8"), v=numpy.array([], "f8")).rows)

    def test_masked_arrays(self):
        self.check(numpy.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]), [1.0, None, 3.0], "f64")
        self.check(numpy.ma.array([1, 2, 3])[::-1], [3, 2, 1], "i64")
        self.check(numpy.ma.array(["a", "b"], mask=[1, 0]), [None, "b"], "string")
        with self.assertRaisesRegex(ValueError, "row 1 has no time"):
            self.memory().write("m", None, numpy.ma.array([1, 2], mask=[0, 1]), v=[1, 2])

    def test_datetimes_of_every_unit(self):
        expected = [0, 86_400_000]
        for unit in ("D", "h", "m", "s", "ms", "us", "ns"):
            self.times(numpy.array(["1970-01-01", "1970-01-02"], f"M8[{unit}]"), expected)
        self.times(numpy.array(["1970-01", "1971-01"], "M8[M]"), [0, 31_536_000_000])
        self.times(numpy.array([0, 86_400_000], "M8[ms]").astype(">M8[ms]"), expected)
        self.times(numpy.array([-1, 1999], "M8[us]"), [-1, 1])  # floored
        self.times([numpy.datetime64(5, "s"), numpy.datetime64(6, "s")], [5000, 6000])
        self.times(numpy.array([0, 9, 5, 9], "M8[s]")[::2], [0, 5000])
        with self.assertRaisesRegex(ValueError, "no time"):
            self.times(numpy.array(["NaT"], "M8[s]"), [0])
        with self.assertRaises(OverflowError):
            self.times(numpy.array([2**62], "M8[s]"), [0])

    def test_scalars(self):
        db = self.memory()
        db.write("m", None, numpy.int64(5), f=numpy.float32(0.5), i=numpy.int8(-3), u=numpy.uint64(2**63),
                 b=numpy.bool_(True), s=numpy.str_("x"), z=numpy.array(2.5))
        self.assertEqual([(5, True, 0.5, -3, "x", 2**63, 2.5)], db.query("m").to_rows())
        db.write("t", None, numpy.datetime64("1970-01-01T00:00:01"), v=1)
        self.assertEqual([(10**9, 1)], db.query("t").to_rows())

    def test_what_is_no_column_is_refused(self):
        db = self.memory()
        for wrong in (numpy.zeros((2, 2)), numpy.zeros(2, "c16"), numpy.array(["1970"], "M8[s]"), numpy.array([1], "m8[s]"),
                      numpy.zeros(2, "V3"), numpy.array([[1]], object)):
            with self.subTest(str(wrong.dtype)), self.assertRaises(TypeError):
                db.write("m", None, list(range(len(wrong))), v=wrong)
        with self.assertRaises(TypeError):
            db.write("m", None, numpy.array([1.0]), v=[1])
        self.assertEqual([], db.metrics())

    def test_answers_are_arrays(self):
        db = self.memory(precision="ms")
        db.write("m", {"a": "x"}, [0, 1000], f=[1.5, 2.5], i=[1, None], b=[True, False], s=["y", None])
        answer = db.query("m").to_numpy()
        self.assertEqual("datetime64[ms]", str(answer["time"].dtype))
        self.assertEqual(["x", "x"], answer["a"].tolist())
        self.assertEqual(("float64", [1.5, 2.5]), (str(answer["f"].dtype), answer["f"].tolist()))
        self.assertEqual([1, None], answer["i"].tolist())
        self.assertIsInstance(answer["i"], numpy.ma.MaskedArray)
        self.assertEqual(("bool", [True, False]), (str(answer["b"].dtype), answer["b"].tolist()))
        self.assertEqual(["y", None], answer["s"].tolist())
        answer["f"][0] = 7.0  # the memory is the caller's own
        block = next(iter(db.query("m"))).to_numpy()
        self.assertFalse(block["f"].flags.writeable)
        db.close()
        self.assertEqual([1.5, 2.5], block["f"].tolist())

    def test_many_rows_come_back_equal(self):
        db = self.memory()
        draw = numpy.random.default_rng(7)
        times, values = numpy.arange(300000) * 1000, draw.normal(size=300000)
        mask = draw.random(300000) < 0.3
        db.write("m", None, times, v=numpy.ma.array(values, mask=mask), w=values)
        answer = db.query("m").to_numpy()
        self.assertTrue((answer["time"].view("i8") == times).all())
        self.assertTrue((answer["w"] == values).all())
        self.assertTrue((numpy.ma.getmaskarray(answer["v"]) == mask).all())
        self.assertTrue((answer["v"] == numpy.ma.array(values, mask=mask)).all())


@needs("pandas")
class Pandas(Library):
    def test_series_of_every_kind(self):
        self.check(pandas.Series([1.5, 2.5]), [1.5, 2.5], "f64")
        self.check(pandas.Series([1, 2, 3, 4])[::2], [1, 3], "i64")
        self.check(pandas.Series([1, None], dtype="Int64"), [1, None], "i64")
        self.check(pandas.Series([1.5, None], dtype="Float64"), [1.5, None], "f64")
        self.check(pandas.Series([True, None], dtype="boolean"), [True, None], "bool")
        self.check(pandas.Series(["a", None]), ["a", None], "string")
        self.check(pandas.Series(["a", "b", "a"], dtype="category"), ["a", "b", "a"], "string")
        self.check(pandas.Series([1, 2], dtype="uint8"), [1, 2], "u64")

    def test_times(self):
        moments = pandas.to_datetime(["1970-01-01T00:00:00.001", "1970-01-01T00:00:01.000"])
        for given in (moments, pandas.Series(moments), moments.tz_localize("UTC"), moments.tz_localize("UTC").tz_convert("Asia/Tokyo"),
                      pandas.Series(moments.tz_localize("UTC"))):
            self.times(given, [1, 1000])
        self.times([pandas.Timestamp(5, unit="ns", tz="UTC")], [5], precision="ns")
        with self.assertRaises(ValueError):
            self.times(pandas.to_datetime(["1970-01-01", None]), [0, 0])

    def test_answers_are_frames(self):
        db = self.memory(precision="ms")
        db.write("m", {"a": "x"}, [0, 1000], f=[1.5, None], i=[1, None], b=[True, None], s=["y", None], all=[1, 1])
        frame = db.query("m").to_pandas()
        self.assertEqual(["time", "a", "all", "b", "f", "i", "s"], list(frame.columns))
        self.assertEqual(("Int64", "boolean", "float64", "int64"),
                         tuple(str(frame[name].dtype) for name in ("i", "b", "f", "all")))
        self.assertEqual(pandas.Timestamp(1, unit="s", tz="UTC"), frame["time"][1])
        self.assertTrue(frame[["b", "f", "i", "s"]].isna().iloc[1].all())
        self.assertFalse(frame.isna().iloc[0].any())

    def test_a_frame_is_no_column(self):
        with self.assertRaises(TypeError):
            self.memory().write("m", None, [0], v=pandas.DataFrame({"a": [1]}))


@needs("polars")
class Polars(Library):
    def test_series_of_every_kind(self):
        self.check(polars.Series([1.5, None]), [1.5, None], "f64")
        self.check(polars.Series([1, 2, 3, 4])[1:3], [2, 3], "i64")
        self.check(polars.Series([1, 2], dtype=polars.UInt8), [1, 2], "u64")
        self.check(polars.Series([1.5, 2.5], dtype=polars.Float32), [1.5, 2.5], "f64")
        self.check(polars.Series([True, None, False] * 50)[33:140], ([True, None, False] * 50)[33:140], "bool")
        self.check(polars.Series(["a", None, "a longer text than twelve bytes"]),
                   ["a", None, "a longer text than twelve bytes"], "string")
        self.check(polars.Series([b"a", b""]), [b"a", b""], "string")
        self.check(polars.Series(["a", "b", "a"], dtype=polars.Categorical), ["a", "b", "a"], "string")
        self.check(polars.concat([polars.Series([1, 2]), polars.Series([None, 3])], rechunk=False), [1, 2, None, 3], "i64")

    def test_times(self):
        for unit in ("ms", "us", "ns"):
            self.times(polars.Series([datetime.datetime(1970, 1, 1), datetime.datetime(1970, 1, 2)], dtype=polars.Datetime(unit)),
                       [0, 86_400_000])
        self.times(polars.Series([1, 2], dtype=polars.Int32), [1, 2])
        with self.assertRaisesRegex(ValueError, "no time"):
            self.times(polars.Series([1, None]), [1, 2])

    def test_answers_are_frames(self):
        db = self.memory(precision="us")
        db.write("m", {"a": "x"}, [0, 1000], f=[1.5, None], b=[True, False], s=["y", None], all=[1, 1])
        frame = db.query("m").to_polars()
        self.assertEqual([1.5, None], frame["f"].to_list())
        self.assertEqual(["x", "x"], frame["a"].cast(polars.String).to_list())
        self.assertEqual(polars.Datetime("us", "UTC"), frame["time"].dtype)
        self.assertEqual(["time", "sum(f)", "max(f)"],
                         db.query("m", fields="f", agg=["sum", "max"], every=10, labels=()).to_polars().columns)

    def test_a_frame_is_no_column(self):
        with self.assertRaises(TypeError):
            self.memory().write("m", None, [0], v=polars.DataFrame({"a": [1]}))


@needs("pyarrow")
class Arrow(Library):
    def test_arrays_of_every_kind(self):
        self.check(pyarrow.array([1.5, None]), [1.5, None], "f64")
        for kind in (pyarrow.int8(), pyarrow.int16(), pyarrow.int32(), pyarrow.int64()):
            self.check(pyarrow.array([1, None, -3], kind), [1, None, -3], "i64")
        for kind in (pyarrow.uint8(), pyarrow.uint16(), pyarrow.uint32(), pyarrow.uint64()):
            self.check(pyarrow.array([1, None, 3], kind), [1, None, 3], "u64")
        self.check(pyarrow.array([1.5, 2.0], pyarrow.float32()), [1.5, 2.0], "f64")
        self.check(pyarrow.array([True, None, False]), [True, None, False], "bool")
        for kind in (pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()):
            self.check(pyarrow.array(["a", None, "a text of more than twelve"], kind), ["a", None, "a text of more than twelve"],
                       "string")
        for kind in (pyarrow.binary(), pyarrow.large_binary(), pyarrow.binary_view()):
            self.check(pyarrow.array([b"a", None, b""], kind), [b"a", None, b""], "string")

    def test_slices_and_dictionaries(self):
        whole = list(range(200))
        whole[70] = None
        self.check(pyarrow.array(whole)[65:130], whole[65:130], "i64")
        texts = [str(i) if i is not None else None for i in whole]
        self.check(pyarrow.array(texts)[65:130], texts[65:130], "string")
        for index in (pyarrow.int8(), pyarrow.uint32(), pyarrow.int64()):
            coded = pyarrow.array(["a", "b", None, "a"]).dictionary_encode().cast(pyarrow.dictionary(index, pyarrow.string()))
            self.check(coded[1:], ["b", None, "a"], "string")
        self.check(pyarrow.chunked_array([[1, 2], [3]]), [1, 2, 3], "i64")
        self.check(pyarrow.chunked_array([pyarrow.array(["a"]), pyarrow.array(["b"])]), ["a", "b"], "string")

    def test_a_code_outside_of_its_dictionary_is_refused(self):
        codes = pyarrow.array([0, 9])
        wrong = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(["a"]), safe=False)
        with self.assertRaises(varve.InvalidError):
            self.memory().write("m", None, [0, 1], v=wrong)

    def test_times(self):
        for unit, factor in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)):
            for zone in (None, "Asia/Tokyo"):
                self.times(pyarrow.array([1 * factor, 2 * factor], pyarrow.timestamp(unit, zone)), [1000, 2000])
        self.times(pyarrow.array([1, 2])[1:], [2])
        with self.assertRaises(ValueError):
            self.times(pyarrow.array([1, None]), [1, 2])

    def test_what_is_no_column_is_refused(self):
        db = self.memory()
        for wrong in (pyarrow.array([[1]]), pyarrow.array([{"a": 1}]), pyarrow.array([1], pyarrow.date32()),
                      pyarrow.array([1], pyarrow.duration("s")), pyarrow.table({"a": [1]}), pyarrow.array([1], pyarrow.timestamp("s")),
                      pyarrow.array([1.0]).cast(pyarrow.float16()), pyarrow.array([1], pyarrow.decimal128(5))):
            with self.subTest(str(getattr(wrong, "type", "table"))), self.assertRaises((TypeError, ValueError)):
                db.write("m", None, [0], v=wrong)

    def test_answers_are_tables_and_streams(self):
        db = self.memory(precision="ms")
        db.write("m", {"a": "x"}, range(5000), f=[float(i) for i in range(5000)], s=["y", None] * 2500)
        table = db.query("m").to_arrow()
        self.assertEqual(["time", "a", "f", "s"], table.column_names)
        self.assertEqual(pyarrow.timestamp("ms", "UTC"), table.schema.field("time").type)
        self.assertEqual([float(i) for i in range(5000)], table["f"].to_pylist())
        self.assertEqual(2500, table["s"].null_count)
        reader = pyarrow.RecordBatchReader.from_stream(db.query("m"))
        self.assertGreater(sum(1 for _ in reader), 1)
        self.assertEqual(["sum(f)", "max(f)"],
                         db.query("m", fields="f", agg=["sum", "max"], labels=()).to_arrow().column_names)
        self.assertEqual(0, db.query("m", start=9999).to_arrow().num_rows)

    def test_a_stream_ends_with_its_database_and_batches_do_not(self):
        db = self.memory()
        db.write("m", None, range(5000), v=[0.5] * 5000)
        reader = pyarrow.RecordBatchReader.from_stream(db.query("m"))
        batch = reader.read_next_batch()
        db.close()
        with self.assertRaisesRegex(Exception, "closed"):
            reader.read_next_batch()
        self.assertEqual(0.5, batch["v"][0].as_py())

    def test_a_stream_outlives_what_made_it(self):
        db = varve.open()
        db.write("m", None, range(5000), v=[0.5] * 5000)
        reader = pyarrow.RecordBatchReader.from_stream(db.query("m"))
        with self.assertWarns(ResourceWarning):
            del db
        self.assertEqual(5000, reader.read_all().num_rows)


if __name__ == "__main__":
    unittest.main()
