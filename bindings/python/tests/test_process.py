# SPDX-License-Identifier: Apache-2.0
"""Threads, forks, signals, the end of the interpreter, and what is left behind."""

import gc
import os
import sys
import threading
import time
import unittest
import weakref

import varve
from support import Case, needs, numpy, pyarrow

SECONDS = 60  # a thread that waits longer has hung


class Threads(Case):
    def run_all(self, functions):
        """Runs functions in threads; the first exception of any is raised."""
        failures = []

        def run(function):
            try:
                function()
            except BaseException as error:  # told to the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
            self.assertFalse(thread.is_alive(), "a thread hangs")
        if failures:
            raise failures[0]

    def test_many_threads_write_and_read(self):
        db = self.disk(sync="none")

        def write(number):
            for i in range(200):
                db.write("m", {"t": str(number)}, i, v=float(i))
                if i % 50 == 0:
                    db.write("m", {"t": str(number), "kind": "bulk"}, range(100), v=[0.5] * 100)

        def read():
            for _ in range(20):
                db.query("m", fields="v", agg="count", by=()).to_rows()
                db.series("m")
                db.stats()

        self.run_all([lambda n=n: write(n) for n in range(6)] + [read, read])
        self.assertEqual([(6 * 300,)], db.query("m", fields="v", agg="count", by=()).to_rows())

    def test_one_answer_is_shared_out_to_threads(self):
        db = self.memory()
        db.write("m", None, range(50000), v=range(50000))
        result = iter(db.query("m"))
        seen, lock = [], threading.Lock()

        def take():
            for block in result:
                with lock:
                    seen.extend(block["v"].tolist())

        self.run_all([take] * 4)
        self.assertEqual(list(range(50000)), sorted(seen))

    def test_a_close_awaits_the_calls_of_others(self):
        for _ in range(20):
            db = varve.open()
            go = threading.Barrier(5)

            def use():
                go.wait(SECONDS)
                try:
                    for i in range(1000):
                        db.write("m", None, i, v=1.0)
                        for block in db.query("m"):
                            len(block)
                except (varve.ClosedError, varve.CancelledError):
                    pass

            def close():
                go.wait(SECONDS)
                db.close()

            self.run_all([use] * 4 + [close])
            self.assertTrue(db.closed)

    def test_a_batch_and_a_dict_may_change_under_a_call(self):
        db = self.memory()
        labels, fields = {"a": "x"}, {"v": 1.0}
        stop = threading.Event()

        def change():
            number = 0
            while not stop.is_set():
                number += 1
                labels["a"] = f"x{number}"
                fields["v"] = float(number)
                labels[f"b{number % 7}"] = "y" * (number % 50)
                labels.pop(f"b{(number + 3) % 7}", None)

        def write():
            try:
                for i in range(2000):
                    try:
                        db.write("m", labels, i, fields)
                    except RuntimeError:  # the dict changed while it was copied
                        pass
            finally:
                stop.set()

        self.run_all([change, write])
        self.assertTrue(db.series("m"))

    def test_an_answer_is_cancelled_from_another_thread(self):
        db = self.memory()
        db.write("m", None, range(100000), v=[0.5] * 100000)
        result = db.query("m")
        iterator = iter(result)
        next(iterator)
        result.cancel()
        with self.assertRaises(varve.CancelledError):
            for _ in iterator:
                pass


