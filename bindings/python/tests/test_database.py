# SPDX-License-Identifier: Apache-2.0
"""Opening and closing, errors, maintenance, rollups."""

import gc
import os
import pickle
import unittest
import warnings

import varve
from support import Case


class Opening(Case):
    def test_a_database_on_disk_keeps_its_rows(self):
        with self.disk() as db:
            self.assertEqual("durable", db.write("m", {"a": "b"}, 1, v=1.5).acknowledgement)
        with self.disk() as db:
            self.assertEqual([(1, "b", 1.5)], db.query("m").to_rows())

    def test_a_path_is_str_bytes_or_path(self):
        for path in (str(self.directory / "a"), os.fsencode(self.directory / "b"), self.directory / "c"):
            with varve.open(path) as db:
                self.assertEqual(os.fsdecode(path), db.path)
        with varve.open() as db:
            self.assertIsNone(db.path)

    def test_precision_is_stored(self):
        for precision in ("ns", "us", "ms", "s"):
            with self.disk(precision, precision=precision) as db:
                self.assertEqual(precision, db.precision)
            with self.disk(precision) as db:
                self.assertEqual(precision, db.precision)
        with self.assertRaises(varve.ConflictError):
            varve.open(self.directory / "s", precision="ms")

    def test_every_option_is_taken(self):
        numbers = dict(sync_interval_ms=100, group_delay_us=10, lock_wait_ms=1, write_timeout_ms=1000,
                       memory_limit_bytes=1 << 28, cache_bytes=1 << 20, flush_bytes=1 << 24, flush_rows=1000,
                       flush_age_ms=1000, merge_fan_in=4, log_file_bytes=1 << 20, log_bytes_max=1 << 26,
                       batch_bytes_max=1 << 24, chain_bytes_max=1 << 24, series_max=10, retention_grace_ms=1000,
                       scrub_interval_ms=1 << 40, min_free_bytes=2**64 - 1, reserve_bytes=2**64 - 1)
        with self.disk(duplicates="all", row_ids=True, sync="interval", background=False, salvage=True,
                       allow_network_fs=True, **numbers) as db:
            self.assertEqual("appended", db.write("m", None, 1, v=1).acknowledgement)
        with self.assertRaises(varve.LimitError):
            with self.disk("small", series_max=1) as db:
                db.write_rows([("m", {"a": str(i)}, 1, {"v": 1}) for i in range(3)])

    def test_each_sync_gives_its_acknowledgement(self):
        expected = {"group": "durable", "always": "durable", "interval": "appended", "none": "appended",
                    "buffered": "volatile", "no_log": "volatile"}
        for sync, acknowledgement in expected.items():
            with self.subTest(sync), self.disk(sync, sync=sync) as db:
                self.assertEqual(acknowledgement, db.write("m", None, 1, v=1).acknowledgement)

    def test_read_only_beside_a_writer_sees_more_after_refresh(self):
        writer = self.disk()
        writer.write("m", None, 1, v=1)
        reader = self.disk(read_only=True)
        self.assertTrue(reader.read_only)
        self.assertFalse(writer.read_only)
        writer.write("m", None, 2, v=2)
        self.assertEqual([(1, 1)], reader.query("m").to_rows())
        reader.refresh()
        self.assertEqual([(1, 1), (2, 2)], reader.query("m").to_rows())
        with self.assertRaises(varve.ReadOnlyError):
            reader.write("m", None, 3, v=3)
        with self.assertRaises(varve.InvalidError):
            writer.refresh()

    def test_a_second_writer_is_refused(self):
        self.disk()
        with self.assertRaises(varve.LockedError):
            self.disk()

    def test_create_false_creates_nothing(self):
        with self.assertRaises(varve.NotFoundError):
            varve.open(self.directory / "none", create=False)
        self.assertFalse((self.directory / "none").exists())


