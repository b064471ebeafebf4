# SPDX-License-Identifier: Apache-2.0
"""Asking: selections, aggregates, shapes of answers."""

import datetime
import gc
import unittest

import varve
from support import Case

UTC = datetime.timezone.utc


class Weather(Case):
    def setUp(self):
        super().setUp()
        self.db = self.memory(precision="s")
        self.db.write("weather", {"city": "Oslo"}, [0, 60, 120], temperature=[1.0, 2.0, 3.0], humidity=[10, None, 30])
        self.db.write("weather", {"city": "Rome", "hill": "7"}, [0, 60], temperature=[20.0, 22.0], note=["dry", None])
        self.db.write("tide", {"port": "Bergen"}, 0, level=0.5)


class Selections(Weather):
    def test_selectors_series_and_unions(self):
        expected = [(None, 6), ("weather", 5), ('weather{city=~"R.*"}', 2), (("weather", {"city": "Oslo"}), 3),
                    (("weather", None), 0), (["tide", ("weather", {"city": "Oslo"})], 4), ("nothing", 0)]
        for select, rows in expected:
            with self.subTest(select):
                self.assertEqual(rows, len(self.db.query(select).to_rows()))
        series, = self.db.series('weather{city="Rome"}')
        self.assertEqual(2, len(self.db.query(series).to_rows()))

    def test_ranges_are_half_open(self):
        for start, end, times in ((None, 60, [0]), (60, None, [60, 120]), (60, 61, [60]),
                                  (datetime.datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 120, [60])):
            answer = self.db.query(("weather", {"city": "Oslo"}), start=start, end=end).to_rows()
            self.assertEqual(times, [row[0] for row in answer])

    def test_conditions(self):
        for where, count in ((("temperature", ">", 2), 3), ([("temperature", ">=", 2.0), ("temperature", "<", 20)], 2),
                             ([("humidity", "present")], 2), ([("note", "=", "dry")], 1),
                             ([("note", "absent"), ("temperature", "!=", 1.0)], 3)):
            with self.subTest(where):
                self.assertEqual(count, len(self.db.query("weather", where=where).to_rows()))

    def test_orders_limits_and_offsets(self):
        def times(**options):
            return [row[0] for row in self.db.query("weather", fields="temperature", **options).to_rows()]

        self.assertEqual([0, 60, 120, 0, 60], times())
        self.assertEqual([0, 0, 60, 60, 120], times(order="time"))
        self.assertEqual([120, 60, 60, 0, 0], times(order="time", descending=True))
        self.assertEqual([60, 120], times(limit=2, offset=1))
        self.assertEqual([0, 0], times(limit_per_series=1))
        self.assertEqual([], times(limit=0))

    def test_the_last_row_of_each_series(self):
        self.assertEqual([(120, "Oslo", None, 3.0), (60, "Rome", "7", 22.0)],
                         self.db.last("weather", fields="temperature").to_rows())

    def test_columns_of_labels_are_chosen(self):
        self.assertEqual([(0, 1.0)], self.db.query("weather", fields="temperature", labels=(), limit=1).to_rows())
        self.assertEqual(["time", "hill", "temperature"],
                         list(self.db.query("weather", fields="temperature", labels="hill").to_dict()))
        self.assertEqual(["time", "metric", "city", "hill", "port", "humidity", "level", "note", "temperature"],
                         list(self.db.query().to_dict()))


