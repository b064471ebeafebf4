# SPDX-License-Identifier: Apache-2.0
"""Writing: values, columns, times, batches."""

import array
import dataclasses
import datetime
import gc
import random
import struct
import unittest

import varve
from support import Case

UTC = datetime.timezone.utc


class Values(Case):
    def test_each_type_comes_back_bit_for_bit(self):
        db = self.memory()
        values = {"f": -0.0, "i": -2**63, "u": 2**64 - 1, "b": True, "s": "Ærø\0x", "y": b"\0\xff", "z": bytearray(b"q")}
        db.write("m", None, 7, values)
        row, = db.query("m", labels=()).to_rows()
        self.assertEqual((7, True, -0.0, -2**63, "Ærø\0x", 2**64 - 1, b"\0\xff", b"q"), row)
        self.assertEqual(struct.pack("d", -0.0), struct.pack("d", row[2]))
        self.assertEqual({"f": "f64", "i": "i64", "u": "u64", "b": "bool", "s": "string", "y": "string", "z": "string"},
                         {field.name: field.type for field in db.fields()})

    def test_histograms(self):
        db = self.memory()
        whole = varve.Histogram(12, 18.5, 1, 2, 0.001, 2, [(0, 2), (1, 2)], [1, 2, -1, 0], [(0, 1)], [3], [])
        floats = varve.Histogram(1.5, 0.5, -53, 0, 0.0, 0.0, [(0, 2)], [0.5, 1.0], [], [], [1.0, 2.0])
        db.write("m", None, 1, h=whole)
        db.write_rows([("m", None, 2, {"h": floats})])
        with db.batch() as batch:
            batch.write("m", None, 3, h=whole)
        self.assertEqual([(1, whole), (2, floats), (3, whole)], db.query("m").to_rows())
        self.assertEqual("histogram", db.fields()[0].type)
        replace = dataclasses.replace
        for wrong in (replace(whole, count="x"), replace(whole, positive_spans=[1]), replace(whole, positive_spans=[(1,)]),
                      replace(whole, positive_buckets=[0.5]), replace(whole, schema=2**40), replace(whole, sum=None),
                      replace(whole, reset_hint=-1), replace(whole, custom_values=5), replace(whole, count=-1),
                      replace(whole, negative_buckets=[2**70]), replace(whole, positive_spans=[(0, -1)])):
            with self.subTest(repr(wrong)), self.assertRaises((TypeError, ValueError, OverflowError)):
                db.write("m", None, 4, h=wrong)

    def test_none_is_no_value(self):
        db = self.memory()
        db.write("m", None, 1, a=1, b=None)
        self.assertEqual(["a"], [field.name for field in db.fields()])
        with self.assertRaisesRegex(ValueError, "needs a field"):
            db.write("m", None, 1, a=None)

    def test_fields_may_have_any_name(self):
        db = self.memory()
        db.write("m", None, 1, {"time": 1, "with space": 2}, metric=3, labels=4, fields=5, self=6)
        self.assertEqual(["fields", "labels", "metric", "self", "time", "with space"],
                         sorted(field.name for field in db.fields()))
        with self.assertRaises(varve.InvalidError):
            db.write("m", None, 1, {"a": 1}, a=2)

    def test_labels_are_any_mapping_and_any_number(self):
        db = self.memory()
        labels = {f"l{i:02}": str(i) for i in range(40)}
        db.write("m", labels, 1, v=1)
        self.assertEqual([varve.Series("m", labels)], db.series())

        class Mapping(dict):
            pass

        db.write("m", Mapping(labels), 2, v=1)
        self.assertEqual(1, len(db.series()))

    def test_a_type_that_differs_is_refused(self):
        db = self.memory()
        db.write("m", None, 1, v=1.0)
        with self.assertRaisesRegex(varve.InvalidError, "f64"):
            db.write("m", None, 2, v=1)


class Times(Case):
    def test_times_are_ints_datetimes_and_floored(self):
        db = self.memory(precision="s")
        moment = datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
        db.write("m", None, moment, v=1)
        db.write("m", None, [datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))), 5],
                 v=[2, 3])
        self.assertEqual([(-1, 1), (5, 3), (946681200, 2)], db.query("m").to_rows())

    def test_every_64_bit_time_is_taken(self):
        db = self.memory()
        db.write("m", None, [-2**63, 2**63 - 1], v=[1, 2])
        self.assertEqual([(-2**63, 1), (2**63 - 1, 2)], db.query("m").to_rows())
        for wrong in (2**63, -2**63 - 1, [2**63]):
            with self.assertRaises(OverflowError):
                db.write("m", None, wrong, v=1 if isinstance(wrong, int) else [1])
        with self.assertRaises(OverflowError):
            db.write("m", None, datetime.datetime(9999, 1, 1, tzinfo=UTC), v=1)

    def test_a_naive_datetime_is_refused(self):
        db = self.memory()
        for wrong in (datetime.datetime(2000, 1, 1), [datetime.datetime(2000, 1, 1)]):
            with self.assertRaisesRegex(ValueError, "time zone"):
                db.write("m", None, wrong, v=1 if isinstance(wrong, datetime.datetime) else [1])