class Closing(Case):
    def test_close_twice_does_nothing(self):
        db = varve.open()
        self.assertFalse(db.closed)
        db.close()
        db.close()
        self.assertTrue(db.closed)

    def test_every_call_on_a_closed_database_says_so(self):
        db = self.memory()
        batch = db.batch()
        batch.write("m", None, 1, v=1)
        db.close()
        calls = [lambda: db.write("m", None, 1, v=1), lambda: db.write_rows([]), lambda: db.query("m"), db.last,
                 db.series, db.metrics, db.labels, lambda: db.labels("x"), db.fields, lambda: db.delete("m"), db.flush,
                 db.compact, db.verify, db.scrub, db.stats, db.health, db.rollups, db.run_rollups, batch.commit,
                 lambda: db.snapshot(self.directory / "s"), lambda: db.set_rollups([]), db.refresh]
        for number, call in enumerate(calls):
            with self.subTest(number), self.assertRaises(varve.ClosedError):
                call()

    def test_answers_end_with_the_database_and_blocks_do_not(self):
        db = self.memory()
        db.write("m", None, list(range(5000)), v=list(range(5000)))
        result = iter(db.query("m"))
        block = next(result)
        db.close()
        with self.assertRaises(varve.ClosedError):
            next(result)
        self.assertEqual(list(range(len(block))), block["v"].tolist())
        self.assertEqual(list(range(len(block))), list(memoryview(block.times)))

    def test_a_with_block_closes_also_after_an_exception(self):
        with self.assertRaises(KeyError), varve.open() as db:
            raise KeyError
        self.assertTrue(db.closed)

    def test_one_that_is_dropped_open_warns_and_keeps_its_rows(self):
        db = varve.open(self.directory / "db")
        db.write("m", None, 1, v=1)
        with self.assertWarns(ResourceWarning):
            del db
            gc.collect()
        with self.disk() as db:
            self.assertEqual([(1, 1)], db.query("m").to_rows())

    def test_a_closed_one_is_dropped_in_silence(self):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            with varve.open() as db:
                pass
            del db
            gc.collect()
        self.assertEqual([], seen)

    def test_a_progress_function_cannot_close_its_database(self):
        db = self.disk()
        seen = []

        def close(done, total):
            try:
                db.close()
            except varve.BusyError as error:
                seen.append(error)

        # A verify looks at its task at once, so the function is called while it runs, and at the end.
        db.write("m", None, range(1000), v=[0.5] * 1000)
        db.flush()
        db.verify(progress=close)
        self.assertEqual(1, len(seen))
        self.assertTrue(db.closed)


class Errors(Case):
    def test_there_is_a_class_for_each_status(self):
        codes = {error.code: error for error in vars(varve).values()
                 if isinstance(error, type) and issubclass(error, varve.Error) and error is not varve.Error
                 and error is not varve.ClosedError}
        self.assertEqual({*range(1, 12), *range(20, 26)}, set(codes))
        for code, error in codes.items():
            self.assertTrue(error.status.startswith("E_"), error)
            self.assertTrue(error.__doc__)

    def test_an_exception_tells_code_status_and_message(self):
        db = self.memory()
        with self.assertRaises(varve.InvalidError) as raised:
            db.query("{{")
        error = raised.exception
        self.assertEqual((1, "E_INVALID", str(error), 0), (error.code, error.status, error.message, error.os_errno))
        self.assertIsInstance(error, ValueError)
        self.assertIn("at 2", error.message)

    def test_an_errno_is_told(self):
        (self.directory / "file").write_text("x", encoding="ascii")
        with self.assertRaises(varve.Error) as raised:
            varve.open(self.directory / "file" / "db")
        self.assertNotEqual(0, raised.exception.os_errno)

    def test_a_database_cannot_be_pickled(self):
        with self.assertRaises(TypeError):
            pickle.dumps(self.memory())