class Aggregates(Weather):
    def test_every_aggregation(self):
        expected = {"sum": 6.0, "min": 1.0, "max": 3.0, "avg": 2.0, "first": 1.0, "last": 3.0, "count": 3, "median": 2.0,
                    "range": 2.0, "variance": 2 / 3, "stddev": (2 / 3) ** 0.5, "min_time": 0, "max_time": 120,
                    "first_time": 0, "last_time": 120, "p0": 1.0, "p50": 2.0, "p99.9": 2.998, "p100": 3.0}
        answer = self.db.query(("weather", {"city": "Oslo"}), fields="temperature", agg=list(expected), labels=())
        columns = answer.to_dict()
        self.assertEqual([f"{name}(temperature)" for name in expected], list(columns))
        for name, value in expected.items():
            self.assertAlmostEqual(value, columns[f"{name}(temperature)"][0], places=12, msg=name)

    def test_groups(self):
        def rows(**options):
            return self.db.query("weather", fields="temperature", agg="max", **options).to_rows()

        self.assertEqual([("Oslo", None, 3.0), ("Rome", "7", 22.0)], rows())
        self.assertEqual([(22.0,)], rows(by=()))
        self.assertEqual([("Oslo", 3.0), ("Rome", 22.0)], sorted(rows(by="city")))
        self.assertEqual([("Oslo", 3.0), ("Rome", 22.0)], sorted(rows(without=["hill"])))

    def test_buckets(self):
        def rows(every, **options):
            return self.db.query(("weather", {"city": "Oslo"}), fields="temperature", agg="sum", every=every, labels=(),
                                 **options).to_rows()

        for every in (100, "100s", datetime.timedelta(seconds=100)):
            self.assertEqual([(0, 3.0), (100, 3.0)], rows(every))
        self.assertEqual([(-40, 1.0), (60, 5.0)], rows(100, origin=60))
        self.assertEqual([(50, 5.0)], rows(100, origin="start", start=50))
        self.assertEqual([(0, 6.0)], rows("1y"))
        self.assertEqual([(-3600, 6.0)], rows("1d", zone="+01:00"))

    def test_aggregates_of_all_fields(self):
        answer = self.db.query("weather", agg="count", by=()).to_dict()
        self.assertEqual({"count(humidity)": [2], "count(note)": [1], "count(temperature)": [5]}, answer)
        self.assertEqual({"max(temperature)": [22.0], "min(temperature)": [1.0], "count(humidity)": [2]},
                         self.db.query("weather", agg={"temperature": ["max", "min"], "humidity": "count"}, by=()).to_dict())

    def test_nan_is_skipped_or_propagated(self):
        self.db.write("n", None, [1, 2], v=[float("nan"), 4.0])
        self.assertEqual([(4.0,)], self.db.query("n", fields="v", agg="max").to_rows())
        value, = self.db.query("n", fields="v", agg="max", nan="propagate").to_rows()[0]
        self.assertNotEqual(value, value)

    def test_wrong_words_are_told(self):
        for options, error in (({"agg": "mean"}, "not known"), ({"agg": "p101"}, "not known"), ({"every": "1x"}, "span"),
                               ({"every": "500ms"}, "multiple"), ({"zone": "UTC"}, "belong"), ({"by": "a"}, "agg"),
                               ({"where": [("a", "~", 1)]}, "operator"), ({"order": "up"}, "order"), ({"nan": 1}, "nan"),
                               ({"agg": "max", "by": "a", "without": "b"}, "not both"), ({"fields": []}, "empty"),
                               ({"every": "1d", "zone": "No/Where", "agg": "max"}, "No/Where"), ({"timeout": 0}, "above"),
                               ({"every": 0, "agg": "max"}, "0")):
            with self.subTest(options), self.assertRaisesRegex(ValueError, error):
                self.db.query("weather", **options).to_rows()