@unittest.skipUnless(hasattr(os, "fork"), "no fork here")
class Forks(Case):
    def test_a_child_uses_nothing_of_its_parent(self):
        out = self.good_child("""
import os, sys, varve
db = varve.open(sys.argv[1])
db.write("m", None, range(3000), v=[0.5] * 3000)
result = iter(db.query("m")); block = next(result)
batch = db.batch(); batch.write("m", None, 1, v=1.0)
pid = os.fork()
if pid == 0:
    for call in (lambda: db.write("m", None, 9, v=1.0), lambda: db.query("m"), lambda: next(result), batch.commit,
                 db.series, db.flush, db.stats, db.rollups):
        try:
            call()
        except varve.FencedError as error:
            assert "fork" in str(error), error
        else:
            os._exit(1)
    assert len(block["v"].tolist()) == len(block)
    assert db.closed
    db.close(); del db, result, batch
    with varve.open(sys.argv[1] + "-child") as other:
        other.write("m", None, 1, v=1)
        assert len(other.query("m").to_rows()) == 1
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
db.write("m", None, 5000, v=1.0)
print(sum(len(each) for each in result) + len(block), len(db.query("m").to_rows()))
db.close()
with varve.open(sys.argv[1]) as db:
    print(len(db.query("m").to_rows()))
""", self.directory / "db")
        self.assertEqual("3000 3001\n3001\n", out)

    def test_forks_amid_threads(self):
        out = self.good_child("""
import os, sys, threading, varve
db = varve.open(sys.argv[1], sync="none")
stop = threading.Event()
def work():
    i = 0
    while not stop.is_set():
        i += 1
        db.write("m", {"t": threading.current_thread().name}, i, v=1.0)
        for block in db.query("m", limit=10):
            pass
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        try:
            db.query("m")
        except varve.FencedError:
            with varve.open() as other:
                other.write("m", None, 1, v=1)
            del db
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stop.set()
for thread in threads: thread.join()
db.close()
print("good")
""", self.directory / "db", options=("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning"))
        self.assertEqual("good\n", out)

    def test_multiprocessing_by_fork(self):
        out = self.good_child("""
import multiprocessing, sys, varve
def work(number):
    with varve.open() as db:
        db.write("m", None, number, v=number)
        return db.query("m").to_rows()
if __name__ == "__main__":
    db = varve.open(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(work, [1, 2, 3]))
    db.close()
""", self.directory / "db", options=("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning"))
        self.assertEqual("[[(1, 1)], [(2, 2)], [(3, 3)]]\n", out)


class Exits(Case):
    def check_kept(self, rows):
        with self.disk() as db:
            self.assertEqual(rows, len(db.query("m").to_rows()))

    def test_a_database_that_is_open_at_exit_is_closed(self):
        self.good_child("import sys, varve; db = varve.open(sys.argv[1], sync='buffered'); "
                        "db.write('m', None, range(100), v=[1.0] * 100)", self.directory / "db")
        self.check_kept(100)

    def test_exit_amid_daemon_threads(self):
        for _ in range(3):
            self.good_child("""
import sys, threading, varve
db = varve.open(sys.argv[1], sync="none")
begun = threading.Barrier(5)
def work():
    begun.wait()
    i = 0
    while True:
        i += 1
        try:
            db.write("n", {"t": threading.current_thread().name}, i, v=1.0)
            for block in db.query("n"): len(block)
        except (varve.ClosedError, varve.CancelledError):
            return
for _ in range(4): threading.Thread(target=work, daemon=True).start()
begun.wait()
db.write("m", None, 1, v=1.0)
""", self.directory / "db")
        self.check_kept(1)

    def test_exit_with_answers_blocks_and_cycles(self):
        self.good_child("""
import sys, varve
db = varve.open(sys.argv[1])
db.write("m", None, range(5000), v=[1.0] * 5000)
result = iter(db.query("m")); block = next(result); column = block["v"]; view = memoryview(column)
class Cycle: pass
cycle = Cycle(); cycle.self = cycle; cycle.things = [db, result, block, view, db.batch()]
sys.modules["varve"].keep = cycle
""", self.directory / "db")
        self.check_kept(5000)

    @needs("pyarrow")
    def test_exit_with_a_stream(self):
        self.good_child("""
import sys, varve, pyarrow
db = varve.open(sys.argv[1])
db.write("m", None, range(5000), v=[1.0] * 5000)
reader = pyarrow.RecordBatchReader.from_stream(db.query("m")); batch = reader.read_next_batch()
""", self.directory / "db")
        self.check_kept(5000)

    def test_a_killed_process_loses_nothing_that_was_answered(self):
        done = self.child("import os, sys, varve; db = varve.open(sys.argv[1]); db.write('m', None, 1, v=1); "
                          "os.kill(os.getpid(), 9)", self.directory / "db")
        self.assertEqual(-9, done.returncode)
        self.check_kept(1)