class Columns(Case):
    def check(self, given, expected, kind):
        db = self.memory()
        db.write("m", None, list(range(len(expected))), v=given, all=[1] * len(expected))
        answer = db.query("m", fields="v").to_rows()
        self.assertEqual([(i, value) for i, value in enumerate(expected) if value is not None], answer)
        types = {field.name: field.type for field in db.fields()}
        self.assertEqual(kind, types.get("v"))

    def test_lists_and_tuples(self):
        self.check([1.5, 2, None], [1.5, 2.0, None], "f64")
        self.check((1, -2), [1, -2], "i64")
        self.check([1, 2**63], [1, 2**63], "u64")
        self.check([True, None, False], [True, None, False], "bool")
        self.check(["a", None, ""], ["a", None, ""], "string")
        self.check([b"a", b""], [b"a", b""], "string")  # one family: each value keeps its kind
        self.check(["a", b"b"], ["a", b"b"], "string")
        self.check([None, None], [None, None], None)
        self.check(range(3), [0, 1, 2], "i64")

    def test_arrays_of_every_code(self):
        for code in "bhilq":
            self.check(array.array(code, [-1, 2]), [-1, 2], "i64")
        for code in "BHILQ":
            self.check(array.array(code, [1, 2]), [1, 2], "u64")
        for code in "fd":
            self.check(array.array(code, [0.5, -1.25]), [0.5, -1.25], "f64")

    def test_memoryviews_with_strides(self):
        whole = memoryview(array.array("d", [0, 1, 2, 3, 4, 5]))
        self.check(whole[::2], [0.0, 2.0, 4.0], "f64")
        self.check(whole[::-1], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0], "f64")
        self.check(memoryview(bytes(array.array("q", [1, 2]))).cast("q"), [1, 2], "i64")
        self.check(memoryview(b"\0\1\2").cast("?"), [False, True, True], "bool")
        self.check(memoryview(array.array("i", [1, 2, 3]))[::-2], [3, 1], "i64")

    def test_times_of_every_kind(self):
        db = self.memory()
        db.write("m", None, array.array("q", [1, 2]), v=[1, 2])
        db.write("m", None, array.array("i", [3]), v=[3])
        db.write("m", None, memoryview(array.array("q", [9, 5, 8, 4]))[::-2], v=[4, 5])
        db.write("m", None, array.array("Q", [6]), v=[6])
        db.write("m", None, range(7, 8), v=[7])
        self.assertEqual([1, 2, 3, 4, 5, 6, 7], [value for _, value in db.query("m").to_rows()])
        with self.assertRaises(OverflowError):
            db.write("m", None, array.array("Q", [2**63]), v=[1])
        with self.assertRaises(TypeError):
            db.write("m", None, array.array("d", [1.0]), v=[1])

    def test_no_rows_are_no_rows(self):
        db = self.memory()
        for empty in ([], (), array.array("d"), range(0)):
            self.assertEqual(0, db.write("m", None, [], v=empty).rows)
        self.assertEqual([], db.metrics())

    def test_lengths_must_fit(self):
        db = self.memory()
        for times, values in (([1], [1, 2]), ([1, 2], [1]), ([], [1])):
            with self.assertRaisesRegex(ValueError, "times"):
                db.write("m", None, times, v=values)
        with self.assertRaises(TypeError):
            db.write("m", None, [1, 2], v=1.0)

    def test_mixtures_are_refused(self):
        db = self.memory()
        for values in ([1, "a"], [True, 1], [b"a", 1.5], [object()], [[1]], [1j]):
            with self.assertRaises(TypeError):
                db.write("m", None, list(range(len(values))), v=values)
        for values in ([-1, 2**63], [2**64], [-2**63 - 1]):
            with self.assertRaises(OverflowError):
                db.write("m", None, list(range(len(values))), v=values)
        self.assertEqual([], db.metrics())

    def test_an_array_is_held_while_it_is_written_and_no_longer(self):
        db = self.memory()
        values = array.array("d", [1.0, 2.0])
        batch = db.batch()
        batch.write("m", None, [1, 2], v=values)
        with self.assertRaises(BufferError):
            values.append(3.0)
        values[1] = 5.0  # what the commit reads
        batch.commit()
        values.append(3.0)
        self.assertEqual([(1, 1.0), (2, 5.0)], db.query("m").to_rows())


