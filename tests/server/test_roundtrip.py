# SPDX-License-Identifier: Apache-2.0
"""Exports that come back: the same rows through every format, in bounded memory, and what is left
when somebody presses Ctrl-C in the middle.

  R1  A database exported and imported again has the digest of the first one (varve verify), through
      each format, from directory to directory; and as a stream from server to server.
  R2  No process that exports or imports, and no server with a memory limit of 192 MiB, holds more
      than RSS_MAX at any time (not looked at under a sanitizer).
  R3  An export that is interrupted has written whole lines or blocks, and says how many rows; an
      import has stored a prefix of the rows, and says how many.

10 million rows are the full size (make roundtrip); VARVE_TEST_PERCENT takes a share of it, one
percent when it is not set. The program is $VARVE_PROGRAM.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.environ.get("VARVE_PROGRAM", "build/varve")
IS_SANITIZED = re.search(r"asan|tsan", os.environ.get("VARVE_BUILD_DIR", "")) is not None
PERCENT = int(os.environ.get("VARVE_TEST_PERCENT", "1"))
HOSTS = 200
ROWS_FULL = 10_000_000
TIMES = max(1, ROWS_FULL * PERCENT // 100 // HOSTS)
RSS_MAX = 256 << 20
START_NS = 1_700_000_000_000_000_000
STEP_NS = 10_000_000_000
FORMATS = {"csv": ".csv", "jsonl": ".jsonl", "lp": ".lp", "native": ".vvs"}
# Enough for every pipe and buffer on the way, so that a writer whose reader waits stands still.
HELD_BYTES = 4 << 20


def lines_of(time_index):
    """One scrape: a row of each host, with a float, an integer, a bool and now and then a text."""
    stamp = START_NS + time_index * STEP_NS
    out = []
    for host in range(HOSTS):
        noise = (time_index * 7919 + host * 104729) * 2654435761 % 4294967296
        text = f',state="s {noise % 5}"' if noise % 7 == 0 else ""
        out.append(f"node,host=h{host},dc=d{host % 3} usage={noise % 10000 / 100},"
                   f"ratio=0.{noise},n={time_index * 3 + noise % 50}i,ok={'tf'[noise % 2]}{text} {stamp}")
    return ("\n".join(out) + "\n").encode()


class Ended:
    """What a process printed, its exit code, and the most memory it held."""

    def __init__(self, process, out, err):
        self.out, self.err = out, err
        self.code = process.returncode
        self.rss = process.rss

    def __str__(self):
        return f"exit code {self.code}, {self.rss >> 20} MiB\n{self.out[-2000:]}\n{self.err[-2000:]}"


class Process(subprocess.Popen):
    """A process of which wait4 tells the memory."""

    rss = 0

    def _try_wait(self, wait_flags):
        try:
            pid, status, usage = os.wait4(self.pid, wait_flags)
        except ChildProcessError:
            return self.pid, 0
        if pid == self.pid:
            self.rss = usage.ru_maxrss * 1024
        return pid, status


def start(*arguments, **more):
    environment = {name: value for name, value in os.environ.items() if name != "VARVE_URL"}
    return Process([PROGRAM, *arguments], env=environment, **more)


def end(process, source=None):
    out, err = process.communicate(source)
    return Ended(process, (out or b"").decode("utf-8", "replace"), (err or b"").decode("utf-8", "replace"))


def run(*arguments):
    return end(start(*arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))


class Server:
    """varve serve on a directory and a free port."""

    def __init__(self, data):
        self.process = start("serve", "--data", data, "--listen", "127.0.0.1:0", "--memory-limit", "192MiB",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().decode().split()[2]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.read()
        self.process.wait()
        self.process.stdout.close()


class RoundTrip(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="varve-roundtrip-")
        cls.base = cls.directory.name
        cls.numbers = itertools.count()
        cls.source = cls.new_path()
        began = time.monotonic()
        feed = start("import", "--data", cls.source, "--format", "lp", "-", stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for index in range(TIMES):
            feed.stdin.write(lines_of(index))
        cls.first = end(feed)
        cls.verified = cls.verify(cls.source)
        print(f"{cls.verified['rows']} rows in {time.monotonic() - began:.1f} s", file=sys.stderr)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    @classmethod
    def new_path(cls, suffix=""):
        return os.path.join(cls.base, f"{next(cls.numbers)}{suffix}")

    @classmethod
    def verify(cls, data):
        found = run("verify", "--data", data, "--json")
        if found.code != 0:
            raise AssertionError(str(found))
        return json.loads(found.out)

    def check(self, ended, code=0):
        self.assertEqual(ended.code, code, str(ended))
        if not IS_SANITIZED:
            self.assertLess(ended.rss, RSS_MAX, str(ended))
        return ended

    def check_same(self, data):
        found = self.verify(data)
        for key in ("rows", "series", "digest"):
            self.assertEqual(found[key], self.verified[key], key)

    def count(self, data):
        """Rows of a directory."""
        return self.verify(data)["rows"]

    def test_data_is_what_was_written(self):
        self.check(self.first)
        self.assertEqual(self.verified["rows"], TIMES * HOSTS)
        self.assertEqual(self.verified["series"], HOSTS)

    def test_every_format_gives_the_same_database(self):
        for name, suffix in FORMATS.items():
            with self.subTest(format=name):
                path, data = self.new_path(suffix), self.new_path()
                began = time.monotonic()
                out = self.check(run("export", "--data", self.source, "--format", name, "-o", path))
                exported = time.monotonic()
                back = self.check(run("import", "--data", data, path))
                print(f"{name}: {os.path.getsize(path)} bytes, export {exported - began:.1f} s "
                      f"{out.rss >> 20} MiB, import {time.monotonic() - exported:.1f} s {back.rss >> 20} MiB",
                      file=sys.stderr)
                self.check_same(data)
                os.remove(path)

    def test_packed_streams_come_back(self):
        for suffix in (".vvs.gz", ".vvs.zst"):
            path, data = self.new_path(suffix), self.new_path()
            self.check(run("export", "--data", self.source, "--format", "native", "-o", path))
            self.check(run("import", "--data", data, path))
            self.check_same(data)

    def test_servers_pass_streams_on(self):
        path, data = self.new_path(".vvs"), self.new_path()
        first = Server(self.source)
        second = Server(data)
        try:
            out = self.check(run("export", "--url", first.url, "-o", path))
            back = self.check(run("import", "--url", second.url, path))
        finally:
            first.stop()
            second.stop()
        for server in (first.process, second.process):
            self.assertTrue(IS_SANITIZED or server.rss < RSS_MAX, f"a server held {server.rss >> 20} MiB")
        print(f"servers: client {out.rss >> 20} and {back.rss >> 20} MiB, server {first.process.rss >> 20} and "
              f"{second.process.rss >> 20} MiB", file=sys.stderr)
        self.check_same(data)

    def interrupt_export(self, name):
        """Start an export into a pipe, read a little, press Ctrl-C, read the rest; (bytes, ended)."""
        process = start("export", "--data", self.source, "--format", name, stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        taken = process.stdout.read(1 << 16)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate()
        return taken + rest, Ended(process, "", err.decode("utf-8", "replace"))

    def test_interrupted_exports_end_with_a_whole_line_or_block(self):
        for name in FORMATS:
            with self.subTest(format=name):
                written, ended = self.interrupt_export(name)
                self.assertEqual(ended.code, 130, str(ended))
                told = int(re.search(r"interrupted: the first (\d+) rows are written", ended.err).group(1))
                self.assertLess(told, TIMES * HOSTS, "the export was not interrupted, but ended")
                path, data = self.new_path(FORMATS[name]), self.new_path()
                with open(path, "wb") as file:
                    file.write(written)
                back = run("import", "--data", data, path)
                if name == "native":  # a stream without its end says so
                    self.assertEqual(back.code, 1, str(back))
                    self.assertIn(f"{told} rows before it are whole", back.err)
                else:
                    self.assertEqual(back.code, 0, str(back))
                self.assertEqual(self.count(data), told)

    def interrupt_import(self, name, content):
        data = self.new_path()
        process = start("import", "--data", data, "--format", name, "-", stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # Most of it is read when the signal comes; its own end would be told otherwise.
        process.stdin.write(content)
        process.send_signal(signal.SIGINT)
        return data, end(process)

    def test_interrupted_imports_leave_a_prefix(self):
        for name, suffix in FORMATS.items():
            with self.subTest(format=name):
                path = self.new_path(suffix)
                self.check(run("export", "--data", self.source, "--format", name, "-o", path))
                with open(path, "rb") as file:
                    content = file.read(HELD_BYTES * 8)
                content = content[:max(len(content) * 3 // 4, 1)]
                data, ended = self.interrupt_import(name, content)
                self.assertEqual(ended.code, 130, str(ended))
                told = int(re.search(r"are stored, (\d+) rows", ended.err).group(1))
                self.assertGreater(told, 0)
                self.assertLess(told, TIMES * HOSTS)
                self.assertEqual(self.count(data), told)
                self.check_prefix(data, told)

    def check_prefix(self, data, rows):
        """The rows of a directory are the first ones of an export of the source."""
        wanted = start("export", "--data", self.source, "--format", "lp", stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        found = start("export", "--data", data, "--format", "lp", stdin=subprocess.DEVNULL,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        count = 0
        for line in found.stdout:
            self.assertEqual(line, wanted.stdout.readline())
            count += 1
        found.stdout.close()
        wanted.stdout.close()
        found.wait()
        wanted.wait()
        self.assertEqual(count, rows)


if __name__ == "__main__":
    unittest.main()