class Signals(Case):
    def test_an_interrupt_ends_a_long_question(self):
        # The handler runs when work_check looks for signals; without it the sum would go on to its end.
        out = self.good_child("""
import os, signal, threading, varve
db = varve.open()
count = 400_000
for host in range(5):
    db.write("m", {"h": str(host)}, range(count), v=[float(i * 7919 % 1013) for i in range(count)])
told = []
def progress(done, total):
    told.append(done)
    if len(told) == 1:
        os.kill(os.getpid(), signal.SIGINT)
try:
    while True:
        told.clear()
        db.query("m", where=("v", ">", -1.0), progress=progress).to_dict()
except KeyboardInterrupt:
    print("interrupted")
print(db.query("m", fields="v", agg="count", by=()).to_rows())
db.close()
""")
        self.assertEqual("interrupted\n[(2000000,)]\n", out)

    def test_an_interrupt_ends_maintenance_and_leaves_the_database_whole(self):
        out = self.good_child("""
import os, signal, sys, varve
db = varve.open(sys.argv[1])
db.write("m", None, range(100000), v=[0.5] * 100000)
try:
    db.verify(progress=lambda done, total: os.kill(os.getpid(), signal.SIGINT))
except KeyboardInterrupt:
    print("interrupted")
print(db.verify().rows)
db.close()
""", self.directory / "db")
        self.assertEqual("interrupted\n100000\n", out)