class Representations(Case):
    def test_representations_say_what_things_are(self):
        db = self.memory(precision="ms")
        db.write("m", None, 1, v=1.0)
        self.assertEqual("<varve.Database in memory, precision ms>", repr(db))
        result = db.query("m")
        self.assertEqual("<varve.Result of 'm': not read yet>", repr(result))
        block = next(iter(result))
        self.assertEqual("<varve.Block of 1 rows: v>", repr(block))
        self.assertEqual("<varve.Column 'v' f64, 1 rows>", repr(block["v"]))
        with db.batch() as batch:
            self.assertEqual("<varve.Batch of 0 calls>", repr(batch))
        db.close()
        self.assertEqual("<varve.Database in memory: closed>", repr(db))

    def test_everything_public_has_a_docstring(self):
        for name in varve.__all__:
            thing = getattr(varve, name)
            if name != "__version__":
                self.assertTrue(thing.__doc__, name)
            for member, value in vars(thing).items() if isinstance(thing, type) else ():
                if not member.startswith("_") and callable(value):
                    self.assertTrue(value.__doc__, f"{name}.{member}")


class Maintenance(Case):
    def test_flush_compact_verify_and_scrub(self):
        db = self.disk()
        for i in range(3):
            db.write("m", None, i, v=i)
            db.flush()
        db.compact(all=True)
        verified = db.verify()
        self.assertEqual((1, 3, 1), (verified.files, verified.rows, verified.series))
        self.assertEqual(32, len(verified.digest))
        scrubbed = db.scrub(bytes_per_second=2**64 - 1)
        self.assertGreater(scrubbed.files, 0)
        self.assertEqual(0, scrubbed.damaged_places)
        self.assertEqual(varve.Health("ok", None), db.health())
        self.assertEqual(3.0, db.stats()["varve_rows_written_total"])

    def test_a_snapshot_is_restored(self):
        db = self.disk()
        db.write("m", None, [1, 2], v=[1.0, 2.0])
        told = []
        copied = db.snapshot(self.directory / "snapshot", progress=lambda done, total: told.append((done, total)))
        self.assertGreater(copied.files, 0)
        self.assertTrue(told)
        varve.restore(self.directory / "snapshot", self.directory / "restored", progress=lambda done, total: None)
        with self.disk("restored") as restored:
            self.assertEqual(db.query("m").to_rows(), restored.query("m").to_rows())
        with self.assertRaises(varve.ExistsError):
            db.snapshot(self.directory / "snapshot")
        with self.assertRaises(varve.NotFoundError):
            varve.restore(self.directory / "nothing", self.directory / "new")

    def test_what_progress_raises_ends_the_call(self):
        db = self.disk()
        db.write("m", None, 1, v=1)

        def fail(done, total):
            raise LookupError("enough")

        for call in (db.verify, db.flush, db.compact, lambda progress: db.query("m", progress=progress).to_rows()):
            with self.assertRaisesRegex(LookupError, "enough"):
                call(progress=fail)


class Rollups(Case):
    def test_rollups_are_set_run_and_told(self):
        db = self.disk(precision="s")
        rollup = varve.Rollup("hourly", "m", "avg", "1h", match={"host": "a"})
        db.set_rollups([rollup])
        db.write("m", {"host": "a"}, list(range(0, 36000, 60)), value=[1.0] * 600)
        told = []
        db.run_rollups(progress=lambda done, total: told.append(done))
        status, = db.rollups()
        self.assertEqual(("hourly", "avg", 3600, {"host": "a"}, ("value",)),
                         (status.rollup.id, status.rollup.agg, status.rollup.every, status.rollup.match,
                          status.rollup.fields))
        self.assertEqual((1, 1, 32400, None), (status.matched_series, status.materialized_series, status.through,
                                               status.error))
        self.assertTrue(told)
        db.set_rollups([rollup._replace(fields=None)])
        self.assertIsNone(db.rollups()[0].rollup.fields)
        db.set_rollups([])
        self.assertEqual([], db.rollups())

    def test_wrong_rollups_are_refused(self):
        db = self.disk()
        for wrong, error in ((["x"], TypeError), ([varve.Rollup("a", "m", "none", 1)], ValueError),
                             ([varve.Rollup("a", "m", "avg", 0)], varve.InvalidError),
                             ([varve.Rollup("", "m", "avg", 1)], varve.InvalidError)):
            with self.assertRaises(error):
                db.set_rollups(wrong)


if __name__ == "__main__":
    unittest.main()
