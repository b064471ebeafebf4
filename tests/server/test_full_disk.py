# SPDX-License-Identifier: Apache-2.0
"""The program on a disk that is full, and on one that fails: what it answers, and that it heals or ends."""

import http.client
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(os.environ.get("VARVE_PROGRAM", "build/varve"))
LIBRARY = os.path.abspath(os.path.join(os.environ.get("VARVE_BUILD_DIR", "build"), "tests/libfailing_calls.so"))
PATIENCE_S = 60
MOUNT = 'mount -t tmpfs -o size=64m,mode=0700 varve-test "$0" && exec "$@"'


def namespace():
    """How to run a command in a mount namespace of its own; None where the system allows none."""
    for way in (["unshare", "-m"], ["unshare", "-r", "-m"]):
        with tempfile.TemporaryDirectory() as directory:
            try:
                done = subprocess.run([*way, "sh", "-c", MOUNT, directory, "true"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            except FileNotFoundError:
                return None
            if done.returncode == 0:
                return way
    return None


class Server:
    """A server, started by some other command, and one connection to it."""

    def __init__(self, before, data, *flags, **faults):
        environment = dict(os.environ)
        if faults:  # the settings of failing_calls.c, which comes before any sanitizer
            environment.update({f"VARVE_FAIL_{name}": str(value) for name, value in faults.items()},
                               LD_PRELOAD=LIBRARY, ASAN_OPTIONS="verify_asan_link_order=0")
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*before, PROGRAM, "serve", "--data", data, "--listen", "127.0.0.1:0", *flags],
            stdout=subprocess.PIPE, stderr=self.log, env=environment)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening http http://"):
            self.log.seek(0)
            raise RuntimeError(f"no server: {line!r} {self.log.read()!r}")
        self.link = http.client.HTTPConnection("127.0.0.1", int(line.rsplit(":", 1)[1]), timeout=PATIENCE_S)

    def ask(self, method, path, body=None):
        self.link.request(method, path, body)
        answer = self.link.getresponse()
        return answer.status, answer.read().decode()

    def write(self, first, rows=64):
        """One batch of rows of 4000 bytes that nothing makes smaller."""
        lines = [f'full,k={n % 4} v="{os.urandom(2000).hex()}" {n + 1}' for n in range(first, first + rows)]
        return self.ask("POST", "/write", "\n".join(lines))

    def figure(self, name):
        for line in self.ask("GET", "/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)

    def rows(self):
        code, text = self.ask("GET", "/api/v1/export?match[]=full&limit=1000000")
        assert code == 200, text
        return sum(len(json.loads(line)["timestamps"]) for line in text.splitlines())

    def events(self):
        self.log.seek(0)
        return self.log.read().decode()

    def end(self):
        self.link.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        return code


class FullDisk(unittest.TestCase):
    def test_rows_are_refused_with_the_reason_until_there_is_space(self):
        way = namespace()
        if way is None:
            print("SKIPPED: no file system can be mounted here; test-engine-space has a simulated one", flush=True)
            self.skipTest("no mount namespace")
        with tempfile.TemporaryDirectory() as directory:
            server = Server([*way, "sh", "-c", MOUNT, directory], os.path.join(directory, "data"))
            try:
                self.fill_and_heal(server, directory)
            finally:
                code = server.end()
                events = server.events()
                server.log.close()
            self.assertEqual(0, code, events)
            self.assertIn("nospace", events)

    def fill_and_heal(self, server, directory):
        # Somebody else takes most of the disk; seen from here it lies below the process.
        filler = f"/proc/{server.process.pid}/root{directory}/filler"
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 30 * 1024 * 1024)
        stored = 0
        code, text = server.write(stored)
        while code == 204:
            stored += 64
            self.assertLess(stored, 100000)
            code, text = server.write(stored)
        self.assertEqual(503, code, text)
        self.assertRegex(text, "min_free_bytes is 4194304|no space left")
        code, text = server.ask("GET", "/ready")
        self.assertEqual((503, "nospace"), (code, text.split(":")[0]))
        self.assertEqual(2, server.figure("varve_health"))
        self.assertEqual(stored, server.rows())  # reads go on
        os.unlink(filler)
        deadline = time.monotonic() + PATIENCE_S
        while code != 204 and time.monotonic() < deadline:
            code, text = server.write(stored)
        self.assertEqual(204, code, text)
        self.assertEqual((200, "ready\n"), server.ask("GET", "/ready"))
        self.assertEqual(0, server.figure("varve_health"))
        self.assertEqual(stored + 64, server.figure("varve_rows_written_total"))


class FailingDisk(unittest.TestCase):
    # The first syncs are those of opening; one of the writes below meets the first that fails.
    FAILING = {"CALL": "fdatasync", "FIRST": 20, "LAST": 1000000, "WITH": "EIO"}

    def serve_until_a_sync_fails(self, *flags):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        server = Server([], os.path.join(self.directory.name, "data"), *flags, **self.FAILING)
        self.addCleanup(server.log.close)
        stored = 0
        code = 204
        while code == 204:
            self.assertLess(stored, 40)
            code, text = server.write(stored, 1)
            stored += 1
        self.assertEqual(500, code, text)
        self.assertIn("unknown", text)
        return server, stored - 1

    def test_it_ends_so_that_a_supervisor_starts_it_anew(self):
        server, stored = self.serve_until_a_sync_fails()
        self.assertEqual(1, server.process.wait(PATIENCE_S), server.events())
        self.assertIn("health.changed", server.events())
        self.assertIn("serve.write_failed", server.events())
        server.end()
        again = Server([], os.path.join(self.directory.name, "data"))
        self.assertEqual((200, "ready\n"), again.ask("GET", "/ready"))
        self.assertIn(again.rows(), (stored, stored + 1))
        self.assertEqual(204, again.write(1000, 1)[0])
        self.assertEqual(0, again.end(), again.events())
        again.log.close()

    def test_or_it_serves_what_it_has(self):
        server, stored = self.serve_until_a_sync_fails("--on-io-error", "readonly")
        code, text = server.ask("GET", "/ready")
        self.assertEqual((503, "write_failed"), (code, text.split(":")[0]))
        self.assertEqual(3, server.figure("varve_health"))
        code, text = server.write(500, 1)
        self.assertEqual(503, code, text)
        self.assertEqual(stored, server.rows())
        self.assertIsNone(server.process.poll())
        self.assertEqual(1, server.end(), server.events())


if __name__ == "__main__":
    unittest.main()