class Leaks(Case):
    def check(self, work):
        """After a warm-up, more rounds leave no more objects and blocks of memory behind. Caches of the
        interpreter take some now and then; one leak a round would be 300 of them, each time."""
        def measure():
            for _ in range(3):
                gc.collect()
            return len(gc.get_objects()), sys.getallocatedblocks()

        for _ in range(100):
            work()
        grown = []
        for _ in range(3):
            before = measure()
            for _ in range(300):
                work()
            after = measure()
            grown.append((after[0] - before[0], after[1] - before[1]))
        self.assertLess(min(objects for objects, _ in grown), 60, grown)
        self.assertLess(min(blocks for _, blocks in grown), 100, grown)

    def test_writes_leave_nothing(self):
        db = self.memory()
        labels, values = {"host": "a" * 50}, [float(i) for i in range(20)]

        def work():
            db.write("m", labels, 1, v=1.5, s="text" * 9, n=None)
            db.write("m", labels, range(20), v=values, s=["x"] * 20)
            db.write_rows([("m", labels, 2, {"v": 2.5})], skip_rejected=True)
            with db.batch() as batch:
                batch.write("m", labels, [1], v=[1.0])
                batch.delete("other")
            db.batch().write("m", labels, [1], v=[1.0])

        self.check(work)

    def test_answers_leave_nothing(self):
        db = self.memory()
        db.write("m", {"host": "a"}, range(3000), v=[0.5] * 3000, s=["x"] * 3000)

        def work():
            db.query("m").to_dict()
            result = iter(db.query("m"))
            block = next(result)
            block["v"].missing(), memoryview(block["v"]), block["host"][0], block.times[0]
            db.query("m").__arrow_c_stream__()
            db.query("m", fields="v", agg=["max", "p50"], every=100).to_rows()
            db.series(), db.labels("host"), db.fields(), db.stats(), db.health(), db.rollups()

        self.check(work)

    def test_failures_leave_nothing(self):
        db = self.memory()
        db.write("m", None, 1, v=1.5)

        def work():
            for call in (lambda: db.write("m", None, 1, v="x"), lambda: db.write("m", {"a": 1}, 1, v=1.5),
                         lambda: db.write("m", {"a": "b"}, [1], v=[1, "x"]), lambda: db.write("m", None, [1, 2], v=[1]),
                         lambda: db.write_rows([("m", None, 1, {"v": 1.0}), 5]), lambda: db.query("{{"),
                         lambda: db.query(["m", 5]), lambda: db.query("m", where=("v", ">", object())),
                         lambda: varve.open("\0"), lambda: varve.open(None, nothing=1), lambda: db.delete("m", "x"),
                         lambda: db.write("m", {f"l{i}": "x" for i in range(30)} | {"z": 1}, 1, v=1)):
                try:
                    call()
                except (TypeError, ValueError):
                    pass
                else:
                    raise AssertionError("no exception")

        self.check(work)

    def test_opening_leaves_nothing(self):
        def work():
            with varve.open() as db:
                db.write("m", None, 1, v=1)
                next(iter(db.query("m")))

        self.check(work)

    def test_references_are_given_back(self):
        db = self.memory()
        metric, name, value, field, text, blob = "".join("metric"), "".join(["na", "me"]), "".join(["val", "ue"]), "".join(
            ["fi", "eld"]), "".join(["te", "xt"]), bytes(bytearray(b"blob"))
        labels, times, texts, select = {name: value}, [1, 2], [text, None], (metric, {name: value})
        watched = (metric, name, value, field, text, blob, labels, times, texts, select)

        def work():
            db.write(metric, labels, 1, {field: text, "b": blob})
            db.write(metric, labels, times, {field: texts, "b": [blob, blob]})
            db.write_rows([(metric, labels, 1, {field: text})])
            with db.batch() as batch:
                batch.write(metric, labels, times, {field: texts, "b": [blob, blob]})
                batch.delete(select)
            db.query(select, fields=field, where=[(field, "=", text)], labels=[name]).to_rows()
            db.query([select, metric], fields=field, agg="last", by=name).to_dict()
            db.series(select), db.labels(name, select=select), db.last(select).to_rows()
            for wrong in (lambda: db.write(metric, labels, times, {field: [text]}), lambda: db.write(metric, {name: 1}, 1, v=1),
                          lambda: db.query([select, 5]), lambda: batch.write(metric, labels, times, {field: text})):
                try:
                    wrong()
                except (TypeError, ValueError):
                    pass

        work()
        gc.collect()
        before = [sys.getrefcount(each) for each in watched]
        for _ in range(50):
            work()
        gc.collect()
        after = [sys.getrefcount(each) for each in watched]
        self.assertLess(max(new - old for old, new in zip(before, after)), 10, (before, after))

    @needs("numpy")
    def test_arrays_are_let_go(self):
        db = self.memory()
        times, values = numpy.arange(5000), numpy.arange(5000.0)
        watched = weakref.ref(values)
        before = sys.getrefcount(times)
        db.write("m", None, times, v=values)
        self.assertEqual(before, sys.getrefcount(times))
        try:
            db.write("m", None, times[:5], v=values)
        except ValueError:
            pass
        self.assertEqual(before, sys.getrefcount(times))
        del values
        gc.collect()
        self.assertIsNone(watched())

    @needs("pyarrow")
    def test_arrow_memory_is_given_back(self):
        db = self.memory()
        pool = pyarrow.default_memory_pool()

        def work():
            array = pyarrow.array(["a text that is not short"] * 1000)
            db.write("m", None, range(1000), v=array)
            db.query("m").to_arrow()

        work()
        gc.collect()
        before = pool.bytes_allocated()
        for _ in range(20):
            work()
        gc.collect()
        self.assertEqual(before, pool.bytes_allocated())

    def test_objects_are_weakly_referable_and_go(self):
        db = varve.open()
        watched = weakref.ref(db)
        db.close()
        del db
        gc.collect()
        self.assertIsNone(watched())


class Durations(Case):
    def test_a_timeout_is_told(self):
        db = self.memory()
        db.write("m", None, range(1000), v=[0.5] * 1000)
        result = db.query("m", timeout=0.001)
        deadline = time.monotonic() + 0.002
        while time.monotonic() < deadline:
            pass
        with self.assertRaises(varve.TimedOutError):
            result.to_rows()


if __name__ == "__main__":
    unittest.main()