class Answers(Case):
    def test_blocks_are_bounded_and_together_all(self):
        db = self.memory()
        db.write("m", None, range(10000), v=[float(i) for i in range(10000)])
        sizes, values = [], []
        for block in db.query("m"):
            sizes.append(len(block))
            values += block["v"].tolist()
            self.assertEqual(block.times.tolist(), block["time"].tolist())
        self.assertLessEqual(max(sizes), 1024)
        self.assertEqual([float(i) for i in range(10000)], values)

    def test_iterating_holds_one_block(self):
        db = self.memory()
        db.write("m", None, range(200 * 1024), v=[0.5] * 200 * 1024)
        gc.collect()
        seen = 0
        for block in db.query("m"):
            seen += len(block)
            alive = sum(isinstance(thing, varve.Block) for thing in gc.get_objects())
            self.assertLessEqual(alive, 2)
        self.assertEqual(200 * 1024, seen)

    def test_an_answer_is_read_once(self):
        db = self.memory()
        db.write("m", None, 1, v=1)
        result = db.query("m")
        self.assertEqual([(1, 1)], result.to_rows())
        for again in (result.to_rows, result.to_dict, lambda: iter(result), result.__arrow_c_stream__):
            with self.assertRaisesRegex(ValueError, "again"):
                again()
        result = db.query("m")
        next(iter(result))
        with self.assertRaisesRegex(ValueError, "begun"):
            result.to_rows()
        with db.query("m") as result:
            pass
        with self.assertRaisesRegex(ValueError, "closed"):
            result.to_rows()

    def test_an_answer_sees_the_database_as_it_was_asked(self):
        db = self.memory()
        db.write("m", None, 1, v=1)
        result = db.query("m")
        db.write("m", None, 2, v=2)
        db.delete("m", 0, 2)
        self.assertEqual([(1, 1)], result.to_rows())
        self.assertEqual([(2, 2)], db.query("m").to_rows())

    def test_columns_have_buffers_and_items(self):
        db = self.memory()
        db.write("m", {"a": "b"}, [1, 2, 3], f=[1.5, None, 2.5], b=[True, False, True], s=["x", None, "y"], u=[2**63, 0, 1])
        block = next(iter(db.query("m")))
        self.assertEqual(("a", "b", "f", "s", "u"), block.names)
        self.assertEqual((1.5, None), (block["f"][0], block["f"][1]))
        self.assertEqual(("d", True, (3,)), (memoryview(block["f"]).format, memoryview(block["f"]).readonly,
                                             memoryview(block["f"]).shape))
        self.assertEqual([True, False, True], list(memoryview(block["b"])))
        self.assertEqual([2**63, 0, 1], list(memoryview(block["u"])))
        self.assertEqual([False, True, False], block["f"].missing().tolist())
        self.assertIsNone(block["b"].missing())
        self.assertEqual(["x", None, "y"], list(block["s"]))
        self.assertEqual(["b", "b", "b"], block["a"].tolist())
        for column in ("s", "a"):
            with self.assertRaises(BufferError):
                memoryview(block[column])
        for wrong in (3, -4):
            with self.assertRaises(IndexError):
                block["f"][wrong]
        with self.assertRaises(KeyError):
            block["none"]
        self.assertEqual((1, "b", True, 1.5, "x", 2**63), block.rows()[0])

    def test_mixed_columns_give_each_value_as_it_is(self):
        db = self.memory()
        db.write("m", {"a": "1"}, 1, v=1)
        db.write("m", {"a": "2"}, 2, v="x")
        self.assertEqual([(1, "1", 1), (2, "2", "x")], db.query("m").to_rows())
        block = next(iter(db.query("m")))
        self.assertEqual("mixed", block["v"].type)
        with self.assertRaises(varve.UnsupportedError):
            db.query("m").__arrow_c_stream__()

    def test_empty_answers_have_every_shape(self):
        db = self.memory()
        self.assertEqual([], db.query("m").to_rows())
        self.assertEqual({}, db.query("m").to_dict())
        self.assertEqual([], list(db.query("m")))
        db.query("m").__arrow_c_stream__()

    def test_row_ids(self):
        db = self.memory(duplicates="all", row_ids=True)
        first = db.write("m", None, [1, 1, 1], v=[1, 2, 3]).first_row_id
        block = next(iter(db.query("m", row_ids=True)))
        self.assertEqual([first, first + 1, first + 2], block.row_ids.tolist())
        self.assertEqual([(1, 3)], db.query("m", after_row_id=first + 1).to_rows())

    def test_limits_of_a_query(self):
        db = self.memory()
        db.write("m", None, range(100000), v=[0.5] * 100000)
        with self.assertRaises(varve.LimitError):
            db.query("m", scanned_rows_max=10).to_rows()
        with self.assertRaises(varve.LimitError):
            db.query("m", memory_max=1).to_rows()

    def test_progress_is_told(self):
        db = self.memory()
        db.write("m", None, range(1000), v=[0.5] * 1000)
        told = []
        db.query("m", progress=lambda done, total: told.append((done, total))).to_rows()
        self.assertTrue(told)
        for wrong in (1, "x"):
            with self.assertRaises(TypeError):
                db.query("m", progress=wrong)


class Catalogue(Weather):
    def test_series_labels_metrics_and_fields(self):
        db = self.db
        self.assertEqual(["tide", "weather"], db.metrics())
        self.assertEqual(["tide"], db.metrics(limit=1))
        self.assertEqual(["weather"], db.metrics(start=60))
        self.assertEqual(["city", "hill", "port"], db.labels())
        self.assertEqual(["port"], db.labels(select="tide"))
        self.assertEqual(["Oslo", "Rome"], db.labels("city"))
        self.assertEqual([], db.labels("nothing"))
        self.assertEqual([varve.Series("tide", {"port": "Bergen"})], db.series("tide"))
        self.assertEqual(3, len(db.series()))
        self.assertEqual(varve.Field("tide", "level", "f64"), db.fields("tide")[0])


if __name__ == "__main__":
    unittest.main()
