# SPDX-License-Identifier: Apache-2.0
"""System calls of the real server fail or kill it, one after the other.

A server starts on a directory whose log holds rows (so it recovers), takes batches, and is asked to
stop. failing_calls.c lets the n-th call of one kind, in whichever thread, end in SIGKILL, EIO,
ENOSPC or EINTR. Afterwards, undisturbed: the directory opens, every file verifies, every batch that
was answered is there as a whole, the one under way as a whole or not at all, and nothing else.

VARVE_TEST_PERCENT: 100 is the share of `make test`, four faults at each of the first 300 calls; less
is a sample of them. VARVE_CALL_FIRST=N: at the first N calls, however many there are.
"""

import collections
import concurrent.futures
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

PROGRAM = os.environ.get("VARVE_PROGRAM", "build/varve")
PERCENT = int(os.environ.get("VARVE_TEST_PERCENT", "1"))
STRIDE = 1 if PERCENT >= 100 else 97
LIBRARY = Path(os.environ.get("VARVE_BUILD_DIR", "build")).resolve() / "tests/libfailing_calls.so"
FAULTS = ("SIGKILL", "EIO", "ENOSPC", "EINTR")
FIRST = int(os.environ.get("VARVE_CALL_FIRST", "300"))
# What the C library has for changing files: the program uses those that failing_calls.c stands in for.
CHANGING = set("""creat open open64 __open_2 __open64_2 openat openat64 __openat_2 write writev pwrite pwrite64 pwritev
    pwritev64 pwritev2 fsync fdatasync syncfs sync_file_range rename renameat renameat2 fallocate fallocate64
    posix_fallocate posix_fallocate64 truncate truncate64 ftruncate ftruncate64 link linkat symlink symlinkat unlink
    unlinkat remove mkdir mkdirat rmdir copy_file_range sendfile sendfile64 splice mkstemp msync""".split())
BATCHES = 110
ROWS = 5
PATIENCE_S = 60

Run = collections.namedtuple("Run", "call number fault")


def body(batch):
    return "".join(f'calls b={batch}i,s="{batch}-{row}" {batch * ROWS + row}\n' for row in range(ROWS)).encode()


class Server:
    """One life of a server; `faults` are the settings of failing_calls.c, without VARVE_FAIL_."""

    def __init__(self, data, **faults):
        environment = dict(os.environ)
        if faults:
            environment["LD_PRELOAD"] = str(LIBRARY)
            environment.update({f"VARVE_FAIL_{name}": str(value) for name, value in faults.items()})
        self.process = subprocess.Popen([PROGRAM, "serve", "--data", data, "--listen", "127.0.0.1:0"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=environment)
        late = threading.Timer(PATIENCE_S, self.process.kill)  # one that says nothing has failed
        late.start()
        line = self.process.stdout.readline().decode()
        late.cancel()
        self.port = int(line.rsplit(":", 1)[1]) if line.startswith("listening http http://") else None

    def write(self, first, count):
        """How many batches were answered with success, one after the other."""
        if self.port is None:
            return 0
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            for batch in range(first, first + count):
                link.request("POST", "/write", body(batch))
                answer = link.getresponse()
                answer.read()
                if answer.status != 204:
                    return batch - first
        except (OSError, http.client.HTTPException):
            return batch - first
        finally:
            link.close()
        return count

    def end(self, number):
        """Sends a signal to the server; returns its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.stdout.close()


def symbols(file, which):
    listed = subprocess.run(["nm", "--dynamic", which, file], stdout=subprocess.PIPE, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in listed.stdout.splitlines()}


class Coverage(unittest.TestCase):
    def test_the_program_changes_files_by_calls_that_can_fail(self):
        used = symbols(PROGRAM, "--undefined-only") & CHANGING
        self.assertIn("pwritev", used)
        self.assertEqual(set(), used - symbols(LIBRARY, "--defined-only"))


class SystemCalls(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="varve-calls-")
        self.root = Path(self.directory.name)
        self.template = self.root / "template"
        server = Server(str(self.template))
        self.stored = server.write(0, 3)
        server.end(signal.SIGKILL)  # the log keeps the rows
        self.assertEqual(3, self.stored)

    def tearDown(self):
        self.directory.cleanup()

    def copy(self, name):
        """The template again; a log file is never written again, so its bytes may be shared."""
        target = self.root / name
        for source in self.template.rglob("*"):
            place = target / source.relative_to(self.template)
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                place.mkdir(exist_ok=True)
            elif source.suffix == ".vwl":
                os.link(source, place)
            else:
                shutil.copy(source, place)
        return target

    def count_calls(self):
        """(call, n) in the order in which a run without faults makes them."""
        log = self.root / "reference.log"
        data = self.copy("reference")
        server = Server(str(data), LOG=log)
        self.assertEqual(BATCHES, server.write(self.stored, BATCHES))
        server.end(signal.SIGTERM)
        counts, order = collections.Counter(), []
        for call in log.read_text().split():
            counts[call] += 1
            order.append((call, counts[call]))
        self.check(data, BATCHES, "without a fault")
        shutil.rmtree(data)
        return order

    def check(self, data, answered, what):
        verified = subprocess.run([PROGRAM, "verify", "--data", data], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(0, verified.returncode, f"{what}: {verified.stdout}")
        asked = subprocess.run([PROGRAM, "query", "calls", "--data", data, "--fields", "b,s", "--format", "tsv",
                                "--precision", "ns"], stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=True)
        rows = asked.stdout.splitlines()[1:]
        expected = [f"{row}\t{row // ROWS}\t{row // ROWS}-{row % ROWS}" for row in range(len(rows))]
        self.assertEqual(expected, [row.rstrip("\r") for row in rows], what)
        self.assertEqual(0, len(rows) % ROWS, f"{what}: a part of a batch")
        self.assertIn(len(rows) // ROWS - self.stored, (answered, answered + 1), what)

    def one(self, run):
        what = f"{run.call} number {run.number}, {run.fault}"
        data = self.copy(f"{run.call}-{run.number}-{run.fault}")
        server = Server(str(data), CALL=run.call, FIRST=run.number, WITH=run.fault)
        answered = server.write(self.stored, BATCHES)
        code = server.end(signal.SIGTERM)
        self.check(data, answered, what)
        shutil.rmtree(data)
        return answered < BATCHES or code != 0

    def test_every_failing_call_keeps_what_was_answered(self):
        order = self.count_calls()[:FIRST]
        runs = [Run(call, number, fault) for call, number in order for fault in FAULTS][::STRIDE]
        self.assertGreater(len(runs), 2)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            disturbed = sum(pool.map(self.one, runs))
        print(f"system calls: {len(order)} numbers, {len(runs)} faults, {disturbed} lives cut short")
        self.assertGreater(disturbed, 0)


if __name__ == "__main__":
    unittest.main()