class Rows(Case):
    def test_rows_of_many_series_are_one_batch(self):
        db = self.memory()
        rows = [("m", {"i": str(i % 3)}, i, {"v": i, "w": "x"} if i % 2 else {"v": i}) for i in range(10)]
        self.assertEqual(10, db.write_rows(iter(rows)).rows)
        self.assertEqual(3, len(db.series()))
        self.assertEqual(0, db.write_rows([]).rows)
        with self.assertRaises(varve.InvalidError):
            db.write_rows([("ok", None, 1, {"v": 1}), ("bad", None, 1, {"": 1})])
        self.assertNotIn("ok", db.metrics())

    def test_rejected_rows_are_told(self):
        db = self.memory()
        db.write("m", None, 1, v=1.0)
        written = db.write_rows([("m", None, 2, {"v": 2.0}), ("m", None, 3, {"v": "x"}), ("", None, 3, {"v": 1.0})],
                                skip_rejected=True)
        self.assertEqual((1, 2), (written.rows, written.rejected))
        self.assertEqual([(1, "type"), (2, "row")], sorted((row, reason) for row, _, reason in written.rejections))

    def test_many_fields(self):
        db = self.memory()
        db.write("m", None, 1, {f"f{i}": i for i in range(1024)})
        self.assertEqual(1024, len(db.fields()))
        with self.assertRaises(ValueError):
            db.write("m", None, 1, {f"f{i}": i for i in range(1025)})


class Batches(Case):
    def test_a_batch_is_seen_whole(self):
        db = self.memory()
        db.write("old", None, 1, v=1)
        with db.batch() as batch:
            batch.delete("old")
            batch.write("m", {"a": "1"}, [1, 2], v=[1.0, 2.0])
            batch.write("m", {"a": "2"}, 1, {f"f{i}": 1 for i in range(9)})
            self.assertEqual(3, len(batch))
            self.assertEqual(["old"], db.metrics())
        self.assertEqual(["m"], db.metrics())
        self.assertEqual(0, len(batch))

    def test_an_exception_forgets_the_batch(self):
        db = self.memory()
        with self.assertRaises(KeyError), db.batch() as batch:
            batch.write("m", None, 1, v=1)
            raise KeyError
        self.assertEqual([], db.metrics())

    def test_a_commit_that_fails_changes_nothing_and_can_be_repeated(self):
        db = self.memory()
        db.write("m", None, 1, v=1.0)
        batch = db.batch()
        batch.write("n", None, 1, v=1)
        batch.write("m", None, 2, v="x")
        with self.assertRaises(varve.InvalidError):
            batch.commit()
        self.assertEqual((2, ["m"]), (len(batch), db.metrics()))
        db.delete("m")
        self.assertEqual(2, batch.commit().rows)

    def test_options_of_a_batch(self):
        db = self.disk(batch_bytes_max=1 << 20)
        draw = random.Random(1)
        values = array.array("Q", (draw.getrandbits(64) for _ in range(300000)))
        with self.assertRaises(varve.LimitError):
            with db.batch() as batch:
                batch.write("m", None, range(300000), v=values)
        batch = db.batch(split=True, sync="none")
        batch.write("m", None, range(300000), v=values)
        written = batch.commit()
        self.assertEqual((300000, "appended"), (written.rows, written.acknowledgement))

    def test_a_batch_keeps_its_database(self):
        db = varve.open()
        batch = db.batch()
        batch.write("m", None, 1, v=1)
        self.assertEqual(1, batch.commit().rows)
        db.close()
        del db, batch
        gc.collect()


class Deletes(Case):
    def test_deletes_are_by_selection_and_range(self):
        db = self.memory()
        for host in "abc":
            db.write("m", {"h": host}, [1, 2, 3], v=[1, 2, 3])
        self.assertEqual(1, db.delete('m{h="a"}', 2, 3).series_deleted)
        self.assertEqual([1, 3], [row[0] for row in db.query('m{h="a"}').to_rows()])
        db.delete([("m", {"h": "b"}), 'm{h="c"}'], start=3)
        self.assertEqual([1, 2, 1, 2], [row[0] for row in db.query('m{h=~"b|c"}').to_rows()])
        with self.assertRaises(TypeError):
            db.delete(None)
        with self.assertRaises(ValueError):
            db.delete([])
        with self.assertRaises(varve.InvalidError):
            db.delete("m", 3, 1)


if __name__ == "__main__":
    unittest.main()
