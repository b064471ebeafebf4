# SPDX-License-Identifier: Apache-2.0
"""Runs the program for tests: a directory with known rows, and a server on it."""

import os
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("VARVE_PROGRAM", str(ROOT / "build/varve"))

ROWS = """\
cpu,host=web1 usage=1.5,note="a b" 1767323045000000000
cpu,host=web1 usage=2.5 1767323105000000000
cpu,host=web2,dc=x usage=7.25,idle=5i 1767323105000000000
mem value=1i 1767323045000000000
"""


class Commands(unittest.TestCase):
    """A class of tests with one directory and one server; both hold ROWS."""

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.data = f"{cls.place.name}/data"
        cls.environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        for name in ("VARVE_URL", "VARVE_DATA", "NO_COLOR", "COLUMNS"):
            cls.environment.pop(name, None)
        done = subprocess.run([PROGRAM, "write", "--data", cls.data], input=ROWS, text=True, check=True,
                              env=cls.environment)
        assert done.returncode == 0
        cls.server = subprocess.Popen([PROGRAM, "serve", "--data", cls.data, "--listen", "127.0.0.1:0"], text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=cls.environment)
        cls.url = cls.server.stdout.readline().split()[-1]

    @classmethod
    def tearDownClass(cls):
        cls.server.send_signal(signal.SIGTERM)
        cls.server.wait(timeout=60)
        cls.server.stdout.close()
        cls.place.cleanup()

    def run_bare(self, *arguments, stdin="", environment=None):
        """As given: no place of the data is added."""
        return subprocess.run([PROGRAM, *arguments], input=stdin, text=True, encoding="utf-8", capture_output=True,
                              timeout=60, check=False, cwd=self.place.name,
                              env={**self.environment, **(environment or {})})

    def run_varve(self, *arguments, on="data", **more):
        """On the directory, or on="url": on the server."""
        return self.run_bare(*arguments, f"--{on}", self.data if on == "data" else self.url, **more)

    def output(self, *arguments, **more):
        """What a command prints that must succeed, in silence on standard error."""
        done = self.run_varve(*arguments, **more)
        self.assertEqual((0, ""), (done.returncode, done.stderr), arguments)
        return done.stdout

    def assert_same(self, *arguments):
        """Directory and server answer alike; returns the answer."""
        expected = self.output(*arguments)
        self.assertEqual(expected, self.output(*arguments, on="url"), arguments)
        return expected
