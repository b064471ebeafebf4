# SPDX-License-Identifier: Apache-2.0
"""System calls of the real server fail or kill it, one after the other.

A server starts on a directory whose log holds rows (so it recovers), takes batches, and is asked to
stop. strace lets the n-th call of one kind, in whichever thread, end in SIGKILL, EIO, ENOSPC or
EINTR. Afterwards, without strace: the directory opens, every file verifies, every batch that was
answered is there as a whole, the one under way as a whole or not at all, and nothing else.

VARVE_TEST_PERCENT: 100 is the share of `make test`, a sample of the first 300 calls;
VARVE_CALL_STRIDE=1 tries every one of them.
"""

import collections
import concurrent.futures
import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = os.environ.get("VARVE_PROGRAM", "build/varve")
PERCENT = int(os.environ.get("VARVE_TEST_PERCENT", "1"))
STRIDE = int(os.environ.get("VARVE_CALL_STRIDE", "5" if PERCENT >= 100 else "97"))
CALLS = ("write", "pwrite64", "pwritev", "fdatasync", "fsync", "rename", "renameat", "renameat2", "openat",
         "fallocate", "unlink", "unlinkat")
FAULTS = ("signal=SIGKILL", "error=EIO", "error=ENOSPC", "error=EINTR")
FIRST = 300
BATCHES = 110
ROWS = 5
PATIENCE_S = 60

Run = collections.namedtuple("Run", "call number fault")


def body(batch):
    return "".join(f'calls b={batch}i,s="{batch}-{row}" {batch * ROWS + row}\n' for row in range(ROWS)).encode()


class Server:
    """One life of a server; `prefix` runs it."""

    def __init__(self, data, prefix=()):
        self.process = subprocess.Popen([*prefix, PROGRAM, "serve", "--data", data, "--listen", "127.0.0.1:0"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        self.is_traced = bool(prefix)
        line = self.process.stdout.readline().decode()
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
        """Sends a signal to the server itself, below strace; returns the exit code."""
        try:
            pid = self.process.pid
            if self.is_traced:
                pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            os.kill(pid, number)
        except (OSError, IndexError):
            pass  # it has ended by itself
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.stdout.close()


def strace_of(*more):
    return ("strace", "-f", "-qq", "--seccomp-bpf", "-e", "signal=none", *more)


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
        server = Server(str(data), strace_of("-o", log, "-e", "trace=" + ",".join("?" + call for call in CALLS)))
        self.assertEqual(BATCHES, server.write(self.stored, BATCHES))
        server.end(signal.SIGTERM)
        counts, order = collections.Counter(), []
        for thread, call in re.findall(r"^(\d+) +(\w+)\(", log.read_text(errors="replace"), re.MULTILINE):
            counts[thread, call] += 1
            if (call, counts[thread, call]) not in order:
                order.append((call, counts[thread, call]))
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
        server = Server(str(data), strace_of("-o", "/dev/null", "-e", f"trace={run.call}", "-e",
                                             f"inject={run.call}:{run.fault}:when={run.number}"))
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
