# SPDX-License-Identifier: Apache-2.0
"""What the tests share: directories of their own, libraries that may be absent, child processes."""

import faulthandler
import importlib
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import varve

CHILD_SECONDS = 60  # a child that takes longer has hung
TEST_SECONDS = 240  # so has a test: it ends the run, with the stacks of all threads


def library(name):
    """A module, or None where it is not installed: tests then say so by skipping."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


numpy = library("numpy")
pandas = library("pandas")
polars = library("polars")
pyarrow = library("pyarrow")
mypy = library("mypy")


def needs(*names):
    absent = [name for name in names if globals()[name] is None]
    return unittest.skipIf(absent, f"not installed: {', '.join(absent)}")


class Case(unittest.TestCase):
    """A test with a directory of its own, and a database in memory."""

    def setUp(self):
        faulthandler.dump_traceback_later(TEST_SECONDS, exit=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        self._directory = tempfile.TemporaryDirectory(prefix="varve-python-")
        self.addCleanup(self._directory.cleanup)
        self.directory = Path(self._directory.name)

    def memory(self, **options):
        db = varve.open(**options)
        self.addCleanup(db.close)
        return db

    def disk(self, name="db", **options):
        db = varve.open(self.directory / name, **options)
        self.addCleanup(db.close)
        return db

    def child(self, text, *arguments, options=("-X", "dev", "-W", "error"), **more):
        """Runs a program in a new interpreter; returns its completed process."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more.pop("env", {})}
        return subprocess.run([sys.executable, *options, "-c", text, *map(str, arguments)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=CHILD_SECONDS, env=environment, check=False,
                              **more)

    def good_child(self, text, *arguments, **more):
        """The same, where it must end well and say nothing on standard error; returns what it printed."""
        done = self.child(text, *arguments, **more)
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
        return done.stdout
